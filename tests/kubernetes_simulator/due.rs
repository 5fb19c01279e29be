//! `skeys due` against the simulated cloud and real kubeconfig files.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use skeys::testing::cli::{ConfigSources, DueFormat, Flags, due, load};
use skeys::testing::domain::failure::Failure;
use skeys::testing::simulator::faults::{Fault, FaultEffect};

use crate::support::{Cloud, PROJECT};

const CLUSTERS: &str = r#"
[[projects.clusters]]
name = "alpha"
initiated_ago = "40d"
completed_ago = "39d"
pools = [
  { name = "web", nodes = 3, image_expires = "2026-12-01T00:00:00Z" },
  { name = "gpu", nodes = 1, kubernetes = "1.31.9", kubernetes_expires = "2026-10-01T00:00:00Z" },
]

[[projects.clusters]]
name = "bravo"
phase = "PREPARED"
initiated_ago = "5h"
completed_ago = "120d"

[[projects.clusters]]
name = "old-prod"
initiated_ago = "100d"
completed_ago = "99d"
expires_in_days = 12

[[projects.clusters]]
name = "young"
phase = "NEVER"
age = "3d"
"#;

/// The output for these projects, and the exit status.
async fn due_of(cloud: &Cloud, home: &Path, projects: &str) -> (Value, String, u8) {
    let configuration = format!("projects = {:?}", projects.split(',').collect::<Vec<_>>());
    let (out, err, status) = due_with(cloud, home, &configuration).await.unwrap();
    (serde_json::from_str(&out).unwrap(), err, status)
}

/// The same with a configuration file, in one region unless that says another.
async fn due_with(
    cloud: &Cloud,
    home: &Path,
    configuration: &str,
) -> Result<(String, String, u8), Failure> {
    let file = home.join("config.toml");
    let region = if configuration.contains("regions") { "" } else { "regions = [\"eu01\"]" };
    std::fs::write(&file, format!("{configuration}\n{region}\n")).unwrap();
    let mut variables: BTreeMap<&str, String> = cloud.exports.clone();
    variables.insert("SKEYS_OVERDUE_RULES", "*-prod=90d".to_owned());
    variables.retain(|name, _| !matches!(*name, "STACKIT_PROJECT_ID" | "STACKIT_REGION"));
    let environment = |name: &str| variables.get(name).cloned();
    let sources = ConfigSources {
        environment: &environment,
        default_file: Some(file),
        home: Some(home.to_owned()),
    };
    let loaded = load(&Flags::default(), &sources).unwrap();
    let machine = (cloud.clock.clone(), Some(home.join("state")));
    let output = due::run(&loaded, &sources, DueFormat::Json, machine).await?;
    Ok((output.out, output.err, output.status))
}

