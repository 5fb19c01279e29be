//! Tests of saving kubeconfigs, the journal and the state in real files.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use proptest::prelude::*;
use rustix::io::Errno;

use crate::clock::Clock;
use crate::domain::cluster::{ClusterId, ProjectId, Region};
use crate::domain::credential::{Access, Credentials, KubeconfigLocation, Reference};
use crate::domain::failure::Failure;
use crate::domain::fixtures::{cluster, issuance, now};
use crate::domain::kubeconfig::{
    ClusterIdentity, EntryOwner, FileTarget, KubeconfigKind, MergeOptions, MergeQuery, NotSaved,
    ParsedKubeconfig, Plan, Saved, merge, renamed,
};
use crate::domain::persisted::{PersistedState, SavedCluster};
use crate::domain::record::{Outcome, Record};
use crate::domain::rotation::Phase;
use crate::domain::secret::Secret;
use crate::domain::selection::{SelectedProjects, Selection};
use crate::store::journal::Journal;
use crate::store::kubeconfigs::Kubeconfigs;
use crate::store::lock::LockOutcome;
use crate::store::private_file::{check_private, replace_observed, step, unobserved};
use crate::store::process;
use crate::store::stale_files;
use crate::store::state_file;

const FRESH: &str = "apiVersion: v1\nkind: Config\ncurrent-context: c\nclusters:\n- name: k\n  cluster:\n    server: https://api.shop.0a1b2c3d4e.s.ske.eu01.onstackit.cloud\n    certificate-authority-data: QUJD\ncontexts:\n- name: c\n  context: {cluster: k, user: u}\nusers:\n- name: u\n  user:\n    client-certificate-data: QUJD\n    client-key-data: U0VDUkVU\n";

fn fresh() -> ParsedKubeconfig {
    ParsedKubeconfig::read(KubeconfigKind::Admin, &Secret::new(FRESH.into())).unwrap()
}

fn options(replace: bool) -> MergeOptions {
    MergeOptions {
        context: "shop".into(),
        make_current: false,
        replace,
        replace_another: false,
        in_place: false,
    }
}

fn query(context: &str) -> MergeQuery {
    MergeQuery {
        context: context.into(),
        known: ClusterIdentity::Address(ClusterId::new("p", "eu01", "shop")),
        kind: KubeconfigKind::Admin,
        make_current: false,
        in_place: false,
    }
}

fn ten() -> String {
    let mut text =
        String::from("# mine\napiVersion: v1\nkind: Config\ncurrent-context: x0 # now\n");
    for (list, inner) in [
        ("clusters", "cluster: {server: 'https://h'}"),
        ("contexts", "context: {cluster: x, user: z} # keep"),
        ("users", "user:\n    token: abc"),
    ] {
        text.push_str(&format!("{list}: # list\n"));
        for n in 0..10 {
            text.push_str(&format!("- name: x{n}\n  {inner}\n"));
        }
    }
    text
}

/// Whether every line of the old text is still there, in order.
fn keeps_lines(old: &str, new: &str) -> bool {
    let mut lines = new.lines();
    old.lines().all(|line| lines.any(|other| other == line))
}

#[test]
fn file_08_styles_are_kept_and_merging_again_gives_the_same() {
    let json = "{\n\t\"clusters\": [\n\t\t{\n\t\t\t\"name\": \"a\",\n\t\t\t\"cluster\": {}\n\t\t}\n\t],\n\t\"users\": null, \"contexts\": []\n}\n";
    for text in [
        String::new(),
        "# only a comment\n".to_owned(),
        "---\n".to_owned(),
        "{}".to_owned(),
        "clusters:\ncontexts: null\nusers: []\n".to_owned(),
        "clusters: []\ncontexts: [] # none\nusers: []\ncurrent-context: \"\"\n".to_owned(),
        json.to_owned(),
        "{\"clusters\":[{\"name\":\"a\",\"cluster\":{}}],\"users\":[],\"contexts\":null}"
            .to_owned(),
        "users:\n  - name: a\n    user: {token: x}\n\n# end\n".to_owned(),
        "users:\n- name: a\n  user: &t {token: x}\n- name: b\n  user: *t\n".to_owned(),
        ten(),
        format!("\u{feff}{}", ten()),
        ten().replace('\n', "\r\n"),
    ] {
        let once =
            merge(&text, &fresh(), &options(false)).unwrap_or_else(|e| panic!("{text}: {e:?}"));
        let once = once.expose();
        let refused = merge(once, &fresh(), &options(false)).unwrap_err().message;
        assert!(refused.contains("cluster shop, context shop, user shop"), "{refused}");
        let twice = merge(once, &fresh(), &options(true)).unwrap();
        assert_eq!(once, twice.expose(), "from {text}");
        let current = MergeOptions { make_current: true, ..options(true) };
        assert!(merge(once, &fresh(), &current).unwrap().expose().contains("shop"));
        if text.contains("x0") {
            assert!(keeps_lines(&text, once), "{once}");
            assert_eq!(text.contains("\r\n"), once.lines().count() == once.matches("\r\n").count());
        }
    }
}

#[test]
fn file_08_what_cannot_be_kept_is_refused_with_its_line() {
    let deep = format!("a: {}{}", "[".repeat(70), "]".repeat(70));
    for (text, part) in [
        ("a: 1\n---\nb: 2\n", "more than one YAML document"),
        ("- a\n", "not a mapping"),
        ("a: 1\na: 2\n", "line 2"),
        ("users:\n- name: a\n- name: a\n", "line 3"),
        ("users:\n\t- name: a\n", "line 2"),
        ("users: &u\n- name: a\nother: *u\n", "line 2"),
        (deep.as_str(), "nested deeper"),
    ] {
        let refused = merge(text, &fresh(), &options(false)).unwrap_err().message;
        assert!(refused.contains(part), "{text}: {refused}");
    }
}

#[test]
fn api_23_an_unexpected_answer_is_refused_without_showing_it() {
    for (text, part) in [
        ("{{{".to_owned(), "invalid YAML"),
        (FRESH.replace("client-certificate-data: QUJD", "x: y"), "no client certificate"),
        (
            FRESH
                .replace("current-context: c\n", "")
                .replace("contexts:\n", "contexts:\n- name: d\n"),
            "2 contexts",
        ),
        (FRESH.replace("https:", "http:"), "without https"),
        (
            FRESH.replace("    client-key-data", "    exec: {command: evil}\n    client-key-data"),
            "runs the command evil",
        ),
        (
            FRESH.replace("    server", "    insecure-skip-tls-verify: true\n    server"),
            "disables verification",
        ),
    ] {
        let invalid =
            ParsedKubeconfig::read(KubeconfigKind::Admin, &Secret::new(text)).unwrap_err();
        let failure = Failure::from(invalid);
        assert!(failure.message.contains(part), "{}", failure.message);
        assert!(!failure.full_text().contains("U0VDUkVU"));
    }
    let own = renamed(&fresh(), "shop").unwrap();
    assert!(own.expose().contains("current-context: shop\n"));
    assert!(ParsedKubeconfig::read(KubeconfigKind::Admin, &own).is_ok());
}

proptest! {
    #![proptest_config(crate::property_cases(256))]

    #[test]
    fn file_08_foreign_entries_survive_a_merge(
        names in proptest::collection::btree_set("[a-z:#' \"0-9-]{1,12}", 0..8),
        flow in any::<bool>(), crlf in any::<bool>(), indent in 0usize..4, current in any::<bool>(),
    ) {
        let pad = " ".repeat(indent);
        let mut text = String::from("# top\n");
        for (list, field) in [("users", "user"), ("contexts", "context"), ("clusters", "cluster")] {
            let items: Vec<String> = names.iter()
                .map(|n| format!("{{name: {}, {field}: {{x: [1, 2]}}}}", serde_json::Value::from(n.as_str()))).collect();
            if flow || items.is_empty() {
                text.push_str(&format!("{list}: [{}] # c\n", items.join(", ")));
            } else {
                text.push_str(&format!("{list}:\n"));
                for item in items { text.push_str(&format!("{pad}- {item} # c\n")); }
            }
        }
        if crlf { text = text.replace('\n', "\r\n"); }
        let options = MergeOptions { context: "Shop/1".into(), make_current: current, replace: false, replace_another: false, in_place: false };
        let merged = merge(&text, &fresh(), &options).unwrap();
        let read: serde_json::Value = yaml_serde::from_str(merged.expose()).unwrap();
        prop_assert_eq!(read["users"].as_array().unwrap().len(), names.len() + 1);
        for (position, name) in names.iter().enumerate() {
            prop_assert_eq!(read["users"][position]["name"].as_str(), Some(name.as_str()));
        }
        prop_assert_eq!(read["users"][names.len()]["user"]["client-key-data"].as_str(), Some("U0VDUkVU"));
    }
}

