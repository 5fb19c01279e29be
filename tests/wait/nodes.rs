//! Nodes are observed while they are replaced, and only then.

use skeys::testing::cli::Goal;
use skeys::testing::simulator::faults::{Fault, FaultEffect};
use skeys::testing::simulator::rules::ClusterOperation;

use crate::support::{Cloud, SCENE, WaitCommand, command, id};

fn observing(cluster: &str) -> WaitCommand<'_> {
    WaitCommand { variable: None, ..command(cluster, Goal::Prepared) }
}

fn kubeconfigs(cloud: &Cloud) -> usize {
    let log = cloud.simulator.request_log();
    log.iter().filter(|c| c.method == "POST" && c.path.ends_with("/kubeconfig")).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_change_of_progress_prints_one_line() {
    let cloud = Cloud::with(SCENE, 2.0).await;
    cloud.step("alpha", ClusterOperation::StartRotation);
    let mut wait = cloud.wait(observing("alpha"));
    assert_eq!(wait.end(&cloud, 3_600).await, 0, "{}", wait.all());
    let lines = wait.out.lines();
    let rests: Vec<&str> = lines.iter().map(|line| line.split_once(' ').unwrap().1).collect();
    assert_eq!(rests[0], "alpha PREPARING");
    assert!(
        rests.iter().any(|line| line.starts_with("alpha PREPARING 3 of 3 nodes left to replace, "))
    );
    let figures = rests.iter().filter(|line| line.contains(" of 3 nodes left to replace")).count();
    assert!(figures >= 3, "{lines:#?}");
    assert!(rests.windows(2).all(|pair| pair[0] != pair[1]), "{lines:#?}");
    assert!(lines.len() < 20, "{lines:#?}");
    assert!(
        rests.last().unwrap().starts_with("alpha PREPARED all 3 nodes replaced (started 2026-")
    );
    // The last request to SKE reads the cluster; requests of the observer may still be in flight.
    let log = cloud.simulator.request_log();
    let last = log.iter().rev().find(|call| !call.path.starts_with("/kubernetes/")).unwrap();
    assert_eq!((last.method.as_str(), last.path.ends_with("/clusters/alpha")), ("GET", true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn time_while_suspended_is_not_a_stall() {
    let cloud = Cloud::with(SCENE, 4.0).await;
    cloud.step("alpha", ClusterOperation::StartRotation);
    let mut wait = cloud.wait(observing("alpha"));
    wait.until(&cloud, "PREPARING 1 of ", 1_200).await;
    wait.stride = 7_200;
    wait.pass(&cloud, 7_200).await;
    wait.stride = 1;
    assert_eq!(wait.end(&cloud, 3_600).await, 0, "{}", wait.all());
    assert!(!wait.out.text().contains("stalled"), "{}", wait.all());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_suspend_observing_restarts() {
    let cloud = Cloud::begin().await;
    let mut wait = cloud.wait(observing("delta"));
    wait.until(&cloud, "1 node blocked; PDB payments/api", 600).await;
    // The current one would be renewed after two thirds of its ten minutes; then there is a fresh one.
    let first = kubeconfigs(&cloud);
    for _ in 0..450 {
        if kubeconfigs(&cloud) > first {
            break;
        }
        wait.pass(&cloud, 1).await;
    }
    let renewed = kubeconfigs(&cloud);
    wait.stride = 120;
    wait.pass(&cloud, 120).await;
    wait.stride = 1;
    wait.pass(&cloud, 60).await;
    assert!(kubeconfigs(&cloud) > renewed, "{}", wait.all());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blocker_is_logged_and_the_wait_continues() {
    let cloud = Cloud::begin().await;
    let mut wait = cloud.wait(WaitCommand { timeout: Some(1_800), ..observing("delta") });
    wait.until(&cloud, "1 node blocked; PDB payments/api", 600).await;
    let lines = wait.out.lines();
    assert!(lines.last().unwrap().contains("PDB payments/api"), "{lines:#?}");
    assert_eq!(wait.end(&cloud, 1_800).await, 124, "{}", wait.all());
    let said = wait.err.text();
    assert!(said.contains("skeys: timed out after 30m: delta is PREPARING, "), "{said}");
    assert!(said.contains("1 node blocked; the rotation continues without skeys"), "{said}");
    let lines = wait.out.lines();
    assert!(lines.iter().any(|line| line.contains("SKE reports SKE_NODE_MISCONFIGURED_PDB")));
    assert!(lines.len() < 12, "time alone makes no line: {lines:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unavailable_nodes_are_logged_once_and_reads_continue() {
    let cloud = Cloud::with(SCENE, 4.0).await;
    cloud.simulator.inject_fault(Fault::for_cluster(
        "alpha",
        "",
        FaultEffect::Unreachable { hang: false },
    ));
    cloud.step("alpha", ClusterOperation::StartRotation);
    let mut wait = cloud.wait(observing("alpha"));
    assert_eq!(wait.end(&cloud, 3_600).await, 0, "{}", wait.all());
    let lines = wait.out.lines();
    assert_eq!(lines.len(), 3, "{lines:#?}");
    assert!(lines[1].contains("alpha PREPARING (cannot read nodes: "), "{lines:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn k8s_26_what_is_forbidden_is_said_once() {
    for (path, what) in [
        ("/apis/policy/v1/poddisruptionbudgets", "cannot read poddisruptionbudgets: "),
        ("/api/v1/pods", "cannot read pods: "),
        ("/api/v1/nodes", "cannot read nodes: "),
    ] {
        let cloud = Cloud::with(SCENE, 4.0).await;
        cloud.simulator.inject_fault(Fault::for_cluster("alpha", path, FaultEffect::Forbid {}));
        cloud.step("alpha", ClusterOperation::StartRotation);
        let mut wait = cloud.wait(observing("alpha"));
        assert_eq!(wait.end(&cloud, 3_600).await, 0, "{}", wait.all());
        let lines = wait.out.lines();
        let said = lines.iter().filter(|line| line.contains(what));
        assert_eq!(said.count(), 1, "{path}: {lines:#?}");
        let follows = if path.ends_with("nodes") { "not visible" } else { "cannot be detected" };
        assert!(wait.out.text().contains(follows), "{lines:#?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_permission_no_kubeconfig_is_requested() {
    for (variable, why) in [
        (("SKEYS_READ_ONLY", "true"), "read-only"),
        (("SKEYS_KUBERNETES_WATCH", "never"), "watch is never"),
    ] {
        let cloud = Cloud::with(SCENE, 10.0).await;
        cloud.step("alpha", ClusterOperation::StartRotation);
        let variable = Some(variable);
        let mut wait = cloud.wait(WaitCommand { variable, ..command("alpha", Goal::Prepared) });
        assert_eq!(wait.end(&cloud, 1_200).await, 0, "{}", wait.all());
        assert!(wait.out.lines()[0].contains(why), "{}", wait.all());
        assert!(cloud.simulator.request_log().iter().all(|call| call.method == "GET"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_preparing_clusters_without_static_tokens_are_observed() {
    for (cluster, goal) in
        [("legacy", Goal::Prepared), ("alpha", Goal::Prepared), ("bravo", Goal::Completed)]
    {
        let cloud = Cloud::begin().await;
        let wait = cloud.wait(WaitCommand { goal, ..observing(cluster) });
        wait.pass(&cloud, 120).await;
        assert_eq!(kubeconfigs(&cloud), 0, "{cluster}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn observing_ends_with_the_roll() {
    let cloud = Cloud::with(SCENE, 10.0).await;
    cloud.step("alpha", ClusterOperation::StartRotation);
    let wait = cloud.wait(WaitCommand { goal: Goal::Completed, ..observing("alpha") });
    wait.until(&cloud, "alpha PREPARED", 1_800).await;
    let asked = kubeconfigs(&cloud);
    assert!(asked > 0);
    for _ in 0..200 {
        if cloud.simulator.open_watches() == 0 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(cloud.simulator.open_watches(), 0);
    wait.pass(&cloud, 900).await;
    assert_eq!(kubeconfigs(&cloud), asked);
    assert_eq!(
        cloud.simulator.with_cloud(|w| w.cluster(&id("alpha")).unwrap().phase.clone()),
        "PREPARED"
    );
}
