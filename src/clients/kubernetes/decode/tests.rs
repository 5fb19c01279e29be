//! Objects as servers write them, with every optional field missing, and with invalid content.

use std::sync::Arc;

use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::clients::kubernetes::decode;
use crate::clients::kubernetes::error::KubeError;
use crate::clients::kubernetes::resources::{self, ResourceVisitor, WatchedResource};
use crate::domain::roll::tests::manifest::load;
use crate::domain::roll::tests::stages::FIXTURES;
use crate::domain::snapshot::{
    Attachment, BoundVolume, Budget, ClusterSnapshot, Event, Labels, Node, OwnerReference, Pod,
    Requirement, Selector, Template, Templates, Terminating,
};
use crate::domain::text::clean;
use crate::fuzz::{changed, fuzz};

fn read<K: DeserializeOwned, T>(decode: fn(&K) -> Option<T>, yaml: &str) -> Option<T> {
    let value: Value = yaml_serde::from_str(yaml).unwrap();
    decode(&serde_json::from_value(value).unwrap())
}

fn node(yaml: &str) -> Node {
    read(decode::node, yaml).unwrap()
}

fn pod(yaml: &str) -> Pod {
    read(decode::pod, yaml).unwrap()
}

fn selector(selector: Value) -> Selector {
    let budget: PodDisruptionBudget =
        serde_json::from_value(json!({"metadata": {"name": "b"}, "spec": {"selector": selector}}))
            .unwrap();
    decode::budget(&budget).unwrap().selector
}

const OLD_NODE: &str = r#"
metadata:
  name: shoot--x--shop-web-z1-abc12-q9zkf
  uid: 7f0c
  creationTimestamp: "2026-10-01T08:00:00Z"
  labels:
    worker.gardener.cloud/pool: web
    topology.kubernetes.io/zone: eu01-1
    worker.gardener.cloud/gardener-node-agent-secret-name: gardener-node-agent-web-0011223344556677
    worker.gardener.cloud/kubernetes-version: 1.33.4
    node.gardener.cloud/machine-name: shoot--x--shop-web-z1-abc12-q9zkf
  annotations:
    checksum/cloud-config-data: c0ffee
    cluster-autoscaler.kubernetes.io/scale-down-disabled-by-mcm: "true"
    node.machine.sapcloud.io/preserve: "false"
spec:
  unschedulable: true
  taints:
  - {key: deployment.machine.sapcloud.io/prefer-no-schedule, value: "True", effect: PreferNoSchedule}
status:
  conditions:
  - {type: Terminating, status: "True", reason: ScaleDown, lastTransitionTime: "2026-11-24T14:00:00Z"}
  - {type: Ready, status: "False", reason: KubeletNotReady, message: "PLEG is not healthy", lastTransitionTime: "2026-11-24T14:01:00Z"}
  nodeInfo: {kubeletVersion: v1.33.3, architecture: "", bootID: "", containerRuntimeVersion: "", kernelVersion: "", kubeProxyVersion: "", machineID: "", operatingSystem: "", osImage: "", systemUUID: ""}
"#;

#[test]
fn a_node_under_replacement_is_decoded_in_full() {
    let node = node(OLD_NODE);
    assert_eq!(
        node,
        Node {
            uid: "7f0c".into(),
            name: "shoot--x--shop-web-z1-abc12-q9zkf".into(),
            pool: "web".into(),
            zone: "eu01-1".into(),
            created: "2026-10-01T08:00:00Z".parse().ok(),
            generation: Some("gardener-node-agent-web-0011223344556677".into()),
            checksum: Some("c0ffee".into()),
            version: "1.33.4".into(),
            marked_for_deletion: true,
            rolling: true,
            cordoned: true,
            terminating: Some(Terminating {
                since: "2026-11-24T14:00:00Z".parse().ok(),
                reason: "ScaleDown".into(),
            }),
            ready: false,
            ready_changed: "2026-11-24T14:01:00Z".parse().ok(),
            not_ready_because: Some("KubeletNotReady: PLEG is not healthy".into()),
            still_joining: false,
            preserved: false,
        }
    );
}

