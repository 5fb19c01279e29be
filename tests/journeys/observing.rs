//! Observing clusters through their own API under adverse conditions: broken watches, unreachable servers, rejected
//! certificates, and limits on requests.

use std::time::Duration;

use k8s_openapi::api::core::v1::Node;
use kube::api::{Api, ListParams};
use skeys::testing::app::settings::ObservationScope;
use skeys::testing::domain::cluster::ClusterId;
use skeys::testing::simulator::faults::{Fault, FaultEffect, KubeconfigDefect};
use skeys::testing::simulator::rules::ClusterOperation;
use skeys::testing::simulator::state::RequestRecord;

use crate::simulated_cluster::{client, observing};
use crate::support::{Journey, PROJECT};

const NODES: &str = "/api/v1/nodes";

/// A cluster during its roll.
fn rolling(name: &str) -> String {
    format!(
        "[[projects.clusters]]\nname = \"{name}\"\nphase = \"PREPARING\"\ninitiated_ago = \"20m\"\n\
         completed_ago = \"120d\"\nprogress = 0.1\npools = [{{ name = \"web\", nodes = 12 }}]\n"
    )
}

/// An idle cluster.
fn calm(name: &str) -> String {
    format!(
        "[[projects.clusters]]\nname = \"{name}\"\ninitiated_ago = \"40d\"\ncompleted_ago = \"39d\"\n\
         pools = [{{ name = \"web\", nodes = 3 }}]\n"
    )
}

async fn watching(clusters: &str) -> Journey {
    Journey::with(observing(ObservationScope::Running, clusters)).await
}

/// Somebody else performs a step.
fn step(journey: &Journey, name: &str, operation: ClusterOperation) {
    let (id, now) = (ClusterId::new(PROJECT, "eu01", name), journey.clock.now());
    journey.simulator.with_cloud(|cloud| cloud.act(&id, operation, now).unwrap());
}

/// Breaks every connection to a cluster's API server, like the replacement of a replica.
async fn break_connections(journey: &mut Journey, name: &str) {
    journey.trouble(name, "", FaultEffect::Unreachable { hang: false }, 1);
    journey.settle().await;
    journey.pass(1, 2).await;
}

#[tokio::test]
async fn rolling_clusters_are_observed_from_the_first_list_regardless_of_the_filter() {
    let mut journey = watching(&(rolling("delta") + &calm("alpha"))).await;
    assert_eq!(journey.issued("delta"), 1, "no time has passed");
    journey.until_expected("delta").await;
    journey.press("/alpha<enter>").await;
    journey.hides("delta");
    journey.pass(10, 12).await;
    journey.press("/<ctrl-u><enter>").await;
    journey.until_expected("delta").await;
    assert_eq!((journey.issued("delta"), journey.simulator.open_watches()), (1, 17));
}

#[tokio::test]
async fn observed_clusters_stay_observed_when_the_order_of_the_fleet_changes() {
    let setting = observing(ObservationScope::Running, &(rolling("left") + &rolling("right")));
    let mut journey = Journey::with(setting.set("SKEYS_KUBERNETES_LIMIT", "1")).await;
    let both = |journey: &Journey| (journey.issued("left"), journey.issued("right"));
    let first = both(&journey);
    assert_eq!(first.0 + first.1, 1);
    for turned in ["↑", "↓", "↑"] {
        journey.press("s<enter>").await;
        journey.shows(&format!("attention {turned}"));
        journey.pass(10, 6).await;
        assert_eq!(both(&journey), first, "{}", journey.screen());
    }
}

#[tokio::test]
async fn blockers_are_reported_only_after_every_kind_is_read() {
    let held = "[[projects.clusters]]\nname = \"held\"\nphase = \"PREPARING\"\ninitiated_ago = \"40m\"\n\
        completed_ago = \"120d\"\nprogress = 0.3\npools = [{ name = \"web\", nodes = 9 }]\n\
        blocked = [\"web\", \"eu01-1\", \"payments/api\"]\n";
    let mut journey = watching(held).await;
    journey.until("held           PodDisruptionBudget payments/api allows no evictions", 5).await;
    journey.pass(10, 6).await;
    let journal = journey.read("state/journal.jsonl");
    let told: Vec<&str> =
        journal.lines().filter(|line| line.contains("\"step\":\"roll\"")).collect();
    assert_eq!(told.len(), 1, "{told:#?}");
    assert!(told[0].contains("payments/api"), "{told:#?}");
}