fn files(home: &Path, clock: &Clock) -> Kubeconfigs {
    Kubeconfigs::new(Some(home.to_owned()), None, clock.clone())
}

/// Merges a kubeconfig with no lock in the way.
fn save(files: &Kubeconfigs, options: MergeOptions, seen: Option<&str>) -> Result<Saved, NotSaved> {
    Ok(files
        .save(&FileTarget::Merge, &fresh(), &options, seen, false, &unobserved)?
        .into_result()?)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn home_with(text: &str) -> (tempfile::TempDir, std::path::PathBuf) {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join(".kube")).unwrap();
    let config = home.path().join(".kube/config");
    fs::write(&config, text).unwrap();
    fs::set_permissions(&config, fs::Permissions::from_mode(0o644)).unwrap();
    (home, config)
}

#[test]
fn file_11_a_0644_file_with_ten_foreign_contexts_is_merged_without_loss() {
    let (home, config) = home_with(&ten());
    let files = files(home.path(), &Clock::manual(now()));
    let plan = files.plan(&FileTarget::Merge, &query("shop")).unwrap();
    assert_eq!((plan.others, plan.current.as_deref()), (10, Some("x0")));
    assert!(plan.notes.contains(&"mode 0644 becomes 0600".to_owned()));
    save(&files, options(false), plan.fingerprint.as_deref()).unwrap();
    assert!(keeps_lines(&ten(), &fs::read_to_string(&config).unwrap()));
    let backup = home.path().join(".kube/config.skeys-backup");
    assert_eq!((mode(&config), mode(&backup)), (0o600, 0o600));
    assert_eq!(fs::read_to_string(&backup).unwrap(), ten());
    assert!(!home.path().join(".kube/config.lock").exists());
    let again = files.plan(&FileTarget::Merge, &query("shop")).unwrap();
    let taken = save(&files, options(false), again.fingerprint.as_deref());
    assert!(matches!(taken, Err(NotSaved::Taken(plan)) if plan.taken.len() == 3), "file_09");
}

#[test]
fn entries_of_another_cluster_are_reported_and_replaced_only_with_consent() {
    let (home, config) = home_with("");
    let files = files(home.path(), &Clock::manual(now()));
    let save =
        |options: MergeOptions, plan: &Plan| save(&files, options, plan.fingerprint.as_deref());
    let blank = files.plan(&FileTarget::Merge, &query("shop")).unwrap();
    assert!(blank.blank && blank.owner == EntryOwner::Unknown);
    save(options(false), &blank).unwrap();
    // The same cluster: one agreement is enough.
    let own = files.plan(&FileTarget::Merge, &query("shop")).unwrap();
    assert_eq!(own.owner, EntryOwner::Alike("shop in eu01".into()));
    assert!(!own.blank && own.names.contains("shop"));
    save(options(true), &own).unwrap();
    // The same name in another region.
    let text = fs::read_to_string(&config).unwrap().replace("eu01", "eu02");
    fs::write(&config, &text).unwrap();
    let other = files.plan(&FileTarget::Merge, &query("shop")).unwrap();
    assert_eq!(other.owner, EntryOwner::Another("shop in eu02".into()));
    let saved = save(options(true), &other);
    assert!(matches!(saved, Err(NotSaved::Taken(plan)) if plan.owner == other.owner));
    assert_eq!(fs::read_to_string(&config).unwrap(), text);
    let knew = MergeOptions { replace_another: true, ..options(true) };
    save(knew, &other).unwrap();
    // A separate file.
    let own_file = FileTarget::Own("~/one.yaml".into());
    fs::write(home.path().join("one.yaml"), &text).unwrap();
    let plan = files.plan(&own_file, &query("shop")).unwrap();
    assert_eq!(plan.owner, EntryOwner::Another("shop in eu02".into()));
    // Of several clusters in the file, the others would be lost.
    let both = FRESH.replace(
        "contexts:",
        "- name: other\n  cluster:\n    server: https://api.night.ffffffffff.s.ske.eu01.onstackit.cloud\ncontexts:",
    );
    fs::write(home.path().join("one.yaml"), &both).unwrap();
    let plan = files.plan(&own_file, &query("shop")).unwrap();
    assert_eq!(plan.owner, EntryOwner::Another("night in eu01".into()));
    // Another cluster's context uses a user of this name.
    let shared = both.replace("users:", "- name: x\n  context: {cluster: other, user: u}\nusers:");
    fs::write(&config, &shared).unwrap();
    let plan = files.plan(&FileTarget::Merge, &query("u")).unwrap();
    assert_eq!(plan.owner, EntryOwner::Another("night in eu01".into()));
}

#[test]
fn file_10_what_was_agreed_to_and_changed_is_shown_again() {
    let (home, config) = home_with(&ten());
    let files = files(home.path(), &Clock::manual(now()));
    let plan = files.plan(&FileTarget::Merge, &query("shop")).unwrap();
    let seen = plan.fingerprint.as_deref();
    let linked = home.path().join("linked");
    let changes: [&dyn Fn(); 4] = [
        &|| fs::write(&config, "users: [{name: shop, user: {token: t}}]\n").unwrap(),
        &|| fs::write(&config, "").unwrap(),
        &|| fs::set_permissions(&config, fs::Permissions::from_mode(0o640)).unwrap(),
        &|| {
            fs::rename(&config, &linked).unwrap();
            symlink(&linked, &config).unwrap();
        },
    ];
    for (number, change) in changes.into_iter().enumerate() {
        change();
        let before = fs::read(&config).unwrap();
        let saved = save(&files, options(false), seen);
        assert!(matches!(saved, Err(NotSaved::Changed(_))), "{number}");
        assert_eq!(fs::read(&config).unwrap(), before);
        drop(fs::remove_file(&config));
        fs::write(&config, ten()).unwrap();
        fs::set_permissions(&config, fs::Permissions::from_mode(0o644)).unwrap();
    }
}

#[test]
fn file_10_another_file_than_was_shown_is_shown_again() {
    let home = tempfile::tempdir().unwrap();
    let at = |name: &str| home.path().join(name);
    fs::write(at("second"), ten()).unwrap();
    let listed = std::env::join_paths([at("first"), at("second")]).unwrap();
    let clock = Clock::manual(now());
    let files = Kubeconfigs::new(Some(home.path().to_owned()), Some(listed), clock);
    let plan = files.plan(&FileTarget::Merge, &query("shop")).unwrap();
    assert_eq!(plan.path, "~/second");
    // Another program writes the file that takes precedence.
    fs::copy(at("second"), at("first")).unwrap();
    let not_saved = save(&files, options(false), plan.fingerprint.as_deref()).unwrap_err();
    assert!(matches!(not_saved, NotSaved::Changed(plan) if plan.path == "~/first"));
    assert_eq!(fs::read_to_string(at("first")).unwrap(), ten());
}