#[test]
fn k8s_06_a_node_without_labels_taints_or_conditions_is_decoded() {
    let bare = node("{metadata: {name: n1}}");
    assert_eq!((bare.name.as_str(), bare.pool.as_str(), bare.zone.as_str()), ("n1", "", ""));
    assert!(bare.generation.is_none() && bare.created.is_none() && bare.terminating.is_none());
    assert!(
        !bare.ready
            && !bare.marked_for_deletion
            && !bare.preserved
            && bare.not_ready_because.is_none()
    );
    let empty = node(
        "{metadata: {name: n1, labels: {worker.gardener.cloud/gardener-node-agent-secret-name: ''}}}",
    );
    assert_eq!(empty.generation, None, "an empty label tells as little as none");
    assert!(
        read(decode::node, "{metadata: {}}").is_none(),
        "without a name there is nothing to show"
    );
}

#[test]
fn joining_and_preserved_nodes_are_recognised() {
    let joining = node(
        "{metadata: {name: n1}, spec: {taints: [{key: node.gardener.cloud/critical-components-not-ready, effect: NoSchedule}]}}",
    );
    assert!(joining.still_joining);
    let kept = node(
        "{metadata: {name: n1}, status: {conditions: [{type: Preserved, status: 'True'}, {type: Ready, status: Unknown, reason: NodeStatusUnknown}]}}",
    );
    assert!(kept.preserved && !kept.ready);
    assert_eq!(kept.not_ready_because.as_deref(), Some("NodeStatusUnknown"));
    let annotated = node(
        "{metadata: {name: n1, annotations: {node.machine.sapcloud.io/preserve: now}}, status: {nodeInfo: {kubeletVersion: v1.33.3}}}",
    );
    assert!(annotated.preserved);
    let asked = node(
        "{metadata: {name: n1, annotations: {node.machine.sapcloud.io/preserve: when-failed}}}",
    );
    assert!(!asked.preserved, "it may still join");
    for ignored in ["'true'", "''", "maybe"] {
        let yaml = format!(
            "{{metadata: {{name: n1, annotations: {{node.machine.sapcloud.io/preserve: {ignored}}}}}}}"
        );
        assert!(!node(&yaml).preserved, "the machine controller ignores {ignored}");
    }
    assert_eq!(annotated.version, "1.33.3");
}

#[test]
fn k8s_08_the_decoder_replaces_escape_bytes() {
    let evil = "a\\u001b]52;c;eA==\\u0007\\u202e";
    let node = node(&format!(
        "{{metadata: {{name: \"{evil}\", uid: \"{evil}\", labels: {{worker.gardener.cloud/pool: \"{evil}\"}}}}, \
         status: {{conditions: [{{type: Ready, status: \"False\", message: \"{evil}\"}}]}}}}"
    ));
    let pod = pod(&format!(
        "{{metadata: {{name: \"{evil}\", namespace: \"{evil}\", labels: {{\"{evil}\": \"{evil}\"}}, finalizers: [\"{evil}\"], \
         ownerReferences: [{{kind: \"{evil}\", name: \"{evil}\", controller: true, apiVersion: v1, uid: u}}]}}, \
         spec: {{nodeName: \"{evil}\", containers: [], volumes: [{{name: v, persistentVolumeClaim: {{claimName: \"{evil}\"}}}}]}}, \
         status: {{conditions: [{{type: PodScheduled, status: \"False\", message: \"{evil}\"}}]}}}}"
    ));
    let event: Event = read(
        decode::pod_event,
        &format!(
            "{{metadata: {{name: e, uid: \"{evil}\"}}, involvedObject: {{kind: Pod, name: \"{evil}\", namespace: \"{evil}\"}}, \
             reason: \"{evil}\", message: \"{evil}\"}}"
        ),
    )
    .unwrap();
    let shown = format!("{node:#?}{pod:#?}{event:#?}");
    for bad in ["\\u{1b}", "\\u{7}", "\\u{202e}", "\u{1b}", "\u{7}", "\u{202e}"] {
        assert!(!shown.contains(bad), "{bad:?} in {shown}");
    }
    assert_eq!(event.message, "a␛]52;c;eA==␇⟨U+202E⟩");
}

