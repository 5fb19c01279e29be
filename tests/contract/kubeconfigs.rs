//! Realistic kubeconfigs from a folder of cases: kubectl reads the same before and after a merge.

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

/// How kubectl reads a file; `None` if it rejects it.
fn kubectl(path: &Path) -> Option<Value> {
    let arguments = ["config", "view", "--raw", "-o", "json", "--kubeconfig"];
    let output = Command::new("kubectl").args(arguments).arg(path).output().unwrap();
    output.status.success().then(|| serde_json::from_slice(&output.stdout).unwrap())
}

/// Entries with other names, by list and name, and everything that is not an entry.
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

/// The cases in the folder, by name.
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

/// Whether kubectl trusts and authenticates with what was issued, and nothing else.
fn check_issued(config: &Value, (cluster, user): (&str, &str), what: &str) {
    let issued = |list: &str, entry: &str, name: &str| {
        let named = config[list].as_array().unwrap().iter().find(|item| item["name"] == name);
        let mut fields = named.unwrap()[entry].clone();
        fields.as_object_mut().unwrap().retain(|key, _| ISSUED.contains(&key.as_str()));
        fields
    };
    let trust = json!({"certificate-authority-data": "TkVX"});
    assert_eq!(issued("clusters", "cluster", cluster), trust, "{what}");
    let keys = json!({"client-certificate-data": "TkVX", "client-key-data": "TkVX"});
    assert_eq!(issued("users", "user", user), keys, "{what}");
}

/// Merges under a name and checks what kubectl reads; returns why the file was rejected before issuing.
fn check_merge(
    shown: &str,
    text: &str,
    before: Option<&Value>,
    (name, make_current): (&str, bool),
    out: &Path,
) -> Option<String> {
    let kind = KubeconfigKind::Admin;
    let fresh = ParsedKubeconfig::read(kind, &Secret::new(FRESH.into())).unwrap();
    let known = ClusterIdentity::Address(ClusterId::new("p", "eu01", "alpha"));
    let (context, in_place) = (name.to_owned(), false);
    let query = MergeQuery { context: context.clone(), known, kind, make_current, in_place };
    let (replace, replace_another) = (true, true);
    let options = MergeOptions { context, make_current, replace, replace_another, in_place };
    let told = survey(text, &query, None);
    let merged = match merge(text, &fresh, &options) {
        Ok(merged) => merged,
        Err(refusal) => {
            let told =
                told.expect_err(&format!("{shown}, {name}: known only afterwards: {refusal:?}"));
            assert!(told.message.starts_with("line "), "{shown}, {name}: {told}");
            return Some(told.message);
        }
    };
    let before = before.unwrap_or_else(|| panic!("{shown}: kubectl refuses it\n{text}"));
    std::fs::write(out, merged.expose()).unwrap();
    let after = kubectl(out)
        .unwrap_or_else(|| panic!("{shown}, {name}: kubectl refuses the result\n{text}"));
    assert_eq!(foreign(before, name), foreign(&after, name), "{shown}, {name}\n{text}");
    check_issued(&after, (name, name), &format!("{shown}, {name}\n{text}"));
    // Before issuing, the entry may belong to another cluster, whose entries are replaced completely.
    let told = match told {
        Ok(told) => told,
        Err(told) => return Some(told.message),
    };
    let is_current = make_current || told.blank;
    let expected = if is_current { json!(name) } else { before["current-context"].clone() };
    assert_eq!(after["current-context"], expected, "{shown}, {name}\n{text}");
    None
}

/// Values and tokens as written by people and programs, and malformed ones.
const ODD: [&str; 39] = [
    "yes",
    "~",
    "null",
    "0o17",
    "017",
    "1_000",
    "0x1F",
    "1e3",
    ".5",
    "-0",
    ".inf",
    "2001-01-01",
    "12:30:45",
    "true",
    "\"a\\x41\\u00e9\"",
    "'it''s'",
    "!!str 1",
    "!x y",
    "&x some",
    "*x",
    "|\n     text",
    ">-\n     text\n     more",
    "{}",
    "[]",
    "{a: b}",
    "[a, b]",
    "\"\"",
    "''",
    "? a",
    "- a",
    "@a",
    "`a",
    "%a",
    "a: b",
    "a #b",
    "a#b",
    "#",
    "\"a\n  b\"",
    "<<",
];

const ENDS: [&str; 8] = [" # note", "#note", " ", "\t", "\r", ",", " |", " &a"];
const LINES: [&str; 10] = [
    "",
    "# note",
    "  # note",
    "---",
    "...",
    "--- # next",
    "%YAML 1.1",
    "extra: 1",
    "  extra: *x",
    "\t",
];
const COLONS: [&str; 6] = [":\t", ":  ", " : ", ":", ": !!str ", ": &b "];
const CHARACTERS: [&str; 16] = [
    "\"", "'", "#", ":", " ", "\t", ",", "{", "]", "\r", "\u{85}", "\u{2028}", "\u{a0}", "\\", "é",
    "😀",
];

