//! Admission webhooks: all kinds of configurations whose service does not exist, what the API server rejects because of
//! each, and what skeys predicts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fastrand::Rng;
use rcgen::{CertificateParams, DnType, KeyPair};
use serde_json::{Value, json};
use skeys::testing::clients::kubernetes::resources;
use skeys::testing::domain::roll::cause::NodeResource::{
    self, Evictions, NodeCertificates, NodeLeases, Nodes, SystemLeases, SystemPods,
};
use skeys::testing::domain::roll::webhooks::{
    asked_about_eviction, find_unanswered, rejecting_pods,
};
use skeys::testing::domain::snapshot::{ClusterSnapshot, Pod};

use crate::decoded::list;
use crate::evictions::{ADMISSION, one_of, seeded};
use crate::machines::{ZONES, describe_node, until};
use crate::processes::{SharedPlane, assets, say};
use crate::server::{Answer, Server};
use crate::webhook::serve_denials;
use crate::workloads::{create, template};

const SITUATIONS: u64 = 300;
/// A configuration takes effect after some milliseconds.
const LIMIT: Duration = Duration::from_mins(1);
const CONFIGURATIONS: &str = "/apis/admissionregistration.k8s.io/v1";
const CERTIFICATES: &str = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces";
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// A request, and the prediction of skeys that it is compared with.
struct Request {
    about: About,
    method: &'static str,
    path: String,
    body: Value,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum About {
    /// A request that a joining node needs.
    Node(NodeResource),
    /// A new pod like the one in a namespace.
    Pod(&'static str),
    /// The eviction of the pod in a namespace.
    Eviction(&'static str),
}

fn expression(key: &str, operator: &str, values: &[&str]) -> Value {
    let mut all = json!({"key": key, "operator": operator});
    if !values.is_empty() {
        all["values"] = json!(values);
    }
    json!({"matchExpressions": [all]})
}

/// A random webhook.
fn webhook(rng: &mut Rng, number: u64, denying: &Value) -> Value {
    let lists = |all: &[&[&str]]| all.iter().map(|list| json!(list)).collect::<Vec<_>>();
    let operations =
        lists(&[&["CREATE"], &["*"], &["*"], &["CREATE", "UPDATE"], &["UPDATE", "DELETE"]]);
    let groups = lists(&[
        &["*"],
        &["*"],
        &["*"],
        &["", "coordination.k8s.io"],
        &["policy", ""],
        &["policy"],
    ]);
    let versions =
        lists(&[&["v1"], &["v1"], &["v1"], &["*"], &["*"], &["v1beta1", "v1"], &["v1beta1"]]);
    let resources = lists(&[
        &["pods"],
        &["pods/*"],
        &["pods/eviction"],
        &["pods/binding"],
        &["pods/status", "pods"],
        &["*/*"],
        &["*/*"],
        &["*"],
        &["*/status"],
        &["*/eviction", "pods"],
        &["nodes", "pods"],
        &["nodes/*"],
        &["leases"],
        &["certificatesigningrequests/*"],
        &["certificatesigningrequests/approval"],
    ]);
    let scopes =
        [Value::Null, Value::Null, Value::Null, json!("*"), json!("Cluster"), json!("Namespaced")];
    let mut rule = || {
        json!({
            "operations": one_of(rng, &operations), "apiGroups": one_of(rng, &groups),
            "apiVersions": one_of(rng, &versions), "resources": one_of(rng, &resources),
            "scope": one_of(rng, &scopes),
        })
    };
    let rules = [rule(), rule()];
    let rules = &rules[rng.usize(..2)..];
    let namespaces = [
        Value::Null,
        Value::Null,
        Value::Null,
        Value::Null,
        json!({}),
        json!({"matchLabels": {NAME_LABEL: "kube-system"}}),
        json!({"matchLabels": {"team": "a"}}),
        expression(NAME_LABEL, "In", &["kube-system", "kube-node-lease"]),
        expression(NAME_LABEL, "NotIn", &["kube-system"]),
        expression(NAME_LABEL, "NotIn", &["blue"]),
        expression("team", "In", &["a", "b"]),
        expression("team", "NotIn", &["a"]),
        expression("team", "Exists", &[]),
        expression("team", "DoesNotExist", &[]),
    ];
    let objects = [
        Value::Null,
        Value::Null,
        Value::Null,
        Value::Null,
        Value::Null,
        Value::Null,
        json!({}),
        json!({"matchLabels": {"app": "net"}}),
        json!({"matchLabels": {"app": "web"}}),
        expression("app", "In", &["dns"]),
        expression("app", "NotIn", &["net"]),
        expression("inject", "NotIn", &["false"]),
        expression("app", "Exists", &[]),
        expression("app", "DoesNotExist", &[]),
    ];
    let condition = |text: &str| json!([{"name": "condition", "expression": text}]);
    let conditions = [
        condition("true"),
        condition("false"),
        condition("request.operation == 'CREATE'"),
        condition("request.resource.resource == 'configmaps' || object.spec.missing == 1"),
    ];
    let conditions = if rng.u8(..6) == 0 { one_of(rng, &conditions) } else { Value::Null };
    let service = json!({"service": {"namespace": "guards", "name": "guard"}});
    let client = if rng.u8(..8) == 0 { denying.clone() } else { service };
    let policies = [Value::Null, json!("Fail"), json!("Fail"), json!("Fail"), json!("Ignore")];
    let matches = [Value::Null, json!("Exact"), json!("Equivalent")];
    json!({
        "name": format!("guard-{number}.example.org"), "clientConfig": client, "rules": rules,
        "namespaceSelector": one_of(rng, &namespaces), "objectSelector": one_of(rng, &objects),
        "matchConditions": conditions, "failurePolicy": one_of(rng, &policies),
        "matchPolicy": one_of(rng, &matches), "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    })
}

/// A webhook whose number shows whether the API server knows a configuration.
fn marker(number: u64) -> Value {
    json!({
        "name": format!("marker-{number}.example.org"),
        "clientConfig": {"service": {"namespace": "guards", "name": "guard"}},
        "rules": [{
            "operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"],
            "resources": ["configmaps"],
        }],
        "namespaceSelector": {"matchLabels": {NAME_LABEL: "markers"}},
        "sideEffects": "None", "admissionReviewVersions": ["v1"],
    })
}

type Labels = &'static [(&'static str, &'static str)];

/// Pods: namespace, name, kind of the owner, and labels.
const PODS: [(&str, &str, &str, Labels); 4] = [
    ("kube-system", "net", "DaemonSet", &[("app", "net"), ("tier", "node")]),
    ("kube-system", "dns", "ReplicaSet", &[("app", "dns")]),
    ("blue", "app", "ReplicaSet", &[("app", "web"), ("inject", "false")]),
    ("green", "app", "ReplicaSet", &[]),
];

fn pod(name: &str, (kind, labels): (&str, Labels), node: Value) -> Value {
    let mut pod = template("app", &json!({"spec": {"nodeName": node}}));
    let owner = json!({
        "apiVersion": "apps/v1", "kind": kind, "name": "app", "controller": true,
        "uid": "00000000-0000-4000-8000-000000000001",
    });
    let labels: serde_json::Map<String, Value> =
        labels.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
    pod["metadata"] = json!({"name": name, "ownerReferences": [owner], "labels": labels});
    pod
}

fn node(number: usize) -> Value {
    describe_node(1, ZONES[0], number)
}

fn signing_request(name: &str) -> Value {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    let request = params.serialize_request(&KeyPair::generate().unwrap()).unwrap().pem().unwrap();
    json!({
        "metadata": {"name": name},
        "spec": {
            "request": STANDARD.encode(request), "usages": ["client auth"],
            "signerName": "kubernetes.io/kube-apiserver-client",
        },
    })
}

/// Creates the objects that the requests change.
async fn create_objects(admin: &Server) {
    for (name, team) in [("markers", None), ("blue", Some("a")), ("green", Some("c"))] {
        let labels = team.map_or(json!({}), |team| json!({"team": team}));
        let namespace = json!({"metadata": {"name": name, "labels": labels}});
        create(admin, "/api/v1/namespaces", &namespace).await;
    }
    for name in ["kube-system", "kube-node-lease"] {
        until(name, async || {
            let code = admin.get(&format!("/api/v1/namespaces/{name}")).await.code;
            (code == 200).then_some(())
        })
        .await;
        let lease = json!({"metadata": {"name": "lease"}, "spec": {"holderIdentity": "x"}});
        create(admin, &format!("{LEASES}/{name}/leases"), &lease).await;
    }
    let node = node(0);
    create(admin, "/api/v1/nodes", &node).await;
    create(admin, CERTIFICATES, &signing_request("request")).await;
    for (namespace, name, kind, labels) in PODS {
        let path = format!("/api/v1/namespaces/{namespace}/pods");
        let placed = pod(name, (kind, labels), node["metadata"]["name"].clone());
        create(admin, &path, &placed).await;
        let waiting = pod(&format!("{name}-waiting"), (kind, labels), Value::Null);
        create(admin, &path, &waiting).await;
    }
}

fn requests() -> Vec<Request> {
    let system = "/api/v1/namespaces/kube-system/pods";
    let node_path = format!("/api/v1/nodes/{}", node(0)["metadata"]["name"].as_str().unwrap());
    let lease = json!({"metadata": {"name": "new"}, "spec": {"holderIdentity": "x"}});
    let binding = json!({
        "apiVersion": "v1", "kind": "Binding", "metadata": {"name": "net-waiting"},
        "target": {"kind": "Node", "name": node(0)["metadata"]["name"]},
    });
    let update = json!({"metadata": {"annotations": {"example.org/change": "true"}}});
    let of = |needed, method, path: &str, body: &Value| Request {
        about: About::Node(needed),
        method,
        path: path.to_owned(),
        body: body.clone(),
    };
    let certificate = format!("{CERTIFICATES}/request");
    let leases = |namespace: &str| format!("{LEASES}/{namespace}/leases");
    let mut all = vec![
        of(Nodes, "POST", "/api/v1/nodes", &node(1)),
        of(Nodes, "PATCH", &node_path, &update),
        of(Nodes, "PATCH", &format!("{node_path}/status"), &update),
        of(NodeCertificates, "POST", CERTIFICATES, &signing_request("new")),
        of(NodeCertificates, "PATCH", &format!("{certificate}/approval"), &update),
        of(NodeCertificates, "PATCH", &format!("{certificate}/status"), &update),
        of(NodeLeases, "POST", &leases("kube-node-lease"), &lease),
        of(NodeLeases, "PATCH", &format!("{}/lease", leases("kube-node-lease")), &update),
        of(SystemLeases, "PATCH", &format!("{}/lease", leases("kube-system")), &update),
        of(SystemPods, "PATCH", &format!("{system}/net/status"), &update),
        of(SystemPods, "POST", &format!("{system}/net-waiting/binding"), &binding),
    ];
    for (namespace, name, kind, labels) in PODS {
        let path = format!("/api/v1/namespaces/{namespace}/pods");
        let body = pod("new", (kind, labels), Value::Null);
        let about = match name {
            "net" => About::Node(SystemPods),
            // New nodes do not need it.
            "dns" => continue,
            _ => About::Pod(namespace),
        };
        all.push(Request { about, method: "POST", path: path.clone(), body });
        let body = json!({
            "apiVersion": "policy/v1", "kind": "Eviction",
            "metadata": {"name": name, "namespace": namespace},
        });
        let path = format!("{path}/{name}/eviction");
        all.push(Request { about: About::Eviction(namespace), method: "POST", path, body });
    }
    all
}

async fn send(admin: &Server, request: &Request) -> Answer {
    let kind = if request.method == "PATCH" { "merge-patch+json" } else { "json" };
    let path = format!("{}?dryRun=All", request.path);
    admin.write(request.method, &path, kind, &request.body).await
}

/// Whether the API server rejects a request because of a webhook.
fn is_refused(answer: &Answer, number: u64) -> bool {
    let message = answer.json()["message"].as_str().unwrap_or_default().to_owned();
    let named = format!("webhook \"guard-{number}.example.org\"");
    // A failing expression is a rejection, too, and does not name a webhook.
    let is_known = message.contains(&named) || message.contains("resulted in error");
    assert!(matches!(answer.code, 200 | 201) || is_known, "{}", answer.json());
    !matches!(answer.code, 200 | 201)
}

/// Waits until a configuration takes effect.
async fn until_known(admin: &Server, number: u64) {
    let path = "/api/v1/namespaces/markers/configmaps?dryRun=All";
    let object = json!({"metadata": {"name": "marker"}});
    let (named, start) = (format!("-{number}.example.org"), Instant::now());
    loop {
        let answer = admin.write("POST", path, "json", &object).await;
        if answer.json()["message"].as_str().unwrap_or_default().contains(&named) {
            return;
        }
        assert!(start.elapsed() < LIMIT, "{number} is not known: {}", answer.json());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Mismatches between predictions of skeys and responses for a configuration.
fn complaints(
    snapshot: &ClusterSnapshot,
    webhook: &Value,
    answers: &[(About, bool)],
) -> Vec<String> {
    let is_refused = |about: About| answers.contains(&(about, true));
    let (has_service, conditional) =
        (webhook["clientConfig"]["service"].is_object(), webhook["matchConditions"].is_array());
    let mut out = Vec::new();
    let mut compare = |about: &dyn std::fmt::Debug, refused: bool, said: bool, certain: bool| {
        if (refused && !said) || (!refused && said && certain) {
            out.push(format!("{about:?} refused: {refused}, skeys: {said}, certain: {certain}"));
        }
    };
    let found = find_unanswered(snapshot).unwrap();
    let certain = found.iter().any(|block| block.certain);
    let said: BTreeSet<NodeResource> =
        found.iter().flat_map(|block| &block.refused).copied().collect();
    let mut needed: BTreeMap<NodeResource, bool> = BTreeMap::new();
    for (about, refused) in answers.iter().filter(|_| has_service) {
        match about {
            About::Node(resource) => *needed.entry(*resource).or_default() |= refused,
            About::Eviction(_) => *needed.entry(Evictions).or_default() |= refused,
            About::Pod(_) => {}
        }
    }
    for (resource, refused) in needed {
        // In addition to certain rejections, possible ones are not reported.
        let is_said = said.contains(&resource) || (refused && certain);
        compare(&resource, refused, is_said, certain);
    }
    for (namespace, name, ..) in PODS {
        let is_it = |pod: &&Arc<Pod>| pod.namespace == namespace && pod.name == name;
        let pod = snapshot.pods.iter().find(is_it).unwrap();
        let about = About::Eviction(namespace);
        let asked = !asked_about_eviction(snapshot, pod).is_empty();
        compare(&about, is_refused(about), asked, !conditional);
        let about = About::Pod(namespace);
        if namespace != "kube-system" && has_service && !conditional {
            let rejected = rejecting_pods(snapshot, pod).is_some();
            compare(&about, is_refused(about), rejected, true);
        }
    }
    out
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn k8s_39_webhooks_refuse_what_skeys_says() {
    let Some(assets) = assets() else { return };
    let plane = SharedPlane::start(&assets, &[ADMISSION]).await;
    let admin = plane.admin();
    create_objects(&admin).await;
    let requests = requests();
    for request in &requests {
        let answer = send(&admin, request).await;
        assert!(matches!(answer.code, 200 | 201), "{}: {}", request.path, answer.json());
    }
    let denying = serve_denials().await;
    let seen = ClusterSnapshot {
        pods: list(&admin, resources::pods()).await,
        namespaces: list(&admin, resources::namespaces()).await,
        ..ClusterSnapshot::default()
    };
    let (mut refused, mut wrong) = (0, Vec::new());
    for kind in ["validating", "mutating"] {
        let path = format!("{CONFIGURATIONS}/{kind}webhookconfigurations");
        create(&admin, &path, &json!({"metadata": {"name": "guard"}})).await;
        for number in 0..SITUATIONS / 2 {
            let seed = 2 * number + u64::from(kind == "mutating");
            let webhook = webhook(&mut seeded(seed), seed, &denying);
            let webhooks = json!({"webhooks": [webhook, marker(seed)]});
            let path = format!("{path}/guard");
            let answer = admin.write("PATCH", &path, "merge-patch+json", &webhooks).await;
            assert_eq!(answer.code, 200, "{webhook}: {}", answer.json());
            until_known(&admin, seed).await;
            let answers = futures_util::future::join_all(requests.iter().map(async |request| {
                (request.about, is_refused(&send(&admin, request).await, seed))
            }))
            .await;
            refused += answers.iter().filter(|(_, refused)| *refused).count();
            let mut admissions = list(&admin, resources::validating_webhooks()).await;
            admissions.extend(list(&admin, resources::mutating_webhooks()).await);
            let snapshot = ClusterSnapshot { webhook_configurations: admissions, ..seen.clone() };
            let found = complaints(&snapshot, &webhook, &answers);
            wrong.extend(found.into_iter().map(|text| format!("{seed}: {text}\n  {webhook}")));
        }
        let path = format!("{path}/guard");
        assert_eq!(admin.write("DELETE", &path, "json", &json!({})).await.code, 200);
        until("a configuration that is gone", async || {
            let mut answers = Vec::new();
            for request in &requests {
                answers.push(send(&admin, request).await.code);
            }
            answers.iter().all(|code| matches!(code, 200 | 201)).then_some(())
        })
        .await;
    }
    let compared = requests.len() * usize::try_from(SITUATIONS).unwrap();
    say(&format!(
        "{SITUATIONS} webhooks, {compared} requests, {refused} refused; {} wrong",
        wrong.len()
    ));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(refused * 16 > compared, "too few are refused");
}
