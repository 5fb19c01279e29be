//! Requests that kube-apiserver rejects are rejected here, without any change. `tests/control_plane` compares the
//! responses with those of a real one; these tests need none.

use std::time::Duration;

use http::Request;
use http_body_util::BodyExt as _;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::client::Body;
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};

use crate::support::Cloud;

const MERGE: &str = "application/merge-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";
const JSON: &str = "application/json";

/// Sends a request: status, headers, and body as JSON or text.
async fn send(
    client: &Client,
    (method, path): (&str, &str),
    headers: &[(&str, &str)],
    body: &[u8],
) -> (u16, http::HeaderMap, Value) {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = client.send(request.body(Body::from(body.to_vec())).unwrap()).await.unwrap();
    let (head, body) = answer.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
    (head.status.as_u16(), head.headers, body)
}

async fn write(client: &Client, target: (&str, &str), kind: &str, body: Value) -> (u16, Value) {
    let (code, _, answer) =
        send(client, target, &[("content-type", kind)], body.to_string().as_bytes()).await;
    (code, answer)
}

async fn read(client: &Client, path: &str) -> (u16, Value) {
    let (code, _, answer) = send(client, ("GET", path), &[], b"").await;
    (code, answer)
}

/// Asserts that requests are rejected with these codes and leave the object unchanged.
async fn refused(client: &Client, object: &str, cases: &[(&str, &str, &str, Value, u16)]) {
    let before = read(client, object).await.1["metadata"]["resourceVersion"].clone();
    for (method, query, kind, body, code) in cases {
        let answer = write(client, (method, &format!("{object}{query}")), kind, body.clone()).await;
        assert_eq!(answer.0, *code, "{method} {query} {body}: {}", answer.1);
        assert_eq!((&answer.1["kind"], &answer.1["code"]), (&json!("Status"), &json!(code)));
        let after = read(client, object).await.1["metadata"]["resourceVersion"].clone();
        assert_eq!(before, after, "{method} {query} {body} changed it");
    }
}

async fn first(client: &Client, path: &str) -> String {
    let list = read(client, path).await.1;
    list["items"][0]["metadata"]["name"].as_str().unwrap().to_owned()
}

