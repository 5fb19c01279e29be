//! Resolving a cluster by name.

use skeys::testing::cli::Goal;
use skeys::testing::simulator::faults::{Fault, FaultEffect};

use crate::support::{Cloud, OTHER, PROJECT, WaitCommand, command};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cli_05_a_name_in_two_projects_and_regions_is_refused_with_candidates() {
    let cloud = Cloud::begin().await;
    let regions = || vec!["eu01", "eu02"];
    let mut wait =
        cloud.wait(WaitCommand { regions: regions(), ..command("twin", Goal::Prepared) });
    assert_eq!(wait.end(&cloud, 0).await, 1);
    let said = wait.err.text();
    assert!(
        said.contains(&format!(
            "3 clusters are named twin: {PROJECT}/eu01/twin, {PROJECT}/eu02/twin, {OTHER}/eu01/twin."
        )) && said.contains("Select one with --project, --region or both, or"),
        "{said}"
    );
    assert_eq!(wait.out.text(), "");
    // One flag narrows it to one region or one project; then only the other one is left to specify.
    let mut wait = cloud.wait(command("twin", Goal::Prepared));
    assert_eq!(wait.end(&cloud, 0).await, 1);
    let said = wait.err.text();
    assert!(said.contains(&format!("{PROJECT}/eu01/twin, {OTHER}/eu01/twin")), "{said}");
    assert!(said.contains("Select one with --project, or"), "{said}");
    let projects = Some(vec![PROJECT.to_owned()]);
    let narrow = WaitCommand { projects, regions: regions(), ..command("twin", Goal::Prepared) };
    let mut wait = cloud.wait(narrow);
    assert_eq!(wait.end(&cloud, 0).await, 1);
    let said = wait.err.text();
    assert!(said.contains(&format!("{PROJECT}/eu01/twin, {PROJECT}/eu02/twin")), "{said}");
    assert!(said.contains("Select one with --region, or"), "{said}");
    // Both, or the full address.
    let projects = Some(vec![OTHER.to_owned()]);
    let mut wait = cloud.wait(WaitCommand { projects, ..command("twin", Goal::Prepared) });
    assert_eq!(wait.end(&cloud, 0).await, 0, "{}", wait.all());
    let address = format!("{PROJECT}/eu02/twin");
    let mut wait = cloud.wait(command(&address, Goal::Prepared));
    assert_eq!(wait.end(&cloud, 0).await, 0, "{}", wait.all());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_name_fails_immediately_with_similar_names() {
    let cloud = Cloud::begin().await;
    let mut wait = cloud.wait(command("alpa", Goal::Prepared));
    assert_eq!(wait.end(&cloud, 0).await, 1);
    assert_eq!(
        wait.err.text(),
        "skeys: no cluster is named alpa in 2 projects (eu01); similar: alpha\n"
    );
    let address = format!("{PROJECT}/eu01/alpa");
    let mut wait = cloud.wait(command(&address, Goal::Prepared));
    assert_eq!(wait.end(&cloud, 10).await, 1);
    assert!(
        wait.err.text().contains(&format!("{PROJECT}/eu01/alpa not found: ")),
        "{}",
        wait.all()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_match_from_an_earlier_round_is_read_again() {
    let cloud = Cloud::begin().await;
    cloud.simulator.inject_fault(Fault::new("GET", "/regions/eu02/", None, FaultEffect::Drop {}));
    let regions = vec!["eu01", "eu02"];
    let mut wait = cloud.wait(WaitCommand { regions, ..command("bravo", Goal::Prepared) });
    wait.pass(&cloud, 120).await;
    assert!(!wait.out.text().contains("PREPARED"), "it is, but another may have the name");
    cloud.put("bravo", "PREPARING");
    cloud.simulator.clear_faults();
    wait.until(&cloud, "bravo PREPARING", 120).await;
    cloud.put("bravo", "PREPARED");
    assert_eq!(wait.end(&cloud, 120).await, 0, "{}", wait.all());
    assert!(!wait.all().contains("already"), "{}", wait.all());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cli_05_the_search_waits_for_a_region_that_cannot_be_listed() {
    let cloud = Cloud::begin().await;
    let regions = || vec!["eu01", "eu02"];
    cloud.simulator.inject_fault(Fault::new("GET", "/regions/eu02/", None, FaultEffect::Drop {}));
    let mut wait =
        cloud.wait(WaitCommand { regions: regions(), ..command("alpha", Goal::Completed) });
    wait.pass(&cloud, 600).await;
    let lines = wait.out.lines();
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(lines[0].contains("Z alpha - (SKE reads failing since 2026-11-24T14:00:00Z: "));
    cloud.simulator.clear_faults();
    assert_eq!(wait.end(&cloud, 60).await, 0, "{}", wait.all());
    let lines = wait.out.lines();
    assert_eq!(lines.len(), 3, "{lines:#?}");
    assert!(lines[1].ends_with("(SKE reads succeed again after 10m)"), "{lines:#?}");
    assert!(lines[2].contains("alpha COMPLETED (already reached; "), "{lines:#?}");
    let listed = |region: &str| {
        let log = cloud.simulator.request_log();
        log.iter().filter(|call| call.path.contains(region)).count()
    };
    // Two lists, for two projects, and the one in which the cluster was found earlier.
    assert_eq!(listed("/regions/eu01/clusters"), 3, "what answered is not asked again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api_01_api_02_api_03_scopes_without_ske_or_permission_do_not_stop_the_search() {
    let cloud = Cloud::begin().await;
    let body = r#"{"code":"PermissionDenied","message":"no","details":""}"#;
    cloud.simulator.inject_fault(Fault::new("GET", OTHER, None, FaultEffect::answer(403, body)));
    let with_unknown_region =
        || WaitCommand { regions: vec!["eu01", "eu99"], ..command("bravo", Goal::Prepared) };
    let mut wait = cloud.wait(with_unknown_region());
    assert_eq!(wait.end(&cloud, 0).await, 0, "{}", wait.all());
    let said = wait.err.text();
    assert!(said.contains("another bravo may exist"), "{said}");
    assert!(said.contains(&format!("project {OTHER} in eu01")), "{said}");
    assert!(said.contains("ske.cluster.list"), "{said}");
    cloud.simulator.clear_faults();
    let body = r#"{"code":"NotFound","message":"not found","details":""}"#;
    cloud.simulator.inject_fault(Fault::new("GET", OTHER, None, FaultEffect::answer(404, body)));
    let mut wait = cloud.wait(with_unknown_region());
    assert_eq!(wait.end(&cloud, 0).await, 0, "{}", wait.all());
    assert_eq!(wait.err.text(), "");
}