#[test]
fn file_10_a_renewal_that_would_change_more_than_was_shown_is_shown_again() {
    let kubeconfig = |authority: &str, more: &str| {
        format!(
            "current-context: c\nclusters:\n- name: k\n  cluster:\n    server: https://api.shop.0a1b2c3d4e.s.ske.eu01.onstackit.cloud\n    \
             certificate-authority-data: {authority}\nusers:\n- name: u\n  user:\n    exec:\n      command: stackit\n      \
             args: [ske, kubeconfig, login]\n{more}contexts:\n- name: c\n  context: {{cluster: k, user: u}}\n"
        )
    };
    // A second context has the same cluster and user, and others may read the file.
    let old =
        kubeconfig("T0xE", "") + "- name: d\n  context: {cluster: k, user: u, namespace: web}\n";
    let (home, config) = home_with(&old);
    fs::set_permissions(&config, fs::Permissions::from_mode(0o644)).unwrap();
    let files = files(home.path(), &Clock::manual(now()));
    let target = FileTarget::MergeInto("~/.kube/config".into());
    let plan = |context: &str| {
        let query = MergeQuery { in_place: true, kind: KubeconfigKind::Login, ..query(context) };
        files.plan(&target, &query).unwrap()
    };
    let (first, second) = (plan("c"), plan("d"));
    assert_eq!(first.changes.len(), 2, "the bundle: {:?}", first.changes);
    let issued = Secret::new(kubeconfig("TkVX", "      installHint: other\n"));
    let fresh = ParsedKubeconfig::read(KubeconfigKind::Login, &issued).unwrap();
    let save = |context: &str, seen: &Option<String>| {
        let is_next = context == "d";
        let context = context.to_owned();
        let options = MergeOptions { context, in_place: true, ..options(true) };
        let seen = seen.as_deref();
        let saved = files.save(&target, &fresh, &options, seen, is_next, &unobserved);
        saved.map(|saved| saved.into_result().unwrap())
    };
    let Err(NotSaved::Changed(told)) = save("c", &first.fingerprint) else {
        panic!("saved although more changes");
    };
    assert!(told.changes.iter().any(|line| line.text.contains("installHint: other")), "{told:?}");
    assert_eq!(fs::read_to_string(&config).unwrap(), old);
    // The plan that was shown can be saved, and so can the next entry of the same file.
    save("c", &told.fingerprint).unwrap();
    assert_eq!(mode(&config), 0o600);
    let backup = home.path().join(".kube/config.skeys-backup");
    assert_eq!(fs::read_to_string(&backup).unwrap(), old);
    save("d", &second.fingerprint).unwrap();
    assert_eq!(fs::read_to_string(&backup).unwrap(), old, "as it was before the first");
}

#[test]
fn file_25_entries_of_others_written_meanwhile_are_kept_and_it_is_saved() {
    let (home, config) = home_with(&ten());
    let files = files(home.path(), &Clock::manual(now()));
    let plan = files.plan(&FileTarget::Merge, &query("shop")).unwrap();
    let more = format!("{}- {{name: meanwhile, user: {{token: t}}}} # kept\n", ten());
    fs::write(&config, &more).unwrap();
    save(&files, options(false), plan.fingerprint.as_deref()).unwrap();
    let merged = fs::read_to_string(&config).unwrap();
    assert!(keeps_lines(&more, &merged) && merged.contains("name: shop"), "{merged}");
    assert_eq!(fs::read_to_string(home.path().join(".kube/config.skeys-backup")).unwrap(), more);
}

#[test]
fn cred_07_a_file_that_holds_more_says_what_is_lost_and_is_kept() {
    let (home, config) = home_with(&ten());
    let files = files(home.path(), &Clock::manual(now()));
    let own = FileTarget::Own("~/.kube/config".into());
    let plan = files.plan(&own, &query("x3")).unwrap();
    assert_eq!(plan.lost.len(), 9, "{:?}", plan.lost);
    let options = MergeOptions { context: "x3".into(), replace_another: true, ..options(true) };
    let seen = plan.fingerprint.as_deref();
    files.save(&own, &fresh(), &options, seen, false, &unobserved).unwrap().into_result().unwrap();
    assert!(!fs::read_to_string(&config).unwrap().contains("x4"));
    assert_eq!(fs::read_to_string(home.path().join(".kube/config.skeys-backup")).unwrap(), ten());
}

#[test]
fn cred_08_a_name_in_a_later_file_is_asked_about() {
    let home = tempfile::tempdir().unwrap();
    let (one, two) = (home.path().join("one"), home.path().join("two"));
    let entry = "- {name: shop, cluster: {server: 'https://api.shop.0a1b2c3d4e.s.ske.eu02.onstackit.cloud'}}";
    for first in ["", "kind: Config\n"] {
        fs::write(&one, first).unwrap();
        fs::write(&two, format!("clusters:\n{entry}\n")).unwrap();
        let listed = std::env::join_paths([&one, &two]).unwrap();
        let clock = Clock::manual(now());
        let files = Kubeconfigs::new(Some(home.path().to_owned()), Some(listed), clock);
        let plan = files.plan(&FileTarget::Merge, &query("shop")).unwrap();
        assert_eq!(plan.taken, ["cluster shop in ~/two"]);
        assert_eq!(plan.owner, EntryOwner::Another("shop in eu02".into()));
        let seen = plan.fingerprint.as_deref();
        assert!(matches!(save(&files, options(false), seen), Err(NotSaved::Taken(_))));
        assert_eq!(fs::read_to_string(&one).unwrap(), first);
        let agreed = MergeOptions { replace_another: true, ..options(true) };
        save(&files, agreed, seen).unwrap();
        assert!(fs::read_to_string(&one).unwrap().contains("name: shop"));
        assert!(fs::read_to_string(&two).unwrap().contains(entry));
    }
}

/// Kubeconfigs of a list of files in `$KUBECONFIG`.
fn listed(home: &Path, texts: &[(&str, &str)]) -> Kubeconfigs {
    let paths: Vec<_> = texts.iter().map(|(name, _)| home.join(name)).collect();
    for (path, (_, text)) in paths.iter().zip(texts) {
        fs::write(path, text).unwrap();
    }
    let list = std::env::join_paths(paths).unwrap();
    Kubeconfigs::new(Some(home.to_owned()), Some(list), Clock::manual(now()))
}

const PROD: &str = "clusters:\n- {name: prod, cluster: {server: 'https://prod.example'}}\n";
const USES_SHOP: &str = "contexts:\n- {name: zeta, context: {cluster: prod, user: shop}}\n";

#[test]
fn cred_08_contexts_of_other_files_that_use_the_new_entries_are_named() {
    let user = "users:\n- {name: shop, user: {token: t}}\n";
    let to_prod = EntryOwner::At("prod.example".into());
    let used = vec!["context zeta in ~/b (user shop)".to_owned()];
    let both =
        ["context one in ~/b (cluster shop, user shop)", "context two in ~/b (cluster shop)"];
    let two = "contexts:\n- {name: one, context: {cluster: shop, user: shop}}\n- {name: two, context: {cluster: shop}}\n";
    let hidden = "contexts:\n- {name: zeta, context: {cluster: prod, user: other}}\n";
    let cases: [(&str, &str, Vec<String>, EntryOwner); 6] = [
        // Its user in the same file, and its cluster in the other.
        (PROD, &format!("{user}{USES_SHOP}"), used.clone(), to_prod.clone()),
        (PROD, USES_SHOP, used.clone(), to_prod.clone()),
        // Everything in the later file.
        ("kind: Config\n", &format!("{PROD}{USES_SHOP}"), used.clone(), to_prod),
        // Nothing defines what it uses.
        ("", USES_SHOP, used, EntryOwner::Unknown),
        ("kind: Config\n", two, both.map(str::to_owned).to_vec(), EntryOwner::Unknown),
        // kubectl takes the context of the first file.
        (hidden, USES_SHOP, Vec::new(), EntryOwner::Unknown),
    ];
    for (first, later, sharing, owner) in cases {
        let home = tempfile::tempdir().unwrap();
        let files = listed(home.path(), &[("a", first), ("b", later)]);
        let plan = files.plan(&FileTarget::Merge, &query("shop")).unwrap();
        assert_eq!((plan.sharing, plan.owner), (sharing.clone(), owner), "{first}{later}");
        let options = MergeOptions { replace_another: true, ..options(true) };
        let saved = save(&files, options, plan.fingerprint.as_deref()).unwrap();
        let noted = saved.notes.iter().any(|note| note.starts_with("also changed: context "));
        assert_eq!(noted, !sharing.is_empty(), "{:?}", saved.notes);
    }
}

