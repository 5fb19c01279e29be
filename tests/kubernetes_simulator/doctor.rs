//! `skeys doctor` against the simulated cloud.

use std::collections::BTreeMap;
use std::path::Path;

use skeys::testing::cli::doctor::{Order, run};
use skeys::testing::cli::{Flags, Places, load};

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
    let places =
        Places { environment: &environment, default_file: None, home: Some(home.to_owned()) };
    let order = Order {
        file: Some(home.join("config.toml")),
        loaded: load(&Flags::default(), &places),
        terminal_problem: None,
        state_folder: Some(home.join("state")),
        online,
    };
    run(order, &places, &cloud.clock).await
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
    assert!(about(&invalid, "configuration").iter().any(|line| line.contains("SKEYS_POLL_IDLE")));
    let (offline, status) = report(
        &cloud,
        home.path(),
        &[("SKEYS_PROJECTS", PROJECT), ("STACKIT_SKE_CUSTOM_ENDPOINT", "https://ske.example.test")],
        false,
    )
    .await;
    assert_eq!((status, about(&offline, "SKE API").len()), (0, 0), "{offline}");
}