#[test]
fn a_pod_is_decoded_with_owner_volumes_and_local_data() {
    let pod = pod(r#"
metadata:
  name: db-0
  namespace: shop
  uid: p1
  labels: {app: db}
  creationTimestamp: "2026-11-24T13:00:00Z"
  deletionTimestamp: "2026-11-24T14:00:30Z"
  finalizers: [example.org/hold]
  ownerReferences:
  - {apiVersion: v1, kind: Other, name: x, uid: o1}
  - {apiVersion: apps/v1, kind: StatefulSet, name: db, uid: o2, controller: true}
spec:
  nodeName: n1
  containers: []
  volumes:
  - {name: data, persistentVolumeClaim: {claimName: data-db-0}}
  - {name: scratch, ephemeral: {volumeClaimTemplate: {spec: {}}}}
  - {name: memory, emptyDir: {medium: Memory}}
  - {name: cache, emptyDir: {}}
status:
  phase: Running
  conditions: [{type: Ready, status: "True"}]
"#);
    assert_eq!(pod.owner, Some(OwnerReference { kind: "StatefulSet".into(), name: "db".into() }));
    assert_eq!(pod.claims, ["data-db-0", "db-0-scratch"]);
    assert!(pod.local_data && pod.ready && !pod.pending && !pod.mirror);
    assert_eq!(pod.deletion_deadline, "2026-11-24T14:00:30Z".parse().ok());
    assert_eq!(pod.finalizers, ["example.org/hold"]);
}

#[test]
fn the_first_condition_of_a_type_counts() {
    let twice = pod(
        "{metadata: {name: p}, status: {conditions: [{type: Ready, status: 'False'}, {type: Ready, status: 'True'}]}}",
    );
    assert!(!twice.ready);
}

#[test]
fn finished_pods_are_omitted_and_pending_ones_have_a_reason() {
    for phase in ["Succeeded", "Failed"] {
        let yaml = format!("{{metadata: {{name: p}}, status: {{phase: {phase}}}}}");
        assert!(read(decode::pod, &yaml).is_none());
    }
    let pending = pod(
        "{metadata: {name: p, annotations: {kubernetes.io/config.mirror: x}}, spec: {containers: [], volumes: [{name: m, emptyDir: {medium: Memory}}]}, status: {phase: Pending, conditions: [{type: PodScheduled, status: 'False', reason: Unschedulable, lastTransitionTime: '2026-11-24T14:00:00Z', message: '0/3 nodes are available'}]}}",
    );
    assert!(pending.pending && pending.mirror && !pending.local_data && pending.owner.is_none());
    assert_eq!(
        pending.unscheduled,
        Some(("2026-11-24T14:00:00Z".parse().ok(), "0/3 nodes are available".into()))
    );
}

#[test]
fn k8s_32_a_pod_with_scheduling_gates_waits_for_no_node() {
    let gated = pod(
        "{metadata: {name: p}, status: {phase: Pending, conditions: [{type: PodScheduled, status: 'False', reason: SchedulingGated, message: Scheduling is blocked due to non-empty scheduling gates}]}}",
    );
    assert_eq!(gated.unscheduled, None);
    assert_eq!(gated.waiting.as_deref(), Some("SchedulingGated"));
}

#[test]
fn k8s_20_events_about_pods_that_could_not_be_created_are_read() {
    let event = |kind: &str, reason: &str| -> Option<Event> {
        let yaml = format!(
            "{{metadata: {{name: e}}, involvedObject: {{kind: {kind}, namespace: shop, name: api}}, reason: {reason}}}"
        );
        read(decode::creation_event, &yaml)
    };
    let found = event("ReplicaSet", "FailedCreate").unwrap();
    assert_eq!((&*found.kind, &*found.namespace, &*found.name), ("ReplicaSet", "shop", "api"));
    for (kind, reason) in
        [("Node", "FailedCreate"), ("Pod", "FailedCreate"), ("ReplicaSet", "SuccessfulCreate")]
    {
        assert_eq!(event(kind, reason), None, "{kind} {reason}");
    }
}

#[test]
fn k8s_11_selectors_are_read_as_the_api_means_them() {
    assert_eq!(selector(Value::Null), Selector::Nothing);
    let everything = selector(json!({}));
    assert_eq!(everything.matches(&Labels::default()), Some(true));
    let full = selector(json!({
        "matchLabels": {"app": "db"},
        "matchExpressions": [
            {"key": "tier", "operator": "In", "values": ["a", "b"]},
            {"key": "track", "operator": "NotIn", "values": ["canary"]},
            {"key": "owner", "operator": "Exists"},
            {"key": "old", "operator": "DoesNotExist"},
        ]
    }));
    assert_eq!(
        full,
        Selector::Labels(vec![
            Requirement::In("app".into(), vec!["db".into()]),
            Requirement::In("tier".into(), vec!["a".into(), "b".into()]),
            Requirement::NotIn("track".into(), vec!["canary".into()]),
            Requirement::Exists("owner".into()),
            Requirement::Absent("old".into()),
        ])
    );
    for expression in [
        json!({"key": "k", "operator": "Gt", "values": ["1"]}),
        json!({"key": "k", "operator": "In", "values": []}),
        json!({"key": "k", "operator": "NotIn"}),
        json!({"key": "k"}),
    ] {
        let unknown =
            selector(json!({"matchLabels": {"a": "b"}, "matchExpressions": [expression]}));
        assert!(matches!(unknown, Selector::Unreadable(_)), "{unknown:?}");
        assert_eq!(unknown.matches(&Labels::default()), None);
    }
}

#[test]
fn a_budget_is_read_with_its_figures_and_whether_they_are_current() {
    let yaml = |observed: u32| {
        format!(
            "{{metadata: {{name: b, namespace: shop, generation: 3}}, spec: {{minAvailable: 2, maxUnavailable: '25%', selector: {{}}}}, \
             status: {{observedGeneration: {observed}, disruptionsAllowed: 0, currentHealthy: 2, desiredHealthy: 2, expectedPods: 2, \
             disruptedPods: {{a: '2026-11-24T14:00:00Z'}}}}}}"
        )
    };
    let budget: Budget = read(decode::budget, &yaml(3)).unwrap();
    assert_eq!(
        (budget.min_available.as_deref(), budget.max_unavailable.as_deref()),
        (Some("2"), Some("25%"))
    );
    assert_eq!((budget.allowed, budget.healthy, budget.desired, budget.expected), (0, 2, 2, 2));
    assert!(budget.observed && budget.disrupted == 1);
    assert!(!read(decode::budget, &yaml(2)).unwrap().observed);
    assert!(read(decode::budget, &yaml(4)).unwrap().observed, "it is not behind");
    let bare: Budget = read(decode::budget, "{metadata: {name: b}}").unwrap();
    assert!(!bare.observed && bare.selector == Selector::Nothing);
}

#[test]
fn volumes_without_node_affinity_are_omitted() {
    let volume = |yaml: &str| -> Option<BoundVolume> { read(decode::bound_volume, yaml) };
    assert!(volume("{metadata: {name: v}, spec: {nfs: {path: /, server: s}}}").is_none());
    assert!(volume("{metadata: {name: v}}").is_none());
    let cinder = volume(
        "{metadata: {name: v}, spec: {claimRef: {namespace: shop, name: data}, nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: topology.cinder.csi.openstack.org/zone, operator: In, values: [eu01-2, eu01-2]}]}]}}}}",
    )
    .unwrap();
    assert_eq!(cinder.zones, ["eu01-2"]);
    assert_eq!(cinder.claim, Some(("shop".into(), "data".into())));
    assert!(!cinder.on_node);
    assert!(volume("{metadata: {name: v}, spec: {hostPath: {path: /x}}}").unwrap().on_node);
    let on = |key: &str, values: &str| {
        volume(&format!(
            "{{metadata: {{name: v}}, spec: {{nodeAffinity: {{required: {{nodeSelectorTerms: [{{matchExpressions: [{{key: {key}, operator: In, values: {values}}}]}}]}}}}}}}}"
        ))
    };
    let keys = ["kubernetes.io/hostname", "openebs.io/nodename", "topology.topolvm.io/node"];
    for key in keys {
        assert!(on(key, "[n1]").unwrap().on_node, "{key}");
    }
    assert!(on("linbit.com/hostname", "[n1, n2]").is_none(), "it has replicas on both");
}

#[test]
fn attachments_templates_and_events_are_read() {
    let attachment: Attachment = read(
        decode::attachment,
        "{metadata: {name: a, deletionTimestamp: '2026-11-24T14:00:00Z'}, spec: {attacher: x, nodeName: n1, source: {persistentVolumeName: pv-1}}, status: {attached: true, detachError: {message: busy}}}",
    )
    .unwrap();
    assert_eq!((attachment.node.as_str(), attachment.volume.as_str()), ("n1", "pv-1"));
    assert_eq!(attachment.detach_error.as_deref(), Some("busy"));
    assert!(attachment.detaching_since.is_some());
    let template: Template = read(
        decode::template,
        "{apiVersion: meta.k8s.io/v1, kind: PartialObjectMetadata, metadata: {name: gardener-node-agent-web-1, labels: {worker.gardener.cloud/pool: web}, annotations: {checksum/data-script: c0ffee}}}",
    )
    .unwrap();
    assert_eq!((template.pool.as_str(), template.checksum.as_deref()), ("web", Some("c0ffee")));
    let event: Event = read(
        decode::node_event,
        "{metadata: {name: e, namespace: default, uid: u1, creationTimestamp: '2026-11-24T14:00:00Z'}, involvedObject: {kind: Node, name: n1, namespace: x}, reason: NodeNotReady, type: Warning, series: {count: 7, lastObservedTime: '2026-11-24T14:05:00.000000Z'}}",
    )
    .unwrap();
    assert_eq!((event.count, event.warning, event.namespace.as_str()), (7, true, ""));
    assert_eq!(event.at, "2026-11-24T14:05:00Z".parse().ok());
    let other = "{metadata: {name: e}, involvedObject: {kind: Deployment, name: d}}";
    assert!(read(decode::node_event, other).is_none() && read(decode::pod_event, other).is_none());
}

/// JSON that resembles API objects: their field names, with arbitrary values.
fn any_object() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        Just(Value::from("2026-11-24T14:00:00Z")),
        Just(Value::from("True")),
    ];
    let names = prop::sample::select(vec![
        "type",
        "object",
        "metadata",
        "name",
        "uid",
        "labels",
        "annotations",
        "spec",
        "status",
        "taints",
        "conditions",
        "selector",
        "matchLabels",
        "matchExpressions",
        "operator",
        "values",
        "key",
        "items",
        "resourceVersion",
        "continue",
        "involvedObject",
        "kind",
        "count",
        "volumes",
        "nodeAffinity",
        "code",
        "creationTimestamp",
        "deletionTimestamp",
        "ownerReferences",
        "webhooks",
        "clientConfig",
        "service",
        "rules",
        "endpoints",
    ]);
    leaf.prop_recursive(5, 60, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((names.clone(), inner), 0..6).prop_map(|pairs| {
                Value::Object(pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())
            }),
        ]
    })
}

