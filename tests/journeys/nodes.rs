//! Node rolls as the dashboard shows them, compared with the simulator's record of the nodes.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams};
use serde_json::json;
use skeys::testing::app::settings::ObservationScope;
use skeys::testing::simulator::faults::{Fault, FaultEffect};

use crate::simulated_cluster::{client, observing};
use crate::support::{Journey, Setting};

/// A cluster rotated a while ago, with more lines of its description.
fn rotated(name: &str, more: &str) -> String {
    format!(
        "[[projects.clusters]]\nname = \"{name}\"\ninitiated_ago = \"40d\"\ncompleted_ago = \"39d\"\n{more}\n"
    )
}

/// A cluster during its roll.
fn rolling(name: &str) -> String {
    format!(
        "[[projects.clusters]]\nname = \"{name}\"\nphase = \"PREPARING\"\ninitiated_ago = \"20m\"\n\
         completed_ago = \"120d\"\nprogress = 0.3\npools = [{{ name = \"web\", nodes = 9 }}]\n"
    )
}

/// A tall terminal that fits all pools and zones.
fn tall(clusters: &str) -> Setting {
    Setting { size: (132, 64), ..observing(ObservationScope::Running, clusters) }
}

/// All zones of all pools of the farm.
fn everywhere() -> Vec<(&'static str, &'static str)> {
    let zones = ["eu01-1", "eu01-2", "eu01-3"];
    ["web", "db", "ci"].into_iter().flat_map(|pool| zones.map(|zone| (pool, zone))).collect()
}

#[tokio::test]
async fn a_roll_is_shown_node_by_node_from_start_to_prepared() {
    // One pool rolls by surge, one drains first in its later zones, one is small.
    let farm = rotated(
        "farm",
        "pools = [{ name = \"web\", nodes = 7 }, { name = \"db\", nodes = 5, surge = 1 }, { name = \"ci\", nodes = 3 }]",
    );
    let places = everywhere();
    let mut journey = Journey::with(tall(&farm)).await;
    journey.press("/farm<enter>R<tab><enter>").await;
    journey.press("<enter>").await;
    journey.press("3").await;
    journey.until_holds("a picture", (5, 60), |journey| journey.left().is_some()).await;
    let (mut before, mut changes) = (None, 0);
    for round in 0..400 {
        journey.pass(10, 1).await;
        if journey.phase("farm") == "PREPARED" {
            break;
        }
        journey.until_shown(|j| Some(j.expected("farm").left()), Journey::left).await;
        let (truths, drawn) = (places.clone(), places.clone());
        journey
            .until_shown(move |j| j.expected_by_zone("farm", &truths), move |j| j.drawn(&drawn))
            .await;
        // Nothing is shown as done before SKE confirms it, even if all nodes are new.
        journey.hides("100 %");
        journey.hides("all 15 nodes replaced");
        journey.shows(" of 15 nodes left to replace");
        changes += usize::from(before != journey.left());
        before = journey.left();
        if round % 20 == 0 {
            journey.press("<esc>").await;
            journey.until_expected("farm").await;
            let row = journey.row("farm");
            assert!(row.contains("preparing") && row.contains('▱'), "{row}");
            journey.press("<enter>3").await;
        }
    }
    assert_eq!(journey.phase("farm"), "PREPARED");
    assert!(changes > 10, "{changes} different figures");
    journey.until("all 15 nodes replaced", 30).await;
    journey.press("<esc>").await;
    journey.shows("done 15/15");
    journey.shows("◑ 1 PREPARED");
}

/// Whether a budget blocks a drain, according to the machine controller.
fn is_blocked(journey: &Journey) -> bool {
    journey.with_cluster("held", |cluster| {
        cluster.data_plane.machines().any(|machine| machine.blocked.is_some())
    })
}