#[tokio::test]
async fn k8s_02_watches_that_are_cut_every_five_seconds_lose_and_double_nothing() {
    let mut journey = watching(&rolling("delta")).await;
    journey.until_expected("delta").await;
    journey.trouble("delta", "", FaultEffect::CutWatches { seconds: 5 }, 900);
    break_connections(&mut journey, "delta").await;
    let start = journey.expected("delta");
    for _ in 0..60 {
        journey.pass(10, 1).await;
        journey.until_expected("delta").await;
    }
    assert_ne!(journey.expected("delta"), start);
    assert!(journey.watched("delta", NODES) > 60, "{} watches", journey.watched("delta", NODES));
    assert_eq!(journey.lists("delta", NODES), 1, "where it was is remembered");
    assert!(journey.issued("delta") <= 2, "and no credentials are asked for because of it");
}

#[tokio::test]
async fn k8s_03_a_version_that_is_gone_costs_one_list_and_turns_nothing_back() {
    let mut journey = watching(&rolling("delta")).await;
    journey.until_expected("delta").await;
    let mut before = journey.progress("delta").unwrap();
    for round in 1..=3 {
        let mut fault = Fault::for_cluster("delta", NODES, FaultEffect::Compact {});
        fault.times = Some(1);
        journey.order(fault);
        break_connections(&mut journey, "delta").await;
        for _ in 0..15 {
            journey.pass(10, 1).await;
            journey.until_expected("delta").await;
            let now = journey.progress("delta").unwrap();
            assert!(now.0 >= before.0, "{before:?} → {now:?}");
            before = now;
        }
        assert_eq!(journey.lists("delta", NODES), 1 + round);
    }
}

#[tokio::test]
async fn k8s_03_a_server_that_forgets_all_the_time_is_not_stormed() {
    let mut journey = watching(&rolling("delta")).await;
    journey.until_expected("delta").await;
    journey.trouble("delta", NODES, FaultEffect::Compact {}, 600);
    break_connections(&mut journey, "delta").await;
    journey.pass(10, 60).await;
    let asked = journey.asked("delta", NODES).len();
    assert!(asked < 100, "{asked} requests in ten minutes");
    journey.pass(10, 4).await;
    for _ in 0..20 {
        journey.pass(10, 1).await;
        journey.until_expected("delta").await;
    }
}

#[tokio::test]
async fn k8s_04_an_unreachable_server_keeps_the_last_snapshot_with_its_age() {
    let mut journey = watching(&(rolling("delta") + &rolling("other"))).await;
    journey.until_expected("delta").await;
    let last = journey.progress("delta").unwrap();
    journey.trouble("delta", "", FaultEffect::Unreachable { hang: false }, 1_000);
    let asked = journey.issued("delta");
    for _ in 0..96 {
        journey.pass(10, 1).await;
        assert_eq!(journey.progress("delta"), Some(last), "the last picture stays");
        journey.until_expected("other").await;
        journey.shows("live");
    }
    // Unobserved changes are not reported.
    journey.hides("delta: ");
    journey.shows("✗ 0 stuck");
    journey.press("/delta<enter><enter>3").await;
    journey.shows("! Since 14:");
    journey.shows(": the API server is unreachable: the API server of");
    journey.shows(" as of 15m ago ");
    assert_ne!(journey.expected("delta").left(), last.1 - last.0, "meanwhile the roll went on");
    assert_eq!(journey.issued("delta"), asked, "no kubeconfig helps against that");
    // Once it is back, the current state is shown at once.
    journey.until_holds("live", (1, 120), |journey| journey.screen().contains("─ live ─")).await;
    for _ in 0..30 {
        journey.hides("does not detach");
        journey.clock.turn(Duration::from_millis(300));
        journey.settle().await;
    }
    journey.press("<esc>").await;
    for _ in 0..10 {
        journey.pass(10, 1).await;
        journey.until_expected("delta").await;
    }
}