struct TryAll<'a>(&'a str);

impl ResourceVisitor for TryAll<'_> {
    fn visit<T: PartialEq + Send + Sync + 'static>(&mut self, resource: WatchedResource<T>) {
        let text = self.0;
        drop(resource.decode_page(text.as_bytes()));
        drop(resource.decode_event(text));
        drop(resource.decode_event(&format!("{{\"type\":\"MODIFIED\",\"object\":{text}}}")));
    }
}

proptest! {
    #![proptest_config(crate::property_cases(256))]

    #[test]
    fn any_json_ends_in_a_value_or_a_sentence(value in any_object()) {
        resources::visit_all(&mut TryAll(&value.to_string()));
        let as_page = json!({"items": [value.clone(), {"metadata": value}], "metadata": {}});
        resources::visit_all(&mut TryAll(&as_page.to_string()));
    }

}

struct Answers<'a> {
    bytes: &'a [u8],
    event: &'a str,
    page: &'a str,
    most_items: usize,
}

impl ResourceVisitor for Answers<'_> {
    fn visit<T: PartialEq + Send + Sync + 'static>(&mut self, resource: WatchedResource<T>) {
        drop(resource.decode_event(self.event));
        drop(resource.decode_page(self.bytes));
        if let Ok(page) = resource.decode_page(self.page.as_bytes()) {
            self.most_items = self.most_items.max(page.items.len() + page.unreadable);
        }
    }
}