fn reasons(report: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let due = report["due"].as_array().unwrap();
    due.iter().map(|entry| (text(&entry["cluster"]), text(&entry["reason"]))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_due_is_listed_and_the_status_says_so() {
    let cloud = Cloud::with(CLUSTERS).await;
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join(".kube")).unwrap();
    let kubeconfig = cloud.kubeconfig("young").await;
    // Without a record of issuing, the SKE address identifies the cluster.
    let server = kubeconfig.lines().find(|line| line.trim().starts_with("server: ")).unwrap();
    let address = "    server: https://api.young.0123456789.s.ske.eu01.onstackit.cloud";
    let kubeconfig = kubeconfig.replace(server, address);
    std::fs::write(home.path().join(".kube/config"), kubeconfig).unwrap();
    let (report, err, status) = due_of(&cloud, home.path(), PROJECT).await;
    let expected = [
        ("bravo", "prepared"),
        ("old-prod", "overdue"),
        ("young", "kubeconfig_expires"),
        ("alpha", "kubernetes_version_expires"),
        ("old-prod", "kubernetes_version_expires"),
        ("alpha", "os_image_expires"),
    ];
    let of_pool = &report["due"].as_array().unwrap()[3];
    assert_eq!(of_pool["subject"], "1.31.9 of pool gpu", "{report:#}");
    let expected: Vec<_> = expected.map(|(a, b)| (a.to_owned(), b.to_owned())).into();
    assert_eq!(reasons(&report), expected, "{report:#}");
    assert_eq!((status, err.as_str()), (3, ""));

    let unknown = "00000000-0000-0000-0000-000000000000";
    let (partial, err, status) = due_of(&cloud, home.path(), &format!("{PROJECT},{unknown}")).await;
    assert_eq!(reasons(&partial), expected, "what could be listed is printed");
    assert_eq!(partial["not_listed"][0]["project"], unknown);
    assert!(err.contains(&format!("not listed: project {unknown}, region eu01: ")), "{err}");
    assert_eq!(status, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_nothing_could_be_listed_nothing_is_said_to_be_due() {
    let cloud = Cloud::with(CLUSTERS).await;
    let home = tempfile::tempdir().unwrap();
    let failed = async |configuration: &str| {
        due_with(&cloud, home.path(), configuration).await.unwrap_err().to_string()
    };
    let text = failed(&format!("regions = []\nprojects = [\"{PROJECT}\"]")).await;
    assert!(text.starts_with("no region is configured. Set regions: --region"), "{text}");
    let (_, _, status) = due_with(&cloud, home.path(), "").await.unwrap();
    assert_eq!(status, 3, "the projects of the account");
    let none = FaultEffect::answer(200, r#"{"items":[]}"#);
    cloud.simulator.inject_fault(Fault::new("GET", "/permissions", None, none));
    let text = failed("").await;
    assert!(text.starts_with("the account may not list clusters in any project. "), "{text}");
    assert!(text.contains("ske.cluster.list"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn file_14_what_is_not_used_of_the_configuration_is_said_and_nothing_more() {
    let cloud = Cloud::with(CLUSTERS).await;
    let home = tempfile::tempdir().unwrap();
    let mac = cfg!(target_os = "macos");
    let folder = if mac { "Library/Application Support/stackit" } else { ".config/stackit" };
    let folder = home.path().join(folder);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("cli-profile.txt"), "gone").unwrap();
    let (_, err, status) = due_of(&cloud, home.path(), PROJECT).await;
    assert_eq!(status, 3, "{err}");
    let said =
        "skeys: The configuration of the stackit CLI is not used: its profile gone has no file";
    assert!(err.starts_with(said), "{err}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn file_28_what_others_could_have_recorded_is_not_used() {
    let cloud = Cloud::with(CLUSTERS).await;
    let home = tempfile::tempdir().unwrap();
    let state = home.path().join("state");
    std::fs::create_dir(&state).unwrap();
    std::fs::set_permissions(&state, std::fs::Permissions::from_mode(0o777)).unwrap();
    let (_, err, status) = due_of(&cloud, home.path(), PROJECT).await;
    assert_eq!(status, 3, "{err}");
    assert!(err.contains("is writable by everyone (mode 0777). Set its mode to 0700"), "{err}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api_09_a_short_pause_that_ske_asks_for_is_kept_and_a_long_one_is_said() {
    let cloud = Cloud::with(CLUSTERS).await;
    let home = tempfile::tempdir().unwrap();
    for (pause, expected, said) in [("7", 3, ""), ("3600", 1, "slow down (HTTP 429)")] {
        let limited = FaultEffect::Answer {
            status: 429,
            body: r#"{"code":"ResourceExhausted","message":"slow down"}"#.to_owned(),
            retry_after: Some(pause.to_owned()),
            content_type: "application/json".to_owned(),
        };
        cloud.simulator.inject_fault(Fault::new("GET", "/clusters", Some(1), limited));
        let turning = async {
            loop {
                cloud.clock.turn(Duration::from_millis(100));
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let (_, err, status) = tokio::select! {
            due = due_of(&cloud, home.path(), PROJECT) => due,
            () = turning => unreachable!(),
        };
        assert_eq!(status, expected, "{err}");
        assert!(err.contains(said), "{err}");
    }
}