#[tokio::test]
async fn k8s_01_certificates_that_are_not_accepted_yet_are_reported_and_retried() {
    let mut journey = watching(&calm("alpha")).await;
    step(&journey, "alpha", ClusterOperation::StartRotation);
    journey.until("retrying", 60).await;
    journey.press("<enter>3").await;
    journey.says("The new credentials and the API server do not match yet; retrying");
    journey.press("<esc>").await;
    let early = journey.clock.now();
    journey.until_holds("a figure", (5, 60), |journey| journey.progress("alpha").is_some()).await;
    let waited = journey.clock.now().duration_since(early).as_secs();
    assert!((60..300).contains(&waited), "{waited} s");
    journey.until_expected("alpha").await;
    assert_eq!(journey.issued("alpha"), 1, "the same ones, again and again");
    let refused = journey.asked("alpha", "/readyz");
    let refused = refused.iter().filter(|call| call.status == Some(401)).count();
    assert!((3..=20).contains(&refused), "{refused} attempts in {waited} s");
}

#[tokio::test]
async fn k8s_07_a_thousand_nodes_and_five_hundred_budgets_are_listed_in_pages() {
    let huge = "[[projects.clusters]]\nname = \"huge\"\nphase = \"PREPARING\"\ninitiated_ago = \"2h\"\n\
        completed_ago = \"120d\"\nprogress = 0.5\nusual_workloads = false\n\
        pools = [{ name = \"web\", nodes = 1000, surge = 30 }]\n\
        [[projects.clusters.workloads]]\nnamespace = \"load\"\nname = \"app\"\nrepeat = 500\nreplicas = 3\n\
        cpu = 50\nmax_unavailable = 1\n";
    let mut journey = watching(huge).await;
    journey.until_expected("huge").await;
    let pages = |journey: &Journey, path: &str| {
        let asked = journey.asked("huge", path);
        let limited =
            |call: &&RequestRecord| call.query.iter().any(|(n, v)| n == "limit" && v == "500");
        asked.iter().filter(limited).count()
    };
    assert!(pages(&journey, NODES) >= 3, "{} pages of nodes", pages(&journey, NODES));
    assert!(pages(&journey, "/api/v1/pods") >= 9, "{} of pods", pages(&journey, "/api/v1/pods"));
    let lists = journey.lists("huge", NODES);
    for _ in 0..6 {
        journey.pass(10, 1).await;
        journey.until_expected("huge").await;
    }
    assert_eq!(journey.lists("huge", NODES), lists, "what changes is told one by one");
    journey.press("<enter>").await;
    for key in ["3", "<down>", "<down>", "e", "2", "3"] {
        journey.react(key).await;
    }
    let left = journey.expected("huge").left();
    journey.shows(&format!("{left} of about 1000 nodes left to replace"));
}

#[tokio::test]
async fn k8s_09_an_unsafe_kubeconfig_is_refused() {
    for defect in [
        KubeconfigDefect::Exec,
        KubeconfigDefect::FilePath,
        KubeconfigDefect::SkipVerify,
        KubeconfigDefect::OtherHost,
    ] {
        let mut journey = watching(&calm("alpha")).await;
        let effect = FaultEffect::DefectiveKubeconfig { defect };
        journey.order(Fault::new("POST", "/kubeconfig", None, effect));
        step(&journey, "alpha", ClusterOperation::StartRotation);
        journey.until("no access", 60).await;
        journey.press("<enter>3").await;
        journey.says("Kubeconfig rejected: the kubeconfig that SKE returned for alpha");
        journey.pass(10, 60).await;
        assert!(journey.asked("alpha", "").is_empty(), "{defect:?}");
        assert!(
            journey.issued("alpha") <= 3,
            "{defect:?}: asked {} times",
            journey.issued("alpha")
        );
    }
}

#[tokio::test]
async fn k8s_13_a_cluster_that_hibernates_while_observed_gets_no_requests() {
    let mut journey = watching(&rolling("delta")).await;
    journey.until_expected("delta").await;
    journey.with_cluster("delta", |cluster| cluster.set_state("STATE_HIBERNATED"));
    journey.pass(10, 6).await;
    let (issued, asked) = (journey.issued("delta"), journey.asked("delta", "").len());
    journey.pass(10, 60).await;
    assert_eq!((journey.issued("delta"), journey.asked("delta", "").len()), (issued, asked));
    assert_eq!(journey.simulator.open_watches(), 0);
    journey.hides("delta: ");
    journey.shows("✗ 0 stuck");
    journey.press("<enter>3").await;
    journey.says("Hibernated: the API server is off");
}