#[test]
fn cred_08_a_separate_file_of_the_list_names_the_contexts_that_change() {
    for existing in [None, Some("kind: Config\n")] {
        let home = tempfile::tempdir().unwrap();
        let files = listed(home.path(), &[("a", USES_SHOP), ("b", existing.unwrap_or_default())]);
        if existing.is_none() {
            fs::remove_file(home.path().join("b")).unwrap();
        }
        let plan = |name: &str| {
            let own = FileTarget::Own(home.path().join(name).display().to_string());
            files.plan(&own, &query("shop")).unwrap()
        };
        assert_eq!(plan("b").sharing, ["context zeta in ~/a (user shop)"]);
        assert_eq!(plan("unlisted").sharing, Vec::<String>::new());
        assert_eq!(plan("b").taken.len(), usize::from(existing.is_some()), "only the file");
    }
}

#[test]
fn cred_08_the_current_context_of_a_later_file_is_known() {
    let home = tempfile::tempdir().unwrap();
    let files = listed(home.path(), &[("a", PROD), ("b", "current-context: shop\n")]);
    let plan = files.plan(&FileTarget::Merge, &query("shop")).unwrap();
    assert_eq!(plan.current.as_deref(), Some("shop"));
}

#[test]
fn cred_08_a_renewal_names_what_it_changes_through_other_files() {
    let own = FRESH.replace("name: c\n", "name: shop\n");
    let in_place = MergeQuery { in_place: true, ..query("shop") };
    let uses = |cluster: &str| {
        format!("contexts:\n- {{name: zeta, context: {{cluster: {cluster}, user: u}}}}\n")
    };
    let plan = |texts: &[(&str, &str)], file: &str| {
        let home = tempfile::tempdir().unwrap();
        listed(home.path(), texts).plan(&FileTarget::MergeInto(file.into()), &in_place)
    };
    let same = uses("k");
    for texts in [[("a", &*own), ("b", &*same)], [("b", &*same), ("a", &*own)]] {
        let expected = ["context zeta in ~/b (cluster k, user u)"];
        let home = tempfile::tempdir().unwrap();
        let file = FileTarget::MergeInto(home.path().join("a").display().to_string());
        let plan = listed(home.path(), &texts).plan(&file, &in_place).unwrap();
        assert_eq!(plan.sharing, expected, "{texts:?}");
    }
    // An earlier file defines both: kubectl does not see the renewed ones in the other context.
    let shown = plan(&[("b", &format!("{same}{PROD}- {{name: k, cluster: {{server: 'https://k'}}}}\nusers:\n- {{name: u, user: {{token: t}}}}\n")), ("a", &own)], "~/a").unwrap();
    assert_eq!(shown.sharing, Vec::<String>::new());
    let refused = plan(&[("a", &own), ("b", &format!("{PROD}{}", uses("prod")))], "~/a");
    let text = refused.unwrap_err().to_string();
    assert!(
        text.contains("user u also belongs to context zeta in ~/b, which uses another server"),
        "{text}"
    );
}

#[test]
fn file_10_an_unchanged_file_of_another_cluster_is_asked_about_and_not_called_changed() {
    let (home, config) = home_with("");
    let files = files(home.path(), &Clock::manual(now()));
    let entries = "clusters:\n- {name: shop, cluster: {server: 'https://k.example.com'}}\ncontexts:\n- {name: shop, context: {cluster: shop, user: shop, namespace: web}}\nusers:\n- {name: shop, user: {token: t}}\n";
    fs::write(&config, entries).unwrap();
    let plan = files.plan(&FileTarget::Merge, &query("shop")).unwrap();
    assert_eq!(plan.owner, EntryOwner::At("k.example.com".into()));
    assert_eq!(plan.dropped, ["token of user shop"]);
    assert_eq!(plan.dropped_from_another, ["namespace of context shop", "token of user shop"]);
    let seen = plan.fingerprint.as_deref();
    let Err(NotSaved::Taken(told)) = save(&files, options(true), seen) else { panic!("not asked") };
    assert_eq!(told.owner, EntryOwner::Another("k.example.com".into()));
    assert_eq!(told.dropped, ["namespace of context shop", "token of user shop"]);
    assert_eq!(told.fingerprint, plan.fingerprint);
    // A field that was added meanwhile is a change.
    fs::write(&config, entries.replace("namespace: web", "namespace: web, extensions: []"))
        .unwrap();
    assert!(matches!(save(&files, options(true), seen), Err(NotSaved::Changed(_))));
}

#[test]
fn file_04_a_stale_lock_is_reported_and_kept() {
    let (home, config) = home_with(&ten());
    let clock = Clock::manual(now());
    let files = files(home.path(), &clock);
    let lock = home.path().join(".kube/config.lock");
    fs::write(&lock, "").unwrap();
    let two_days = std::time::SystemTime::from(now()) - Duration::from_hours(48);
    fs::File::options().write(true).open(&lock).unwrap().set_modified(two_days).unwrap();
    let plan = files.plan(&FileTarget::Merge, &query("shop")).unwrap();
    let print = plan.fingerprint.as_deref();
    let attempt = files
        .save(&FileTarget::Merge, &fresh(), &options(false), print, false, &unobserved)
        .unwrap();
    let failure = attempt.into_result().unwrap_err();
    assert!(failure.message.contains("2days"), "{failure}");
    assert!(failure.to_string().contains("rm ~/.kube/config.lock"), "{failure}");
    assert!(lock.exists());
    assert_eq!(fs::read_to_string(&config).unwrap(), ten());
}

#[test]
fn file_05_a_link_is_kept_and_its_target_written() {
    let (home, config) = home_with("");
    let dot = home.path().join("dotfile");
    fs::write(&dot, ten()).unwrap();
    fs::remove_file(&config).unwrap();
    symlink(&dot, &config).unwrap();
    let files = files(home.path(), &Clock::manual(now()));
    let plan = files.plan(&FileTarget::Merge, &query("shop")).unwrap();
    assert!(plan.link.is_some());
    save(&files, options(false), plan.fingerprint.as_deref()).unwrap();
    assert!(fs::symlink_metadata(&config).unwrap().is_symlink());
    assert!(fs::read_to_string(&dot).unwrap().contains("shop"));
}

#[test]
fn file_05_a_hard_link_that_keeps_the_old_content_is_told() {
    let (home, config) = home_with(&ten());
    let files = files(home.path(), &Clock::manual(now()));
    let noted = || {
        let plan = files.plan(&FileTarget::Merge, &query("shop")).unwrap();
        plan.notes.iter().any(|note| note.contains("hard link"))
    };
    assert!(!noted());
    fs::hard_link(&config, home.path().join("dotfile")).unwrap();
    assert!(noted());
}

#[test]
fn file_06_file_07_what_cannot_be_written_is_refused_before() {
    let home = tempfile::tempdir().unwrap();
    let at = |name: &str| home.path().join(name);
    symlink("nowhere", at("dangling")).unwrap();
    symlink("loop", at("loop")).unwrap();
    fs::create_dir(at("folder")).unwrap();
    fs::create_dir(at("open")).unwrap();
    fs::set_permissions(at("open"), fs::Permissions::from_mode(0o777)).unwrap();
    fs::create_dir(at("shut")).unwrap();
    fs::set_permissions(at("shut"), fs::Permissions::from_mode(0o500)).unwrap();
    let files = files(home.path(), &Clock::manual(now()));
    for (path, part) in [
        ("~/dangling", "dangling symlink"),
        ("~/loop", "symlink loop"),
        ("~/folder", "is a folder"),
        ("/dev/null", "is a device"),
        ("~/open/x", "world-writable"),
        ("~/shut/x", "read-only folder"),
    ] {
        let failure = files.plan(&FileTarget::Own(path.into()), &query("shop")).unwrap_err();
        assert!(failure.message.contains(part), "{path}: {failure}");
    }
}

/// Errors that the system may return for a step.
const ERRNOS: [Errno; 13] = [
    Errno::IO,
    Errno::NOSPC,
    Errno::ACCESS,
    Errno::ROFS,
    Errno::DQUOT,
    Errno::STALE,
    Errno::MFILE,
    Errno::PERM,
    Errno::INVAL,
    Errno::NOTSUP,
    Errno::BUSY,
    Errno::NAMETOOLONG,
    Errno::FBIG,
];

