//! Kubeconfigs as people have them, from a folder of cases: kubectl reads the same before and after a merge.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use skeys::testing::Clock;
use skeys::testing::domain::cluster::ClusterId;
use skeys::testing::domain::kubeconfig::{
    ClusterIdentity, FileTarget, KubeconfigKind, MergeOptions, MergeQuery, NotSaved,
    ParsedKubeconfig, merge, survey,
};
use skeys::testing::domain::secret::Secret;
use skeys::testing::store::kubeconfigs::Kubeconfigs;
use skeys::testing::store::private_file::unobserved;

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

/// The cases of the folder, by name.
fn cases() -> Option<Vec<(String, PathBuf)>> {
    let folder = std::env::var_os("SKEYS_KUBECONFIG_CASES")?;
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).unwrap().flatten().map(|e| e.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|end| end == "yaml"));
    paths.sort();
    assert!(!paths.is_empty());
    let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
    Some(paths.into_iter().map(|path| (name(&path), path)).collect())
}

#[test]
fn file_19_file_24_kubectl_reads_the_same_of_every_case_before_and_after() {
    let Some(cases) = cases() else { return };
    let fresh = ParsedKubeconfig::read(KubeconfigKind::Admin, &Secret::new(FRESH.into())).unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let out = scratch.path().join("config");
    let (mut kept, mut refused) = (0, Vec::new());
    for (shown, path) in cases {
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
            let query =
                MergeQuery { context: name.clone(), known, kind, make_current, in_place: false };
            let options = MergeOptions {
                context: name.clone(),
                make_current,
                replace: true,
                replace_another: true,
                in_place: false,
            };
            let told = survey(&text, &query, None);
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
            std::fs::write(&out, merged.expose()).unwrap();
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

/// What SKE issues: everything else in an entry is the person's own.
const ISSUED: [&str; 13] = [
    "auth-provider",
    "certificate-authority",
    "certificate-authority-data",
    "client-certificate",
    "client-certificate-data",
    "client-key",
    "client-key-data",
    "exec",
    "insecure-skip-tls-verify",
    "password",
    "token",
    "tokenFile",
    "username",
];

/// What a kubeconfig holds without what SKE issues for one cluster and one user.
fn without_issued(mut config: Value, cluster: &str, user: &str) -> Value {
    for (list, entry, name) in [("clusters", "cluster", cluster), ("users", "user", user)] {
        for item in config[list].as_array_mut().unwrap() {
            if item["name"] == json!(name)
                && let Some(fields) = item[entry].as_object_mut()
            {
                fields.retain(|key, _| !ISSUED.contains(&key.as_str()));
            }
        }
    }
    config
}

#[test]
fn file_22_a_renewal_in_every_case_keeps_everything_but_what_ske_issues() {
    let Some(cases) = cases() else { return };
    let scratch = tempfile::tempdir().unwrap();
    let out = scratch.path().join("config");
    let (mut renewed, mut refused) = (0, Vec::new());
    for (shown, path) in cases {
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        let Some(before) = kubectl(&path) else { continue };
        let named = |list: &str, name: &Value| {
            let entries = before[list].as_array().into_iter().flatten();
            entries.into_iter().find(|entry| entry["name"] == *name).cloned()
        };
        for context in before["contexts"].as_array().into_iter().flatten() {
            let (cluster, user) = (&context["context"]["cluster"], &context["context"]["user"]);
            let Some(server) = named("clusters", cluster)
                .filter(|_| named("users", user).is_some())
                .and_then(|entry| Some(entry["cluster"]["server"].as_str()?.to_owned()))
            else {
                continue;
            };
            // SKE issues for the server that is there, if it is one that it can have.
            let issued =
                FRESH.replace("https://api.alpha.0a1b2c3d4e.s.ske.eu01.onstackit.cloud", &server);
            let kind = KubeconfigKind::Admin;
            let Ok(fresh) = ParsedKubeconfig::read(kind, &Secret::new(issued)) else { continue };
            let (name, in_place) = (context["name"].as_str().unwrap().to_owned(), true);
            let known = ClusterIdentity::Server(server.clone());
            let query =
                MergeQuery { context: name.clone(), known, kind, make_current: false, in_place };
            let options = MergeOptions {
                context: name.clone(),
                make_current: false,
                replace: true,
                replace_another: false,
                in_place,
            };
            let told = survey(&text, &query, None);
            let merged = match merge(&text, &fresh, &options) {
                Ok(merged) => merged,
                Err(refusal) => {
                    let told = told.expect_err(&format!("{shown}, {name}: {refusal:?}"));
                    refused.push(format!("{shown}, {name}: {}", told.message));
                    continue;
                }
            };
            let changes = told.unwrap().changes;
            let said = format!("{changes:?}");
            assert!(!changes.is_empty(), "{shown}, {name}");
            for secret in ["TkVX", "QUJD", "t0k3n"] {
                assert!(!said.contains(secret), "{shown}, {name}: {said}");
            }
            let merged = merged.expose();
            std::fs::write(&out, merged).unwrap();
            let after = kubectl(&out).unwrap_or_else(|| panic!("{shown}, {name}: refused"));
            let names = (cluster.as_str().unwrap(), user.as_str().unwrap());
            assert_eq!(
                without_issued(before.clone(), names.0, names.1),
                without_issued(after.clone(), names.0, names.1),
                "{shown}, {name}"
            );
            let new = after["users"].as_array().unwrap().iter().find(|e| e["name"] == *user);
            assert_eq!(new.unwrap()["user"]["client-key-data"], "TkVX", "{shown}, {name}");
            // A comment goes only with a credential that it is a part of, and that is shown before.
            let comments = |text: &str| -> Vec<String> {
                let lines = text.split(['\n', '\r']).map(str::trim);
                lines.filter(|line| line.starts_with('#')).map(ToOwned::to_owned).collect()
            };
            let (old, new) = (comments(&text), comments(merged));
            let removed = changes.iter().filter(|line| !line.is_added);
            let removed = removed.filter(|line| line.text.trim().starts_with('#')).count();
            assert_eq!(old.len(), new.len() + removed, "{shown}, {name}: {new:?}");
            assert!(new.iter().all(|comment| old.contains(comment)), "{shown}, {name}: {new:?}");
            renewed += 1;
        }
    }
    println!("{renewed} renewals keep the rest; refused before:\n{}", refused.join("\n"));
    assert!(renewed > 20, "{renewed}");
}

/// How often each of two writers writes.
const ROUNDS: usize = 12;

/// Runs kubectl until it gets its lock.
fn kubectl_writes(config: &Path, arguments: &[&str]) {
    loop {
        let output = Command::new("kubectl")
            .args(["config", "--kubeconfig"])
            .arg(config)
            .args(arguments)
            .output()
            .unwrap();
        if output.status.success() {
            return;
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(".lock: file exists"), "{said}");
    }
}

#[test]
fn file_03_kubectl_and_renewals_at_the_same_time_lose_nothing_of_each_other() {
    if cases().is_none() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let config = home.path().join(".kube/config");
    std::fs::create_dir_all(config.parent().unwrap()).unwrap();
    let own = FRESH.replace("user: u}", "user: u, namespace: web}").replace("TkVX", "T0xE");
    std::fs::write(&config, own).unwrap();
    let files = Kubeconfigs::new(Some(home.path().to_owned()), None, Clock::machine());
    let renew = |round: usize| {
        let issued = FRESH.replace("TkVX", &format!("TkVX{round:04}"));
        let kind = KubeconfigKind::Admin;
        let fresh = ParsedKubeconfig::read(kind, &Secret::new(issued)).unwrap();
        let (target, in_place) = (FileTarget::MergeInto("~/.kube/config".to_owned()), true);
        let known = ClusterIdentity::Server(fresh.server().to_owned());
        let query = MergeQuery { context: "c".into(), known, kind, make_current: false, in_place };
        let options = MergeOptions {
            context: "c".into(),
            make_current: false,
            replace: true,
            replace_another: false,
            in_place,
        };
        loop {
            // Where kubectl is writing, there is no file to read, or half of one.
            let Ok(plan) = files.plan(&target, &query) else { continue };
            match files.save(
                &target,
                &fresh,
                &options,
                plan.fingerprint.as_deref(),
                (false, &unobserved),
            ) {
                Ok(attempt) => {
                    if attempt.into_result().is_ok() {
                        return;
                    }
                }
                Err(NotSaved::Changed(_)) => {}
                Err(NotSaved::Taken(plan)) => panic!("{plan:?}"),
                Err(NotSaved::Failed(failure)) => panic!("{failure}"),
            }
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| (1..=ROUNDS).for_each(renew));
        for round in 1..=ROUNDS {
            let name = format!("of-kubectl-{round}");
            kubectl_writes(&config, &["set-context", &name, "--cluster=k", "--user=u"]);
        }
    });
    let config = kubectl(&config).unwrap();
    let contexts = config["contexts"].as_array().unwrap();
    assert_eq!(contexts.len(), ROUNDS + 1, "{config}");
    let own = contexts.iter().find(|entry| entry["name"] == "c").unwrap();
    assert_eq!(own["context"], json!({"cluster": "k", "user": "u", "namespace": "web"}));
    assert_eq!(config["users"][0]["user"]["client-key-data"], format!("TkVX{ROUNDS:04}"));
}
