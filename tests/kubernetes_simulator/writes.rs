//! Patches, deletions, evictions, self-subject reviews.

use std::collections::BTreeSet;

use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use k8s_openapi::api::core::v1::{Node, Pod, Service};
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointSlice};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::api::{DeleteParams, EvictParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Resource, ResourceExt};
use serde_json::json;

use crate::support::{Cloud, code};

#[tokio::test]
async fn a_node_can_be_cordoned_and_uncordoned_with_every_patch_type() {
    let cloud = Cloud::calm().await;
    let api = Api::<Node>::all(cloud.client("alpha").await);
    let name = api.list(&ListParams::default()).await.unwrap().items[0].name_any();
    let params = PatchParams::default();
    api.cordon(&name).await.unwrap();
    let spec = api.get(&name).await.unwrap().spec.unwrap();
    assert_eq!(spec.unschedulable, Some(true));
    let taints = spec.taints.unwrap();
    assert!(taints.iter().any(|taint| taint.key == "node.kubernetes.io/unschedulable"));
    let open = json!({"spec": {"unschedulable": null}});
    let node = api.patch(&name, &params, &Patch::Strategic(open)).await.unwrap();
    assert_eq!(node.spec.as_ref().unwrap().unschedulable, None);
    assert_eq!(api.get(&name).await.unwrap().spec.unwrap().taints, None);
    let label = json!({"metadata": {"labels": {"team": "a"}, "annotations": {"note": "b"}}});
    let node = api.patch(&name, &params, &Patch::Merge(label)).await.unwrap();
    assert_eq!((&*node.labels()["team"], &*node.annotations()["note"]), ("a", "b"));
    assert!(node.labels().contains_key("worker.gardener.cloud/pool"));
    let old = json!({"metadata": {"resourceVersion": "1"}});
    assert_eq!(code(api.patch(&name, &params, &Patch::Merge(old)).await), 409);
    let dry = PatchParams { dry_run: true, ..PatchParams::default() };
    let cordon = json!({"spec": {"unschedulable": true}});
    let node = api.patch(&name, &dry, &Patch::Merge(cordon)).await.unwrap();
    assert_eq!(node.spec.unwrap().unschedulable, Some(true));
    assert_eq!(api.get(&name).await.unwrap().spec.unwrap().unschedulable, None);
    assert_eq!(code(api.patch("nobody", &params, &Patch::Merge(json!({}))).await), 404);
    // New objects cannot be created.
    let node = api.get(&name).await.unwrap();
    assert_eq!(code(api.create(&PostParams::default(), &node).await), 405);
}

#[tokio::test]
async fn deleting_the_pod_unblocks_the_drain() {
    let cloud = Cloud::with(
        "[[projects.clusters]]\nname = \"delta\"\nphase = \"PREPARING\"\ninitiated_ago = \"70m\"\n\
         completed_ago = \"120d\"\nprogress = 0.9\npools = [{ name = \"web\", nodes = 6 }]\n\
         blocked = [\"web\", \"eu01-1\", \"payments/api\"]\n",
    )
    .await;
    let api = Api::<Pod>::namespaced(cloud.client("delta").await, "payments");
    let pod = api.list(&ListParams::default()).await.unwrap().items.remove(0);
    cloud.wait(600).await;
    assert_eq!(cloud.phase("delta"), "PREPARING");
    // Its budget refuses the eviction like the real API.
    let refused = api.evict(&pod.name_any(), &EvictParams::default()).await;
    let Err(kube::Error::Api(status)) = refused else { panic!("{refused:?}") };
    assert_eq!((status.code, &*status.reason), (429, "TooManyRequests"));
    assert!(status.details.unwrap().causes[0].message.contains("budget api needs 1 healthy pods"));
    let deleted = api.delete(&pod.name_any(), &DeleteParams::default()).await.unwrap();
    let shown = deleted.left().unwrap();
    assert!(shown.meta().deletion_timestamp.is_some());
    assert_eq!(shown.meta().deletion_grace_period_seconds, Some(30));
    cloud.wait(40).await;
    assert!(api.get_opt(&pod.name_any()).await.unwrap().is_none());
    assert_eq!(api.list(&ListParams::default()).await.unwrap().items.len(), 1, "made anew");
    cloud.until("delta", |cluster| cluster.phase == "PREPARED").await;
}