#[tokio::test]
async fn a_blocked_drain_is_named_and_the_estimate_returns_once_it_is_unblocked() {
    let held = rotated(
        "held",
        "pools = [{ name = \"web\", nodes = 6 }]\nblocked = [\"web\", \"eu01-1\", \"payments/api\"]",
    );
    let mut journey = Journey::with(tall(&held)).await;
    journey.press("/held<enter>R<tab><enter>").await;
    journey.press("<enter>").await;
    journey.press("3").await;
    journey.until_holds("a drain that is blocked", (10, 300), is_blocked).await;
    // Reported through the cluster's own API, long before SKE reports it.
    journey.until("blocked by PodDisruptionBudget payments/api", 2).await;
    let node = journey.with_cluster("held", |cluster| {
        let mut machines = cluster.data_plane.machines();
        machines.find(|machine| machine.blocked.is_some()).unwrap().name.to_string()
    });
    let short = &node[node.find("web-z1-").unwrap()..];
    journey.says("✗ PDB payments/api allows no evictions");
    journey.shows(&format!("{short} blocked"));
    journey.shows("once unblocked");
    journey.shows("✗ 1 blocked");
    journey.shows("kubectl -n payments get pdb api");
    assert!(journey.drawn(&[("web", "eu01-1")])[0].draining >= 1);

    let text = journey.ask_kubeconfig("held").await;
    let pods: Api<Pod> = Api::namespaced(client(&text).await, "payments");
    let there = pods.list(&ListParams::default()).await.unwrap();
    pods.delete(&there.items[0].name_any(), &DeleteParams::default()).await.unwrap();
    journey.until("held: rollout resumed", 60).await;
    journey.hides("once unblocked");
    journey.hides("✗ 1 blocked");
    journey.shows(" left ");
    let gone = |journey: &Journey| {
        journey.with_cluster("held", |cluster| {
            cluster
                .data_plane
                .node_histories
                .iter()
                .any(|history| *history.name == *node && history.gone.is_some())
        })
    };
    journey.until_holds("the node is gone", (10, 60), gone).await;
    journey.until_shown(|j| Some(j.expected("held").left()), Journey::left).await;
}

#[tokio::test]
async fn a_zone_without_capacity_is_named_until_capacity_returns() {
    let full = rotated("full", "pools = [{ name = \"web\", nodes = 6 }]");
    let mut journey = Journey::with(tall(&full)).await;
    journey.press("/full<enter>R<tab><enter>").await;
    journey.press("<enter>").await;
    journey.press("3").await;
    journey.until_holds("a new node", (10, 100), |journey| journey.expected("full").new > 0).await;
    journey.with_cluster("full", |cluster| cluster.set_capacity("web", false));
    // SKE's report comes first, then the missing node is noticed; they are shown as one.
    journey.until_slowly("SKE reports SKE_NODE_NO_VALID_HOST_FOUND", 10, 120).await;
    journey.until_slowly("✗ no new node for pool web in eu01-", 10, 120).await;
    journey.hides("SKE reports SKE_NODE_NO_VALID_HOST_FOUND");
    journey.shows("(SKE_NODE_NO_VALID_HOST_FOUND)");
    journey.says("once unblocked");
    journey.shows("Unblocks when the zone has capacity");
    journey.with_cluster("full", |cluster| cluster.set_capacity("web", true));
    journey.until("full: rollout resumed", 600).await;
    journey.hides("no new node for");
    journey.until_shown(|j| Some(j.expected("full").left()), Journey::left).await;
    journey.until_slowly("all 6 nodes replaced", 20, 200).await;
}

