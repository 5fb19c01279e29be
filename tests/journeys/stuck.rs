//! Stuck rolls, as explained by the dashboard. The same situations with real controllers: `tests/control_plane`.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Node, Pod};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, EvictParams, ListParams, Patch, PatchParams};
use serde_json::json;
use skeys::testing::app::settings::ObservationScope;

use crate::simulated_cluster::{client, observing};
use crate::support::{Journey, Setting};

/// The nodes tab of a cluster with three nodes and a workload, after the start of a rotation; `before` runs before it.
async fn rolling(workload: &str, before: impl AsyncFnOnce(&mut Journey)) -> Journey {
    rolling_pool("nodes = 3", workload, before).await
}

/// Like `rolling`, with another pool.
async fn rolling_pool(
    pool: &str,
    workload: &str,
    before: impl AsyncFnOnce(&mut Journey),
) -> Journey {
    let cluster = format!(
        "[[projects.clusters]]\nname = \"held\"\ninitiated_ago = \"40d\"\ncompleted_ago = \"39d\"\n\
         pools = [{{ name = \"web\", {pool} }}]\nworkloads = [{{ {workload} }}]\n"
    );
    let setting = Setting { size: (150, 64), ..observing(ObservationScope::Running, &cluster) };
    let mut journey = Journey::with(setting).await;
    before(&mut journey).await;
    journey.press("/held<enter>R<tab><enter>").await;
    journey.press("<enter>").await;
    journey.press("3").await;
    journey
}

#[tokio::test]
async fn k8s_16_a_grace_period_of_a_day_is_named_with_the_end_of_the_drain() {
    let workload = "namespace = \"queue\", name = \"worker\", replicas = 3, grace = 86400";
    let mut journey = rolling(workload, async |_| ()).await;
    journey.until_slowly("has a long termination grace period", 10, 120).await;
    for part in [
        "queue/worker-",
        "may take another 23h",
        "The drain is forced in 1h",
        "Unblocks when the pod exits",
    ] {
        journey.says(part);
    }
}

#[tokio::test]
async fn k8s_17_a_finished_pod_that_a_finalizer_keeps_holds_its_node() {
    let workload = "namespace = \"batch\", name = \"report\", kind = \"bare\", grace = 5, \
         finalizer = \"example.org/archive\"";
    let mut journey = rolling(workload, async |_| ()).await;
    journey.until_slowly("is stuck in Terminating", 10, 200).await;
    journey.says("batch/report");
    journey.says("finalizers: example.org/archive");
    journey.says("Unblocks when the owner of the finalizer removes it");
    let text = journey.ask_kubeconfig("held").await;
    let pods: Api<Pod> = Api::namespaced(client(&text).await, "batch");
    let pod = pods.get("report").await.unwrap();
    assert_eq!(pod.status.unwrap().phase.as_deref(), Some("Succeeded"));
}

#[tokio::test]
async fn k8s_18_a_webhook_on_evictions_that_nothing_serves_is_named() {
    let workload = "namespace = \"policy\", name = \"drains\", guards_evictions = true";
    let stop = async |journey: &mut Journey| {
        let text = journey.ask_kubeconfig("held").await;
        let deployments: Api<Deployment> = Api::namespaced(client(&text).await, "policy");
        let none = Patch::Merge(json!({"spec": {"replicas": 0}}));
        deployments.patch_scale("drains", &PatchParams::default(), &none).await.unwrap();
        journey.pass(60, 10).await;
    };
    let mut journey = rolling(workload, stop).await;
    journey.until_slowly("webhooks may deny the eviction", 10, 120).await;
    journey.says("ValidatingWebhookConfiguration drains");
    journey.says("policy/drains has no endpoints");
    journey.says("To unblock: fix the webhook, or remove pods/eviction");
    // Evictions are retried once it has endpoints.
    let text = journey.ask_kubeconfig("held").await;
    let deployments: Api<Deployment> = Api::namespaced(client(&text).await, "policy");
    let one = Patch::Merge(json!({"spec": {"replicas": 1}}));
    deployments.patch_scale("drains", &PatchParams::default(), &one).await.unwrap();
    journey.until_slowly("all 3 nodes replaced", 20, 200).await;
}

#[tokio::test]
async fn k8s_18_the_denial_of_a_webhook_that_is_served_is_quoted() {
    let workload = "namespace = \"policy\", name = \"drains\", denies_evictions = true";
    let mut journey = rolling(workload, async |_| ()).await;
    journey.until_slowly("webhooks may deny the eviction", 10, 120).await;
    journey.says("ValidatingWebhookConfiguration drains");
    journey.says("denied the request: drains are closed until the weekend");
    journey.hides("has no endpoints");
    // kubectl gets the same refusal.
    let text = journey.ask_kubeconfig("held").await;
    let pods: Api<Pod> = Api::namespaced(client(&text).await, "policy");
    let pod = pods.list(&ListParams::default()).await.unwrap().items.remove(0);
    let refusal = pods.evict(&pod.name_any(), &EvictParams::default()).await.unwrap_err();
    let kube::Error::Api(status) = refusal else { panic!("{refusal}") };
    assert_eq!((status.code, status.reason.as_str()), (403, "Forbidden"));
    assert!(status.message.starts_with("admission webhook \"drains.example.com\" denied"));
}

