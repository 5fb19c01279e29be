//! Responses and verdicts about credentials: a response belongs to its request, and a verdict is based on certificates,
//! not clocks.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::Ordering;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::ResourceExt;
use kube::api::{Api, ListParams};
use skeys::testing::app::settings::ObservationScope;
use skeys::testing::domain::credential::CredentialFacts;
use skeys::testing::domain::kubeconfig::{KubeconfigKind, ParsedKubeconfig};
use skeys::testing::domain::secret::Secret;
use skeys::testing::simulator::cluster::objects::{ObjectKey, ObjectKind};
use skeys::testing::simulator::faults::{Fault, FaultEffect};

use crate::simulated_cluster::{client, observing};
use crate::support::{Journey, Setting};

/// From the open form, with the focus on the lifetime, to the merge button.
const ISSUE: &str = "<tab><tab><tab><tab><tab><enter>";

/// From the open start dialog to its button.
const START: &str = "<tab><enter>";

/// The server and certificates of each context of a merged file.
fn contexts(text: &str) -> BTreeMap<String, (String, CredentialFacts)> {
    let names = text.lines().filter_map(|line| line.strip_prefix("  name: "));
    names
        .filter_map(|name| {
            let current = format!("current-context: {name}");
            let lines: Vec<&str> = text
                .lines()
                .map(|line| if line.starts_with("current-context:") { &current } else { line })
                .collect();
            let text = lines.join("\n");
            let fresh = ParsedKubeconfig::read(KubeconfigKind::Admin, &Secret::new(text)).ok()?;
            let facts = fresh.facts().unwrap();
            Some((name.to_owned(), (fresh.server().to_owned(), facts)))
        })
        .collect()
}