#[tokio::test]
async fn a_webhook_without_endpoints_is_named_by_its_service() {
    let guard = rotated(
        "guard",
        "pools = [{ name = \"web\", nodes = 9 }]\n\
         workloads = [{ namespace = \"policy\", name = \"webhook\", guards_nodes = true }]",
    );
    let mut journey = Journey::with(tall(&guard)).await;
    let text = journey.ask_kubeconfig("guard").await;
    let deployments: Api<Deployment> = Api::namespaced(client(&text).await, "policy");
    let scale = |replicas: u32| Patch::Merge(json!({"spec": {"replicas": replicas}}));
    journey.press("/guard<enter>R<tab><enter>").await;
    journey.press("<enter>").await;
    journey.press("3").await;
    journey.until_holds("a new node", (10, 100), |journey| journey.expected("guard").new > 0).await;
    journey.hides("no endpoints");
    deployments.patch_scale("webhook", &PatchParams::default(), &scale(0)).await.unwrap();
    journey.until("✗ webhook service policy/webhook has no endpoints", 300).await;
    journey.shows("nodes, which may stop the roll");
    journey.shows("ValidatingWebhookConfiguration");
    journey.shows("kubectl -n policy describe service webhook");
    journey.shows("once unblocked");
    journey.until_text("✗ webhook service policy/webhook has no endpoints", 10).await;
    journey.pass(60, 10).await;
    let none_joins = |journey: &Journey| {
        let expected = journey.expected("guard");
        (expected.joining, expected.new)
    };
    assert_eq!(none_joins(&journey).0, 0, "who asked before is ready by now");
    let stands = none_joins(&journey);
    journey.pass(60, 10).await;
    assert_eq!(none_joins(&journey), stands);
    journey.until_shown(|j| Some(j.expected("guard").left()), Journey::left).await;

    deployments.patch_scale("webhook", &PatchParams::default(), &scale(1)).await.unwrap();
    journey.until("guard: rollout resumed", 600).await;
    journey.hides("no endpoints");
    journey.until_slowly("all 9 nodes replaced", 20, 300).await;
}

/// The nodes of a rolling cluster with a fault from the first request on.
async fn oddly(path: &str, effect: FaultEffect) -> Journey {
    let mut setting = tall(&rolling("odd"));
    setting.faults.push(Fault::for_cluster("odd", path, effect));
    let mut journey = Journey::with(setting).await;
    journey.press("<enter>3").await;
    journey.until_holds("a picture", (5, 100), |journey| journey.left().is_some()).await;
    journey
}

/// The figures stay correct during the roll.
async fn stays_true(journey: &mut Journey) {
    for _ in 0..40 {
        journey.pass(20, 1).await;
        if journey.phase("odd") != "PREPARING" {
            return;
        }
        journey.until_shown(|j| Some(j.expected("odd").left()), Journey::left).await;
    }
}

#[tokio::test]
async fn k8s_05_without_secrets_counts_are_right_and_marked_as_estimates() {
    let mut journey = oddly("/api/v1/namespaces/kube-system/secrets", FaultEffect::Forbid {}).await;
    journey.says("estimated: from node taints and ages (no permission to read Secrets)");
    stays_true(&mut journey).await;
}

#[tokio::test]
async fn k8s_26_what_is_forbidden_is_said_where_blockers_would_be() {
    let budgets = "/apis/policy/v1/poddisruptionbudgets";
    for (path, kind) in [(budgets, "poddisruptionbudgets"), ("/api/v1/pods", "pods")] {
        let mut journey = oddly(path, FaultEffect::Forbid {}).await;
        journey.says(&format!("{kind}: "));
        journey.says("drain blockers cannot be detected");
        journey.pass(30, 4).await;
        journey.says("drain blockers cannot be detected");
    }
}

#[tokio::test]
async fn k8s_06_without_labels_counts_are_right_and_marked_as_estimates() {
    let mut journey = oddly("", FaultEffect::StripLabels {}).await;
    journey.says("estimated: nodes without a generation label are classified by age");
    stays_true(&mut journey).await;
}

#[tokio::test]
async fn k8s_08_escape_bytes_in_names_and_messages_are_replaced() {
    let mut journey = oddly("", FaultEffect::EscapeBytes {}).await;
    for keys in ["", "e", "<esc>", "<enter>2", "1", "4", "3"] {
        journey.press(keys).await;
        journey.pass(30, 2).await;
        let screen = journey.screen();
        assert!(screen.chars().all(|c| c == '\n' || !c.is_control()), "{screen:?}");
    }
    journey.shows("␛");
    let sent = journey.sent.lock().unwrap().concat();
    assert!(sent.is_empty(), "{sent:?}");
}