/// A text with random edits.
fn damaged(text: &str, random: &mut fastrand::Rng) -> String {
    let mut lines: Vec<String> = text.split('\n').map(ToOwned::to_owned).collect();
    for _ in 0..random.usize(1..4) {
        let at = random.usize(..lines.len());
        match random.u8(..14) {
            0 => lines.insert(at, lines[at].clone()),
            1 if lines.len() > 1 => drop(lines.remove(at)),
            2 => {
                let other = random.usize(..lines.len());
                lines.swap(at, other);
            }
            3 => lines[at].insert(0, ' '),
            4 if lines[at].starts_with(' ') => drop(lines[at].remove(0)),
            5 => lines[at].push_str(random.choice(ENDS).unwrap()),
            6 => lines.insert(at, random.choice(LINES).unwrap().to_owned()),
            7..=9 => {
                let odd = random.choice(ODD).unwrap();
                if let Some((key, _)) = lines[at].split_once(": ") {
                    lines[at] = format!("{key}: {odd}");
                }
            }
            10 => lines[at] = lines[at].replacen(": ", random.choice(COLONS).unwrap(), 1),
            11 => {
                let sources: Vec<usize> =
                    lines[at].char_indices().map(|(place, _)| place).collect();
                if let Some(place) = random.choice(sources) {
                    let odd = random.choice(CHARACTERS);
                    lines[at].insert_str(place, odd.unwrap());
                }
            }
            12 => {
                if let Some((key, value)) = lines[at].clone().split_once(": ") {
                    let quote = random.choice(["'", "\""]).unwrap();
                    lines[at] = format!("{key}: {quote}{value}{quote}");
                }
            }
            _ => {
                let end = random.choice(["\n", "\r\n", "\r"]).unwrap();
                return lines.join(end);
            }
        }
    }
    lines.join("\n")
}

/// `SKEYS_ROUNDS` runs more of them, `SKEYS_SEED` different ones.
#[test]
fn file_19_file_22_kubectl_reads_the_same_of_damaged_cases_before_and_after() {
    let Some(cases) = cases() else { return };
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let mut random = fastrand::Rng::with_seed(number("SKEYS_SEED").unwrap_or(1));
    let scratch = tempfile::tempdir().unwrap();
    let (place, out) = (scratch.path().join("damaged"), scratch.path().join("merged"));
    let texts: Vec<(String, String)> = cases
        .into_iter()
        .filter_map(|(shown, path)| Some((shown, std::fs::read_to_string(path).ok()?)))
        .filter(|(_, text)| text.len() < 20_000)
        .collect();
    let (mut kept, mut renewed, mut refused) = (0, 0, Vec::new());
    for _ in 0..number("SKEYS_ROUNDS").unwrap_or(150) {
        let (shown, text) = &texts[random.usize(..texts.len())];
        let text = damaged(text, &mut random);
        std::fs::write(&place, &text).unwrap();
        let before = kubectl(&place);
        let contexts = before.iter().filter_map(|config| config["contexts"].as_array()).flatten();
        let is_usable = |name: &str| !name.is_empty() && !name.contains(char::is_control);
        let context =
            contexts.into_iter().find(|entry| entry["name"].as_str().is_some_and(is_usable));
        if let (Some(before), Some(context)) = (&before, context) {
            match check_renewal(shown, &text, before, context, &out) {
                Some(Ok(())) => renewed += 1,
                Some(Err(refusal)) => refused.push(refusal),
                None => {}
            }
        }
        let name = context.filter(|_| random.bool()).and_then(|context| context["name"].as_str());
        let wanted = (name.unwrap_or("skeys-new"), random.bool());
        match check_merge(shown, &text, before.as_ref(), wanted, &out) {
            Some(refusal) => refused.push(format!("{shown}: {refusal}")),
            None => kept += 1,
        }
    }
    println!(
        "{kept} merges and {renewed} renewals keep the rest; refused before:\n{}",
        refused.join("\n")
    );
    assert!(kept > 30 && renewed > 10, "{kept}, {renewed}");
}

#[test]
fn file_19_file_24_kubectl_reads_the_same_of_every_case_before_and_after() {
    let Some(cases) = cases() else { return };
    let scratch = tempfile::tempdir().unwrap();
    let out = scratch.path().join("config");
    let (mut kept, mut refused) = (0, Vec::new());
    for (shown, path) in cases {
        let Ok(text) = std::fs::read_to_string(&path) else {
            refused.push(format!("{shown}: not UTF-8"));
            continue;
        };
        let before = kubectl(&path);
        // Merged under a new name, and under every existing name.
        let mut names = vec!["skeys-new".to_owned()];
        for list in ["clusters", "contexts", "users"] {
            let entries = before.iter().filter_map(|config| config[list].as_array()).flatten();
            names.extend(entries.filter_map(|entry| Some(entry["name"].as_str()?.to_owned())));
        }
        for (name, make_current) in names.iter().flat_map(|name| [(name, false), (name, true)]) {
            match check_merge(&shown, &text, before.as_ref(), (name, make_current), &out) {
                Some(refusal) => refused.push(format!("{shown}, {name}: {refusal}")),
                None => kept += 1,
            }
        }
    }
    println!("{kept} merges read the same; refused before:\n{}", refused.join("\n"));
}