#[test]
fn file_01_file_20_every_fault_at_every_step_leaves_one_whole_file_and_is_reported() {
    for (step, errno) in step::ALL.into_iter().flat_map(|s| ERRNOS.map(|errno| (s, errno))) {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("f");
        fs::write(&file, "old").unwrap();
        let fault = |now: &'static str| if now == step { Err(errno.into()) } else { Ok(()) };
        let told = replace_observed(&file, b"new", &fault);
        if step == step::SYNC_FOLDER {
            let note = told.unwrap().unwrap();
            let is_usual = matches!(errno, Errno::INVAL | Errno::NOTSUP);
            assert_eq!(note.contains("cannot flush a folder"), is_usual, "{note}");
            assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        } else {
            let failure = told.unwrap_err();
            assert!(failure.message.contains(step), "{failure}");
            assert_eq!(fs::read_to_string(&file).unwrap(), "old");
        }
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1, "{step:?} {errno}");
    }
}

#[test]
fn file_21_a_fault_in_a_save_is_told_truly_and_the_backup_stays_the_true_old_file() {
    // A save replaces two files: the backup, then the kubeconfig.
    for (write, step) in [1, 2].into_iter().flat_map(|n| step::ALL.map(|step| (n, step))) {
        for errno in ERRNOS {
            let (home, config) = home_with(&ten());
            let files = files(home.path(), &Clock::manual(now()));
            let backup = home.path().join(".kube/config.skeys-backup");
            let plan = files.plan(&FileTarget::Merge, &query("shop")).unwrap();
            let writes = Cell::new(0);
            let fault = |now: &'static str| {
                writes.set(writes.get() + u32::from(now == step::FOLDER));
                if now == step && writes.get() == write { Err(errno.into()) } else { Ok(()) }
            };
            let seen = plan.fingerprint.as_deref();
            let target = FileTarget::Merge;
            let saved = files.save(&target, &fresh(), &options(false), seen, false, &fault);
            let content = fs::read_to_string(&config).unwrap();
            if step == step::SYNC_FOLDER {
                let saved = saved.unwrap().into_result().unwrap();
                let is_told = saved.notes.iter().any(|note| note.contains("after a power failure"));
                let is_saved = saved.notes.iter().any(|note| note.starts_with("saved, but"));
                assert!(is_told && is_saved == (write == 2), "{:?}", saved.notes);
                assert!(content.contains("name: shop"));
                assert_eq!(fs::read_to_string(&backup).unwrap(), ten());
            } else {
                assert!(matches!(saved, Err(NotSaved::Failed(_))), "{step:?} {errno}");
                assert_eq!(content, ten());
                save(&files, options(false), seen).unwrap();
                assert_eq!(fs::read_to_string(&backup).unwrap(), ten(), "after a retry");
            }
            assert_eq!(fs::read_dir(home.path().join(".kube")).unwrap().count(), 2);
        }
    }
}

#[test]
fn file_23_what_a_shell_would_expand_is_expanded_or_refused_and_paths_are_absolute() {
    let home = tempfile::tempdir().unwrap();
    let here = std::env::current_dir().unwrap();
    let files = files(home.path(), &Clock::manual(now()));
    let plan = |typed: &str| files.plan(&FileTarget::Own(typed.into()), &query("shop"));
    for (typed, shown) in [
        ("~/a", "~/a".to_owned()),
        ("$HOME/a", "~/a".to_owned()),
        ("${HOME}/a b", "~/a b".to_owned()),
        (" ~/a ", "~/a".to_owned()),
        ("target/a", here.join("target/a").display().to_string()),
    ] {
        assert_eq!(plan(typed).unwrap().path, shown, "{typed}");
    }
    for (typed, why) in [
        ("~root/a", "~root"),
        ("~root", "~root"),
        ("$XDG_CONFIG_HOME/a", "variable"),
        ("a/${USER}", "variable"),
        ("~", "names a folder"),
        ("$HOME", "names a folder"),
        ("~/", "names a folder"),
        ("~/a/", "names a folder"),
        ("~/a/..", "names a folder"),
        (".", "names a folder"),
        ("", "needs a path"),
    ] {
        let failure = plan(typed).unwrap_err();
        assert!(failure.message.contains(why), "{typed}: {failure}");
    }
    // client-go expands nothing: a listed name is relative to the working folder.
    let listed = Some("~/config:$HOME/x".into());
    let files = Kubeconfigs::new(Some(home.path().to_owned()), listed, Clock::manual(now()));
    assert_eq!(files.default_target().unwrap(), here.join("$HOME/x"));
}

#[test]
fn file_13_the_target_in_kubeconfig_is_the_file_that_kubectl_config_writes() {
    let home = tempfile::tempdir().unwrap();
    let of = |name: &str| home.path().join(name);
    for name in ["one", "two"] {
        fs::write(of(name), ten()).unwrap();
    }
    symlink("nowhere", of("dangling")).unwrap();
    let files = |parts: &str| {
        // `/` stands for the folder.
        let listed = parts.replace('/', &of("").display().to_string());
        Kubeconfigs::new(Some(of("home")), Some(listed.into()), Clock::manual(now()))
    };
    // As seen of kubectl 1.32: `kubectl config set-context`.
    for (parts, target) in [
        ("", "home/.kube/config"),
        ("/one", "one"),
        (":/one", "one"),
        ("/one:/two", "one"),
        ("/two:/one:/two", "two"),
        ("/missing:/two", "two"),
        ("/dangling:/two", "two"),
        ("/missing", "missing"),
        ("/missing:/missing", "missing"),
        ("/missing:/last", "last"),
        ("/missing::/last:", "last"),
        ("/dangling:/last", "last"),
    ] {
        let files = files(parts);
        assert_eq!(files.default_target().unwrap(), of(target), "{parts}");
        assert!(files.is_default(&of(target)), "{parts}: kubectl reads it");
        let plan = files.plan(&FileTarget::Merge, &query("shop")).unwrap();
        assert_eq!(plan.exists, ["one", "two"].contains(&target), "{parts}");
    }
    // What kubectl would create where a link leads is refused, and so is what it would not find again.
    let dangling = files("/dangling").plan(&FileTarget::Merge, &query("shop")).unwrap_err();
    assert!(dangling.message.contains("link"), "{dangling}");
    for parts in [":", "::"] {
        let files = files(parts);
        let failure = files.default_target().unwrap_err();
        assert!(failure.message.contains("KUBECONFIG lists no file"), "{parts}: {failure}");
        assert!(!files.is_default(&of("home/.kube/config")), "kubectl reads no file");
    }
    // Nothing is created before something is saved, and then only the target.
    let files = files("/missing:/last");
    let save = files.save(&FileTarget::Merge, &fresh(), &options(false), None, false, &unobserved);
    save.unwrap().into_result().unwrap();
    assert!(of("last").exists() && !of("missing").exists() && !of("nowhere").exists());
}

#[test]
fn cred_09_a_name_without_room_for_a_backup_is_refused_before() {
    let home = tempfile::tempdir().unwrap();
    let files = files(home.path(), &Clock::manual(now()));
    for (length, is_possible) in [(1, true), (242, true), (243, false), (255, false), (256, false)]
    {
        let own = FileTarget::Own(format!("~/{}", "a".repeat(length)));
        assert_eq!(files.plan(&own, &query("shop")).is_ok(), is_possible, "{length}");
        if is_possible {
            for _ in 0..2 {
                let seen = files.plan(&own, &query("shop")).unwrap().fingerprint;
                let saved =
                    files.save(&own, &fresh(), &options(true), seen.as_deref(), false, &unobserved);
                saved.unwrap().into_result().unwrap();
            }
        }
    }
}

#[test]
fn cred_09_a_place_of_the_backup_that_cannot_be_replaced_is_refused_before() {
    let (home, _) = home_with(&ten());
    let files = files(home.path(), &Clock::manual(now()));
    fs::create_dir(home.path().join(".kube/config.skeys-backup")).unwrap();
    let failure = files.plan(&FileTarget::Merge, &query("shop")).unwrap_err();
    assert!(failure.message.contains("config.skeys-backup is a folder"), "{failure}");
}