#[tokio::test]
async fn an_unreachable_webhook_keeps_nodes_from_joining_until_it_may_fail() {
    let cloud = Cloud::with(
        "[[projects.clusters]]\nname = \"golf\"\nphase = \"PREPARING\"\ninitiated_ago = \"20m\"\n\
         completed_ago = \"120d\"\npools = [{ name = \"web\", nodes = 3 }]\n\
         workloads = [{ namespace = \"policy\", name = \"webhook\", replicas = 1, guards_nodes = true }]\n",
    )
    .await;
    let client = cloud.client("golf").await;
    let webhooks = Api::<ValidatingWebhookConfiguration>::all(client.clone());
    let asked = webhooks.get("webhook").await.unwrap().webhooks.unwrap().remove(0);
    let service = asked.client_config.service.unwrap();
    assert_eq!((&*service.namespace, &*service.name), ("policy", "webhook"));
    let services = Api::<Service>::namespaced(client.clone(), "policy");
    assert!(services.get("webhook").await.unwrap().spec.unwrap().cluster_ip.is_some());
    let slices = Api::<EndpointSlice>::namespaced(client.clone(), "policy");
    let of_it = ListParams::default().labels("kubernetes.io/service-name=webhook");
    let serving = async || {
        let mut slices = slices.list(&of_it).await.unwrap().items;
        let endpoints = slices.remove(0).endpoints;
        let is_serving = |one: &Endpoint| one.conditions.as_ref().unwrap().serving == Some(true);
        endpoints.iter().filter(|one| is_serving(one)).count()
    };
    assert_eq!(serving().await, 1);
    // Without pods the webhook has no endpoints.
    let deployments = Api::<Deployment>::namespaced(client.clone(), "policy");
    let scale = |replicas: u32| Patch::Merge(json!({"spec": {"replicas": replicas}}));
    deployments.patch_scale("webhook", &PatchParams::default(), &scale(0)).await.unwrap();
    cloud.wait(60).await;
    assert_eq!(serving().await, 0);
    let nodes = Api::<Node>::all(client);
    let names = async || -> BTreeSet<String> {
        let list = nodes.list(&ListParams::default()).await.unwrap();
        list.items.iter().map(ResourceExt::name_any).collect()
    };
    let there = names().await;
    cloud.wait(900).await;
    assert!(names().await.is_subset(&there), "nobody comes");
    let fails = json!([{"op": "replace", "path": "/webhooks/0/failurePolicy", "value": "Ignore"}]);
    let fails = Patch::Json::<()>(serde_json::from_value(fails).unwrap());
    webhooks.patch("webhook", &PatchParams::default(), &fails).await.unwrap();
    cloud.until("golf", |cluster| cluster.phase == "PREPARED").await;
    webhooks.delete("webhook", &DeleteParams::default()).await.unwrap();
    assert!(webhooks.get_opt("webhook").await.unwrap().is_none());
}

#[tokio::test]
async fn a_drain_is_unblocked_by_more_pods_a_relaxed_budget_or_none() {
    let scene = |name: &str| {
        format!(
            "[[projects.clusters]]\nname = \"{name}\"\nphase = \"PREPARING\"\ninitiated_ago = \"70m\"\n\
             completed_ago = \"120d\"\nprogress = 0.9\npools = [{{ name = \"web\", nodes = 6 }}]\n\
             blocked = [\"web\", \"eu01-1\", \"payments/api\"]\n"
        )
    };
    let cloud = Cloud::with(&["more", "loose", "none"].map(scene).concat()).await;
    let more = Api::<Deployment>::namespaced(cloud.client("more").await, "payments");
    let scale = Patch::Merge(json!({"spec": {"replicas": 2}}));
    let scaled = more.patch_scale("api", &PatchParams::default(), &scale).await.unwrap();
    assert_eq!(scaled.spec.unwrap().replicas, Some(2));
    let loose = Api::<PodDisruptionBudget>::namespaced(cloud.client("loose").await, "payments");
    let budget = loose.get("api").await.unwrap();
    assert_eq!(budget.status.unwrap().disruptions_allowed, 0);
    let patch = Patch::Merge(json!({"spec": {"minAvailable": null, "maxUnavailable": "100%"}}));
    let changed = loose.patch("api", &PatchParams::default(), &patch).await.unwrap();
    assert_eq!(changed.status.unwrap().observed_generation, Some(1));
    cloud.clock.turn(std::time::Duration::from_secs(1));
    let budget = loose.get("api").await.unwrap();
    assert_eq!(budget.status.unwrap().disruptions_allowed, 1);
    assert_eq!(budget.metadata.generation, Some(2));
    let none = Api::<PodDisruptionBudget>::namespaced(cloud.client("none").await, "payments");
    none.delete("api", &DeleteParams::default()).await.unwrap();
    assert!(none.get_opt("api").await.unwrap().is_none());
    for name in ["more", "loose", "none"] {
        cloud.until(name, |cluster| cluster.phase == "PREPARED").await;
        assert!(cloud.see(name, |c| {
            c.data_plane.node_histories.iter().all(|history| history.forced.is_none())
        }));
    }
    let list = more.list(&ListParams::default()).await.unwrap().items;
    let status = list.iter().find(|object| object.name_any() == "api").unwrap();
    assert_eq!(status.status.as_ref().unwrap().ready_replicas, Some(2));
}