fn issuer<'a>(contexts: &'a BTreeMap<String, (String, CredentialFacts)>, name: &str) -> &'a str {
    &contexts[name].1.client.as_ref().unwrap().issuer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cred_01_a_kubeconfig_is_never_stored_under_another_cluster() {
    let mut journey = Journey::begin().await;
    journey.order(Fault::delay("/clusters/alpha/kubeconfig", 9));
    journey.order(Fault::delay("/clusters/nova/kubeconfig", 14));
    journey.press("/alpha<enter>K").await;
    journey.press(ISSUE).await;
    journey.press("<esc><esc>/<ctrl-u>nova<enter>K").await;
    journey.press(ISSUE).await;
    journey.wait(8).await;
    assert!(!journey.path(".kube/config").exists(), "{}", journey.read(".kube/config"));
    journey.says("requesting from SKE");
    journey.wait(12).await;
    let text = journey.read(".kube/config");
    let found = contexts(&text);
    // After the first rotation alpha's CA has a different name.
    assert_eq!(issuer(&found, "nova"), "CN=kubernetes-client");
    assert_eq!(found.len(), 1, "{text}");
    // Alpha's response is shown with its own name and expiry.
    journey.says("The kubeconfig of alpha is not saved, expires in 7h 59m");
    journey.press("/<ctrl-u>alpha<enter>K").await;
    journey.says("issued; expires Tue 24 Nov 2026 22:00");
    journey.press("<tab><tab><tab><tab><enter>").await;
    journey.says("Kubeconfig of alpha → ~/.kube/config");
    let found = contexts(&journey.read(".kube/config"));
    assert!(issuer(&found, "alpha").starts_with("CN=ca-client-"));
    assert_ne!(found["alpha"].0, found["nova"].0);
    assert_eq!(journey.calls("POST", "/kubeconfig"), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cred_01_two_requests_of_one_cluster_answer_their_own_forms() {
    let mut journey = Journey::begin().await;
    let slow = |times, seconds| {
        let mut fault = Fault::delay("/clusters/alpha/kubeconfig", seconds);
        fault.times = Some(times);
        fault
    };
    journey.order(slow(1, 9));
    journey.press("/alpha<enter>K<ctrl-u>1h").await;
    journey.press(ISSUE).await;
    journey.press("<esc>").await;
    journey.order(slow(1, 14));
    journey.press("K<ctrl-u>180d").await;
    journey.press(ISSUE).await;
    journey.wait(30).await;
    let found = contexts(&journey.read(".kube/config"));
    let client = found["alpha"].1.client.as_ref().unwrap();
    let life = client.not_after.duration_since(client.not_before);
    assert!(life > jiff::SignedDuration::from_hours(179 * 24), "{life}");
    journey.says("The kubeconfig of alpha is not saved, expires in 59m");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cred_02_a_kubeconfig_issued_just_before_the_start_is_recognised_despite_clock_skew() {
    // With the clock a day ahead the token would already have expired.
    for ahead in [60, -60, 600, -600, 39_600, -86_400] {
        let mut journey = Journey::with(Setting { ahead, ..Setting::default() }).await;
        journey.press("/alpha<enter>K").await;
        journey.press(ISSUE).await;
        journey.says("Kubeconfig of alpha →");
        journey.press("<enter>").await;
        journey.says("until the next rotation is completed");
        journey.wait(9).await;
        journey.press("R").await;
        journey.press(START).await;
        journey.until_slowly("PREPARED", 30, 200).await;
        journey.press("R").await;
        journey.says("no kubeconfig from after the start on this machine");
        journey.says("1 kubeconfig on this machine will stop working");
        assert!(!journey.words().contains("you have a kubeconfig"), "{ahead}");
        journey.press("<esc>1").await;
        journey.says("BREAKS on complete");
        // One issued now survives it, whatever the clocks.
        journey.press("K<tab><tab>-new").await;
        journey.press("<tab><tab><tab><enter>").await;
        journey.says("context alpha-new");
        journey.press("R").await;
        journey.says("you have a kubeconfig issued after the start, valid for");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cred_03_credentials_ended_by_a_rotation_are_dead_on_every_screen() {
    let mut journey = Journey::with(Setting { size: (150, 40), ..Setting::default() }).await;
    journey.press("/alpha<enter>K<ctrl-u>180d").await;
    journey.press(ISSUE).await;
    journey.press("<enter>R").await;
    journey.press(START).await;
    journey.until_slowly("PREPARED", 30, 200).await;
    journey.press("Ralpha<enter><enter><tab><tab><enter>").await;
    journey.until_slowly("completed", 10, 200).await;
    journey.press("1").await;
    journey.says("no longer works");
    // The predictions are verified.
    journey.press("4").await;
    journey.says("tried: refused (the server certificate is not this cluster's");
    journey.press("5").await;
    journey.says("1 predicted to break: 1 refused");
    journey.press("2").await;
    journey.says("○ 1 get access");
    journey.says("yours no longer works");
    journey.press("R").await;
    journey.says("no kubeconfig on this machine outlasts the start");
    journey.press("<esc><esc>").await;
    journey.hides("179d");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cred_13_a_file_that_is_replaced_while_completing_is_not_held_against_the_verdict() {
    let mut journey = Journey::with(Setting { size: (150, 40), ..Setting::default() }).await;
    journey.press("/alpha<enter>K<ctrl-u>180d").await;
    journey.press(ISSUE).await;
    std::fs::copy(journey.path(".kube/config"), journey.path(".kube/a.yaml")).unwrap();
    journey.press("<enter>R").await;
    journey.press(START).await;
    journey.until_slowly("PREPARED", 30, 200).await;
    // The one in use is replaced, the copy not yet.
    journey.press("K").await;
    journey.press(ISSUE).await;
    journey.press("<tab><tab><enter>").await;
    journey.says("Kubeconfig of alpha → ~/.kube/config, context alpha");
    journey.press("4r").await;
    journey.says("BREAKS on complete");
    journey.says("keeps working after complete");
    journey.press("Ralpha<enter><enter><tab><tab><enter>").await;
    journey.says("Accepted at");
    std::fs::copy(journey.path(".kube/config"), journey.path(".kube/a.yaml")).unwrap();
    journey.until_slowly("tried: accepted", 10, 200).await;
    journey.press("5").await;
    journey.says("1 predicted to keep working: 1 accepted; 1 replaced since, not compared");
    assert!(!journey.words().contains("differs from the verdict"), "{}", journey.screen());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cred_04_a_replaced_kubeconfig_causes_no_warning() {
    let mut journey = Journey::begin().await;
    journey.press("/alpha<enter>K").await;
    journey.press(ISSUE).await;
    journey.press("<enter>R").await;
    journey.press(START).await;
    journey.until_slowly("PREPARED", 30, 200).await;
    journey.press("K").await;
    journey.press(ISSUE).await;
    // The name is taken by this cluster: replaced.
    journey.press("<tab><tab><enter>").await;
    journey.says("Kubeconfig of alpha → ~/.kube/config, context alpha");
    journey.press("1").await;
    journey.says("keeps working after complete");
    journey.hides("BREAKS");
    journey.press("R").await;
    journey.says("you have a kubeconfig issued after the start");
    assert!(!journey.words().contains("will stop working"), "{}", journey.screen());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn file_22_an_entry_is_renewed_in_its_own_file_and_keeps_what_the_person_wrote() {
    let mut journey = Journey::begin().await;
    journey.press("/alpha<enter>K").await;
    journey.press(ISSUE).await;
    let text = journey.read(".kube/config");
    // The result of `kubectl config rename-context`, with the user's additions.
    let own = "# mine\n".to_owned()
        + &text
            .replace("    cluster: alpha\n", "    cluster: alpha\n    namespace: web\n")
            .replace("    user: alpha\n  name: alpha\n", "    user: alpha\n  name: prod\n")
            .replace("    server: ", "    proxy-url: http://127.0.0.1:1\n    server: ");
    std::fs::remove_file(journey.path(".kube/config")).unwrap();
    std::fs::write(journey.path(".kube/work.yaml"), &own).unwrap();
    journey.press("<enter>R").await;
    journey.press(START).await;
    journey.until_slowly("PREPARED", 30, 200).await;
    journey.press("4r").await;
    journey.says("~/.kube/work.yaml, context prod");
    journey.says("BREAKS on complete");
    let asked = journey.calls("POST", "/kubeconfig");
    journey.press("K").await;
    journey.says("~/.kube/work.yaml, context prod");
    journey.says("- client-key-data: …");
    journey.says("+ client-key-data: … (from SKE)");
    // Going back leaves everything unchanged.
    journey.press("<enter><esc>").await;
    assert_eq!(journey.calls("POST", "/kubeconfig"), asked);
    assert_eq!(journey.read(".kube/work.yaml"), own);
    journey.press("K<enter><enter>").await;
    journey.until_slowly("1 of 1 renewed", 1, 60).await;
    journey.press("<enter>").await;
    journey.says("Kubeconfig of alpha → ~/.kube/work.yaml, context prod");
    journey.says("keeps working after complete");
    assert_eq!(journey.calls("POST", "/kubeconfig"), asked + 1);
    let renewed = journey.read(".kube/work.yaml");
    for kept in ["# mine\n", "namespace: web\n", "proxy-url: http://127.0.0.1:1\n"] {
        assert!(renewed.contains(kept), "{kept}\n{renewed}");
    }
    assert_ne!(renewed, own);
    assert_eq!(journey.read(".kube/work.yaml.skeys-backup"), own);
    assert!(!journey.path(".kube/config").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cred_01_marked_entries_are_renewed_each_in_its_file_and_a_failure_stops_no_other() {
    let mut journey = Journey::with(Setting { size: (140, 40), ..Setting::default() }).await;
    journey.press("/alpha<enter>K").await;
    journey.press(ISSUE).await;
    let text = journey.read(".kube/config");
    let second = text
        .replace("  name: alpha", "  name: two")
        .replace("- name: alpha", "- name: two")
        .replace("cluster: alpha", "cluster: two")
        .replace("user: alpha", "user: two");
    for file in ["a.yaml", "b.yaml", "c.yaml"] {
        std::fs::write(journey.path(&format!(".kube/{file}")), &second).unwrap();
    }
    let last = journey.path(".kube/c.yaml");
    let set_mode = |mode| {
        std::fs::set_permissions(&last, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    journey.press("<enter>R").await;
    journey.press(START).await;
    journey.until_slowly("PREPARED", 30, 200).await;
    journey.press("4r").await;
    // All but the first.
    journey.press("<down><space><space><space>").await;
    journey.press("K").await;
    for file in ["a.yaml", "b.yaml", "c.yaml"] {
        journey.says(&format!("~/.kube/{file}, context two"));
    }
    // One of the files is no longer writable.
    set_mode(0o400);
    let asked = journey.calls("POST", "/kubeconfig");
    journey.press("<ctrl-u>30d<enter><enter>").await;
    journey.until_slowly("2 of 3 renewed", 2, 60).await;
    journey.says("c.yaml is read-only");
    assert_eq!(journey.calls("POST", "/kubeconfig"), asked + 2, "nothing is issued for nothing");
    let keys: Vec<String> = ["config", "a.yaml", "b.yaml", "c.yaml"]
        .map(|file| {
            let text = journey.read(&format!(".kube/{file}"));
            let key = text.lines().find(|line| line.contains("client-key-data")).unwrap();
            key.to_owned()
        })
        .to_vec();
    assert_eq!(keys[3], keys[0], "as it was");
    assert!(keys[1] != keys[0] && keys[2] != keys[0] && keys[1] != keys[2], "each its own");
    for file in ["a.yaml", "b.yaml"] {
        let found = contexts(&journey.read(&format!(".kube/{file}")));
        let client = found["two"].1.client.as_ref().unwrap();
        assert!(client.issuer.starts_with("CN=ca-client-"));
        let life = client.not_after.duration_since(client.not_before);
        assert!(life > jiff::SignedDuration::from_hours(29 * 24), "{life}");
    }
    // Failed ones stay marked.
    set_mode(0o600);
    journey.press("<enter>K<enter><enter>").await;
    journey.until_slowly("1 of 1 renewed", 1, 60).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn file_35_the_backup_of_several_renewals_in_one_file_is_the_file_before_the_first() {
    let mut journey = Journey::with(Setting { size: (140, 40), ..Setting::default() }).await;
    journey.press("/alpha<enter>K").await;
    journey.press(ISSUE).await;
    // As a second context of the same user.
    let text = journey.read(".kube/config");
    let context = "- context:\n    cluster: alpha\n    user: alpha\n  name: alpha\n";
    assert!(text.contains(context), "{text}");
    let own =
        text.replace(context, &(context.to_owned() + &context.replace("name: alpha", "name: two")));
    std::fs::write(journey.path(".kube/config"), &own).unwrap();
    std::fs::remove_file(journey.path(".kube/config.skeys-backup")).ok();
    journey.press("<enter>R").await;
    journey.press(START).await;
    journey.until_slowly("PREPARED", 30, 200).await;
    journey.press("4r<space><space>K").await;
    journey.says("also changes: context two (cluster alpha, user alpha)");
    journey.says("also changes: context alpha (cluster alpha, user alpha)");
    journey.press("<enter><enter>").await;
    journey.until_slowly("2 of 2 renewed", 2, 60).await;
    assert_ne!(journey.read(".kube/config"), own);
    assert_eq!(journey.read(".kube/config.skeys-backup"), own);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cred_11_an_answer_during_exit_is_in_the_journal() {
    let mut journey = Journey::begin().await;
    journey.order(Fault::delay("/clusters/alpha/kubeconfig", 1));
    journey.press("/alpha<enter>K").await;
    journey.press(ISSUE).await;
    journey.strike("<ctrl-c><ctrl-c>");
    for _ in 0..20 {
        journey.clock.turn(std::time::Duration::from_millis(100));
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    journey.end().await;
    let journal = journey.read("state/journal.jsonl");
    let last: Vec<&str> = journal.lines().collect();
    assert!(last.iter().any(|line| line.contains("\"text\":\"issued\"")), "{journal}");
    assert!(journal.contains("kubeconfig → ~/.kube/config, context alpha"), "{journal}");
    assert!(journey.read(".kube/config").contains("name: alpha"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cred_11_a_renewal_requests_nothing_more_during_exit() {
    let mut journey = Journey::with(Setting { size: (140, 40), ..Setting::default() }).await;
    journey.press("/alpha<enter>K").await;
    journey.press(ISSUE).await;
    let old = journey.read(".kube/config");
    std::fs::write(journey.path(".kube/b.yaml"), &old).unwrap();
    journey.press("<enter>4r<space><space>K").await;
    journey.says("~/.kube/b.yaml, context alpha");
    journey.order(Fault::delay("/clusters/alpha/kubeconfig", 1));
    journey.press("<enter><enter>").await;
    journey.strike("<ctrl-c><ctrl-c>");
    for _ in 0..30 {
        journey.clock.turn(std::time::Duration::from_millis(100));
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    journey.end().await;
    assert_ne!(journey.read(".kube/config"), old, "the one that was requested is saved");
    let journal = journey.read("state/journal.jsonl");
    assert_eq!(journal.matches("\"outcome\":\"intended\"").count(), 2, "{journal}");
    assert_eq!(journey.read(".kube/b.yaml"), old);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cred_11_a_missing_answer_at_exit_is_logged_as_unknown() {
    for breaks in [false, true] {
        let mut journey = Journey::begin().await;
        journey.order(Fault::delay("/clusters/alpha/kubeconfig", 50));
        journey.press("/alpha<enter>K").await;
        journey.press(ISSUE).await;
        // A terminal that can no longer be drawn on ends it, too.
        journey.is_broken.store(breaks, Ordering::SeqCst);
        journey.strike(if breaks { "<esc>" } else { "<ctrl-c><ctrl-c>" });
        for _ in 0..40 {
            journey.clock.turn(std::time::Duration::from_millis(100));
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        assert_eq!(journey.ended().await.is_err(), breaks);
        let journal = journey.read("state/journal.jsonl");
        let last = journal.lines().last().unwrap();
        assert!(last.contains("\"outcome\":\"unknown\""), "{journal}");
        assert!(last.contains("skeys quit before SKE answered"), "{journal}");
        assert!(last.contains("\"expires\":\"2026-11-24T22:00"), "{journal}");
    }
}

#[tokio::test]
async fn k8s_29_old_tokens_and_pods_without_the_new_authority_are_found_before_complete() {
    // The nodes are replaced before the namespaces get the new bundle.
    let race = "[[projects.clusters]]\nname = \"race\"\ninitiated_ago = \"40d\"\ncompleted_ago = \"39d\"\n\
        bundle_delay = \"25m\"\nusual_workloads = false\npools = [{ name = \"web\", nodes = 3 }]\n\
        workloads = [{ namespace = \"apps\", name = \"front\" }]\n\
        service_accounts = [\n\
        { namespace = \"apps\", name = \"deployer\", token = \"manual\", used_ago = \"1h\" },\n\
        { namespace = \"apps\", name = \"backup\", token = \"manual\", used_ago = \"9d\" },\n]\n";
    let setting = Setting { size: (150, 64), ..observing(ObservationScope::Open, race) };
    let mut journey = Journey::with(setting).await;
    journey.press("/race<enter>R").await;
    journey.press(START).await;
    journey.press("<enter>").await;
    journey.until_holds("PREPARED", (30, 100), |journey| journey.phase("race") == "PREPARED").await;
    journey.pass(30, 2).await;
    let (unclear, old) = ("unknown of some pods whether", "got the new certificate authority");
    let (used, unused) = ("from before the start, used that day or later", "no later use recorded");

    // The bundles are not there yet.
    journey.press("R").await;
    journey.says(&format!("? {unclear}"));
    journey.says(&format!("{used}, will stop working: apps/deployer-token"));
    journey.says(&format!("{unused}: apps/backup-token"));
    assert!(!journey.words().contains(old), "{}", journey.screen());
    journey.press("<esc>4").await;
    journey.says("? unknown of some pods");
    journey.hides("✓ no pod that trusts only the old CA");

    // They are there, but no pod has been started since.
    let text = journey.ask_kubeconfig("race").await;
    let admin = client(&text).await;
    let bundles: Api<ConfigMap> = Api::namespaced(admin.clone(), "apps");
    let certificates = async || {
        let bundle = bundles.get("kube-root-ca.crt").await.unwrap();
        bundle.data.unwrap()["ca.crt"].matches("BEGIN").count()
    };
    assert_eq!(certificates().await, 1);
    journey.pass(60, 25).await;
    assert_eq!(certificates().await, 2);
    let pods = Api::<Pod>::all(admin.clone()).list(&ListParams::default()).await.unwrap().items;
    let is_own = |pod: &&Pod| pod.namespace().as_deref() == Some("apps");
    for pod in pods.iter().filter(is_own) {
        journey.says(&format!("apps/{}", pod.name_any()));
    }
    journey.says(&format!("and {} more: started before", pods.len() - 3));
    journey.says("restart before complete");
    journey.press("R").await;
    journey.says("pods started before their namespace got the new certificate authority");
    let restart = "-n apps rollout restart deployment/front";
    journey.says(restart);
    assert!(!journey.words().contains(unclear), "{}", journey.screen());
    // It takes something away, and needs consent of its own.
    journey.press("race<enter><enter>").await;
    assert_eq!(journey.phase("race"), "PREPARED");
    journey.press("<esc>").await;

    // What the findings suggest resolves them.
    let deployments: Api<Deployment> = Api::namespaced(admin, "apps");
    deployments.restart("front").await.unwrap();
    journey.with_cluster("race", |cluster| {
        for name in ["deployer-token", "backup-token"] {
            let key = ObjectKey::new("apps", name);
            cluster.data_plane.store.remove(ObjectKind::Secret, &key).unwrap();
        }
    });
    journey.pass(30, 10).await;
    journey.says("✓ no service-account token from before the start");
    journey.press("R").await;
    for gone in ["deployer-token", "backup-token", restart, "apps/front"] {
        assert!(!journey.words().contains(gone), "{gone}\n{}", journey.screen());
    }
    // Those of the platform are left.
    journey.says("kube-system/");
    journey.says(old);
}

#[tokio::test]
async fn k8s_26_what_is_forbidden_in_the_cluster_is_no_tick_on_any_screen_before_complete() {
    let prepared = "[[projects.clusters]]\nname = \"odd\"\nphase = \"PREPARED\"\ninitiated_ago = \"5h\"\n\
        completed_ago = \"120d\"\nusual_workloads = false\npools = [{ name = \"web\", nodes = 3 }]\n";
    let (token, pod) = (
        "✓ no service-account token from before the start",
        "✓ no pod that trusts only the old CA",
    );
    let requests = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
    for (path, kind, tick) in [
        ("/api/v1/secrets", "token secrets", Some(token)),
        ("/api/v1/pods", "pods", Some(pod)),
        ("/api/v1/configmaps", "configmaps", Some(pod)),
        ("/api/v1/serviceaccounts", "serviceaccounts", None),
        (requests, "CertificateSigningRequests", None),
    ] {
        for begins_later in [false, true] {
            let forbid = || Fault::for_cluster("odd", path, FaultEffect::Forbid {});
            let setting = observing(ObservationScope::Open, prepared);
            let faults = if begins_later { Vec::new() } else { vec![forbid()] };
            let mut journey = Journey::with(Setting { faults, size: (150, 64), ..setting }).await;
            journey.press("<enter>4").await;
            if begins_later {
                journey.says(token);
                journey.says(pod);
                journey.order(forbid());
                // Until every watch has ended and been tried again.
                journey.pass(30, 20).await;
            }
            let unread = match kind {
                "CertificateSigningRequests" => format!("? {kind} are not read"),
                _ => format!("? {kind} not checked: "),
            };
            journey.says(&unread);
            for shown in [token, pod] {
                let is_shown = journey.words().contains(shown);
                assert_eq!(is_shown, tick != Some(shown), "{kind}: {shown}\n{}", journey.screen());
            }
            journey.press("R").await;
            let finding = match kind {
                "CertificateSigningRequests" => format!("? {kind} are not read in full"),
                _ => format!("? {kind} unknown: "),
            };
            journey.says(&finding);
        }
    }
}