#[test]
#[cfg(target_os = "linux")]
fn cred_09_a_file_that_is_immutable_is_refused_before() {
    use rustix::fs::{IFlags, ioctl_setflags};
    let (home, config) = home_with(&ten());
    let files = files(home.path(), &Clock::manual(now()));
    let backup = home.path().join(".kube/config.skeys-backup");
    fs::write(&backup, "").unwrap();
    for path in [config, backup] {
        let file = fs::File::open(&path).unwrap();
        if ioctl_setflags(&file, IFlags::IMMUTABLE).is_err() {
            // Not every file system or account supports this.
            return;
        }
        let plan = files.plan(&FileTarget::Merge, &query("shop"));
        ioctl_setflags(&file, IFlags::empty()).unwrap();
        let failure = plan.unwrap_err();
        assert!(failure.message.contains("is immutable"), "{failure}");
    }
    files.plan(&FileTarget::Merge, &query("shop")).unwrap();
}

#[test]
fn cred_09_a_renewal_in_a_file_that_is_gone_is_refused_before() {
    let (home, config) = home_with(&ten());
    let files = files(home.path(), &Clock::manual(now()));
    let file = FileTarget::MergeInto("~/.kube/config".into());
    let query = MergeQuery { in_place: true, ..query("x0") };
    files.plan(&file, &query).unwrap();
    fs::remove_file(config).unwrap();
    let failure = files.plan(&file, &query).unwrap_err();
    assert!(failure.message.contains("no longer has context x0"), "{failure}");
}

#[test]
fn file_23_a_file_that_was_found_is_renewed_whatever_its_name_is() {
    let home = tempfile::tempdir().unwrap();
    let files = files(home.path(), &Clock::manual(now()));
    for name in ["a$b.yaml", "end ", "$HOME", "~", "~a"] {
        let file = home.path().join(name);
        fs::write(&file, ten()).unwrap();
        let found = files.find_all(&[file.display().to_string()]);
        let query = MergeQuery { in_place: true, ..query("x0") };
        let plan = files.plan(&FileTarget::MergeInto(found[0].path.clone()), &query).unwrap();
        assert_eq!(plan.path, found[0].path);
    }
}

#[test]
fn file_27_what_a_killed_run_left_is_removed_wherever_it_lies() {
    let home = tempfile::tempdir().unwrap();
    let (state, far) = (home.path().join("state"), home.path().join("far/away"));
    let files = files(home.path(), &Clock::manual(now())).with_state_folder(Some(state.clone()));
    let own = FileTarget::Own("~/far/away/a.yaml".into());
    files
        .save(&own, &fresh(), &options(false), None, false, &unobserved)
        .unwrap()
        .into_result()
        .unwrap();
    // No process has the highest PID.
    let (dead, alive) = (i32::MAX.to_string(), process::number());
    let host = format!("-{}", process::host());
    let temporary = |number: &str, host: &str| format!(".skeys-{number}{host}-{}", "0a".repeat(16));
    let lock = |name: &str, number: &str| {
        let content = format!("skeys {number} {}\n", process::host());
        fs::write(far.join(name), content).unwrap();
    };
    fs::write(far.join(temporary(&dead, &host)), "a key").unwrap();
    let not_stale = [
        temporary(&alive, &host),
        // In a shared folder they may be of another host.
        temporary(&dead, "-another-one.example"),
        temporary(&dead, ""),
        format!(".skeys-{dead}{host}-mine"),
        "a.yaml".to_owned(),
        "alive.lock".to_owned(),
        "kubectl.lock".to_owned(),
    ];
    for name in &not_stale {
        fs::write(far.join(name), "").unwrap();
    }
    lock("dead.lock", &dead);
    lock("alive.lock", &alive);
    let left = || {
        let entries = fs::read_dir(&far).unwrap().map(|entry| entry.unwrap().file_name());
        entries.map(|name| name.into_string().unwrap()).collect::<BTreeSet<_>>()
    };
    let now = fs::metadata(far.join("a.yaml")).unwrap().modified().unwrap();
    stale_files::remove_all(&state, now);
    assert_eq!(left(), BTreeSet::from(not_stale.clone()));
    let day = Duration::from_hours(24);
    stale_files::remove_all(&state, now + day + Duration::from_mins(1));
    let (_written, others) = not_stale.split_at(3);
    assert_eq!(left(), others.iter().cloned().collect(), "nobody writes a file for a day");
    // A stale lock of the file itself is removed too.
    lock("a.yaml.lock", &dead);
    let seen = files.plan(&own, &query("shop")).unwrap().fingerprint;
    let saved = files.save(&own, &fresh(), &options(true), seen.as_deref(), false, &unobserved);
    assert!(matches!(saved, Ok(LockOutcome::Done(_))), "{saved:?}");
}

#[test]
fn file_28_a_folder_or_a_link_that_others_control_is_refused() {
    let home = tempfile::tempdir().unwrap();
    assert_eq!(check_private(&home.path().join("missing")), Ok(()));
    assert_eq!(check_private(home.path()), Ok(()));
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let failure = check_private(home.path()).unwrap_err();
    assert!(failure.message.contains("is writable by everyone (mode 0777)"), "{failure}");
    let foreign = if rustix::process::geteuid().is_root() {
        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o700)).unwrap();
        std::os::unix::fs::chown(home.path(), Some(65_534), None).unwrap();
        home.path()
    } else {
        Path::new("/")
    };
    let failure = check_private(foreign).unwrap_err();
    assert!(failure.message.contains("belongs to another user"), "{failure}");
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("elsewhere"), "").unwrap();
    symlink("elsewhere", folder.path().join("journal.jsonl")).unwrap();
    let failure = Journal::open(folder.path()).unwrap_err();
    assert!(failure.message.contains("is a symbolic link; the journal is off"), "{failure}");
}

#[test]
fn file_16_a_state_that_cannot_be_used_is_set_aside() {
    for text in ["", "{\"version\": 99}", "{\"version\": 1, \"acc"] {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("state.json"), text).unwrap();
        let (memory, note) = state_file::load(home.path());
        assert_eq!(memory, PersistedState::default());
        assert!(note.unwrap().contains("state.json.broken-"));
        let kept = PersistedState { theme: Some("dark".into()), ..PersistedState::default() };
        state_file::save(home.path(), &kept, Some(now())).unwrap().into_result().unwrap();
        assert_eq!(state_file::load(home.path()), (kept, None));
        assert_eq!(mode(&home.path().join("state.json")), 0o600);
    }
}

#[test]
fn file_31_filter_marks_and_watches_are_kept_and_wrong_ones_cost_nothing_else() {
    let home = tempfile::tempdir().unwrap();
    let kept = |name: &str, (marked, watched), phase| SavedCluster {
        id: ClusterId::new("p", "eu01", name),
        created: Some(now()),
        marked,
        watched,
        phase,
    };
    let clusters = vec![
        kept("a", (true, false), None),
        kept("b", (true, true), Some(Phase::Preparing)),
        kept("c", (false, true), Some(Phase::Unknown("NEXT".into()))),
    ];
    let filter = "phase:prepared shop".to_owned();
    let sort = Some("name".to_owned());
    let state = PersistedState { sort, filter, clusters, ..PersistedState::default() };
    state_file::save(home.path(), &state, Some(now())).unwrap().into_result().unwrap();
    assert_eq!(state_file::load(home.path()), (state.clone(), None));
    for (filter, clusters) in [("7", "{}"), ("[1]", "[7]"), ("null", "[{\"marked\": true}]")] {
        let text = format!(
            "{{\"version\": 2, \"sort\": \"name\", \"filter\": {filter}, \"clusters\": {clusters}, \"later\": 1}}"
        );
        fs::write(home.path().join("state.json"), text).unwrap();
        let expected = PersistedState { sort: state.sort.clone(), ..PersistedState::default() };
        assert_eq!(state_file::load(home.path()), (expected, None));
    }
    let text =
        "{\"version\": 2, \"theme\": 5, \"columns\": \"name\", \"sort\": [], \"filter\": \"shop\"}";
    fs::write(home.path().join("state.json"), text).unwrap();
    let expected = PersistedState { filter: "shop".to_owned(), ..PersistedState::default() };
    assert_eq!(state_file::load(home.path()), (expected, None));
    // One invalid entry does not affect the others.
    let text = "{\"version\": 2, \"clusters\": [7, {\"project\": \"p\", \"region\": \"eu01\", \"cluster\": \"a\",                 \"marked\": true}], \"selections\": {\"a\": 7, \"\": {\"project\": \"p\"}}}";
    fs::write(home.path().join("state.json"), text).unwrap();
    let (state, _) = state_file::load(home.path());
    assert_eq!((state.clusters.len(), state.selections.len()), (1, 1));
}