/// Fields that SKE issues: all others of an entry are the user's own.
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

/// The content of a kubeconfig without the fields that SKE issues for one cluster and one user.
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

/// Renews what a context uses and checks what kubectl reads; returns why the file was rejected before issuing. `None`
/// if there is nothing that SKE could renew.
fn check_renewal(
    shown: &str,
    text: &str,
    before: &Value,
    context: &Value,
    out: &Path,
) -> Option<Result<(), String>> {
    let (cluster, user) = (&context["context"]["cluster"], &context["context"]["user"]);
    let named = |list: &str, name: &Value| {
        let entries = before[list].as_array().into_iter().flatten();
        entries.into_iter().find(|entry| entry["name"] == *name).cloned()
    };
    let server = named("clusters", cluster)
        .filter(|_| named("users", user).is_some())
        .and_then(|entry| Some(entry["cluster"]["server"].as_str()?.to_owned()))?;
    // SKE issues for the existing server, if that is a valid one.
    let issued = FRESH.replace("https://api.alpha.0a1b2c3d4e.s.ske.eu01.onstackit.cloud", &server);
    let kind = KubeconfigKind::Admin;
    let fresh = ParsedKubeconfig::read(kind, &Secret::new(issued)).ok()?;
    let (name, in_place) = (context["name"].as_str().unwrap().to_owned(), true);
    let known = ClusterIdentity::Server(server);
    let query = MergeQuery { context: name.clone(), known, kind, make_current: false, in_place };
    let options = MergeOptions {
        context: name.clone(),
        make_current: false,
        replace: true,
        replace_another: false,
        in_place,
    };
    let told = survey(text, &query, None);
    let merged = match merge(text, &fresh, &options) {
        Ok(merged) => merged,
        Err(refusal) => {
            let told = told.expect_err(&format!("{shown}, {name}: {refusal:?}\n{text}"));
            return Some(Err(format!("{shown}, {name}: {}", told.message)));
        }
    };
    let told =
        told.unwrap_or_else(|told| panic!("{shown}, {name}: it can be renewed: {told}\n{text}"));
    let changes = told.changes;
    let said = format!("{changes:?}");
    assert!(!changes.is_empty(), "{shown}, {name}\n{text}");
    for secret in ["TkVX", "QUJD", "t0k3n"] {
        assert!(!said.contains(secret), "{shown}, {name}: {said}\n{text}");
    }
    let merged = merged.expose();
    std::fs::write(out, merged).unwrap();
    let after = kubectl(out).unwrap_or_else(|| panic!("{shown}, {name}: refused\n{text}"));
    let names = (cluster.as_str().unwrap(), user.as_str().unwrap());
    assert_eq!(
        without_issued(before.clone(), names.0, names.1),
        without_issued(after.clone(), names.0, names.1),
        "{shown}, {name}\n{text}"
    );
    check_issued(&after, names, &format!("{shown}, {name}\n{text}"));
    // A comment is only removed with a credential that contains it, and that is shown before.
    let comments = |text: &str| -> Vec<String> {
        let lines = text.split(['\n', '\r']).map(str::trim);
        lines.filter(|line| line.starts_with('#')).map(ToOwned::to_owned).collect()
    };
    let (old, new) = (comments(text), comments(merged));
    let removed = changes.iter().filter(|line| !line.is_added);
    let removed = removed.filter(|line| line.text.trim().starts_with('#')).count();
    assert_eq!(old.len(), new.len() + removed, "{shown}, {name}: {new:?}\n{text}");
    assert!(new.iter().all(|comment| old.contains(comment)), "{shown}, {name}: {new:?}\n{text}");
    Some(Ok(()))
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
        for context in before["contexts"].as_array().into_iter().flatten() {
            match check_renewal(&shown, &text, &before, context, &out) {
                Some(Ok(())) => renewed += 1,
                Some(Err(refusal)) => refused.push(refusal),
                None => {}
            }
        }
    }
    println!("{renewed} renewals keep the rest; refused before:\n{}", refused.join("\n"));
    assert!(renewed > 20, "{renewed}");
}

/// Number of writes of each of two writers.
const ROUNDS: usize = 12;

/// Runs kubectl until it acquires its lock.
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
            // While kubectl is writing, the file may be missing or incomplete.
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