#[test]
fn fuzz_kubernetes_answers() {
    let mut seeds = vec![
        json!({"kind": "Status", "status": "Failure", "message": "m", "reason": "Expired", "code": 410,
            "details": {"name": "n", "retryAfterSeconds": 1, "causes": [{"reason": "r", "field": "f"}]}}),
        json!({"metadata": {"name": "e", "namespace": "default", "creationTimestamp": "2026-11-24T14:00:00Z"},
            "involvedObject": {"kind": "Pod", "name": "p", "namespace": "a", "uid": "u"}, "reason": "BackOff", "type": "Warning",
            "message": "m", "series": {"count": 7, "lastObservedTime": "2026-11-24T14:05:00.000000Z"}}),
    ];
    for (_, yaml) in FIXTURES {
        let list: Value = yaml_serde::from_str(yaml).unwrap();
        let objects = list["items"].as_array().unwrap();
        // The first and the last of each kind.
        for kind in objects.chunk_by(|a, b| a["kind"] == b["kind"]) {
            seeds.extend([kind[0].clone(), kind[kind.len() - 1].clone()]);
        }
    }
    let seeds: Vec<String> = seeds.iter().map(ToString::to_string).collect();
    let words = [
        "\"metadata\":{}",
        "\"name\":\"a\"",
        "\"50%\"",
        "\"-1%\"",
        "99999999999",
        "-2147483649",
        "1.5",
        "\"True\"",
        "\"2026-11-24T14:00:00Z\"",
        "\"0000-00-00T00:00:00Z\"",
        "\"\\ud83d\"",
        "\"\\u001b[2J\"",
        "{\"a\":1,\"a\":2}",
        "\"NotIn\"",
        "\"finalizers\":[\"a\"],",
        "\"deletionTimestamp\":\"2026-11-24T14:00:00Z\",",
        "\"deletionGracePeriodSeconds\":9223372036854775807,",
    ];
    let kinds = prop::sample::select(vec!["ADDED", "DELETED", "BOOKMARK", "ERROR", "NEW"]);
    fuzz(256, &(changed(seeds, &words), kinds), |(bytes, kind)| {
        let text = String::from_utf8_lossy(&bytes);
        let event = format!("{{\"type\":\"{kind}\",\"object\":{text}}}");
        let page = format!(
            "{{\"metadata\":{{\"resourceVersion\":\"7\",\"continue\":\"c\"}},\"items\":[{text}]}}"
        );
        let mut answers = Answers { bytes: &bytes, event: &event, page: &page, most_items: 0 };
        resources::visit_all(&mut answers);
        prop_assert!(answers.most_items <= text.len());
        let failure = KubeError::from_answer(http::StatusCode::CONFLICT, None, &bytes).to_string();
        prop_assert_eq!(clean(&failure), failure);
        Ok(())
    });
}

