//! Kubeconfigs to each destination: questions, writes, and what stays untouched.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use skeys::testing::domain::cluster::ClusterId;
use skeys::testing::domain::credential::{Access, Credentials, KubeconfigLocation};
use skeys::testing::domain::kubeconfig::KubeconfigKind;
use skeys::testing::domain::persisted::PersistedState;
use skeys::testing::simulator::faults::{Fault, FaultEffect, KubeconfigDefect};
use skeys::testing::store::state_file;

use crate::support::{Journey, PROJECT, Setting};

/// Comments, both kinds of quotes, a flow list, an exec user, and ten foreign contexts.
const FOREIGN: &str = include_str!("foreign.yaml");

fn write(path: &Path, text: &str, mode: u32) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// From the open form, with the focus on the lifetime, to the button of the destination.
fn to_button(downs: usize) -> String {
    let fields = if downs == 0 || downs == 1 { 3 } else { 2 };
    format!("<tab>{}{}<tab><enter>", "<down>".repeat(downs), "<tab>".repeat(fields))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn merge_adds_one_context_to_a_0644_file_and_loses_nothing() {
    let mut journey = Journey::with(Setting {
        prepare: Box::new(|home| write(&home.join(".kube/config"), FOREIGN, 0o644)),
        ..Setting::default()
    })
    .await;
    journey.press("/alpha<enter>K").await;
    journey.says("10 other contexts");
    journey.says("mode 0644 becomes 0600");
    journey.press(&to_button(0)).await;
    journey.says("Kubeconfig of alpha → ~/.kube/config, context alpha");
    journey.says("expires Tue 24 Nov 2026 22:00 +00:00");
    let merged = journey.read(".kube/config");
    for line in FOREIGN.lines() {
        assert!(merged.lines().any(|other| other == line), "lost: {line}\n{merged}");
    }
    assert!(merged.contains("name: alpha"));
    assert_eq!(mode(&journey.path(".kube/config")), 0o600, "file_11");
    assert_eq!(journey.read(".kube/config.skeys-backup"), FOREIGN);
    assert_eq!(mode(&journey.path(".kube/config.skeys-backup")), 0o600, "file_11");
    assert!(!journey.path(".kube/config.lock").exists());
    assert_eq!(journey.calls("POST", "/kubeconfig"), 1);
    // The current context stays the user's by default.
    assert!(merged.contains("current-context: foreign-3"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn merge_goes_into_the_first_file_of_kubeconfig() {
    let mut journey = Journey::with(Setting {
        prepare: Box::new(|home| {
            write(&home.join("one.yaml"), FOREIGN, 0o600);
            write(&home.join("two.yaml"), "apiVersion: v1\nkind: Config\n", 0o600);
        }),
        ..Setting::default().set("KUBECONFIG", ":~/one.yaml::~/two.yaml")
    })
    .await;
    journey.press("/alpha<enter>K").await;
    journey.says("merge into ~/one.yaml");
    journey.press(&to_button(0)).await;
    journey.says("Kubeconfig of alpha → ~/one.yaml");
    assert!(journey.read("one.yaml").contains("name: alpha"));
    assert!(!journey.read("two.yaml").contains("alpha"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn making_it_the_current_context_happens_on_request_only() {
    let mut journey = Journey::with(Setting {
        prepare: Box::new(|home| write(&home.join(".kube/config"), FOREIGN, 0o600)),
        ..Setting::default()
    })
    .await;
    journey.press("/alpha<enter>K<tab><tab><tab><space><tab><tab><enter>").await;
    journey.says("Kubeconfig of alpha →");
    assert!(journey.read(".kube/config").contains("current-context: alpha"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_of_its_own_is_private_and_asks_before_it_replaces() {
    let mut journey = Journey::begin().await;
    journey.press("/alpha<enter>K").await;
    journey.press(&to_button(1)).await;
    journey.says("Kubeconfig of alpha → ~/.kube/ske/alpha.yaml");
    let path = journey.path(".kube/ske/alpha.yaml");
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    let first = journey.read(".kube/ske/alpha.yaml");
    assert!(first.contains("current-context: alpha"));
    journey.press("K").await;
    journey.press(&to_button(1)).await;
    journey.says("Replace");
    assert_eq!(journey.calls("POST", "/kubeconfig"), 1, "asked before anything is issued");
    // The harmless answer has the focus.
    journey.press("<enter>").await;
    assert_eq!(journey.read(".kube/ske/alpha.yaml"), first);
    journey.press("<enter><tab><tab><enter>").await;
    journey.says("Kubeconfig of alpha → ~/.kube/ske/alpha.yaml");
    assert_ne!(journey.read(".kube/ske/alpha.yaml"), first);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn standard_output_gets_the_kubeconfig_on_exit() {
    let mut journey = Journey::begin().await;
    journey.press("/alpha<enter>K").await;
    journey.press(&to_button(3)).await;
    journey.says("Kubeconfig of alpha → standard output when skeys exits");
    assert!(journey.sent.lock().unwrap().iter().all(|text| !text.contains("client-key")));
    // Another dashboard in the same terminal is not an exit.
    journey.press(":reload<enter>").await;
    journey.press("q").await;
    let printed = journey.end().await;
    assert_eq!(printed.len(), 1);
    assert!(printed[0].expose().contains("client-key-data"));
    assert!(printed[0].expose().contains("name: alpha"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lifetime_outside_the_limits_is_refused_without_a_request() {
    let mut journey = Journey::begin().await;
    journey.press("/alpha<enter>K").await;
    for (typed, said) in [
        ("45m", "45m is too short; allowed: 1h to 180d"),
        ("181d", "181d is too long; allowed: 1h to 180d (6 months)"),
        ("soon", "is not a duration"),
    ] {
        journey.press(&format!("<ctrl-u>{typed}")).await;
        journey.says(said);
        journey.press("<tab><tab><tab><tab><tab><enter>").await;
        journey.shows("New kubeconfig");
        journey.press("<backtab><backtab><backtab><backtab><backtab>").await;
    }
    assert_eq!(journey.calls("POST", "/kubeconfig"), 0);
    journey.press("<ctrl-u>1d<space>12h").await;
    journey.says("Thu 26 Nov 2026 02:0");
    journey.press(&to_button(0)).await;
    journey.says("Kubeconfig of alpha →");
    let log = journey.simulator.request_log();
    let post = log.iter().find(|call| call.path.ends_with("/kubeconfig")).unwrap();
    assert_eq!(post.body.as_ref().unwrap()["expirationSeconds"], "129600");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api_21_a_shorter_lifetime_is_shown_as_returned() {
    let mut journey = Journey::begin().await;
    journey.press("/short<enter>K").await;
    journey.press(&to_button(0)).await;
    journey.says("expires Tue 24 Nov 2026 16:00 +00:00 (less time than requested)");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn disabling_static_tokens_asks_for_consent() {
    let mut journey = Journey::begin().await;
    journey.press("/legacy<enter>K").await;
    journey.says("may still offer static-token kubeconfigs");
    journey.press(&to_button(0)).await;
    journey.says("disable static tokens");
    assert_eq!(journey.calls("POST", "/kubeconfig"), 0);
    journey.press("<enter>").await;
    assert_eq!(journey.calls("POST", "/kubeconfig"), 0, "the focus begins on the harmless answer");
    journey.press("<enter><tab><enter>").await;
    journey.says("Kubeconfig of legacy →");
    // For a newer cluster that was never rotated there is no question.
    journey.press("/<ctrl-u>nova<enter>K").await;
    journey.press(&to_button(0)).await;
    journey.says("Kubeconfig of nova →");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api_23_an_unexpected_kubeconfig_is_refused_and_not_written() {
    for (text, said) in [
        ("apiVersion: v1\nkind: Config\n", "has no context"),
        ("[this, is, no, mapping]", "is not a mapping"),
        ("a: [unclosed", "cannot be parsed: line 1: invalid YAML"),
        (
            "contexts: [{name: a, context: {}}, {name: b, context: {}}]",
            "has 2 contexts and no current-context",
        ),
        (
            "contexts: [{name: a, context: {cluster: c, user: u}}]\n\
             clusters: [{name: c, cluster: {server: 'https://api.example'}}]\nusers: [{name: u, user: {}}]",
            "The kubeconfig that SKE returned",
        ),
    ] {
        let mut journey = Journey::begin().await;
        journey.order(Fault::new(
            "POST",
            "/kubeconfig",
            None,
            FaultEffect::Kubeconfig { text: text.to_owned() },
        ));
        journey.press("/alpha<enter>K").await;
        journey.press(&to_button(0)).await;
        journey.says(said);
        journey.says("A kubeconfig may have been issued and cannot be recovered; it expires Tue");
        assert!(!journey.path(".kube/config").exists(), "{text}");
        let journal = journey.read("state/journal.jsonl");
        let last = journal.lines().last().unwrap();
        assert!(
            last.contains("\"outcome\":\"unknown\"") && last.contains("\"expires\":"),
            "{last}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api_22_a_late_kubeconfig_is_kept_and_offered_for_saving() {
    let mut journey = Journey::begin().await;
    journey.order(Fault::delay("/kubeconfig", 50));
    journey.press("/alpha<enter>K").await;
    journey.press(&to_button(0)).await;
    journey.wait(5).await;
    journey.press("<esc>").await;
    journey.says("If SKE still issues the kubeconfig, skeys keeps it so that you can save it; it expires by Tue 24 Nov 2026 22:00");
    journey.wait(60).await;
    assert!(!journey.path(".kube/config").exists());
    journey.says("The kubeconfig of alpha is not saved");
    // Quitting would lose it.
    journey.press("q").await;
    journey.says("An issued kubeconfig is not saved");
    journey.says("A kubeconfig that is not saved is lost");
    journey.press("<esc>K").await;
    journey.says("issued; expires Tue 24 Nov 2026 22:00");
    journey.press("<tab><tab><tab><tab><enter>").await;
    journey.says("Kubeconfig of alpha → ~/.kube/config");
    assert_eq!(journey.calls("POST", "/kubeconfig"), 1);
    journey.hides("is not saved");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api_22_a_late_failure_names_its_cluster_and_what_may_have_been_issued() {
    let mut journey = Journey::begin().await;
    journey.order(Fault::new("POST", "/kubeconfig", None, FaultEffect::DropAfter {}));
    journey.order(Fault::delay("/kubeconfig", 10));
    journey.press("/alpha<enter>K").await;
    journey.press(&to_button(0)).await;
    journey.press("<esc>").await;
    journey.wait(12).await;
    journey.says("kubeconfig of alpha");
    journey.says("A kubeconfig may have been issued and cannot be recovered; it expires Tue 24 Nov 2026 22:00");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn file_04_a_lock_of_another_program_is_waited_for_then_named_and_left_alone() {
    let mut journey = Journey::with(Setting {
        prepare: Box::new(|home| {
            write(&home.join(".kube/config"), FOREIGN, 0o600);
            write(&home.join(".kube/config.lock"), "", 0o600);
        }),
        ..Setting::default()
    })
    .await;
    journey.press("/alpha<enter>K").await;
    let button = to_button(0);
    journey.press(button.strip_suffix("<enter>").unwrap()).await;
    journey.clock.turn(std::time::Duration::from_secs(1));
    journey.settle().await;
    journey.strike("<enter>");
    journey.turn_until("locked by another program", 200).await;
    journey.says("rm ~/.kube/config.lock");
    assert!(journey.path(".kube/config.lock").exists());
    assert_eq!(journey.read(".kube/config"), FOREIGN);
    assert_eq!(journey.calls("POST", "/kubeconfig"), 0, "cred_09: known before anything is issued");
    fs::remove_file(journey.path(".kube/config.lock")).unwrap();
    journey.press("<enter>").await;
    journey.press("<tab><enter>").await;
    journey.says("Kubeconfig of alpha → ~/.kube/config");
    assert_eq!(journey.calls("POST", "/kubeconfig"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn file_05_a_symlink_is_shown_followed_and_kept() {
    let mut journey = Journey::with(Setting {
        prepare: Box::new(|home| {
            write(&home.join("dotfiles/kube.yaml"), FOREIGN, 0o600);
            fs::create_dir_all(home.join(".kube")).unwrap();
            symlink(home.join("dotfiles/kube.yaml"), home.join(".kube/config")).unwrap();
        }),
        ..Setting::default()
    })
    .await;
    journey.press("/alpha<enter>K").await;
    journey.says("symlink to ~/dotfiles/kube.yaml");
    journey.press(&to_button(0)).await;
    journey.says("Kubeconfig of alpha →");
    assert!(fs::symlink_metadata(journey.path(".kube/config")).unwrap().is_symlink());
    assert!(journey.read("dotfiles/kube.yaml").contains("name: alpha"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn file_07_what_cannot_be_written_is_refused_before_ske_is_asked() {
    let mut journey = Journey::with(Setting {
        prepare: Box::new(|home| write(&home.join(".kube/config"), FOREIGN, 0o400)),
        ..Setting::default()
    })
    .await;
    journey.press("/alpha<enter>K").await;
    journey.says("is read-only");
    journey.press(&to_button(0)).await;
    journey.shows("New kubeconfig");
    assert_eq!(journey.calls("POST", "/kubeconfig"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn file_09_a_name_that_is_taken_is_asked_about_and_never_half_replaced() {
    let mut journey = Journey::with(Setting {
        prepare: Box::new(|home| write(&home.join(".kube/config"), FOREIGN, 0o600)),
        ..Setting::default()
    })
    .await;
    // The context name is free, but a user entry has it.
    journey.press("/alpha<enter>K<tab><tab><ctrl-u>lonely-user").await;
    journey.says("user lonely-user");
    journey.press("<tab><tab><tab><enter>").await;
    journey.says("Use another name");
    journey.press("<tab><enter>").await;
    assert_eq!(journey.calls("POST", "/kubeconfig"), 0);
    assert_eq!(journey.read(".kube/config"), FOREIGN);
    journey.press("<ctrl-u>foreign-7<tab><tab><tab><enter>").await;
    journey.says("Replace");
    journey.press("<tab><tab><enter>").await;
    // Only the issued kubeconfig shows that they belong to another cluster.
    journey.says(
        "The issued kubeconfig shows that existing entries belong to another cluster (two.example)",
    );
    assert_eq!(journey.read(".kube/config"), FOREIGN);
    journey.press("<tab><tab><enter>").await;
    journey.says("Kubeconfig of alpha → ~/.kube/config, context foreign-7");
    let merged = journey.read(".kube/config");
    assert_eq!(merged.matches("name: foreign-7").count(), 3, "one context, one cluster, one user");
    assert!(merged.contains("client-key-data"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_of_another_cluster_is_asked_about_again() {
    // By name and region it looks like this cluster's; only the issued kubeconfig shows that it is not.
    let text = FOREIGN
        .replace("{cluster: foreign-2, user: foreign-1}", "{cluster: foreign-2, user: foreign-2}")
        .replace("{cluster: foreign-3, user: foreign-1}", "{cluster: foreign-3, user: foreign-2}")
        .replace("foreign-1", "alpha")
        .replace("one.example:6443", "api.alpha.0a1b2c3d4e.s.ske.eu01.onstackit.cloud");
    let before = text.clone();
    let mut journey = Journey::with(Setting {
        prepare: Box::new(move |home| write(&home.join(".kube/config"), &text, 0o600)),
        ..Setting::default()
    })
    .await;
    journey.press("/alpha<enter>K").await;
    journey.says("already exists, for alpha in eu01");
    journey.press(&to_button(0)).await;
    journey.says("Already exists, for alpha in eu01");
    journey.press("<tab><tab><enter>").await;
    journey.says("for another cluster (api.alpha.0a1b2c3d4e.s.ske.eu01.onstackit.cloud)");
    journey.says("Another name: alpha-eu01");
    assert_eq!(journey.read(".kube/config"), before);
    // Another name is one key away, and no second kubeconfig is issued.
    journey.press("<tab><enter>").await;
    journey.press("<tab><tab><tab><enter>").await;
    journey.says("Kubeconfig of alpha → ~/.kube/config, context alpha-eu01");
    let merged = journey.read(".kube/config");
    assert!(before.lines().all(|line| merged.lines().any(|other| other == line)), "{merged}");
    assert_eq!(journey.calls("POST", "/kubeconfig"), 1);
    // A renewal is labelled as such.
    journey.press("K<tab><tab>-eu01").await;
    journey.says("already exists, for this cluster");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn file_10_a_file_that_changes_before_the_write_is_shown_again() {
    let mut journey = Journey::with(Setting {
        prepare: Box::new(|home| write(&home.join(".kube/config"), FOREIGN, 0o600)),
        ..Setting::default()
    })
    .await;
    journey.press("/alpha<enter>K").await;
    journey.says("10 other contexts");
    fs::set_permissions(journey.path(".kube/config"), fs::Permissions::from_mode(0o640)).unwrap();
    journey.press(&to_button(0)).await;
    journey.shows("The file changed on disk");
    assert_eq!(journey.read(".kube/config"), FOREIGN);
    journey.says("mode 0640 becomes 0600");
    journey.press("<tab><enter>").await;
    journey.says("Kubeconfig of alpha →");
    assert_eq!(journey.calls("POST", "/kubeconfig"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cred_06_a_kubeconfig_that_leads_elsewhere_or_runs_something_else_is_not_kept() {
    for defect in [
        KubeconfigDefect::OtherHost,
        KubeconfigDefect::Exec,
        KubeconfigDefect::FilePath,
        KubeconfigDefect::SkipVerify,
    ] {
        let mut journey = Journey::begin().await;
        let effect = FaultEffect::DefectiveKubeconfig { defect };
        journey.order(Fault::new("POST", "/kubeconfig", None, effect));
        journey.press("/alpha<enter>K").await;
        journey.press(&to_button(0)).await;
        journey.says("The kubeconfig that SKE returned");
        journey.says("A kubeconfig may have been issued and cannot be recovered");
        assert!(!journey.path(".kube/config").exists(), "{defect:?}");
    }
    let text = "contexts: [{name: a, context: {cluster: c, user: u}}]\n\
        clusters: [{name: c, cluster: {server: 'https://api.alpha.0a1b2c3d4e.s.ske.eu01.onstackit.cloud', certificate-authority-data: QUJD}}]\n\
        users: [{name: u, user: {exec: {command: stackit, args: [ske, kubeconfig, login], env: [{name: A, value: b}]}}}]";
    let mut journey = Journey::begin().await;
    let effect = FaultEffect::Kubeconfig { text: text.to_owned() };
    journey.order(Fault::new("GET", "/kubeconfig/login", None, effect));
    journey.press("/alpha<enter>K<backtab><right>").await;
    journey.press("<tab><tab><tab><tab><tab><enter>").await;
    journey.says("gives stackit a setting that SKE never sets (user.exec.env)");
    assert!(!journey.path(".kube/config").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn file_25_entries_of_others_written_while_the_form_is_open_are_kept() {
    let mut journey = Journey::with(Setting {
        prepare: Box::new(|home| write(&home.join(".kube/config"), FOREIGN, 0o600)),
        ..Setting::default()
    })
    .await;
    journey.press("/alpha<enter>K").await;
    journey.says("10 other contexts");
    let changed = FOREIGN.replace("foreign-9", "renamed-9");
    fs::write(journey.path(".kube/config"), &changed).unwrap();
    journey.press(&to_button(0)).await;
    journey.says("Kubeconfig of alpha →");
    let merged = journey.read(".kube/config");
    assert!(changed.lines().all(|line| merged.lines().any(|other| other == line)), "{merged}");
    assert_eq!(journey.read(".kube/config.skeys-backup"), changed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn file_22_a_renewal_keeps_what_the_person_added_and_says_what_it_cannot() {
    let mut journey = Journey::begin().await;
    journey.press("/alpha<enter>K").await;
    journey.press(&to_button(0)).await;
    let own = journey
        .read(".kube/config")
        .replace("    server:", "    proxy-url: socks5://localhost:1080 # mine\n    server:")
        .replace("    user: alpha\n", "    user: alpha\n    namespace: my-service\n")
        .replace("    client-key-data:", "    token: old\n    client-key-data:");
    write(&journey.path(".kube/config"), &own, 0o600);
    journey.press("K").await;
    journey.says("not kept: token of user alpha");
    journey.press(&to_button(0)).await;
    journey.press("<tab><tab><enter>").await;
    journey.says("Kubeconfig of alpha →");
    let renewed = journey.read(".kube/config");
    assert_ne!(renewed, own);
    assert!(renewed.contains("    proxy-url: socks5://localhost:1080 # mine\n"), "{renewed}");
    assert!(renewed.contains("    namespace: my-service\n"), "{renewed}");
    assert!(!renewed.contains("token"), "{renewed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cred_07_replacing_a_file_says_how_many_contexts_are_lost() {
    let mut journey = Journey::with(Setting {
        prepare: Box::new(|home| write(&home.join(".kube/ske/alpha.yaml"), FOREIGN, 0o600)),
        ..Setting::default()
    })
    .await;
    journey.press("/alpha<enter>K").await;
    journey.press(&to_button(1)).await;
    journey.says("Its 10 other contexts will be lost: foreign-1");
    assert_eq!(journey.calls("POST", "/kubeconfig"), 0);
    journey.press("<tab><tab><enter>").await;
    journey.press("<tab><tab><enter>").await;
    journey.says("backup: ~/.kube/ske/alpha.yaml.skeys-backup");
    assert_eq!(journey.read(".kube/ske/alpha.yaml.skeys-backup"), FOREIGN);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cred_08_a_name_in_a_later_file_is_asked_about_as_within_one() {
    let mut journey = Journey::with(Setting {
        prepare: Box::new(|home| {
            write(&home.join("one"), "kind: Config\n", 0o600);
            write(&home.join("two"), &FOREIGN.replace("foreign-3", "alpha"), 0o600);
        }),
        ..Setting::default().set("KUBECONFIG", "~/one:~/two")
    })
    .await;
    journey.press("/alpha<enter>K").await;
    journey.says("user alpha in ~/two");
    journey.says("hides those of ~/two");
    journey.says("context foreign-5 in ~/two (user alpha)");
    journey.press(&to_button(0)).await;
    journey.says("Replace?");
    assert_eq!(journey.calls("POST", "/kubeconfig"), 0);
    assert_eq!(journey.read("one"), "kind: Config\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cred_08_a_context_of_a_later_file_that_changes_is_named_before_ske_is_asked() {
    let zeta = "contexts:\n- {name: zeta, context: {cluster: foreign-1, user: alpha}}\n";
    let mut journey = Journey::with(Setting {
        prepare: Box::new(move |home| {
            write(&home.join("one"), FOREIGN, 0o600);
            write(&home.join("two"), zeta, 0o600);
        }),
        ..Setting::default().set("KUBECONFIG", "~/one:~/two")
    })
    .await;
    journey.press("/alpha<enter>K").await;
    journey.says("! also changes: context zeta in ~/two (user alpha)");
    assert_eq!(journey.calls("POST", "/kubeconfig"), 0);
    journey.press(&to_button(0)).await;
    journey.says("Kubeconfig of alpha → ~/one");
    assert_eq!(journey.read("two"), zeta);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn file_10_an_unchanged_entry_of_another_server_is_asked_about_with_the_true_reason() {
    let entry = "clusters:\n- {name: alpha, cluster: {server: 'https://k.example.com'}}\ncontexts:\n- name: alpha\n  context: {cluster: alpha, user: alpha, namespace: web}\nusers:\n- {name: alpha, user: {token: t}}\n";
    let mut journey = Journey::with(Setting {
        prepare: Box::new(move |home| write(&home.join(".kube/config"), entry, 0o600)),
        ..Setting::default()
    })
    .await;
    journey.press("/alpha<enter>K").await;
    journey.says("! not kept if the entries belong to another cluster: namespace of context alpha");
    journey.press(&to_button(0)).await;
    journey.says("Already exists, for k.example.com");
    journey.press("<tab><tab><enter>").await;
    journey.says("The issued kubeconfig shows that existing entries belong to another cluster (k.example.com)");
    journey.says("Not kept: namespace of context alpha, token of user alpha.");
    journey.hides("changed on disk");
    assert_eq!(journey.read(".kube/config"), entry);
    journey.press("<tab><tab><enter>").await;
    journey.says("Kubeconfig of alpha → ~/.kube/config, context alpha");
    assert_eq!(journey.calls("POST", "/kubeconfig"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cred_09_a_file_that_cannot_take_it_is_named_before_ske_is_asked() {
    for (text, why) in [
        ("kind: Config\nx: &x []\nusers: *x\n", "line 3: users is not a list"),
        (
            "users:\n- {name: alpha, user: &u {token: t}}\n- {name: b, user: *u}\n",
            "line 2: user alpha",
        ),
        ("users: [{name: a}, {name: a}]\n", "line 1: duplicate name a in users"),
        ("kind: Config\n---\nkind: Config\n", "line 3: more than one YAML document"),
        ("{kind: Config, users: [\n", "invalid YAML"),
    ] {
        let mut journey = Journey::with(Setting {
            prepare: Box::new(move |home| write(&home.join(".kube/config"), text, 0o600)),
            ..Setting::default()
        })
        .await;
        journey.press("/alpha<enter>K").await;
        journey.says(why);
        journey.press(&to_button(0)).await;
        assert_eq!(journey.calls("POST", "/kubeconfig"), 0, "{why}");
        assert_eq!(journey.read(".kube/config"), text);
    }
    for downs in 1..=3 {
        let mut journey = Journey::begin().await;
        let to_name = if downs == 1 { "<tab><tab>" } else { "<tab>" };
        journey.press(&format!("/alpha<enter>K<tab>{}{to_name}", "<down>".repeat(downs))).await;
        journey.press("\u{200b}<tab><tab><enter>").await;
        journey.says("A context needs a name without control characters");
        assert_eq!(journey.calls("POST", "/kubeconfig"), 0, "{downs}");
    }
    let long = format!("~/{}", "a".repeat(250));
    for (path, why) in [
        ("~/folder/", "names a folder"),
        (long.as_str(), "name is too long"),
        ("~someone/config", "~someone"),
        ("$XDG/config", "$XDG"),
        ("~/.kube/config/x", "is not a folder"),
    ] {
        let mut journey = Journey::with(Setting {
            prepare: Box::new(|home| write(&home.join(".kube/config"), "", 0o600)),
            ..Setting::default()
        })
        .await;
        journey.press(&format!("/alpha<enter>K<tab><down><tab><ctrl-u>{path}")).await;
        journey.says(why);
        journey.press("<tab><tab><tab><enter>").await;
        assert_eq!(journey.calls("POST", "/kubeconfig"), 0, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn login_and_idp_kubeconfigs_hold_no_secret_and_say_why_not() {
    let mut journey = Journey::begin().await;
    journey.press("/alpha<enter>K<backtab><right>").await;
    journey.press("<tab><tab><tab><tab><tab><enter>").await;
    journey.says("Kubeconfig of alpha → ~/.kube/config");
    let text = journey.read(".kube/config");
    assert!(text.contains("command: stackit") && !text.contains("client-key-data"));
    journey.press("K<backtab><right><right>").await;
    journey.says("IDP access as disabled for this cluster; SKE may refuse");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_quit_dialog_keeps_the_form_below() {
    let mut journey = Journey::with(Setting { ways: Vec::new(), ..Setting::default() }).await;
    journey.press("/alpha<enter>K").await;
    journey.press("<tab><down><down><tab><tab><tab><enter>").await;
    journey.says("the clipboard cannot be reached");
    // Issued, but not saved anywhere.
    journey.press("<ctrl-c>").await;
    journey.says("An issued kubeconfig is not saved");
    journey.press("<enter>").await;
    journey.hides("Quit skeys");
    journey.press("<enter><backtab><backtab><up><tab><tab><tab><tab><enter>").await;
    journey.says("Kubeconfig of alpha → ~/.kube/ske/alpha.yaml");
    assert_eq!(journey.calls("POST", "/kubeconfig"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn host_03_an_exec_entry_in_the_users_files_is_never_executed() {
    let marker = "executed-by-mistake";
    let mut journey = Journey::with(Setting {
        prepare: Box::new(move |home| {
            let evil = format!(
                "clusters: [{{name: c, cluster: {{server: 'https://api.alpha.0a1b2c3d4e.s.ske.eu01.onstackit.cloud'}}}}]\n\
                 users: [{{name: u, user: {{exec: {{apiVersion: client.authentication.k8s.io/v1, command: touch, args: ['{}']}}}}}}]\n\
                 contexts: [{{name: evil, context: {{cluster: c, user: u}}}}]\n",
                home.join(marker).display()
            );
            write(&home.join(".kube/config"), &evil, 0o600);
        }),
        ..Setting::default()
    })
    .await;
    journey.press("/alpha<enter>R<esc>K").await;
    journey.press(&to_button(0)).await;
    journey.says("Kubeconfig of alpha →");
    assert!(!journey.path(marker).exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn file_16_two_instances_know_of_each_others_kubeconfigs() {
    let mut journey = Journey::begin().await;
    journey.press("/bravo<enter>R").await;
    journey.says("no kubeconfig from after the start on this machine");
    journey.press("<esc>").await;
    let now = journey.clock.now();
    let bravo = ClusterId::new(PROJECT, "eu01", "bravo");
    let created =
        journey.simulator.with_cloud(|cloud| cloud.cluster(&bravo).map(|found| found.created));
    let of_the_other = Access {
        cluster: bravo,
        created,
        kind: KubeconfigKind::Admin,
        issued: now,
        expires: Some(now + jiff::SignedDuration::from_hours(8)),
        location: KubeconfigLocation::Other("/elsewhere.yaml".into()),
        issuance: None,
        forgotten: false,
    };
    let credentials = Credentials { accesses: vec![of_the_other], ..Credentials::default() };
    let kept = PersistedState { credentials, ..PersistedState::default() };
    state_file::save(&journey.path("state"), &kept, Some(now)).unwrap();
    journey.press("R").await;
    journey.says("/elsewhere.yaml");
    journey.press("<esc>T").await;
    assert!(journey.read("state/state.json").contains("/elsewhere.yaml"), "it was erased");
    // A recreated cluster is a different one: nothing was issued for it.
    journey.simulator.with_cloud(|cloud| {
        cloud.recreate(
            &ClusterId::new(PROJECT, "eu01", "bravo"),
            now + jiff::SignedDuration::from_mins(1),
        );
    });
    journey.until("deleted and recreated", 60).await;
    journey.press("<esc>R").await;
    journey.says("no kubeconfig on this machine outlasts the start");
}