fn access(name: &str, hours: i64) -> Access {
    Access {
        cluster: ClusterId::new("p", "eu01", name),
        created: Some(now()),
        kind: KubeconfigKind::Admin,
        issued: now(),
        expires: Some(now().saturating_add(jiff::SignedDuration::from_hours(hours)).unwrap()),
        location: KubeconfigLocation::File {
            path: "~/.kube/config".into(),
            context: name.into(),
            whole: false,
        },
        issuance: None,
        forgotten: false,
    }
}

#[test]
fn what_was_forgotten_stays_so_when_another_instance_saves() {
    let home = tempfile::tempdir().unwrap();
    let copied = Access { location: KubeconfigLocation::Clipboard, ..access("web", 9) };
    let kept = |forgotten| {
        let accesses = vec![Access { forgotten, ..copied.clone() }];
        let credentials = Credentials { accesses, ..Credentials::default() };
        PersistedState { credentials, ..PersistedState::default() }
    };
    let save = |forgotten| {
        let saved = state_file::save(home.path(), &kept(forgotten), Some(now())).unwrap();
        let (credentials, _) = saved.into_result().unwrap();
        assert_eq!(credentials, state_file::load(home.path()).0.credentials);
        credentials.accesses.iter().map(|access| access.forgotten).collect::<Vec<_>>()
    };
    assert_eq!(save(false), [false]);
    assert_eq!(save(true), [true]);
    assert_eq!(save(false), [true], "it had been read before");
}

#[test]
fn cred_02_certificates_are_persisted() {
    let home = tempfile::tempdir().unwrap();
    let subject = cluster("web", Phase::Prepared);
    let mut login = access("web", 8);
    (login.kind, login.expires) = (KubeconfigKind::Login, None);
    login.location =
        KubeconfigLocation::File { path: "~/a".into(), context: "b".into(), whole: true };
    let mut admin = access("web", 8);
    admin.issuance = Some(issuance(2, &[1, 2], Some(subject.rotation.clone())));
    admin.location = KubeconfigLocation::Clipboard;
    let reference = Reference {
        cluster: subject.id,
        created: subject.created,
        issuance: issuance(1, &[1], None),
    };
    let credentials = Credentials { accesses: vec![login, admin], references: vec![reference] };
    let kept = PersistedState { credentials, ..PersistedState::default() };
    state_file::save(home.path(), &kept, Some(now())).unwrap().into_result().unwrap();
    assert_eq!(state_file::load(home.path()), (kept, None));
}

#[test]
fn what_was_selected_is_kept_for_each_profile() {
    let home = tempfile::tempdir().unwrap();
    let of =
        |projects, region: Option<&str>| Selection { projects, region: region.map(Region::new) };
    let selections = [
        ("", of(SelectedProjects::One(ProjectId::new("p")), None)),
        ("night", of(SelectedProjects::All, Some("eu01"))),
        ("day", Selection::default()),
    ];
    let selections = selections.map(|(profile, selection)| (profile.to_owned(), selection));
    let kept = PersistedState { selections: selections.into(), ..PersistedState::default() };
    state_file::save(home.path(), &kept, Some(now())).unwrap().into_result().unwrap();
    assert_eq!(state_file::load(home.path()), (kept, None));
}

#[test]
fn file_16_a_state_file_of_version_1_is_read() {
    let home = tempfile::tempdir().unwrap();
    let text = r#"{"version":1,"accesses":[
        {"project":"p","region":"eu01","cluster":"a","created":"2026-11-24T14:02:11Z",
         "issued":"2026-11-24T14:02:11Z","expires":"2026-11-24T22:02:11Z","place":"~/.kube/config, context a"},
        {"project":"p","region":"eu01","cluster":"b","issued":"2026-11-24T14:02:11Z",
         "expires":"2026-11-24T22:02:11Z","place":"clipboard"}]}"#;
    fs::write(home.path().join("state.json"), text).unwrap();
    let (kept, note) = state_file::load(home.path());
    assert_eq!(note, None);
    let locations: Vec<_> =
        kept.credentials.accesses.iter().map(|a| a.location.describe()).collect();
    assert_eq!(locations, ["~/.kube/config, context a", "clipboard"]);
    assert!(kept.credentials.accesses.iter().all(|access| access.issuance.is_none()));
}

#[test]
fn file_16_records_that_cannot_be_read_are_not_said_to_be_none() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("state.json");
    assert_eq!(state_file::credentials(home.path()), (Credentials::default(), None), "no file");
    for (text, why) in [
        (r#"{"version":99,"accesses":[]}"#, "it was written by a newer version (format 99)"),
        (r#"{"version":"#, "it is damaged at line 1"),
        (r#"{"version":2,"accesses":7}"#, "it is damaged"),
        ("", "it is empty"),
    ] {
        fs::write(&file, text).unwrap();
        let (recorded, note) = state_file::credentials(home.path());
        assert_eq!(recorded, Credentials::default());
        assert!(note.unwrap().ends_with(&format!("{why}; what it recorded is unknown")));
        assert_eq!(fs::read_to_string(&file).unwrap(), text, "it is left as it is");
    }
}

#[test]
fn file_16_entries_of_another_instance_are_not_erased() {
    let home = tempfile::tempdir().unwrap();
    let save = |theme: &str, accesses: &[Access]| {
        let theme = Some(theme.to_owned());
        let credentials = Credentials { accesses: accesses.to_vec(), ..Credentials::default() };
        let kept = PersistedState { credentials, theme, ..PersistedState::default() };
        state_file::save(home.path(), &kept, Some(now())).unwrap().into_result().unwrap()
    };
    let (a, b, ended) = (access("a", 8), access("b", 8), access("c", -1));
    save("dark", &[a.clone(), ended]);
    let (recorded, note) = state_file::credentials(home.path());
    assert_eq!((recorded.accesses, note), (vec![a.clone()], None), "what ended goes");
    let (told, note) = save("light", std::slice::from_ref(&b));
    assert_eq!(told.accesses, [a.clone(), b.clone()], "the other's are handed back");
    assert_eq!(note, None);
    let (kept, _) = state_file::load(home.path());
    assert_eq!((kept.theme.as_deref(), kept.credentials.accesses), (Some("light"), vec![a, b]));
}

#[test]
fn time_01_nothing_is_dropped_as_expired_while_the_clock_of_ske_is_not_known() {
    let home = tempfile::tempdir().unwrap();
    let ended = access("a", -1);
    let save = |accesses: Vec<Access>, server_now| {
        let credentials = Credentials { accesses, ..Credentials::default() };
        let kept = PersistedState { credentials, ..PersistedState::default() };
        state_file::save(home.path(), &kept, server_now).unwrap().into_result().unwrap();
        state_file::credentials(home.path()).0.accesses
    };
    assert_eq!(save(vec![ended.clone()], None), std::slice::from_ref(&ended));
    assert_eq!(save(Vec::new(), None), [ended], "one of another instance");
    assert_eq!(save(Vec::new(), Some(now())), []);
    // Their number is limited: those that end last are kept.
    let many = |number: i64| access(&format!("c{number}"), number);
    let kept = save((0..2_500).map(many).collect(), None);
    assert_eq!(
        (kept.len(), kept.contains(&many(499)), kept.contains(&many(500))),
        (2_000, false, true)
    );
}

#[test]
fn file_16_many_instances_at_once_lose_nothing() {
    let home = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for number in 0..8 {
            let folder = home.path().join("state");
            scope.spawn(move || {
                let accesses = vec![access(&number.to_string(), 8)];
                let credentials = Credentials { accesses, ..Credentials::default() };
                let kept = PersistedState { credentials, ..PersistedState::default() };
                while let LockOutcome::Locked(_) =
                    state_file::save(&folder, &kept, Some(now())).unwrap()
                {}
            });
        }
    });
    assert_eq!(state_file::credentials(&home.path().join("state")).0.accesses.len(), 8);
}

