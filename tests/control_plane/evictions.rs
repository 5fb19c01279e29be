//! Evictions: all kinds of pods and PodDisruptionBudgets, the API server's response to the eviction of each pod, and
//! what skeys predicts.
#![expect(clippy::wildcard_enum_match_arm, reason = "only what is about budgets is compared")]

use std::sync::Arc;

use fastrand::Rng;
use futures_util::StreamExt as _;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use skeys::testing::clients::kubernetes::resources;
use skeys::testing::domain::cluster::Cluster;
use skeys::testing::domain::preflight::Finding;
use skeys::testing::domain::preflight::nodes::before_start;
use skeys::testing::domain::roll::Roll;
use skeys::testing::domain::roll::cause::{BlockerCause, PdbFix};
use skeys::testing::domain::roll::history::RollHistory;
use skeys::testing::domain::snapshot::{ClusterSnapshot, Node, Pod, Templates};

use crate::decoded::list;
use crate::machines::{Machines, ZONES, condition};
use crate::processes::{SharedPlane, assets, say};
use crate::screen::completed;
use crate::server::{Answer, Server};
use crate::ske::{Rotation, Ske};
use crate::stuck::read_cluster;
use crate::workloads::{create_namespace, merge, template};

const NAMESPACES: usize = 150;
const PODS: usize = 8;
/// Pods have no service account here.
pub const ADMISSION: &str = "--disable-admission-plugins=ServiceAccount,TaintNodesByCondition";
const MERGE: &str = "merge-patch+json";