#[tokio::test]
async fn deletions_respect_grace_preconditions_and_dry_run() {
    let cloud = Cloud::calm().await;
    let client = cloud.client("alpha").await;
    let api = Api::<Pod>::namespaced(client.clone(), "shop");
    let pods = api.list(&ListParams::default().labels("app=web-app")).await.unwrap().items;
    let name = pods[0].name_any();
    let wrong = DeleteParams::default().preconditions(kube::api::Preconditions {
        uid: Some("another".to_owned()),
        resource_version: None,
    });
    assert_eq!(code(api.delete(&name, &wrong).await), 409);
    api.delete(&name, &DeleteParams::default().dry_run()).await.unwrap();
    assert!(api.get(&name).await.unwrap().meta().deletion_timestamp.is_none());
    api.delete(&name, &DeleteParams::default().grace_period(0)).await.unwrap();
    assert!(api.get_opt(&name).await.unwrap().is_none());
    api.evict(&pods[1].name_any(), &EvictParams::default()).await.unwrap_err();
    let collection = api.delete_collection(&DeleteParams::default(), &ListParams::default()).await;
    assert_eq!(code(collection), 405);
    // A deleted node is replaced.
    let nodes = Api::<Node>::all(client);
    let node = nodes.list(&ListParams::default()).await.unwrap().items[0].name_any();
    nodes.delete(&node, &DeleteParams::default()).await.unwrap();
    assert!(nodes.get_opt(&node).await.unwrap().is_none());
    cloud.wait(1_200).await;
    assert_eq!(nodes.list(&ListParams::default()).await.unwrap().items.len(), 3);
}

#[tokio::test]
async fn a_pod_with_two_budgets_cannot_be_evicted() {
    let cloud = Cloud::with(
        "[[projects.clusters]]\nname = \"alpha\"\n\
         [[projects.clusters.workloads]]\nname = \"both\"\nmax_unavailable = 1\nbudgets = 2\n",
    )
    .await;
    let api = Api::<Pod>::default_namespaced(cloud.client("alpha").await);
    let pod = api.list(&ListParams::default()).await.unwrap().items[0].name_any();
    assert_eq!(code(api.evict(&pod, &EvictParams::default()).await), 500);
}

#[tokio::test]
async fn a_finalizer_keeps_a_pod_until_it_is_removed() {
    let cloud = Cloud::with(
        "[[projects.clusters]]\nname = \"alpha\"\n\
         [[projects.clusters.workloads]]\nname = \"held\"\nreplicas = 1\nfinalizer = \"example.com/hold\"\n",
    )
    .await;
    let api = Api::<Pod>::default_namespaced(cloud.client("alpha").await);
    let name = api.list(&ListParams::default()).await.unwrap().items[0].name_any();
    api.delete(&name, &DeleteParams::default()).await.unwrap();
    cloud.wait(120).await;
    let pod = api.get(&name).await.unwrap();
    assert!(pod.meta().deletion_timestamp.is_some());
    let patch = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    let last = api.patch(&name, &PatchParams::default(), &patch).await.unwrap();
    assert!(last.meta().finalizers.is_none() && last.meta().deletion_timestamp.is_some());
    assert!(api.get_opt(&name).await.unwrap().is_none());
}

#[tokio::test]
async fn an_admin_may_do_everything() {
    let cloud = Cloud::calm().await;
    let api = Api::<SelfSubjectAccessReview>::all(cloud.client("alpha").await);
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                verb: Some("list".to_owned()),
                resource: Some("secrets".to_owned()),
                ..ResourceAttributes::default()
            }),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    let answer = api.create(&PostParams::default(), &review).await.unwrap();
    assert!(answer.status.unwrap().allowed);
}