#[tokio::test]
async fn k8s_15_a_rejected_handshake_is_shown_as_rejected_not_as_unreachable() {
    let mut setting = observing(ObservationScope::Running, &rolling("delta"));
    // Long enough after its start that fresh certificates should be accepted.
    setting.faults.push(Fault::for_cluster("delta", "", FaultEffect::RefuseHandshake {}));
    let mut journey = Journey::with(setting).await;
    journey.until("login rejected", 5).await;
    for _ in 0..12 {
        journey.pass(10, 1).await;
        journey.shows("login rejected");
        journey.hides("unreachable");
    }
    assert_eq!(journey.issued("delta"), 2, "one fresh kubeconfig is tried");
    journey.simulator.clear_faults();
    journey.pass(10, 7).await;
    journey.until_expected("delta").await;
}

#[tokio::test]
async fn complete_ends_old_credentials_and_observing_continues() {
    let mut journey = watching(&calm("alpha")).await;
    let old = journey.ask_kubeconfig("alpha").await;
    works(&old).await.unwrap();
    step(&journey, "alpha", ClusterOperation::StartRotation);
    journey.until_holds("PREPARED", (20, 200), |j| j.phase("alpha") == "PREPARED").await;
    let new = journey.ask_kubeconfig("alpha").await;
    works(&old).await.unwrap();
    works(&new).await.unwrap();
    // The nodes tab keeps observing after the roll.
    journey.press("<enter>3").await;
    journey.until("all 3 nodes replaced", 20).await;
    journey.press("R").await;
    journey.press("alpha<enter><enter><tab><tab><enter>").await;
    journey.until_holds("COMPLETED", (5, 400), |j| j.phase("alpha") == "COMPLETED").await;
    works(&new).await.unwrap();
    // The new CAs work; clients that pin the old ones reject the server.
    let line = |text: &str| {
        let mut lines = text.lines();
        lines.find(|line| line.contains("certificate-authority-data")).unwrap().to_owned()
    };
    let refused = works(&old.replace(&line(&old), &line(&new))).await.unwrap_err();
    assert!(matches!(&refused, kube::Error::Api(status) if status.code == 401), "{refused:?}");
    works(&old).await.unwrap_err();
    journey.pass(10, 6).await;
    assert_eq!(journey.simulator.open_watches(), 17);
    journey.shows("─ live ─");
    journey.shows("■ 3 new");
}

/// Whether a kubeconfig can list the nodes.
async fn works(text: &str) -> Result<(), kube::Error> {
    let nodes: Api<Node> = Api::all(client(text).await);
    nodes.list(&ListParams::default()).await.map(|_| ())
}

#[tokio::test]
async fn observing_never_disables_static_tokens() {
    let legacy = "[[projects.clusters]]\nname = \"legacy\"\nphase = \"NEVER\"\nversion = \"1.26.15\"\nage = \"800d\"\n";
    for watch in [ObservationScope::Running, ObservationScope::Open] {
        let mut journey = Journey::with(observing(watch, legacy)).await;
        journey.press("/legacy<enter>w").await;
        journey.pass(10, 6).await;
        for tab in ["1", "2", "3", "4", "3"] {
            journey.press("<enter>").await;
            journey.press(tab).await;
            journey.pass(10, 3).await;
        }
        journey.says("needs a kubeconfig, which permanently disables static tokens");
        journey.press("R").await;
        journey.pass(10, 3).await;
        assert_eq!(journey.issued("legacy"), 0);
        assert!(journey.asked("legacy", "").is_empty());
    }
}

#[tokio::test]
async fn read_only_mode_sends_only_reads() {
    let setting = observing(ObservationScope::Running, &(rolling("delta") + &calm("alpha")));
    let mut journey = Journey::with(setting.set("SKEYS_READ_ONLY", "true")).await;
    journey.press("/delta<enter>w<enter>3").await;
    journey.pass(10, 30).await;
    journey.says("Observing nodes needs a kubeconfig; read-only mode");
    assert!(journey.simulator.request_log().iter().all(|call| call.method == "GET"));
    assert_eq!(journey.simulator.open_watches(), 0);
}

