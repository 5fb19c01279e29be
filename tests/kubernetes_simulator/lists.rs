//! Lists, single objects, tables, metadata, discovery.

use std::collections::BTreeSet;
use std::fmt::Debug;

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{
    ConfigMap, Event, Namespace, Node, PersistentVolume, PersistentVolumeClaim, Pod, Secret,
    ServiceAccount,
};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::storage::v1::VolumeAttachment;
use kube::api::{DeleteParams, ListParams};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;

use crate::support::{Cloud, ask, code, scale};

const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

async fn all<K>(client: &Client) -> Vec<K>
where
    K: Resource + Clone + DeserializeOwned + Debug,
    K::DynamicType: Default,
{
    let list = Api::<K>::all(client.clone()).list(&ListParams::default()).await.unwrap();
    assert!(list.metadata.resource_version.is_some());
    for object in &list.items {
        assert!(object.meta().uid.is_some() && object.meta().creation_timestamp.is_some());
        assert!(object.meta().resource_version.is_some());
    }
    list.items
}

#[tokio::test]
async fn every_kind_can_be_read_as_its_type() {
    let cloud = Cloud::with(
        "[[projects.clusters]]\nname = \"delta\"\nphase = \"PREPARING\"\ninitiated_ago = \"70m\"\n\
         completed_ago = \"120d\"\nprogress = 0.4\npools = [{ name = \"web\", nodes = 9 }]\n\
         blocked = [\"web\", \"eu01-1\", \"payments/api\"]\n",
    )
    .await;
    let client = cloud.client("delta").await;
    let nodes = all::<Node>(&client).await;
    assert!(nodes.len() >= 9);
    let going: Vec<&Node> = nodes
        .iter()
        .filter(|node| {
            let conditions = node.status.as_ref().unwrap().conditions.as_ref().unwrap();
            conditions.iter().any(|c| c.type_ == "Terminating" && c.status == "True")
        })
        .collect();
    assert!(!going.is_empty());
    for node in &going {
        assert_eq!(node.spec.as_ref().unwrap().unschedulable, Some(true));
    }
    let pods = all::<Pod>(&client).await;
    let stuck = pods.iter().find(|pod| pod.namespace().as_deref() == Some("payments")).unwrap();
    let on = stuck.spec.as_ref().unwrap().node_name.as_deref().unwrap();
    assert!(going.iter().any(|node| node.name_any() == on));
    assert_eq!(stuck.owner_references()[0].kind, "ReplicaSet");
    let budgets = all::<PodDisruptionBudget>(&client).await;
    let budget = budgets.iter().find(|budget| budget.name_any() == "api").unwrap();
    let status = budget.status.as_ref().unwrap();
    assert_eq!(
        (status.disruptions_allowed, status.current_healthy, status.expected_pods),
        (0, 1, 1)
    );
    assert!(all::<Namespace>(&client).await.len() >= 6);
    let events = all::<Event>(&client).await;
    assert!(events.iter().any(|event| event.reason.as_deref() == Some("NodeNotSchedulable")));
    assert!(all::<Secret>(&client).await.iter().any(|secret| {
        secret.labels().get("gardener.cloud/role").map(String::as_str)
            == Some("operating-system-config")
    }));
    let bundles = all::<ConfigMap>(&client).await;
    let root = bundles.iter().find(|map| map.name_any() == "kube-root-ca.crt").unwrap();
    assert_eq!(root.data.as_ref().unwrap()["ca.crt"].matches("BEGIN CERTIFICATE").count(), 2);
    assert!(root.managed_fields()[0].time.is_some());
    assert!(all::<ServiceAccount>(&client).await.len() >= 6);
    let daemons = all::<DaemonSet>(&client).await;
    assert_eq!(daemons.len(), 3);
    let running = i32::try_from(nodes.len()).unwrap();
    let status = daemons[0].status.as_ref().unwrap();
    assert_eq!(status.desired_number_scheduled, running);
    assert!(
        all::<Deployment>(&client)
            .await
            .iter()
            .all(|deployment| { deployment.spec.as_ref().unwrap().replicas > Some(0) })
    );
    assert_eq!(all::<StatefulSet>(&client).await.len(), 2);
    let volumes = all::<PersistentVolume>(&client).await;
    let claims = all::<PersistentVolumeClaim>(&client).await;
    let attachments = all::<VolumeAttachment>(&client).await;
    assert_eq!((volumes.len(), claims.len()), (4, 4));
    assert!(attachments.len() <= 4 && !attachments.is_empty());
    // One by name, and the error for a missing one.
    let api = Api::<Node>::all(client.clone());
    assert_eq!(api.get(on).await.unwrap().name_any(), on);
    assert_eq!(code(api.get("nobody").await), 404);
}

