//! `skeys doctor` against the simulated cloud.

use std::collections::BTreeMap;
use std::path::Path;

use skeys::testing::cli::doctor::{Subject, run};
use skeys::testing::cli::{ConfigSources, Flags, load};
use skeys::testing::simulator::faults::{Fault, FaultEffect};

use crate::support::{Cloud, PROJECT};

const CLUSTERS: &str = "[[projects.clusters]]\nname = \"alpha\"\ninitiated_ago = \"40d\"\n\
    completed_ago = \"39d\"\n";

/// The report with these variables in addition to the cloud's, and the exit status.
async fn report(
    cloud: &Cloud,
    home: &Path,
    more: &[(&'static str, &str)],
    online: bool,
) -> (String, u8) {
    let mut variables: BTreeMap<&str, String> = cloud.exports.clone();
    variables.insert("LANG", "C.UTF-8".to_owned());
    variables.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
    let environment = |name: &str| variables.get(name).cloned();
    let sources = ConfigSources {
        environment: &environment,
        default_file: None,
        home: Some(home.to_owned()),
    };
    let subject = Subject {
        file: Some(home.join("config.toml")),
        loaded: load(&Flags::default(), &sources),
        log_problem: None,
        terminal_problem: None,
        state_folder: Some(home.join("state")),
        online,
    };
    run(subject, &sources, &cloud.clock).await
}

/// The report lines about `name`.
fn about<'a>(report: &'a str, name: &str) -> Vec<&'a str> {
    report
        .lines()
        .filter(|line| line.chars().skip(2).collect::<String>().starts_with(name))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_that_works_has_nothing_to_fix_and_the_report_holds_no_secret() {
    let cloud = Cloud::with(CLUSTERS).await;
    let home = tempfile::tempdir().unwrap();
    let token = cloud.exports["STACKIT_ACCESS_TOKEN"].clone();
    let variables = [
        ("SKEYS_PROJECTS", PROJECT),
        ("SKEYS_REGIONS", "eu01"),
        ("HTTPS_PROXY", "http://ops:hunter2@proxy.example:3128"),
        ("NO_PROXY", "127.0.0.1"),
    ];
    let (report, status) = report(&cloud, home.path(), &variables, true).await;
    assert_eq!(status, 0, "{report}");
    assert!(report.ends_with("\nnothing to fix\n"), "{report}");
    assert!(
        about(&report, "SKE API")[0].ends_with("1 cluster in 1 project and region"),
        "{report}"
    );
    assert!(about(&report, "token  ")[0].contains("demo@simulator (STACKIT_ACCESS_TOKEN), until"));
    assert!(about(&report, "clock")[0].starts_with('✓'), "{report}");
    assert!(about(&report, "proxy")[0].contains("HTTPS_PROXY=http://…@proxy.example:3128"));
    for secret in [token.as_str(), "hunter2"] {
        assert!(!report.contains(secret), "{report}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_fault_is_one_line_with_what_to_do_and_offline_asks_nobody() {
    let cloud = Cloud::with(CLUSTERS).await;
    let home = tempfile::tempdir().unwrap();
    let unknown = "11111111-2222-3333-4444-555555555555";
    let (online, status) = report(
        &cloud,
        home.path(),
        &[("SKEYS_PROJECTS", unknown), ("SKEYS_REGIONS", "eu01,eu09")],
        true,
    )
    .await;
    assert!(about(&online, "SKE API").iter().any(|line| line.contains(unknown)), "{online}");
    assert_eq!(status, 1, "{online}");
    let wrong_token = [("STACKIT_ACCESS_TOKEN", "a\nb"), ("SKEYS_PROJECTS", PROJECT)];
    let (broken, status) = report(&cloud, home.path(), &wrong_token, true).await;
    assert_eq!(status, 1, "{broken}");
    let source = about(&broken, "token source");
    assert!(source.iter().any(|line| line.starts_with('✗')), "{broken}");
    let none = [("STACKIT_ACCESS_TOKEN", ""), ("SKEYS_POLL_IDLE", "soon")];
    let (invalid, status) = report(&cloud, home.path(), &none, true).await;
    assert_eq!(status, 1, "{invalid}");
    let said = about(&invalid, "configuration");
    assert!(said.len() == 1 && said[0].contains("SKEYS_POLL_IDLE"), "it was not read: {invalid}");
    let (offline, status) = report(
        &cloud,
        home.path(),
        &[("SKEYS_PROJECTS", PROJECT), ("STACKIT_SKE_CUSTOM_ENDPOINT", "https://ske.example.test")],
        false,
    )
    .await;
    assert_eq!((status, about(&offline, "SKE API").len()), (0, 0), "{offline}");
    std::fs::write(home.path().join("state"), "").unwrap();
    let (offline, status) =
        report(&cloud, home.path(), &[("SKEYS_PROJECTS", PROJECT)], false).await;
    assert_eq!(status, 1, "{offline}");
    assert!(about(&offline, "state folder")[0].contains("state cannot be written: "), "{offline}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_could_not_be_listed_in_full_is_to_fix() {
    let cloud = Cloud::with(CLUSTERS).await;
    let home = tempfile::tempdir().unwrap();
    let variables = [("SKEYS_PROJECTS", PROJECT), ("SKEYS_REGIONS", "eu01")];
    let partial = FaultEffect::answer(200, r#"{"items":[{"name":"alpha"},{"name":7},{}]}"#);
    cloud.simulator.inject_fault(Fault::new("GET", "/clusters", None, partial));
    let (partial, status) = report(&cloud, home.path(), &variables, true).await;
    let unread =
        format!("✗ SKE API        {PROJECT} in eu01: 2 clusters in the answer could not be read");
    assert!(about(&partial, "SKE API").contains(&unread.as_str()), "{partial}");
    assert_eq!(status, 1, "{partial}");
    cloud.simulator.clear_faults();
    let none = FaultEffect::answer(200, r#"{"items":[]}"#);
    cloud.simulator.inject_fault(Fault::new("GET", "/permissions", None, none));
    let discovered = [("STACKIT_PROJECT_ID", ""), ("SKEYS_REGIONS", "eu01")];
    let (nowhere, status) = report(&cloud, home.path(), &discovered, true).await;
    let projects = about(&nowhere, "projects");
    assert!(
        projects.iter().any(|line| line.contains("may not list clusters in any project")),
        "{nowhere}"
    );
    assert_eq!(status, 1, "{nowhere}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn equal_faults_that_are_not_named_are_faults_too() {
    let cloud = Cloud::with(CLUSTERS).await;
    let home = tempfile::tempdir().unwrap();
    let variables = [("SKEYS_PROJECTS", PROJECT), ("SKEYS_REGIONS", "eu01,eu02,eu03,eu04,eu05")];
    let out = FaultEffect::answer(500, r#"{"code":"Internal","message":"broken"}"#);
    cloud.simulator.inject_fault(Fault::new("GET", "/clusters", None, out));
    let (report, _) = report(&cloud, home.path(), &variables, true).await;
    let said = about(&report, "SKE API");
    assert_eq!(said.last(), Some(&"✗ SKE API        and 2 more"), "{report}");
}
