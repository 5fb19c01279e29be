//! Several files in `$KUBECONFIG`: skeys resolves the same cluster and user for each context as kubectl.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use skeys::testing::domain::credential::{FoundFile, SignIn};
use skeys::testing::domain::kubeconfig::{read_entries, resolve};

/// Number of file sets to compare.
const SETS: u64 = 150;

/// A deterministic random number generator.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    fn one_of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[usize::try_from(self.below(all.len() as u64)).unwrap()]
    }
}

/// A file whose servers and tokens contain its number.
fn file(number: usize, random: &mut Numbers) -> String {
    let mut lists = [Vec::new(), Vec::new(), Vec::new()];
    for name in ["a", "b"] {
        if random.below(3) > 0 {
            let server = random
                .one_of(&["server: 'https://FILE.example'", "insecure-skip-tls-verify: true"]);
            lists[0].push(format!("{{name: {name}, cluster: {{{server}}}}}"));
        }
        if random.below(3) > 0 {
            let user = random.one_of(&["token: token-of-FILE", "username: of-FILE", ""]);
            lists[1].push(format!("{{name: {name}, user: {{{user}}}}}"));
        }
        if random.below(3) > 0 {
            let (cluster, user) = (random.one_of(&["a", "b"]), random.one_of(&["a", "b"]));
            let fields = random.one_of(&[
                "cluster: C, user: U",
                "cluster: C, user: U",
                "cluster: C",
                "user: U",
            ]);
            let fields = fields.replace('C', cluster).replace('U', user);
            lists[2].push(format!("{{name: {name}, context: {{{fields}}}}}"));
        }
    }
    let [clusters, users, contexts] = lists.map(|list| list.join(", "));
    let broken = if random.below(12) == 0 { "contexts: [" } else { "" };
    let text =
        format!("clusters: [{clusters}]\nusers: [{users}]\ncontexts: [{contexts}]\n{broken}");
    text.replace("FILE", &format!("file-{number}"))
}

/// Server and token or user name of each context, if kubectl resolves them; `None` if it rejects the files.
fn as_kubectl(files: &[PathBuf]) -> Option<BTreeMap<String, (String, String)>> {
    let output = Command::new("kubectl")
        .args(["config", "view", "--raw", "-o", "json"])
        .env("KUBECONFIG", std::env::join_paths(files).unwrap())
        .output()
        .unwrap();
    if !output.status.success() {
        return None;
    }
    let config: Value = serde_json::from_slice(&output.stdout).unwrap();
    let find = |list: &str, name: &Value| -> Option<Value> {
        let entries = config[list].as_array()?;
        entries.iter().find(|entry| entry["name"] == *name).cloned()
    };
    let contexts = config["contexts"].as_array().into_iter().flatten();
    let found = contexts.filter_map(|named| {
        let cluster = find("clusters", &named["context"]["cluster"])?;
        let user = find("users", &named["context"]["user"])?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let way = [&user["user"]["token"], &user["user"]["username"]].map(text).concat();
        Some((text(&named["name"]), (text(&cluster["cluster"]["server"]), way)))
    });
    Some(found.collect())
}

/// The same, as resolved by skeys: the first context of each name.
fn as_skeys(files: &[PathBuf]) -> BTreeMap<String, (String, String)> {
    let read = |path: &PathBuf| FoundFile {
        path: path.display().to_string(),
        other_names: Vec::new(),
        is_default: true,
        wide_mode: None,
        contexts: read_entries(&std::fs::read_to_string(path).unwrap_or_default(), &|_| {
            Err(String::new())
        })
        .map_err(|failure| failure.message),
    };
    let mut found = BTreeMap::new();
    for file in resolve(files.iter().map(read).collect()) {
        for context in file.contexts.unwrap_or_default() {
            let way = match context.sign_in.as_slice() {
                [SignIn::StaticToken] => "token",
                [SignIn::Other(_)] => "user",
                _ => "",
            };
            found.entry(context.context).or_insert((context.server, way.to_owned()));
        }
    }
    found
}

#[test]
fn cred_08_kubectl_finds_the_same_in_several_files() {
    if std::env::var_os("SKEYS_KUBECTL").is_none() {
        return;
    }
    let mut random = Numbers(7);
    let folder = tempfile::tempdir().unwrap();
    let mut unread = 0;
    for set in 0..SETS {
        let files: Vec<PathBuf> = (0..2 + usize::try_from(random.below(3)).unwrap())
            .map(|number| folder.path().join(format!("{set}-{number}.yaml")))
            .collect();
        for (number, path) in files.iter().enumerate() {
            // Some are missing.
            if random.below(8) > 0 {
                std::fs::write(path, file(number, &mut random)).unwrap();
            }
        }
        let Some(expected) = as_kubectl(&files) else {
            unread += 1;
            continue;
        };
        let found = as_skeys(&files);
        let shown = |paths: &[PathBuf]| -> String {
            let text = |path: &PathBuf| {
                std::fs::read_to_string(path).unwrap_or_else(|_| "missing\n".into())
            };
            paths.iter().map(text).collect::<Vec<_>>().join("---\n")
        };
        let reduced = |(server, way): &(String, String)| {
            let kind = if way.starts_with("token") {
                "token"
            } else if way.is_empty() {
                ""
            } else {
                "user"
            };
            (server.trim_start_matches("https://").to_owned(), kind.to_owned())
        };
        let expected: BTreeMap<_, _> =
            expected.iter().map(|(name, found)| (name.clone(), reduced(found))).collect();
        for (name, wanted) in expected {
            assert_eq!(found.get(&name), Some(&wanted), "{name}\n{}", shown(&files));
        }
    }
    assert!(unread > 0 && unread < SETS / 2, "{unread} sets are unread");
}