#[tokio::test]
async fn pages_share_one_resource_version() {
    let cloud = Cloud::calm().await;
    let client = cloud.client("alpha").await;
    let api = Api::<Pod>::all(client);
    let whole = api.list(&ListParams::default()).await.unwrap();
    let mut params = ListParams::default().limit(5);
    let mut names = Vec::new();
    let mut versions = BTreeSet::new();
    let mut first = true;
    loop {
        let page = api.list(&params).await.unwrap();
        names.extend(page.items.iter().map(|pod| (pod.namespace(), pod.name_any())));
        versions.insert(page.metadata.resource_version.clone().unwrap());
        if std::mem::take(&mut first) {
            assert_eq!(page.items.len(), 5);
            let left = whole.items.len() - 5;
            assert_eq!(page.metadata.remaining_item_count, Some(i64::try_from(left).unwrap()));
            // Changes in between are not visible.
            scale(&cloud, 9).await;
        }
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => break,
        }
    }
    assert_eq!(versions.len(), 1);
    let expected: Vec<_> =
        whole.items.iter().map(|pod| (pod.namespace(), pod.name_any())).collect();
    assert_eq!(names, expected);
    assert_eq!(api.list(&ListParams::default()).await.unwrap().items.len(), expected.len() + 6);
    let wrong = ListParams::default().continue_token("nonsense");
    assert_eq!(code(api.list(&wrong).await), 400);
}

#[tokio::test]
async fn selectors_narrow_lists() {
    let cloud = Cloud::calm().await;
    let client = cloud.client("alpha").await;
    let pods = Api::<Pod>::all(client.clone());
    let node = Api::<Node>::all(client.clone()).list(&ListParams::default()).await.unwrap().items
        [0]
    .name_any();
    let on =
        pods.list(&ListParams::default().fields(&format!("spec.nodeName={node}"))).await.unwrap();
    assert!(on.items.len() > 3);
    assert!(
        on.items.iter().all(|pod| pod.spec.as_ref().unwrap().node_name.as_ref() == Some(&node))
    );
    let dns = pods.list(&ListParams::default().labels("app in (coredns)")).await.unwrap();
    assert_eq!(dns.items.len(), 2);
    let here = Api::<Pod>::namespaced(client.clone(), "kube-system")
        .list(&ListParams::default())
        .await
        .unwrap();
    assert!(here.items.iter().all(|pod| pod.namespace().as_deref() == Some("kube-system")));
    let secrets = Api::<Secret>::all(client)
        .list(&ListParams::default().fields("type=kubernetes.io/service-account-token"))
        .await
        .unwrap();
    assert_eq!(secrets.items.len(), 2);
    assert_eq!(code(pods.list(&ListParams::default().fields("spec.color=red")).await), 400);
    assert_eq!(code(pods.list(&ListParams::default().labels("a in b")).await), 400);
}

#[tokio::test]
async fn tables_have_the_columns_of_kubectl() {
    let cloud = Cloud::calm().await;
    let client = cloud.client("alpha").await;
    for (path, columns) in [
        ("/api/v1/nodes", "Name Status Roles Age Version"),
        ("/api/v1/pods", "Name Ready Status Restarts Age"),
        (
            "/apis/policy/v1/poddisruptionbudgets",
            "Name Min Available Max Unavailable Allowed Disruptions Age",
        ),
        ("/api/v1/events", "Last Seen Type Reason Object Message"),
    ] {
        let table = ask(&client, "GET", path, TABLE).await;
        assert_eq!(table["kind"], "Table");
        let shown: Vec<&str> = table["columnDefinitions"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|column| column["priority"] == 0)
            .map(|column| column["name"].as_str().unwrap())
            .collect();
        assert_eq!(shown.join(" "), columns);
        for row in table["rows"].as_array().unwrap() {
            let cells = row["cells"].as_array().unwrap().len();
            assert_eq!(cells, table["columnDefinitions"].as_array().unwrap().len(), "{path}");
            assert_eq!(row["object"]["kind"], "PartialObjectMetadata");
        }
    }
    let nodes = ask(&client, "GET", "/api/v1/nodes", TABLE).await;
    assert_eq!(nodes["rows"][0]["cells"][1], "Ready");
    assert_eq!(nodes["rows"][0]["cells"][3], "39d");
    assert_eq!(nodes["rows"][0]["cells"][4], "v1.33.4");
}

