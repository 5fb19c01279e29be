//! Kubeconfigs as people have them, from a folder of cases: kubectl reads the same before and after a merge.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use skeys::testing::domain::cluster::ClusterId;
use skeys::testing::domain::kubeconfig::{
    ClusterIdentity, KubeconfigKind, MergeOptions, MergeQuery, ParsedKubeconfig, merge, survey,
};
use skeys::testing::domain::secret::Secret;

const FRESH: &str = "clusters: [{name: k, cluster: {server: 'https://api.alpha.0a1b2c3d4e.s.ske.eu01.onstackit.cloud', certificate-authority-data: TkVX}}]\n\
    contexts: [{name: c, context: {cluster: k, user: u}}]\n\
    users: [{name: u, user: {client-certificate-data: TkVX, client-key-data: TkVX}}]\n";

/// What kubectl makes of a file; `None` where it refuses.
fn kubectl(path: &Path) -> Option<Value> {
    let arguments = ["config", "view", "--raw", "-o", "json", "--kubeconfig"];
    let output = Command::new("kubectl").args(arguments).arg(path).output().unwrap();
    output.status.success().then(|| serde_json::from_slice(&output.stdout).unwrap())
}

/// Entries of other names, by list and name, and everything that is no entry.
fn foreign(config: &Value, context: &str) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    for (key, value) in config.as_object().unwrap() {
        match key.as_str() {
            "clusters" | "contexts" | "users" => {
                for entry in value.as_array().into_iter().flatten() {
                    let name = entry["name"].as_str().unwrap_or_default();
                    if name != context {
                        found.insert(format!("{key}/{name}"), entry.clone());
                    }
                }
            }
            "current-context" => {}
            _ => drop(found.insert(key.clone(), value.clone())),
        }
    }
    found
}

#[test]
fn file_19_file_24_kubectl_reads_the_same_of_every_case_before_and_after() {
    let Some(folder) = std::env::var_os("SKEYS_KUBECONFIG_CASES") else { return };
    let fresh = ParsedKubeconfig::read(KubeconfigKind::Admin, &Secret::new(FRESH.into())).unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let out = scratch.path().join("config");
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).unwrap().flatten().map(|e| e.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|end| end == "yaml"));
    paths.sort();
    assert!(!paths.is_empty());
    let (mut kept, mut refused) = (0, Vec::new());
    for path in paths {
        let shown = path.file_name().unwrap().to_string_lossy().into_owned();
        let Ok(text) = std::fs::read_to_string(&path) else {
            refused.push(format!("{shown}: not UTF-8"));
            continue;
        };
        let before = kubectl(&path);
        // Each is merged under a new name, and under every name that has entries.
        let mut names = vec!["skeys-new".to_owned()];
        for list in ["clusters", "contexts", "users"] {
            let entries = before.iter().filter_map(|config| config[list].as_array()).flatten();
            names.extend(entries.filter_map(|entry| Some(entry["name"].as_str()?.to_owned())));
        }
        for (name, make_current) in names.iter().flat_map(|name| [(name, false), (name, true)]) {
            let known = ClusterIdentity::Address(ClusterId::new("p", "eu01", "alpha"));
            let kind = KubeconfigKind::Admin;
            let query = MergeQuery { context: name.clone(), known, kind, make_current };
            let options = MergeOptions {
                context: name.clone(),
                make_current,
                replace: true,
                replace_another: true,
            };
            let told = survey(&text, &query);
            let merged = match merge(&text, &fresh, &options) {
                Ok(merged) => merged,
                Err(refusal) => {
                    let told = told.expect_err(&format!(
                        "{shown}, {name}: known only afterwards: {refusal:?}"
                    ));
                    assert!(told.message.starts_with("line "), "{shown}, {name}: {told}");
                    refused.push(format!("{shown}, {name}: {}", told.message));
                    continue;
                }
            };
            let before = before.as_ref().unwrap_or_else(|| panic!("{shown}: kubectl refuses it"));
            std::fs::write(&out, merged.text.expose()).unwrap();
            let after = kubectl(&out)
                .unwrap_or_else(|| panic!("{shown}, {name}: kubectl refuses the result"));
            assert_eq!(foreign(before, name), foreign(&after, name), "{shown}, {name}");
            let user =
                after["users"].as_array().unwrap().iter().find(|user| user["name"] == json!(name));
            assert_eq!(user.unwrap()["user"]["client-key-data"], "TkVX", "{shown}, {name}");
            let is_current = make_current || text.trim().is_empty();
            let expected = if is_current { json!(name) } else { before["current-context"].clone() };
            assert_eq!(after["current-context"], expected, "{shown}, {name}");
            kept += 1;
        }
    }
    println!("{kept} merges read the same; refused before:\n{}", refused.join("\n"));
}