/// Scrambled, since small seeds give similar sequences.
pub fn seeded(number: u64) -> Rng {
    Rng::with_seed(number.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

pub fn one_of(rng: &mut Rng, all: &[Value]) -> Value {
    all[rng.usize(..all.len())].clone()
}

fn selector(rng: &mut Rng) -> Value {
    let expression = |key: &str, operator: &str, values: &[&str]| {
        let mut all = json!({"key": key, "operator": operator});
        if !values.is_empty() {
            all["values"] = json!(values);
        }
        all
    };
    let expressions = |all: &[Value]| json!({"matchExpressions": all});
    let all = [
        Value::Null,
        json!({}),
        json!({"matchLabels": {"app": "web"}}),
        json!({"matchLabels": {"app": ""}}),
        json!({"matchLabels": {"app": "api", "tier": "gold"}}),
        expressions(&[expression("app", "In", &["web", "api"])]),
        expressions(&[expression("app", "In", &[""])]),
        expressions(&[expression("app", "NotIn", &["web"])]),
        expressions(&[expression("tier", "NotIn", &["gold", ""])]),
        expressions(&[expression("tier", "Exists", &[])]),
        expressions(&[expression("tier", "DoesNotExist", &[])]),
        expressions(&[expression("app", "Exists", &[]), expression("tier", "DoesNotExist", &[])]),
        json!({
            "matchLabels": {"app": "web"},
            "matchExpressions": [expression("tier", "In", &["gold"])],
        }),
    ];
    one_of(rng, &all)
}

/// The spec of a budget.
fn spec(rng: &mut Rng) -> Value {
    let (least, most) = ("minAvailable", "maxUnavailable");
    let name = if rng.bool() { least } else { most };
    let amounts = [json!(0), json!(1), json!(2), json!("0%"), json!("34%"), json!("100%")];
    let mut spec = json!({"minAvailable": null, name: one_of(rng, &amounts)});
    let policies = [Value::Null, json!("IfHealthyBudget"), json!("AlwaysAllow")];
    spec["unhealthyPodEvictionPolicy"] = one_of(rng, &policies);
    spec
}

/// The status of a budget at generation 2; null if no controller has written it.
fn status(rng: &mut Rng) -> Value {
    if rng.u8(..10) == 0 {
        return Value::Null;
    }
    let observed = one_of(rng, &[2, 2, 2, 2, 2, 2, 1, 1, 0, 3].map(|number| json!(number)));
    let now = Timestamp::now();
    let (recent, old) = (now.to_string(), (now - SignedDuration::from_hours(2)).to_string());
    let disrupted = [json!({}), json!({}), json!({"gone": recent}), json!({"pod-0": old})];
    let allowed = |holds, reason, message: &str| {
        let mut condition = condition("DisruptionAllowed", holds, reason, now);
        condition["message"] = json!(message);
        json!([condition])
    };
    let conditions = [
        json!([]),
        allowed(true, "SufficientPods", ""),
        allowed(false, "InsufficientPods", ""),
        allowed(false, "SyncFailed", "found no controller ref for pod"),
    ];
    json!({
        "observedGeneration": observed,
        "disruptionsAllowed": one_of(rng, &[json!(0), json!(0), json!(0), json!(1), json!(2)]),
        "currentHealthy": rng.u8(..4), "desiredHealthy": rng.u8(..4), "expectedPods": rng.u8(..4),
        "disruptedPods": one_of(rng, &disrupted), "conditions": one_of(rng, &conditions),
    })
}

/// A pod with its status.
fn pod(rng: &mut Rng, node: &str) -> Value {
    let labels = [
        json!({}),
        json!({"app": "web"}),
        json!({"app": "api"}),
        json!({"app": ""}),
        json!({"tier": "gold"}),
        json!({"app": "web", "tier": "gold"}),
        json!({"app": "api", "tier": "gold"}),
        json!({"app": "api", "tier": ""}),
    ];
    let owner = |kind: &str| {
        json!({"ownerReferences": [{
            "apiVersion": "apps/v1", "kind": kind, "name": "app", "controller": true,
            "uid": "00000000-0000-4000-8000-000000000001",
        }]})
    };
    let mirror = json!({"annotations": {"kubernetes.io/config.mirror": "0123456789abcdef"}});
    let makers = [json!({}), owner("ReplicaSet"), owner("StatefulSet"), owner("DaemonSet"), mirror];
    let ready = |status: &str| json!({"type": "Ready", "status": status});
    let conditions = [
        json!([]),
        json!([ready("True")]),
        json!([ready("True")]),
        json!([ready("False")]),
        json!([ready("Unknown")]),
        json!([ready("False"), ready("True")]),
        json!([ready("True"), ready("False")]),
    ];
    let phases = ["Running", "Running", "Running", "Running", "Pending", "Unknown", "Succeeded"];
    let phase = one_of(rng, &phases.map(|phase| json!(phase)));
    let mut pod = template("app", &json!({"spec": {"nodeName": node}}));
    pod["metadata"] = one_of(rng, &makers);
    pod["metadata"]["labels"] = one_of(rng, &labels);
    pod["metadata"]["finalizers"] = json!(["example.org/hold"]);
    pod["status"] = json!({"phase": phase, "conditions": one_of(rng, &conditions)});
    pod
}

async fn create(admin: &Server, path: &str, name: &str, mut object: Value) {
    object["metadata"]["name"] = json!(name);
    let answer = admin.write("POST", path, "json", &object).await;
    assert_eq!(answer.code, 201, "{}", answer.json());
}

async fn patch(admin: &Server, path: &str, change: &Value) {
    let answer = admin.write("PATCH", path, MERGE, change).await;
    assert_eq!(answer.code, 200, "{change}: {}", answer.json());
}

/// Creates a namespace with budgets and pods.
async fn create_situation(admin: &Server, number: usize, node: &str) {
    let rng = &mut seeded(u64::try_from(number).unwrap());
    let namespace = format!("evict-{number:03}");
    create_namespace(admin, &namespace).await;
    let budgets = format!("/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets");
    for index in 0..[1, 1, 1, 2, 3][rng.usize(..5)] {
        let mut first = json!({"minAvailable": 7});
        merge(&mut first, &json!({"selector": selector(rng)}));
        let name = format!("budget-{index}");
        create(admin, &budgets, &name, json!({"spec": first})).await;
        let path = format!("{budgets}/{name}");
        patch(admin, &path, &json!({"spec": spec(rng)})).await;
        let status = status(rng);
        if !status.is_null() {
            patch(admin, &format!("{path}/status"), &json!({"status": status})).await;
        }
    }
    let pods = format!("/api/v1/namespaces/{namespace}/pods");
    for index in 0..PODS {
        let pod = pod(rng, node);
        let (name, status) = (format!("pod-{index}"), json!({"status": pod["status"]}));
        create(admin, &pods, &name, pod).await;
        let path = format!("{pods}/{name}");
        patch(admin, &format!("{path}/status"), &status).await;
        if rng.u8(..8) == 0 {
            let code = admin.write("DELETE", &path, "json", &json!({})).await.code;
            assert!(matches!(code, 200 | 202), "{code}");
        }
    }
}

/// Tries to evict a pod, as a dry run.
async fn evict(admin: &Server, pod: &Pod) -> Answer {
    let metadata = json!({"name": pod.name, "namespace": pod.namespace});
    let eviction = json!({
        "apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata,
        "deleteOptions": {"dryRun": ["All"]},
    });
    let path = format!("/api/v1/namespaces/{}/pods/{}/eviction", pod.namespace, pod.name);
    admin.write("POST", &path, "json", &eviction).await
}

/// Summary of a response.
fn answered(answer: &Answer) -> String {
    let body = answer.json();
    let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let cause = text("/details/causes/0/message");
    let named = cause.strip_prefix("The disruption budget ").and_then(|text| text.split_once(' '));
    match (answer.code, named) {
        (201, _) => "evicted".to_owned(),
        (500, _) if text("/message").contains("more than one PodDisruptionBudget") => {
            "several budgets".to_owned()
        }
        (429, Some((budget, "is still being processed by the server."))) => {
            format!("{budget}: not observed")
        }
        (429, Some((budget, why))) => format!("{budget}: {why}"),
        (code, _) => format!("{code}: {body}"),
    }
}

/// What skeys reports about a pod on a draining node, in the same words.
fn said(roll: &Roll) -> String {
    let said = roll.blockers.iter().filter_map(|blocker| match &blocker.cause {
        BlockerCause::SeveralPdbs { .. } => Some("several budgets".to_owned()),
        BlockerCause::PdbAhead { budget, .. } => Some(format!("{}: ", budget.name)),
        BlockerCause::Pdb(block) => {
            let budget = &block.budget.name;
            Some(match (&block.fix, &block.status) {
                // The figures of a status that cannot be computed are meaningless.
                (PdbFix::NotComputed(_), _) => format!("{budget}: "),
                (_, None) => format!("{budget}: not observed"),
                (_, Some(status)) => format!(
                    "{budget}: needs {} healthy pods and has {} currently",
                    status.desired, status.healthy
                ),
            })
        }
        _ => None,
    });
    let said: Vec<String> = said.collect();
    if said.is_empty() { "evicted".to_owned() } else { said.join("; ") }
}

/// What skeys reports about a pod and its budgets before a start, in the same words.
fn foretold(findings: &[Finding]) -> Vec<String> {
    let mut said = Vec::new();
    for finding in findings {
        match finding {
            Finding::MisconfiguredPdbs(budgets)
            | Finding::ExhaustedPdbs(budgets)
            | Finding::UncomputedPdbs(budgets) => {
                said.extend(budgets.first.iter().map(|budget| format!("{}: ", budget.name)));
            }
            Finding::PodsUnderSeveralPdbs(_) => said.push("several budgets".to_owned()),
            Finding::NoPdbBlocks => said.push("evicted".to_owned()),
            _ => {}
        }
    }
    said
}

/// Mismatches in what skeys reports about a pod whose node drains or will be drained.
fn complaints(
    cluster: &Cluster,
    draining: &ClusterSnapshot,
    pod: &Arc<Pod>,
    answer: &str,
) -> Vec<String> {
    let now = Timestamp::now();
    let snapshot = ClusterSnapshot { pods: vec![Arc::clone(pod)], ..draining.clone() };
    let blocked = said(&Roll::evaluate(cluster, &snapshot, &RollHistory::default(), now));
    let nodes = snapshot.nodes.iter();
    let nodes = nodes.map(|node| Node { terminating: None, cordoned: false, ..(**node).clone() });
    let mut next = ClusterSnapshot { nodes: nodes.map(Arc::new).collect(), ..snapshot.clone() };
    let ahead = said(&Roll::evaluate(cluster, &next, &RollHistory::default(), now));
    next.budgets.retain(|budget| {
        budget.namespace == pod.namespace && budget.selector.matches(&pod.labels) == Some(true)
    });
    let before = foretold(&before_start(cluster, Some(&next), now));
    let stays = pod.stays_on_its_node();
    let expected = if stays { "evicted" } else { answer };
    let mut out = Vec::new();
    if !expected.starts_with(&*blocked) {
        out.push(format!("draining: {blocked}"));
    }
    // For a node whose drain has not started, only budgets that never allow evictions are reported.
    let is_later = ahead == "evicted" && expected != "several budgets";
    if !is_later && !expected.starts_with(&*ahead) {
        out.push(format!("ahead: {ahead}"));
    }
    // Before a start, the budgets' rules matter, not the current readiness of their pods.
    let may_change = !pod.ready || pod.pending || pod.deletion_deadline.is_some();
    let is_told = before.iter().any(|said| expected.starts_with(said.as_str()));
    if !(stays || is_told || may_change && expected == "evicted") {
        out.push(format!("before: {before:?}"));
    }
    out
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn k8s_38_evictions_are_refused_as_skeys_says() {
    let Some(assets) = assets() else { return };
    let plane = SharedPlane::start(&assets, &[ADMISSION]).await;
    let (admin, machines) = (plane.admin(), Machines::without_kubelets(&plane));
    let initiated = Some(Timestamp::now() - SignedDuration::from_mins(20));
    let rotation = Rotation { phase: "PREPARING", initiated, ..completed() };
    let ske = Ske::serve(plane.clone(), 1, rotation).await;
    let (_, cluster) = read_cluster(&ske).await;
    machines.describe(1).await;
    machines.describe(2).await;
    let node = machines.add(1, ZONES[0], Value::Null).await;
    machines.mark_old(&node).await;
    machines.begin_drain(&node, Timestamp::now() - SignedDuration::from_mins(10)).await;
    futures_util::stream::iter(0..NAMESPACES)
        .for_each_concurrent(16, |number| create_situation(&admin, number, &node))
        .await;
    let templates = list(&admin, resources::templates()).await;
    let draining = ClusterSnapshot {
        nodes: list(&admin, resources::nodes()).await,
        templates: Templates::Known(templates.iter().map(|one| (**one).clone()).collect()),
        budgets: list(&admin, resources::budgets()).await,
        ..ClusterSnapshot::default()
    };
    let pods = list(&admin, resources::pods()).await;
    let answers: Vec<(Arc<Pod>, String)> = futures_util::stream::iter(pods)
        .map(async |pod| (Arc::clone(&pod), answered(&evict(&admin, &pod).await)))
        .buffered(16)
        .collect()
        .await;
    let mut wrong = Vec::new();
    for (pod, answer) in &answers {
        for complaint in complaints(&cluster, &draining, pod, answer) {
            wrong.push(format!("{}/{}: {answer}; {complaint}\n  {pod:?}", pod.namespace, pod.name));
        }
    }
    let refused = answers.iter().filter(|(_, answer)| answer != "evicted").count();
    say(&format!("{} evictions, {refused} refused, {} wrong", answers.len(), wrong.len()));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(refused * 6 > answers.len(), "too few are refused");
}