#[tokio::test]
async fn metadata_alone_holds_no_secret() {
    let cloud = Cloud::calm().await;
    let client = cloud.client("alpha").await;
    let secrets = Api::<Secret>::namespaced(client.clone(), "kube-system")
        .list_metadata(&ListParams::default().labels("gardener.cloud/role=operating-system-config"))
        .await
        .unwrap();
    assert_eq!(secrets.items.len(), 1);
    assert!(secrets.items[0].name_any().starts_with("gardener-node-agent-web-"));
    let accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
    let raw = ask(&client, "GET", "/api/v1/secrets", accept).await;
    assert_eq!(raw["kind"], "PartialObjectMetadataList");
    assert!(!raw.to_string().contains("\"data\""));
}

#[tokio::test]
async fn the_server_serves_version_and_health() {
    let cloud = Cloud::calm().await;
    let client = cloud.client("alpha").await;
    assert_eq!(client.apiserver_version().await.unwrap().git_version, "v1.33.4");
    let mut groups: Vec<String> =
        client.list_api_groups().await.unwrap().groups.into_iter().map(|g| g.name).collect();
    groups.sort();
    assert!(groups.contains(&"policy".to_owned()) && groups.contains(&"storage.k8s.io".to_owned()));
    let core = client.list_core_api_resources("v1").await.unwrap();
    assert!(core.resources.iter().any(|resource| resource.name == "nodes"));
    assert_eq!(ask(&client, "GET", "/readyz", "*/*").await, "ok");
    let keys = ask(&client, "GET", "/openid/v1/jwks", "*/*").await;
    assert_eq!(keys["keys"].as_array().unwrap().len(), 1);
    let missing = http::Request::get("/apis/batch/v1/jobs").body(Vec::new()).unwrap();
    assert_eq!(code(client.request_text(missing).await), 404);
}

/// k9s shows the events of this group rather than those of the core group.
#[tokio::test]
async fn events_are_served_by_the_later_group_under_its_own_names() {
    let cloud = Cloud::calm().await;
    let client = cloud.client("alpha").await;
    let pods = Api::<Pod>::namespaced(client.clone(), "shop");
    let name = pods.list(&ListParams::default()).await.unwrap().items[0].name_any();
    pods.delete(&name, &DeleteParams::default()).await.unwrap();
    cloud.wait(60).await;
    let core = ask(&client, "GET", "/api/v1/namespaces/shop/events", "*/*").await;
    let path = "/apis/events.k8s.io/v1/namespaces/shop/events";
    let later = ask(&client, "GET", path, "*/*").await;
    let (core, later) = (&core["items"][0], &later["items"][0]);
    assert!(!core["involvedObject"]["name"].is_null());
    for (of_core, of_later) in [
        ("involvedObject", "regarding"),
        ("message", "note"),
        ("reportingComponent", "reportingController"),
        ("count", "deprecatedCount"),
        ("lastTimestamp", "deprecatedLastTimestamp"),
        ("reason", "reason"),
    ] {
        assert_eq!(core[of_core], later[of_later], "{of_later}");
    }
    assert!(later["message"].is_null() && later["involvedObject"].is_null(), "{later}");
    let about = core["involvedObject"]["name"].as_str().unwrap();
    let path = format!("{path}?fieldSelector=regarding.name%3D{about}");
    let found = ask(&client, "GET", &path, "*/*").await;
    assert!(!found["items"].as_array().unwrap().is_empty());
}
