//! `skeys due` against the simulated cloud and real kubeconfig files.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use skeys::testing::cli::{DueFormat, Flags, Places, due, load};

use crate::support::{Cloud, PROJECT};

const CLUSTERS: &str = r#"
[[projects.clusters]]
name = "alpha"
initiated_ago = "40d"
completed_ago = "39d"
pools = [{ name = "web", nodes = 3, image_expires = "2026-12-01T00:00:00Z" }]

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
    let mut variables: BTreeMap<&str, String> = cloud.exports.clone();
    variables.insert("SKEYS_PROJECTS", projects.to_owned());
    variables.insert("SKEYS_REGIONS", "eu01".to_owned());
    variables.insert("SKEYS_OVERDUE_RULES", "*-prod=90d".to_owned());
    let environment = |name: &str| variables.get(name).cloned();
    let places = Places {
        environment: &environment,
        default_file: Some("/no/such/file".into()),
        home: Some(home.to_owned()),
    };
    let loaded = load(&Flags::default(), &places).unwrap();
    let machine = (cloud.clock.clone(), None);
    let output = due::run(&loaded, &places, DueFormat::Json, machine).await.unwrap();
    (serde_json::from_str(&output.out).unwrap(), output.err, output.status)
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
        ("old-prod", "kubernetes_version_expires"),
        ("alpha", "os_image_expires"),
    ];
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