#[test]
fn file_16_a_file_that_became_unreadable_is_set_aside_before_it_is_replaced() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("state.json"), "{\"version\": 99}").unwrap();
    assert_eq!(state_file::credentials(home.path()).0, Credentials::default());
    let (credentials, note) =
        state_file::save(home.path(), &PersistedState::default(), Some(now()))
            .unwrap()
            .into_result()
            .unwrap();
    assert_eq!(credentials, Credentials::default());
    assert!(note.unwrap().contains("newer version"));
}

fn record(who: &str, text: &str) -> Record {
    Record {
        at: now(),
        who: who.into(),
        cluster: Some(ClusterId::new("p", "eu01", "shop")),
        action: "start".into(),
        request: None,
        outcome: Outcome::Done,
        text: text.into(),
        expires: Some(now()),
        trace: None,
        findings: vec!["! one".into()],
        rotation_started: Some(now()),
    }
}

/// Records that each child of the next test appends.
const APPENDED: usize = 60;

/// Child process of the next test: appends records as soon as its standard input ends.
#[test]
fn child_that_appends() {
    let Ok(name) = std::env::var("SKEYS_CHILD_APPENDS") else { return };
    let folder = std::env::var("SKEYS_CHILD_FOLDER").unwrap();
    let journal = Journal::open(Path::new(&folder)).unwrap();
    io::stdin().read_to_end(&mut Vec::new()).unwrap();
    for number in 0..APPENDED {
        // From short lines to those of many pages.
        let count = if number % 9 == 0 { 200 } else { 1 };
        let findings = vec![name.repeat(200); count];
        let record = Record { findings, ..record(&name, &number.to_string()) };
        if number % 2 == 0 {
            // As while another process holds the lock for long.
            journal.append_without_lock(&record).unwrap();
        } else {
            while let LockOutcome::Locked(_) = journal.append(&record).unwrap() {}
        }
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "it starts itself")]
fn file_18_lines_that_several_processes_append_at_once_are_whole_and_none_is_lost() {
    let home = tempfile::tempdir().unwrap();
    let me = std::env::current_exe().unwrap();
    let names = ["a", "b", "c", "d"];
    let mut children = names.map(|name| {
        std::process::Command::new(&me)
            .args(["--exact", "store::tests::child_that_appends"])
            .env("SKEYS_CHILD_APPENDS", name)
            .env("SKEYS_CHILD_FOLDER", home.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    });
    // All of them begin now.
    for child in &mut children {
        drop(child.stdin.take());
    }
    assert!(children.iter_mut().all(|child| child.wait().unwrap().success()));
    let journal = Journal::open(home.path()).unwrap();
    let extract = journal.extract(u64::MAX, |_| true).unwrap();
    assert_eq!((extract.skipped, extract.is_cut), (0, false));
    for name in names {
        let own = extract.records.iter().filter(|record| record.who == name);
        let numbers: Vec<usize> = own
            .map(|record| {
                assert!(record.findings.iter().all(|finding| *finding == name.repeat(200)));
                record.text.parse().unwrap()
            })
            .collect();
        assert_eq!(numbers, (0..APPENDED).collect::<Vec<_>>(), "{name}: each once, in order");
    }
}

#[test]
fn file_17_a_torn_line_is_terminated_and_reported() {
    let home = tempfile::tempdir().unwrap();
    let journal = Journal::open(&home.path().join("new")).unwrap();
    let record = record("me", "a b");
    assert_eq!(journal.append(&record), Ok(LockOutcome::Done(())));
    let path = home.path().join("new/journal.jsonl");
    let torn = fs::read_to_string(&path).unwrap() + "{\"at\": \"20";
    fs::write(&path, torn).unwrap();
    assert_eq!(journal.append(&record), Ok(LockOutcome::Done(())));
    let (records, note) = journal.tail(5).unwrap();
    assert_eq!(records, [record.clone(), record]);
    assert!(note.unwrap().contains("1 truncated"));
    assert_eq!((mode(&path), mode(&home.path().join("new"))), (0o600, 0o700));
}

#[test]
fn file_17_of_a_journal_of_any_size_only_the_end_is_read() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("journal.jsonl");
    // A hole stands for lines that nobody could read to their end: it takes no space, but has 256 GiB.
    let file = fs::File::create(&path).unwrap();
    file.set_len(1 << 38).unwrap();
    let journal = Journal::open(home.path()).unwrap();
    let line = serde_json::to_string(&record("me", "earlier")).unwrap() + "\n";
    // More than what is read.
    let count = 2 * 1024 * 1024 / line.len();
    fs::OpenOptions::new()
        .append(true)
        .open(&path)
        .unwrap()
        .write_all(format!("\n{}", line.repeat(count)).as_bytes())
        .unwrap();
    assert_eq!(journal.append(&record("me", "last")), Ok(LockOutcome::Done(())));
    let (records, note) = journal.tail(usize::MAX).unwrap();
    assert_eq!(note, None, "a line that is cut is not torn");
    assert!((count / 4..count).contains(&records.len()), "{} of {count}", records.len());
    assert_eq!(records.last().unwrap().text, "last");
    let (records, _) = journal.tail(2).unwrap();
    assert_eq!(records.iter().map(|record| &*record.text).collect::<Vec<_>>(), ["earlier", "last"]);
    let extract = journal.extract(100 * 1024, |_| true).unwrap();
    assert!(extract.is_cut && extract.records.len() < count / 4);
}

#[test]
fn file_17_a_line_of_an_older_version_is_read_as_it_was_written() {
    let home = tempfile::tempdir().unwrap();
    let line = r#"{"at":"2026-11-24T14:02:11Z","who":"me","step":"kubeconfig","outcome":"done","text":"issued, expires Tue"}"#;
    let odd = line.replace(r#""text""#, r#""expires":"soon","rotation_started":3,"text""#);
    fs::write(home.path().join("journal.jsonl"), format!("{line}\n{odd}\n")).unwrap();
    let (records, note) = Journal::open(home.path()).unwrap().tail(5).unwrap();
    assert!(records.iter().all(|record| record.rotation_started.is_none()));
    let read: Vec<_> = records.iter().map(|r| (r.text.as_str(), r.expires)).collect();
    assert_eq!(read, [("issued, expires Tue", None), ("issued, expires Tue", None)]);
    assert_eq!(note, None);
}

#[test]
fn the_journal_of_a_cluster_is_read_from_its_end_and_a_cut_is_told() {
    let home = tempfile::tempdir().unwrap();
    let line = |cluster: &str, text: &str| {
        format!(
            r#"{{"at":"2026-11-24T14:02:11Z","who":"me","project":"p","region":"eu01","cluster":"{cluster}","step":"start","outcome":"done","text":"{text}"}}"#
        )
    };
    let lines = [line("shop", "1"), line("other", "2"), "torn".to_owned(), line("shop", "3")];
    fs::write(home.path().join("journal.jsonl"), lines.join("\n")).unwrap();
    let journal = Journal::open(home.path()).unwrap();
    for (most, expected, skipped, is_cut) in
        [(10_000, &["1", "3"][..], 1, false), (250, &["3"], 1, true), (5, &[], 0, true)]
    {
        let extract = journal.extract(most, |id| id.name.as_str() == "shop").unwrap();
        let texts: Vec<_> = extract.records.iter().map(|record| record.text.as_str()).collect();
        assert_eq!(
            (texts.as_slice(), extract.skipped, extract.is_cut),
            (expected, skipped, is_cut)
        );
    }
}