#[test]
fn one_malformed_object_does_not_hide_the_others() {
    let page = resources::nodes()
        .decode_page(br#"{"metadata":{"resourceVersion":"7"},"items":[{"metadata":{"name":5}},{"metadata":{"name":"n","uid":"u"}},[]]}"#)
        .unwrap();
    assert_eq!((page.items.len(), page.unreadable, page.version.as_deref()), (1, 2, Some("7")));
}

#[test]
fn api_35_an_object_without_items_is_no_page() {
    let read = |body: &[u8]| resources::nodes().decode_page(body).map(|page| page.items.len());
    for body in
        [r#"{"code":14,"message":"x"}"#, r#"{"kind":"Status","metadata":{},"code":503}"#, "{}"]
    {
        assert!(read(body.as_bytes()).is_err(), "{body}");
    }
    for body in [r#"{"metadata":{},"items":null}"#, r#"{"metadata":{},"items":[]}"#] {
        assert_eq!(read(body.as_bytes()).unwrap(), 0, "{body}");
    }
}

/// The snapshot that the program itself builds from a roll fixture.
fn snapshot(yaml: &str) -> ClusterSnapshot {
    fn item<K: DeserializeOwned, T>(decode: fn(&K) -> Option<T>, item: &Value) -> Option<Arc<T>> {
        decode(&serde_json::from_value(item.clone()).unwrap()).map(Arc::new)
    }
    let list: Value = yaml_serde::from_str(yaml).unwrap();
    let mut snapshot =
        ClusterSnapshot { templates: Templates::Forbidden, ..ClusterSnapshot::default() };
    for object in list["items"].as_array().unwrap() {
        match object["kind"].as_str().unwrap() {
            "Node" => snapshot.nodes.extend(item(decode::node, object)),
            "Pod" => snapshot.pods.extend(item(decode::pod, object)),
            "PodDisruptionBudget" => snapshot.budgets.extend(item(decode::budget, object)),
            "VolumeAttachment" => snapshot.attachments.extend(item(decode::attachment, object)),
            "PersistentVolume" => snapshot.volumes.extend(item(decode::bound_volume, object)),
            "ValidatingWebhookConfiguration" => {
                snapshot.webhook_configurations.extend(item(decode::validating, object));
            }
            "MutatingWebhookConfiguration" => {
                snapshot.webhook_configurations.extend(item(decode::mutating, object));
            }
            "EndpointSlice" => snapshot.endpoints.extend(item(decode::endpoints, object)),
            "Namespace" => snapshot.namespaces.extend(item(decode::namespace, object)),
            "Secret" => {
                let template = item(decode::template, object).map(|one| (*one).clone());
                snapshot.templates = match snapshot.templates {
                    Templates::Known(known) => {
                        Templates::Known(known.into_iter().chain(template).collect())
                    }
                    Templates::Unread | Templates::Forbidden => {
                        Templates::Known(template.into_iter().collect())
                    }
                };
            }
            other => panic!("{other} in a fixture"),
        }
    }
    snapshot.nodes.sort_by(|a, b| a.name.cmp(&b.name));
    snapshot
}

#[test]
fn the_decoder_reads_the_roll_fixtures_as_their_tests_do() {
    for (name, yaml) in FIXTURES {
        let (expected, _) = load(yaml);
        let found = snapshot(yaml);
        assert_eq!(found.nodes, expected.nodes, "{name}");
        assert_eq!(found.templates, expected.templates, "{name}");
        assert_eq!(found.pods, expected.pods, "{name}");
        assert_eq!(found.budgets, expected.budgets, "{name}");
        assert_eq!(found.attachments, expected.attachments, "{name}");
        assert_eq!(found.volumes, expected.volumes, "{name}");
        assert_eq!(found.webhook_configurations, expected.webhook_configurations, "{name}");
        assert_eq!(found.endpoints, expected.endpoints, "{name}");
        assert_eq!(found.namespaces, expected.namespaces, "{name}");
    }
}