#[tokio::test]
async fn k8s_14_clock_skew_is_shown_and_ages_are_corrected() {
    for seconds in [300, -300] {
        let mut journey = oddly("", FaultEffect::ClockSkew { seconds }).await;
        let word = if seconds > 0 { "ahead of" } else { "behind" };
        journey.says(&format!("the cluster's clock is 5m {word} this machine's"));
        stays_true(&mut journey).await;
        // No drain gets more than two hours by our clock.
        journey.hides("force-drained in 2h ");
    }
}

#[tokio::test]
async fn k8s_12_a_second_roll_while_prepared_is_labelled_another_roll() {
    let prepared = "[[projects.clusters]]\nname = \"again\"\nphase = \"PREPARED\"\ninitiated_ago = \"5h\"\n\
        completed_ago = \"120d\"\npools = [{ name = \"web\", nodes = 6 }]\n";
    let mut journey = Journey::with(tall(prepared)).await;
    journey.press("<enter>3").await;
    journey.until("all 6 nodes new", 10).await;
    let now = journey.clock.now();
    journey.with_cluster("again", |cluster| cluster.roll_again(now));
    journey.until("another rollout", 60).await;
    for _ in 0..20 {
        journey.pass(20, 1).await;
        journey.until_shown(|j| Some(j.expected("again").left()), Journey::left).await;
        journey.hides("stalled");
    }
    journey.press("<esc>").await;
    let row = journey.row("again");
    assert!(row.contains("PREPARED"), "{row}");
}

#[tokio::test]
async fn k8s_35_cordoned_nodes_of_the_current_generation_are_told_in_their_pool_and_before_a_start()
{
    let shut =
        rotated("shut", "pools = [{ name = \"web\", nodes = 3 }, { name = \"db\", nodes = 2 }]");
    let mut journey = Journey::with(tall(&shut)).await;
    let nodes: Api<Node> = Api::all(client(&journey.ask_kubeconfig("shut").await).await);
    let short = |name: &str| name[name.find("web-z").unwrap()..].to_owned();
    let finding = "cordoned; evicted pods cannot be scheduled on";

    // A whole pool before the start.
    let in_web = ListParams::default().labels("worker.gardener.cloud/pool=web");
    let old = nodes.list(&in_web).await.unwrap().items;
    for node in &old {
        nodes.cordon(&node.name_any()).await.unwrap();
    }
    journey.press("/shut<enter><enter>3").await;
    journey.pass(1, 5).await;
    journey.says("pool web: 3 new nodes are cordoned; evicted pods cannot be scheduled there");
    journey.says("state unschedulable");
    journey.press("R").await;
    journey.says(&format!("! 3 nodes are {finding}"));
    for node in &old {
        journey.says(&short(&node.name_any()));
    }
    // A dialog that is open follows.
    nodes.uncordon(&old[0].name_any()).await.unwrap();
    journey.pass(1, 5).await;
    journey.says(&format!("! 2 nodes are {finding}"));
    journey.press("<tab><enter>").await;
    journey.press("<enter>").await;

    // The new generation while nodes are replaced; the old one no longer counts.
    journey.until_holds("new nodes", (10, 100), |journey| journey.expected("shut").new >= 2).await;
    assert!(!journey.words().contains("cordoned; evicted"), "{}", journey.screen());
    let all = nodes.list(&in_web).await.unwrap().items;
    let is_new = |node: &&Node| old.iter().all(|old| old.metadata.uid != node.metadata.uid);
    let new = all.iter().find(is_new).unwrap().name_any();
    nodes.cordon(&new).await.unwrap();
    journey.pass(1, 5).await;
    journey.says("pool web: 1 new node is cordoned; evicted pods cannot be scheduled there");
    nodes.uncordon(&new).await.unwrap();
    journey.pass(1, 5).await;
    assert!(!journey.words().contains("new node is cordoned"), "{}", journey.screen());
}