#[tokio::test]
async fn the_limit_bounds_observed_clusters() {
    let all: Vec<String> = (1..=5).map(|number| format!("roll-{number}")).collect();
    let setting = observing(
        ObservationScope::Running,
        &all.iter().map(|name| rolling(name)).collect::<String>(),
    );
    let mut journey = Journey::with(setting.set("SKEYS_KUBERNETES_LIMIT", "2")).await;
    journey.pass(10, 6).await;
    let looked_at = |journey: &Journey| -> Vec<String> {
        all.iter().filter(|name| journey.issued(name) > 0).cloned().collect()
    };
    assert_eq!(looked_at(&journey).len(), 2);
    assert_eq!(journey.simulator.open_watches(), 34, "seventeen kinds each");
    let last = all.iter().find(|name| journey.issued(name) == 0).unwrap().clone();
    // Opening another one observes it instead of one of the others.
    journey.press(&format!("/{last}<enter><enter>3")).await;
    journey.until_shown(|j| Some(j.expected(&last).left()), Journey::left).await;
    assert_eq!(journey.issued(&last), 1);
    assert_eq!(journey.simulator.open_watches(), 34);
    journey.pass(10, 12).await;
    assert_eq!(looked_at(&journey).len(), 3, "and keeps its place");
}

#[tokio::test]
async fn returning_soon_reuses_the_kubeconfig() {
    let mut journey = Journey::with(observing(ObservationScope::Open, &rolling("delta"))).await;
    journey.pass(10, 3).await;
    assert_eq!(journey.issued("delta"), 0, "nobody looks at it");
    journey.press("<enter>3").await;
    journey.pass(10, 2).await;
    assert_eq!((journey.issued("delta"), journey.simulator.open_watches()), (1, 17));
    for _ in 0..5 {
        journey.press("<esc>").await;
        journey.pass(10, 4).await;
        assert_eq!(journey.simulator.open_watches(), 17, "it lingers");
        journey.press("<enter>3").await;
        journey.pass(5, 1).await;
    }
    assert_eq!(journey.issued("delta"), 1);
    journey.press("<esc>").await;
    journey.pass(10, 5).await;
    assert_eq!(journey.simulator.open_watches(), 0, "nobody came back");
    let asked = journey.asked("delta", "").len();
    journey.pass(10, 30).await;
    assert_eq!((journey.issued("delta"), journey.asked("delta", "").len()), (1, asked));
    journey.press("<enter>3").await;
    journey.pass(10, 2).await;
    assert_eq!(journey.issued("delta"), 2);
}

#[tokio::test]
async fn res_03_keys_are_handled_while_every_task_is_slow() {
    let many = "[[projects.clusters]]\nname = \"calm\"\nrepeat = 300\ninitiated_ago = \"40d\"\ncompleted_ago = \"39d\"\n";
    let rolls = ["roll-1", "roll-2", "roll-3", "roll-4"].map(rolling).concat();
    let mut journey = watching(&(rolls + many)).await;
    journey.until_expected("roll-1").await;
    journey.order(Fault::delay("", 3_600));
    journey.order(Fault::delay("kubernetes/*/", 3_600));
    // Lists, reads, readiness checks and renewals of all observers are due and get no response.
    journey.press("/roll-1<enter><enter>3").await;
    journey.pass(5, 3).await;
    assert!(
        journey.simulator.delayed_requests() >= 5,
        "{} requests are held",
        journey.simulator.delayed_requests()
    );
    // The benchmarks measure the cost of a key; here it waits for no task.
    for (keys, shown) in [
        ("1", "1 OVERVIEW"),
        ("2", "2 ROTATION"),
        ("3", "3 NODES"),
        ("<down>", "3 NODES"),
        ("e", "live"),
        ("<esc>", "3 NODES"),
        ("<esc>", "1 of 304 clusters"),
        ("/", "esc cancel"),
        ("<ctrl-u>", "304 clusters"),
        ("c", "clusters 1–33 of 300"),
        ("<enter>", "clusters 1–33 of 300"),
        ("<down>", "calm2"),
        ("?", "whichever is due"),
        ("<esc>", "calm2"),
        ("s", "Sort by"),
        ("<esc>", "calm2"),
        ("K", "New kubeconfig"),
        ("<esc>", "calm2"),
        ("R", "Start credentials rotation"),
        ("<esc>", "calm2"),
        ("A", "activity"),
    ] {
        journey.react(keys).await;
        journey.shows(shown);
    }
    assert!(journey.simulator.delayed_requests() >= 5, "and nobody was answered meanwhile");
}