#[tokio::test]
async fn k8s_19_replicas_in_a_crash_loop_are_named_with_what_is_missing() {
    let workload = "namespace = \"shop\", name = \"front\", min_available = 1, recovers = false";
    let crash = async |journey: &mut Journey| {
        let text = journey.ask_kubeconfig("held").await;
        let pods: Api<Pod> = Api::namespaced(client(&text).await, "shop");
        for pod in pods.list(&ListParams::default()).await.unwrap() {
            pods.delete(&pod.name_any(), &DeleteParams::default()).await.unwrap();
        }
        journey.pass(60, 10).await;
    };
    let mut journey = rolling(workload, crash).await;
    journey.until_slowly("PodDisruptionBudget shop/front allows no evictions", 10, 120).await;
    for part in [
        "healthy, has 0. These pods are not ready",
        "(CrashLoopBackOff)",
        "Unblocks when one more replica is ready",
        "unhealthyPodEvictionPolicy AlwaysAllow the PDB does",
        "not block pods that are not ready",
    ] {
        journey.says(part);
    }
}

#[tokio::test]
async fn k8s_20_a_replica_whose_volume_does_not_detach_is_named_beside_the_budget() {
    let workload = "namespace = \"shop\", name = \"db\", kind = \"stateful_set\", volume = true, \
         min_available = 1, detaches = false";
    let mut journey = rolling(workload, async |_| ()).await;
    journey.until_slowly("Multi-Attach", 5, 200).await;
    journey.says("PodDisruptionBudget shop/db allows no evictions");
    journey.says("FailedAttachVolume");
    journey.hides("Deleting the pod bypasses the PDB");
}

#[tokio::test]
async fn k8s_20_a_replica_without_room_is_named_beside_the_budget() {
    // Two pods fill a node; the pool drains first.
    let pool = "nodes = 3, zones = 1, surge = 0, unavailable = 1";
    let workload =
        "namespace = \"shop\", name = \"front\", replicas = 6, cpu = 1600, min_available = 5";
    let mut journey = rolling_pool(pool, workload, async |_| ()).await;
    journey.until_slowly("cannot be scheduled", 5, 200).await;
    journey.says("PodDisruptionBudget shop/front allows no evictions");
    journey.hides("Deleting the pod bypasses the PDB");
}

#[tokio::test]
async fn k8s_21_a_failed_machine_that_is_preserved_is_named_until_it_is_released() {
    let mut journey =
        rolling_pool("nodes = 1, zones = 1, joins = false", "name = \"app\"", async |_| ()).await;
    journey.until_slowly("joining", 10, 60).await;
    let text = journey.ask_kubeconfig("held").await;
    let nodes: Api<Node> = Api::all(client(&text).await);
    let is_new = |node: &Node| {
        node.spec.as_ref().is_some_and(|spec| {
            spec.taints
                .iter()
                .flatten()
                .any(|taint| taint.key.ends_with("critical-components-not-ready"))
        })
    };
    let all = nodes.list(&ListParams::default()).await.unwrap();
    let node = all.items.iter().find(|node| is_new(node)).unwrap().name_any();
    let annotate = async |value: serde_json::Value| {
        let patch =
            json!({"metadata": {"annotations": {"node.machine.sapcloud.io/preserve": value}}});
        nodes.patch(&node, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    };
    annotate(json!("when-failed")).await;
    journey.pass(60, 10).await;
    journey.hides("preserved");
    journey.press("2").await;
    journey.until_slowly("failed machine is preserved", 30, 60).await;
    journey.says("it is preserved, so the platform does not replace it");
    journey.says("remove the annotation node.machine.sapcloud.io/preserve from the node");
    annotate(json!(null)).await;
    journey
        .until_holds("another machine takes its place", (30, 60), |journey| {
            !journey.words().contains("is preserved")
        })
        .await;
}

#[tokio::test]
async fn k8s_31_a_budget_that_is_edited_blocks_since_the_same_moment() {
    let workload = "namespace = \"shop\", name = \"front\", replicas = 1, min_available = 1";
    let mut journey = rolling(workload, async |_| ()).await;
    journey.until_slowly("PodDisruptionBudget shop/front allows no evictions", 10, 120).await;
    let text = journey.ask_kubeconfig("held").await;
    let budgets: Api<PodDisruptionBudget> = Api::namespaced(client(&text).await, "shop");
    let require = async |count: u32| {
        let patch = json!({"spec": {"minAvailable": count}});
        budgets.patch("front", &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    };
    require(2).await;
    journey.pass(10, 30).await;
    journey.says("needs 2 healthy");
    journey.says("add 2 ready replicas");
    journey.says("blocked 5m");
    // The estimate contains "once unblocked".
    let is_unblocked =
        |journey: &Journey| journey.words().replace("once unblocked", "").contains("unblocked");
    assert!(!is_unblocked(&journey), "{}", journey.screen());
    require(0).await;
    journey.until_holds("unblocked", (10, 60), is_unblocked).await;
}