fn causes(answer: &Value) -> Vec<&str> {
    let causes = answer["details"]["causes"].as_array().unwrap();
    causes.iter().map(|cause| cause["field"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn sim_01_a_rollout_restart_replaces_the_pods_of_every_controller() {
    let cloud = Cloud::calm().await;
    let client = cloud.client("alpha").await;
    let restart = json!({"spec": {"template": {"metadata": {"annotations": {
        "kubectl.kubernetes.io/restartedAt": "2026-11-24T14:00:00Z",
    }}}}});
    for (namespace, plural, name) in [
        ("shop", "deployments", "web-app"),
        ("shop", "statefulsets", "store"),
        ("kube-system", "daemonsets", "kube-proxy"),
    ] {
        let pods = Api::<Pod>::namespaced(client.clone(), namespace);
        let of_it = ListParams::default().labels(&format!("app={name}"));
        let uids = async || -> Vec<String> {
            let mut uids: Vec<_> = pods
                .list(&of_it)
                .await
                .unwrap()
                .items
                .iter()
                .map(|pod| pod.uid().unwrap())
                .collect();
            uids.sort();
            uids
        };
        let before = uids().await;
        let path = format!("/apis/apps/v1/namespaces/{namespace}/{plural}/{name}");
        let (code, answer) = write(&client, ("PATCH", &path), STRATEGIC, restart.clone()).await;
        assert_eq!((code, &answer["metadata"]["generation"]), (200, &json!(2)), "{answer}");
        assert_ne!(answer["status"]["updatedReplicas"], json!(0));
        cloud.wait(900).await;
        let after = uids().await;
        assert_eq!(after.len(), before.len());
        assert!(after.iter().all(|uid| !before.contains(uid)), "{plural}");
    }
    let sets = Api::<ReplicaSet>::namespaced(client.clone(), "shop");
    let of_it = ListParams::default().labels("app=web-app");
    let sets = sets.list(&of_it).await.unwrap().items;
    let mut sizes: Vec<_> = sets.iter().map(|set| set.spec.as_ref().unwrap().replicas).collect();
    sizes.sort();
    assert_eq!(sizes, [Some(0), Some(3)]);
    let deployment =
        Api::<Deployment>::namespaced(client.clone(), "shop").get("web-app").await.unwrap();
    assert_eq!(sets[0].owner_references()[0].uid, deployment.uid().unwrap());
    let conditions = deployment.status.unwrap().conditions.unwrap();
    let complete = conditions.iter().find(|c| c.type_ == "Progressing").unwrap();
    assert_eq!(complete.reason.as_deref(), Some("NewReplicaSetAvailable"));
    let store = Api::<StatefulSet>::namespaced(client.clone(), "shop").get("store").await.unwrap();
    let status = store.status.unwrap();
    assert_eq!(status.current_revision, status.update_revision);
    let proxy =
        Api::<DaemonSet>::namespaced(client, "kube-system").get("kube-proxy").await.unwrap();
    assert_eq!(proxy.status.unwrap().updated_number_scheduled, Some(3));
}

#[tokio::test]
async fn sim_01_fields_that_are_not_modelled_are_refused_and_not_dropped() {
    let cloud = Cloud::calm().await;
    let client = cloud.client("alpha").await;
    let image =
        json!({"spec": {"template": {"spec": {"containers": [{"name": "main", "image": "b"}]}}}});
    let deployment = "/apis/apps/v1/namespaces/shop/deployments/web-app";
    refused(
        &client,
        deployment,
        &[
            ("PATCH", "", STRATEGIC, image, 422),
            ("PATCH", "", MERGE, json!({"spec": {"paused": true}}), 422),
            ("PATCH", "", MERGE, json!({"spec": {"selector": {"matchLabels": {"app": "b"}}}}), 422),
            ("POST", "", JSON, json!({}), 405),
        ],
    )
    .await;
    let pod = first(&client, "/api/v1/namespaces/shop/pods").await;
    refused(
        &client,
        &format!("/api/v1/namespaces/shop/pods/{pod}"),
        &[
            ("PATCH", "", MERGE, json!({"spec": {"nodeName": "other"}}), 422),
            ("PUT", "", JSON, json!({}), 400),
        ],
    )
    .await;
    let budget = "/apis/policy/v1/namespaces/kube-system/poddisruptionbudgets/coredns";
    refused(
        &client,
        budget,
        &[
            ("PATCH", "", MERGE, json!({"spec": {"minAvailable": 1}}), 422),
            ("PATCH", "/status", MERGE, json!({"status": {"disruptionsAllowed": 9}}), 405),
        ],
    )
    .await;
}

#[tokio::test]
async fn sim_04_faults_never_reach_their_own_interface_and_impossible_ones_are_refused() {
    let cloud = Cloud::calm().await;
    let exports: std::collections::BTreeMap<_, _> = cloud.simulator.exports().into_iter().collect();
    let base = &exports["STACKIT_SKE_CUSTOM_ENDPOINT"];
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let order = async |fault: Value| {
        let answer = http
            .post(format!("{base}/_simulator/faults"))
            .bearer_auth(&exports["SKEYS_SIMULATOR_TOKEN"])
            .body(fault.to_string());
        answer.send().await.unwrap().status().as_u16()
    };
    let projects = async || {
        let answer = http.get(format!("{base}/v2/projects?member=a")).send().await;
        answer.map_or(0, |answer| answer.status().as_u16())
    };
    for effect in [
        json!({"answer": {"status": 99}}),
        json!({"answer": {"status": 101}}),
        json!({"answer": {"status": 1000}}),
        json!({"answer": {"status": 500, "retry_after": "a\nb"}}),
        json!({"answer": {"status": 500, "content_type": "\u{7}"}}),
        json!({"huge": {"bytes": 1_u64 << 50}}),
        json!({"delay": {"milliseconds": u64::MAX}}),
        json!({"explode": {}}),
    ] {
        assert_eq!(order(json!({"effect": effect})).await, 400, "{effect}");
        assert_eq!(projects().await, 401, "{effect}");
    }
    assert_eq!(order(json!({"times": 0, "effect": {"drop": {}}})).await, 400);
    // Without a path a fault applies to all requests but those that inject and remove faults.
    assert_eq!(order(json!({"effect": {"drop": {}}})).await, 202);
    assert_eq!(projects().await, 0);
    assert_eq!(order(json!({"effect": {"answer": {"status": 503}}})).await, 202);
    let removed = http
        .delete(format!("{base}/_simulator/faults"))
        .bearer_auth(&exports["SKEYS_SIMULATOR_TOKEN"])
        .send()
        .await
        .unwrap();
    assert_eq!(removed.status().as_u16(), 200);
    assert_eq!(projects().await, 401);
}

#[tokio::test]
async fn sim_05_dry_runs_impersonation_selectors_and_unknown_words() {
    let cloud = Cloud::calm().await;
    let client = cloud.client("alpha").await;
    let pod = first(&client, "/api/v1/namespaces/shop/pods?labelSelector=app%3Dstore").await;
    let path = format!("/api/v1/namespaces/shop/pods/{pod}");
    let eviction = json!({"metadata": {"name": pod}, "deleteOptions": {"dryRun": ["All"]}});
    let target = format!("{path}/eviction");
    let (code, _) = write(&client, ("POST", &target), JSON, eviction.clone()).await;
    assert_eq!(
        (code, &read(&client, &path).await.1["metadata"]["deletionTimestamp"]),
        (201, &Value::Null)
    );
    // A dry run checks the budget, too.
    let none = json!({"spec": {"maxUnavailable": 0}});
    let budget = "/apis/policy/v1/namespaces/shop/poddisruptionbudgets/store";
    assert_eq!(write(&client, ("PATCH", budget), MERGE, none).await.0, 200);
    cloud.clock.turn(Duration::from_secs(1));
    assert_eq!(write(&client, ("POST", &target), JSON, eviction).await.0, 429);
    for selector in ["app%20in%20web", "app%3D-bad-", ",", "app%3Da,", "!app%3Da", "%3Da", "a%3Eb"]
    {
        let path = format!("/api/v1/pods?labelSelector={selector}");
        assert_eq!(read(&client, &path).await.0, 400, "{selector}");
    }
    assert_eq!(read(&client, "/api/v1/nodes?colour=red").await.0, 200);
    let jane = [("impersonate-user", "jane")];
    let (code, _, answer) = send(&client, ("GET", "/api/v1/nodes"), &jane, b"").await;
    assert_eq!(code, 403);
    let message = "nodes is forbidden: User \"jane\" cannot list resource \"nodes\" in API group \"\" at the cluster scope";
    assert_eq!(answer["message"], message);
    let group = [("impersonate-group", "devs")];
    assert_eq!(send(&client, ("GET", "/api/v1/nodes"), &group, b"").await.0, 500);
}

#[tokio::test]
async fn sim_08_methods_bodies_and_paths() {
    let cloud = Cloud::calm().await;
    let client = cloud.client("alpha").await;
    let node = first(&client, "/api/v1/nodes").await;
    let path = format!("/api/v1/nodes/{node}");
    let large =
        format!("{{\"metadata\":{{\"annotations\":{{\"a\":\"{}\"}}}}}}", "x".repeat(4 << 20));
    let merge = [("content-type", MERGE)];
    let (code, _, answer) = send(&client, ("PATCH", &path), &merge, large.as_bytes()).await;
    assert_eq!((code, &answer["reason"]), (413, &json!("RequestEntityTooLarge")));
    for (method, path) in [("HEAD", "/api/v1/nodes"), ("PUT", "/api/v1/nodes"), ("POST", "/api")] {
        assert_eq!(send(&client, (method, path), &[], b"").await.0, 405, "{method} {path}");
    }
    let encoded = path.replace('-', "%2D");
    assert_eq!(read(&client, &encoded).await.1["metadata"]["name"], json!(node));
    assert_eq!(read(&client, "/api/v1//nodes").await.0, 404);
}

#[tokio::test]
async fn sim_08_the_scheme_of_a_token_may_be_written_in_lower_case() {
    let cloud = Cloud::calm().await;
    let client = cloud.client("alpha").await;
    let target = ("POST", "/api/v1/namespaces/shop/serviceaccounts/deployer/token");
    let token = write(&client, target, JSON, json!({"spec": {}})).await.1;
    let token = token["status"]["token"].as_str().unwrap().to_owned();
    // A kubeconfig without a credential, so that only the header counts.
    let text = cloud.kubeconfig("alpha").await;
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("client-"));
    let without = |line: &str| {
        if line.trim() == "user:" { "  user: {}\n".to_owned() } else { format!("{line}\n") }
    };
    let text: String = lines.map(without).collect();
    let nobody = crate::support::client(&text).await;
    assert_eq!(read(&nobody, "/api/v1/nodes").await.0, 401);
    for scheme in ["bearer", "Bearer", "BEARER"] {
        let header = format!("{scheme} {token}");
        let headers = [("authorization", header.as_str())];
        assert_eq!(send(&nobody, ("GET", "/api/v1/nodes"), &headers, b"").await.0, 200, "{scheme}");
    }
}

#[tokio::test]
async fn sim_09_evictions_and_deletions_that_do_not_fit_change_nothing() {
    let cloud = Cloud::calm().await;
    let client = cloud.client("alpha").await;
    let pod = first(&client, "/api/v1/namespaces/shop/pods?labelSelector=app%3Dstore").await;
    let path = format!("/api/v1/namespaces/shop/pods/{pod}");
    let evict = |options: Value| json!({"metadata": {"name": pod}, "deleteOptions": options});
    refused(
        &client,
        &path,
        &[
            ("POST", "/eviction", JSON, evict(json!({"preconditions": {"uid": "other"}})), 409),
            (
                "POST",
                "/eviction",
                JSON,
                evict(json!({"preconditions": {"resourceVersion": "1"}})),
                409,
            ),
            ("POST", "/eviction", JSON, evict(json!({"dryRun": ["nonsense"]})), 422),
            ("POST", "/eviction", JSON, evict(json!({"propagationPolicy": "Sideways"})), 422),
            ("POST", "/eviction", JSON, evict(json!("now")), 400),
            ("POST", "/eviction?dryRun=nonsense", JSON, evict(json!({})), 422),
            ("POST", "/eviction", JSON, json!({"metadata": {"name": "other"}}), 400),
            (
                "POST",
                "/eviction",
                JSON,
                json!({"metadata": {"name": pod, "namespace": "other"}}),
                400,
            ),
            ("POST", "/eviction", JSON, json!({"kind": "Pod", "apiVersion": "v1"}), 400),
            ("POST", "/eviction", JSON, json!({}), 400),
            ("POST", "/eviction", JSON, json!([]), 400),
            ("POST", "/eviction", "text/plain", json!({}), 415),
            ("DELETE", "", JSON, json!({"preconditions": {"uid": "other"}}), 409),
            ("DELETE", "", JSON, json!({"preconditions": {"resourceVersion": "1"}}), 409),
            ("DELETE", "", JSON, json!({"dryRun": ["nonsense"]}), 422),
            ("DELETE", "", JSON, json!({"propagationPolicy": "Sideways"}), 422),
            ("DELETE", "", JSON, json!({"gracePeriodSeconds": "soon"}), 500),
            ("DELETE", "", JSON, json!([]), 500),
            ("DELETE", "", "text/plain", json!({}), 415),
        ],
    )
    .await;
    let target = format!("{path}/eviction");
    let json = [("content-type", JSON)];
    assert_eq!(send(&client, ("POST", &target), &json, b"").await.0, 400);
    assert_eq!(
        send(&client, ("DELETE", &format!("{path}?dryRun=nonsense")), &[], b"").await.0,
        422
    );
    assert_eq!(
        send(&client, ("DELETE", &format!("{path}?gracePeriodSeconds=a")), &[], b"").await.0,
        400
    );
    assert_eq!(read(&client, &path).await.1["metadata"]["deletionTimestamp"], Value::Null);
}

#[tokio::test]
async fn sim_10_malformed_objects_are_refused_with_their_fields() {
    let cloud = Cloud::calm().await;
    let client = cloud.client("alpha").await;
    let node = format!("/api/v1/nodes/{}", first(&client, "/api/v1/nodes").await);
    let deployment = "/apis/apps/v1/namespaces/shop/deployments/web-app";
    let budget = "/apis/policy/v1/namespaces/shop/poddisruptionbudgets/store";
    for (path, body, fields) in [
        (&*node, json!({"metadata": {"labels": {"a/b/c": "x"}}}), &["metadata.labels"][..]),
        (&node, json!({"metadata": {"labels": {"a": "-"}}}), &["metadata.labels"]),
        (&node, json!({"metadata": {"annotations": {"a b": "x"}}}), &["metadata.annotations"]),
        (&node, json!({"metadata": {"finalizers": ["hold"]}}), &["metadata.finalizers[0]"]),
        (&node, json!({"metadata": {"uid": "other"}}), &["metadata.uid"]),
        (&node, json!({"spec": {"taints": [{"key": "a"}]}}), &["metadata.taints[0].effect"]),
        (
            &node,
            json!({"spec": {"taints": [{"key": "a", "effect": "Never"}]}}),
            &["metadata.taints[0].effect"],
        ),
        (&node, json!({"spec": {"providerID": "other"}}), &["spec.providerID"]),
        (&node, json!({"spec": {"unschedulable": "yes"}}), &["patch"]),
        (deployment, json!({"spec": {"replicas": -1}}), &["spec.replicas"]),
        (deployment, json!({"spec": {"replicas": "3"}}), &["patch"]),
        (budget, json!({"spec": {"minAvailable": 1}}), &["spec"]),
        (budget, json!({"spec": {"maxUnavailable": -1}}), &["spec.maxUnavailable"]),
        (budget, json!({"spec": {"maxUnavailable": "150%"}}), &["spec.maxUnavailable"]),
        (budget, json!({"spec": {"maxUnavailable": "some"}}), &["spec.maxUnavailable"]),
    ] {
        let before = read(&client, path).await.1;
        let (code, answer) = write(&client, ("PATCH", path), MERGE, body.clone()).await;
        assert_eq!((code, causes(&answer)), (422, fields.to_vec()), "{body}: {answer}");
        let version = "/metadata/resourceVersion";
        assert_eq!(before.pointer(version), read(&client, path).await.1.pointer(version), "{body}");
    }
    let unknown = json!({"spec": {"colour": "red"}});
    let strict = format!("{node}?fieldValidation=Strict");
    assert_eq!(write(&client, ("PATCH", &strict), MERGE, unknown.clone()).await.0, 422);
    let merge = [("content-type", MERGE)];
    let body = unknown.to_string();
    let (code, headers, _) = send(&client, ("PATCH", &node), &merge, body.as_bytes()).await;
    assert_eq!(
        (code, headers["warning"].to_str().unwrap()),
        (200, "299 - \"unknown field \\\"spec.colour\\\"\"")
    );
}

#[tokio::test]
async fn sim_11_versions_lock_only_where_they_are_given_and_patches_are_objects() {
    let cloud = Cloud::calm().await;
    let client = cloud.client("alpha").await;
    let scale = "/apis/apps/v1/namespaces/shop/deployments/web-app/scale";
    let with = |version: Value, replicas: u32| {
        json!({
            "metadata": {"name": "web-app", "namespace": "shop", "resourceVersion": version},
            "spec": {"replicas": replicas},
        })
    };
    for (method, kind) in [("PATCH", MERGE), ("PUT", JSON)] {
        assert_eq!(write(&client, (method, scale), kind, with(json!("1"), 4)).await.0, 409);
        assert_eq!(write(&client, (method, scale), kind, with(Value::Null, 4)).await.0, 200);
        assert_eq!(write(&client, (method, scale), kind, with(json!(""), 3)).await.0, 200);
        let now = read(&client, scale).await.1["metadata"]["resourceVersion"].clone();
        assert_eq!(write(&client, (method, scale), kind, with(now, 2)).await.0, 200);
    }
    let node = format!("/api/v1/nodes/{}", first(&client, "/api/v1/nodes").await);
    for body in [json!([]), json!("a"), Value::Null] {
        assert_eq!(write(&client, ("PATCH", &node), MERGE, body.clone()).await.0, 400, "{body}");
        assert_eq!(write(&client, ("PATCH", scale), MERGE, body).await.0, 400);
    }
    for body in [json!([]), json!("a")] {
        assert_eq!(write(&client, ("PATCH", &node), STRATEGIC, body).await.0, 400);
    }
    assert_eq!(
        write(&client, ("PATCH", scale), MERGE, json!({"spec": {"replicas": -1}})).await.0,
        422
    );
    assert_eq!(write(&client, ("PUT", scale), JSON, json!({})).await.0, 400);
}

#[tokio::test]
async fn sim_12_budgets_follow_labels_and_are_observed_a_moment_later() {
    let cloud = Cloud::with(
        "[[projects.clusters]]\nname = \"alpha\"\n\
         [[projects.clusters.workloads]]\nname = \"held\"\nmax_unavailable = 0\n",
    )
    .await;
    let client = cloud.client("alpha").await;
    let pods = "/api/v1/namespaces/default/pods";
    let pod = first(&client, pods).await;
    let (path, eviction) = (format!("{pods}/{pod}"), json!({"metadata": {"name": pod}}));
    let target = format!("{path}/eviction");
    assert_eq!(write(&client, ("POST", &target), JSON, eviction.clone()).await.0, 429);
    let budget = "/apis/policy/v1/namespaces/default/poddisruptionbudgets/held";
    let label = json!({"metadata": {"labels": {"team": "a"}}});
    let answer = write(&client, ("PATCH", budget), MERGE, label).await.1;
    assert_eq!(answer["metadata"]["generation"], json!(1), "a label is no spec");
    let loose = json!({"spec": {"maxUnavailable": 1}});
    let answer = write(&client, ("PATCH", budget), MERGE, loose).await.1;
    assert_eq!(
        (&answer["metadata"]["generation"], &answer["status"]["observedGeneration"]),
        (&json!(2), &json!(1))
    );
    let (code, answer) = write(&client, ("POST", &target), JSON, eviction.clone()).await;
    assert_eq!((code, &answer["details"]["retryAfterSeconds"]), (429, &json!(10)));
    cloud.clock.turn(Duration::from_secs(1));
    let answer = read(&client, budget).await.1;
    assert_eq!(
        (&answer["status"]["observedGeneration"], &answer["status"]["disruptionsAllowed"]),
        (&json!(2), &json!(1))
    );
    let none = json!({"spec": {"maxUnavailable": 0}});
    assert_eq!(write(&client, ("PATCH", budget), MERGE, none).await.0, 200);
    cloud.clock.turn(Duration::from_secs(1));
    // A pod without the label is no longer covered, and its controller replaces it.
    let away = json!({"metadata": {"labels": {"app": "other"}}});
    assert_eq!(write(&client, ("PATCH", &path), MERGE, away).await.0, 200);
    let left = read(&client, &format!("{pods}?labelSelector=app%3Dheld")).await.1;
    assert_eq!(left["items"].as_array().unwrap().len(), 2);
    assert_eq!(write(&client, ("POST", &target), JSON, eviction).await.0, 201);
}

#[tokio::test]
async fn sim_13_versions_limits_and_matches_of_lists_and_watches() {
    let cloud = Cloud::calm().await;
    let client = cloud.client("alpha").await;
    let pods = "/api/v1/namespaces/shop/pods";
    let all = read(&client, pods).await.1["items"].as_array().unwrap().len();
    let cached = read(&client, &format!("{pods}?limit=1&resourceVersion=0")).await.1;
    assert_eq!(cached["items"].as_array().unwrap().len(), all);
    let page = read(&client, &format!("{pods}?limit=1")).await.1;
    let (token, version) = (
        page["metadata"]["continue"].as_str().unwrap(),
        page["metadata"]["resourceVersion"].as_str().unwrap(),
    );
    let cases = [
        (format!("{pods}?continue={token}&resourceVersion={version}"), 400),
        (format!("{pods}?continue={token}&resourceVersionMatch=Exact"), 422),
        (format!("{pods}?continue=nonsense"), 400),
        (format!("{pods}?resourceVersionMatch=Exact"), 422),
        (format!("{pods}?resourceVersionMatch=Exact&resourceVersion=0"), 422),
        (format!("{pods}?resourceVersionMatch=Roughly&resourceVersion=1"), 422),
        (format!("{pods}?resourceVersion={version}&resourceVersionMatch=Exact"), 200),
        (format!("{pods}?resourceVersion=abc"), 400),
        (format!("{pods}?limit=many"), 400),
        (format!("{pods}?sendInitialEvents=true"), 422),
        (format!("{pods}?watch&resourceVersionMatch=NotOlderThan"), 422),
        (format!("{pods}?watch=yes&sendInitialEvents=true&resourceVersionMatch=Exact"), 422),
        // A single object cannot be watched: it is read.
        ("/api/v1/namespaces/nobody?watch=true".to_owned(), 404),
        ("/api/v1/namespaces/default?watch=true".to_owned(), 200),
    ];
    for (path, code) in cases {
        assert_eq!(read(&client, &path).await.0, code, "{path}");
    }
    let future = ("GET", &*format!("{pods}?resourceVersion=999999999"));
    let (code, headers, answer) = send(&client, future, &[], b"").await;
    assert_eq!((code, headers["retry-after"].to_str().unwrap()), (504, "1"));
    assert_eq!(answer["details"]["causes"][0]["reason"], "ResourceVersionTooLarge");
}

#[tokio::test]
async fn sim_14_refusals_have_a_reason_and_name_what_they_are_about() {
    let cloud = Cloud::calm().await;
    let client = cloud.client("alpha").await;
    let budgets = "/apis/policy/v1/namespaces/shop/poddisruptionbudgets";
    let (code, answer) = read(&client, &format!("{budgets}/nobody")).await;
    assert_eq!((code, &answer["reason"]), (404, &json!("NotFound")));
    let details = json!({"name": "nobody", "group": "policy", "kind": "poddisruptionbudgets"});
    assert_eq!(answer["details"], details);
    let old = json!({"metadata": {"resourceVersion": "1"}});
    let (code, answer) = write(&client, ("PATCH", &format!("{budgets}/store")), MERGE, old).await;
    assert_eq!((code, &answer["details"]["kind"]), (409, &json!("poddisruptionbudgets")));
    let (code, headers, answer) = send(&client, ("GET", "/nowhere"), &[], b"").await;
    assert_eq!((code, &answer), (404, &json!("404 page not found\n")));
    assert!(headers["content-type"].to_str().unwrap().starts_with("text/plain"));
    for (path, code) in
        [("/api/v1/things", 404), ("/apis/apps/v7", 404), ("/apis/x.example.com/v1/y", 404)]
    {
        assert_eq!(read(&client, path).await.0, code, "{path}");
    }
    let accept = [("accept", "text/html")];
    let (code, _, answer) = send(&client, ("GET", budgets), &accept, b"").await;
    assert_eq!((code, &answer["reason"]), (406, &json!("NotAcceptable")));
}

#[tokio::test]
async fn sim_15_reviews_and_token_requests_are_judged() {
    let cloud = Cloud::calm().await;
    let client = cloud.client("alpha").await;
    let reviews = ("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews");
    let resource = json!({"verb": "list", "resource": "pods"});
    let path = json!({"verb": "get", "path": "/metrics"});
    for (spec, code) in [
        (json!({}), 422),
        (json!({"resourceAttributes": resource, "nonResourceAttributes": path}), 422),
        (json!({"resourceAttributes": {"verb": 1}}), 400),
        (json!([]), 400),
        (json!({"resourceAttributes": resource}), 201),
    ] {
        assert_eq!(write(&client, reviews, JSON, json!({"spec": spec})).await.0, code, "{spec}");
    }
    // `kubectl auth can-i --as` is correct.
    let allowed = async |headers: &[(&str, &str)], spec: Value| {
        let body = json!({"spec": spec}).to_string();
        let headers = [headers, &[("content-type", JSON)]].concat();
        send(&client, reviews, &headers, body.as_bytes()).await.2["status"]["allowed"].clone()
    };
    let jane = [("impersonate-user", "jane")];
    let admin = [("impersonate-user", "jane"), ("impersonate-group", "system:masters")];
    assert_eq!(allowed(&[], json!({"resourceAttributes": resource})).await, true);
    assert_eq!(allowed(&jane, json!({"resourceAttributes": resource})).await, false);
    assert_eq!(allowed(&admin, json!({"resourceAttributes": resource})).await, true);
    assert_eq!(allowed(&jane, json!({"nonResourceAttributes": path})).await, false);
    let health = json!({"verb": "get", "path": "/healthz"});
    assert_eq!(allowed(&jane, json!({"nonResourceAttributes": health})).await, true);
    let selves = ("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews");
    let (_, _, answer) = send(&client, selves, &admin, b"{}").await;
    let groups = json!(["system:masters", "system:authenticated"]);
    assert_eq!(answer["status"]["userInfo"], json!({"username": "jane", "groups": groups}));
    let tokens = ("POST", "/api/v1/namespaces/shop/serviceaccounts/default/token");
    for (body, code) in [
        (json!({"spec": {"expirationSeconds": 599}}), 422),
        (json!({"spec": {"expirationSeconds": 99_999_999_999_i64}}), 422),
        (json!({"spec": {"expirationSeconds": "long"}}), 400),
        (json!({"metadata": {"name": "other"}, "spec": {}}), 422),
        (
            json!({"spec": {"boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": "nobody"}}}),
            404,
        ),
        (json!({"spec": {"boundObjectRef": {"kind": "Thing", "apiVersion": "v1"}}}), 400),
        (json!({"kind": "Pod", "apiVersion": "v1"}), 400),
        (json!({"spec": {"audiences": ["a"]}}), 201),
    ] {
        let answer = write(&client, tokens, JSON, body.clone()).await;
        assert_eq!(answer.0, code, "{body}: {}", answer.1);
    }
    assert_eq!(read(&client, reviews.1).await.0, 405);
}
