//! The phase is reached, was already reached, or cannot be reached.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use jiff::SignedDuration;
use skeys::testing::Clock;
use skeys::testing::cli::Goal;
use skeys::testing::domain::rotation::Step;
use skeys::testing::simulator::faults::{Fault, FaultEffect};
use skeys::testing::simulator::rules::ClusterOperation;

use crate::support::{Cloud, WaitCommand, command, id};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wait_for_prepared_ends_when_prepared() {
    let cloud = Cloud::with(crate::support::SCENE, 10.0).await;
    cloud.order("alpha", Step::Start).await;
    let mut wait = cloud.wait(command("alpha", Goal::Prepared));
    assert_eq!(wait.end(&cloud, 1_200).await, 0, "{}", wait.all());
    let lines = wait.out.lines();
    assert_eq!(
        lines[0],
        "2026-11-24T14:00:00Z alpha PREPARING (nodes not observed: kubernetes.watch is never)"
    );
    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert!(lines[1].contains("Z alpha PREPARED (started 2026-11-24T14:00:00Z; waited "));
    assert_eq!(wait.err.text(), "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wait_for_completed_passes_all_phases() {
    let cloud = Cloud::begin().await;
    let mut wait = cloud.wait(command("bravo", Goal::Completed));
    wait.stride = 5;
    wait.pass(&cloud, 3_600).await;
    let lines = wait.out.lines();
    assert_eq!(
        lines,
        ["2026-11-24T14:00:00Z bravo PREPARED (waiting for someone to complete the rotation)"]
    );
    // While the user must act, SKE is polled rarely.
    let asked = cloud.calls("GET");
    assert!((100..160).contains(&asked), "{asked} reads in an hour");
    cloud.order("bravo", Step::Complete).await;
    assert_eq!(wait.end(&cloud, 900).await, 0, "{}", wait.all());
    let lines = wait.out.lines();
    assert_eq!(lines.len(), 3, "{lines:#?}");
    assert!(lines[1].ends_with(" bravo COMPLETING"), "{lines:#?}");
    assert!(lines[2].contains(" bravo COMPLETED (started 2026-11-24T09:00:00Z; completed 2026-11"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_phase_that_is_already_reached_ends_the_wait() {
    let cloud = Cloud::begin().await;
    for (cluster, goal) in [("bravo", Goal::Prepared), ("alpha", Goal::Completed)] {
        let mut wait = cloud.wait(command(cluster, goal));
        assert_eq!(wait.end(&cloud, 0).await, 0, "{}", wait.all());
        assert!(wait.out.text().contains("already reached"), "{}", wait.all());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api_11_stale_reads_for_three_minutes_after_a_start_do_not_end_the_wait() {
    for cluster in ["alpha", "legacy"] {
        let cloud = Cloud::with(crate::support::SCENE, 10.0).await;
        let stale = FaultEffect::Stale { milliseconds: 180_000 };
        cloud.simulator.inject_fault(Fault::new("POST", "start-credentials-rotation", None, stale));
        cloud.order(cluster, Step::Start).await;
        let mut wait = cloud.wait(command(cluster, Goal::Prepared));
        wait.pass(&cloud, 179).await;
        let lines = wait.out.lines();
        assert_eq!(lines.len(), 1, "{lines:#?}");
        assert!(lines[0].contains("(no rotation in progress; "), "{lines:#?}");
        assert_eq!(wait.end(&cloud, 1_200).await, 0, "{}", wait.all());
        assert_eq!(cloud.calls("POST"), 1, "nothing is sent by the wait");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api_11_completed_of_the_rotation_before_an_accepted_start_does_not_end_the_wait() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = Cloud::with(crate::support::SCENE, 10.0).await;
    let wait_for_completed = || WaitCommand {
        state: Some(folder.path().to_owned()),
        ..command("alpha", Goal::Completed)
    };
    // No start is known.
    let mut wait = cloud.wait(wait_for_completed());
    assert_eq!(wait.end(&cloud, 0).await, 0, "{}", wait.all());
    assert_eq!(wait.err.text(), "");
    let stale = FaultEffect::Stale { milliseconds: 180_000 };
    cloud.simulator.inject_fault(Fault::new("POST", "start-credentials-rotation", None, stale));
    record_start(&cloud, folder.path());
    cloud.order("alpha", Step::Start).await;
    let mut wait = cloud.wait(wait_for_completed());
    wait.pass(&cloud, 170).await;
    assert!(!wait.is_over(), "{}", wait.all());
    assert!(wait.out.text().contains("COMPLETED (no rotation in progress; "), "{}", wait.all());
    wait.stride = 5;
    wait.pass(&cloud, 1_800).await;
    assert!(wait.out.text().contains(" alpha PREPARED"), "{}", wait.all());
    cloud.order("alpha", Step::Complete).await;
    assert_eq!(wait.end(&cloud, 900).await, 0, "{}", wait.all());
    let last = wait.out.lines().pop().unwrap();
    assert!(last.contains(" alpha COMPLETED (started 2026-11-24T14:00:"), "{last}");
    // It is over, also for a wait that starts now, although nobody recorded that.
    let mut wait = cloud.wait(wait_for_completed());
    assert_eq!(wait.end(&cloud, 0).await, 0, "{}", wait.all());
    assert!(
        wait.out.text().contains("already reached; started 2026-11-24T14:00:"),
        "{}",
        wait.all()
    );
}

/// Adds an accepted start of alpha to the journal.
fn record_start(cloud: &Cloud, folder: &Path) {
    let line = |outcome: &str| {
        format!(
            "{{\"at\":\"{}\",\"who\":\"ops\",\"project\":\"{}\",\"region\":\"eu01\",\"cluster\":\"alpha\",\
             \"step\":\"start\",\"request\":\"1-r3\",\"outcome\":\"{outcome}\",\"text\":\"start\"}}\n",
            cloud.clock.now(),
            id("alpha").project(),
        )
    };
    std::fs::write(folder.join("journal.jsonl"), line("intended") + &line("done")).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn file_28_a_start_that_others_could_have_recorded_is_none() {
    let cloud = Cloud::begin().await;
    let folder = tempfile::tempdir().unwrap();
    record_start(&cloud, folder.path());
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let state = Some(folder.path().to_owned());
    let mut wait = cloud.wait(WaitCommand { state, ..command("alpha", Goal::Completed) });
    assert_eq!(wait.end(&cloud, 0).await, 0, "{}", wait.all());
    assert!(wait.err.text().contains("is writable by everyone"), "{}", wait.err.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn time_01_an_earlier_completion_does_not_end_the_wait_where_the_clock_is_behind() {
    let mut cloud = Cloud::begin().await;
    let now = cloud.clock.now();
    cloud.clock = Clock::manual(now - SignedDuration::from_hours(24 * 365));
    let folder = tempfile::tempdir().unwrap();
    record_start(&cloud, folder.path());
    let state = Some(folder.path().to_owned());
    let wait = cloud.wait(WaitCommand { state, ..command("alpha", Goal::Completed) });
    wait.pass(&cloud, 10).await;
    assert!(!wait.is_over(), "{}", wait.all());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_start_the_wait_fails_after_five_minutes() {
    let cloud = Cloud::begin().await;
    let mut wait = cloud.wait(command("alpha", Goal::Prepared));
    wait.pass(&cloud, 299).await;
    assert!(!wait.is_over());
    assert_eq!(wait.end(&cloud, 10).await, 1, "{}", wait.all());
    assert!(wait.err.text().contains("SKE has shown no start for 5m"), "{}", wait.all());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_past_prepared_between_two_reads_counts_with_a_remark() {
    let cloud = Cloud::begin().await;
    cloud.step("alpha", ClusterOperation::StartRotation);
    let mut wait = cloud.wait(command("alpha", Goal::Prepared));
    wait.settle(&cloud).await;
    cloud.put("alpha", "PREPARED");
    cloud.step("alpha", ClusterOperation::CompleteRotation);
    assert_eq!(wait.end(&cloud, 10).await, 0, "{}", wait.all());
    let last = wait.out.lines().pop().unwrap();
    assert!(last.contains(" alpha COMPLETING (passed PREPARED; started 2026-"), "{last}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api_07_an_unknown_phase_is_printed_and_the_wait_continues() {
    let cloud = Cloud::begin().await;
    cloud.simulator.inject_fault(Fault::new(
        "GET",
        "/clusters",
        None,
        FaultEffect::UnknownValues {},
    ));
    let mut wait = cloud.wait(command("bravo", Goal::Prepared));
    wait.pass(&cloud, 600).await;
    let lines = wait.out.lines();
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(
        lines[0].contains(
            " bravo WAITING_FOR_WORKERS_ROLLOUT (phase unknown to skeys; waiting for another; \
             SKE reports SKE_BRAND_NEW: a code that nobody knows yet)"
        ),
        "{lines:#?}"
    );
    cloud.simulator.clear_faults();
    assert_eq!(wait.end(&cloud, 30).await, 0, "{}", wait.all());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_by_its_full_address_needs_no_list() {
    let cloud = Cloud::begin().await;
    let address = format!("{}/eu02/twin", crate::support::PROJECT);
    let mut wait =
        cloud.wait(WaitCommand { regions: Vec::new(), ..command(&address, Goal::Prepared) });
    assert_eq!(wait.end(&cloud, 0).await, 0, "{}", wait.all());
    let log = cloud.simulator.request_log();
    assert_eq!(log.len(), 1);
    assert!(log[0].path.ends_with("/regions/eu02/clusters/twin"), "{}", log[0].path);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api_17_a_deleted_cluster_is_reported_and_ends_the_wait() {
    let cloud = Cloud::begin().await;
    let mut wait = cloud.wait(command("delta", Goal::Prepared));
    wait.pass(&cloud, 10).await;
    cloud.simulator.with_cloud(|cloud| cloud.delete(&id("delta")));
    wait.pass(&cloud, 25).await;
    assert!(!wait.is_over(), "{}", wait.all());
    assert_eq!(wait.end(&cloud, 20).await, 1, "{}", wait.all());
    let said = wait.err.text();
    assert!(
        said.contains("eu01/delta is no longer listed") && said.contains("phase PREPARING"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api_18_a_recreated_cluster_ends_the_wait() {
    let cloud = Cloud::begin().await;
    let mut wait = cloud.wait(command("delta", Goal::Prepared));
    wait.pass(&cloud, 10).await;
    let now = cloud.clock.now();
    cloud.simulator.with_cloud(|cloud| cloud.recreate(&id("delta"), now));
    assert_eq!(wait.end(&cloud, 10).await, 1, "{}", wait.all());
    assert!(wait.err.text().contains("recreated at 2026-11-24T14:00:1"), "{}", wait.all());
}
