//! Parses the manifests in `fixtures/` into snapshots, as far as the tests need, and verifies that they are realistic.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use crate::domain::snapshot::admission::{
    Endpoints, Namespace, Operation, Rule, Service, Webhook, WebhookConfiguration, WebhookScope,
};
use crate::domain::snapshot::{
    Attachment, BoundVolume, Budget, ClusterSnapshot, Node, OwnerReference, Pod, Requirement,
    Selector, Template, Templates, Terminating,
};

/// A fixture's snapshot, and the stage that each node's annotation `test.skeys/stage` expects.
pub fn load(yaml: &str) -> (ClusterSnapshot, BTreeMap<String, String>) {
    let list: Value = yaml_serde::from_str(yaml).unwrap();
    assert_eq!(text(&list, "/kind"), "List");
    let mut snapshot =
        ClusterSnapshot { templates: Templates::Forbidden, ..ClusterSnapshot::default() };
    let mut expected = BTreeMap::new();
    for item in list["items"].as_array().unwrap() {
        match text(item, "/kind").as_str() {
            "Node" => {
                let stage = &item["metadata"]["annotations"]["test.skeys/stage"];
                expected.insert(name(item), stage.as_str().unwrap().to_owned());
                snapshot.nodes.push(Arc::new(node(item)));
            }
            "Secret" => {
                let template = template(item);
                if let Templates::Known(list) = &mut snapshot.templates {
                    list.push(template);
                } else {
                    snapshot.templates = Templates::Known(vec![template]);
                }
            }
            "Pod" => {
                let pod = pod(item);
                snapshot.pods.extend(
                    (!pod.finished || pod.deletion_deadline.is_some()).then_some(Arc::new(pod)),
                );
            }
            "PodDisruptionBudget" => snapshot.budgets.push(Arc::new(budget(item))),
            "VolumeAttachment" => snapshot.attachments.push(Arc::new(attachment(item))),
            "PersistentVolume" => snapshot.volumes.push(Arc::new(volume(item))),
            "ValidatingWebhookConfiguration" => {
                snapshot
                    .webhook_configurations
                    .extend(admission("ValidatingWebhookConfiguration", item));
            }
            "MutatingWebhookConfiguration" => {
                snapshot
                    .webhook_configurations
                    .extend(admission("MutatingWebhookConfiguration", item));
            }
            "EndpointSlice" => snapshot.endpoints.push(Arc::new(endpoints(item))),
            "Namespace" => snapshot.namespaces.push(namespace(item)),
            other => panic!("{other} in a fixture"),
        }
    }
    snapshot.nodes.sort_by(|a, b| a.name.cmp(&b.name));
    (snapshot, expected)
}

fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn optional(value: &Value, pointer: &str) -> Option<String> {
    value.pointer(pointer).and_then(Value::as_str).map(str::to_owned)
}

fn name(item: &Value) -> String {
    text(item, "/metadata/name")
}

fn time(value: &Value, pointer: &str) -> Option<Timestamp> {
    optional(value, pointer).map(|text| text.parse().unwrap())
}

fn label(item: &Value, key: &str) -> Option<String> {
    item["metadata"]["labels"][key].as_str().map(str::to_owned)
}

fn annotation(item: &Value, key: &str) -> Option<String> {
    item["metadata"]["annotations"][key].as_str().map(str::to_owned)
}

fn array<'a>(item: &'a Value, pointer: &str) -> &'a [Value] {
    item.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn condition<'a>(item: &'a Value, kind: &str) -> Option<&'a Value> {
    array(item, "/status/conditions").iter().find(|condition| condition["type"] == kind)
}

fn node(item: &Value) -> Node {
    let ready = condition(item, "Ready").unwrap();
    let is_ready = ready["status"] == "True";
    let tainted = |key: &str| array(item, "/spec/taints").iter().any(|taint| taint["key"] == key);
    Node {
        uid: text(item, "/metadata/uid"),
        name: name(item),
        pool: label(item, "worker.gardener.cloud/pool").unwrap_or_default(),
        zone: label(item, "topology.kubernetes.io/zone").unwrap_or_default(),
        created: time(item, "/metadata/creationTimestamp"),
        generation: label(item, "worker.gardener.cloud/gardener-node-agent-secret-name"),
        checksum: annotation(item, "checksum/cloud-config-data"),
        version: label(item, "worker.gardener.cloud/kubernetes-version").unwrap_or_default(),
        marked_for_deletion: tainted("deployment.machine.sapcloud.io/prefer-no-schedule"),
        rolling: false,
        cordoned: item["spec"]["unschedulable"] == true,
        terminating: condition(item, "Terminating").map(|condition| Terminating {
            since: time(condition, "/lastTransitionTime"),
            reason: text(condition, "/reason"),
        }),
        ready: is_ready,
        ready_changed: time(ready, "/lastTransitionTime"),
        not_ready_because: (!is_ready)
            .then(|| format!("{}: {}", text(ready, "/reason"), text(ready, "/message"))),
        still_joining: tainted("node.gardener.cloud/critical-components-not-ready")
            || tainted("node.cloudprovider.kubernetes.io/uninitialized"),
        preserved: annotation(item, "node.machine.sapcloud.io/preserve").is_some(),
    }
}

fn template(item: &Value) -> Template {
    assert_eq!(label(item, "gardener.cloud/role").as_deref(), Some("operating-system-config"));
    Template {
        name: name(item),
        pool: label(item, "worker.gardener.cloud/pool").unwrap(),
        created: time(item, "/metadata/creationTimestamp"),
        checksum: annotation(item, "checksum/data-script"),
    }
}

fn pod(item: &Value) -> Pod {
    let labels = item["metadata"]["labels"].as_object().into_iter().flatten();
    let owner = array(item, "/metadata/ownerReferences").first();
    let scheduled = condition(item, "PodScheduled").filter(|c| c["status"] == "False");
    let finalizers = array(item, "/metadata/finalizers").iter();
    let volumes = array(item, "/spec/volumes");
    Pod {
        uid: text(item, "/metadata/uid"),
        namespace: text(item, "/metadata/namespace"),
        name: name(item),
        labels: labels.map(|(k, v)| (k.clone(), v.as_str().unwrap().to_owned())).collect(),
        node: optional(item, "/spec/nodeName"),
        owner: owner.map(|o| OwnerReference { kind: text(o, "/kind"), name: text(o, "/name") }),
        created: time(item, "/metadata/creationTimestamp"),
        ready: condition(item, "Ready").is_some_and(|c| c["status"] == "True"),
        pending: item["status"]["phase"] == "Pending",
        unscheduled: scheduled.map(|c| (time(c, "/lastTransitionTime"), text(c, "/message"))),
        finished: matches!(text(item, "/status/phase").as_str(), "Succeeded" | "Failed"),
        waiting: array(item, "/status/containerStatuses")
            .iter()
            .find_map(|container| optional(container, "/state/waiting/reason")),
        grace_seconds: [
            "/metadata/deletionGracePeriodSeconds",
            "/spec/terminationGracePeriodSeconds",
        ]
        .iter()
        .find_map(|at| item.pointer(at)?.as_i64())
        .unwrap_or(30),
        deletion_deadline: time(item, "/metadata/deletionTimestamp"),
        finalizers: finalizers.map(|f| f.as_str().unwrap().to_owned()).collect(),
        claims: volumes
            .iter()
            .filter_map(|v| optional(v, "/persistentVolumeClaim/claimName"))
            .collect(),
        local_data: volumes.iter().any(|v| v.get("emptyDir").is_some()),
        mirror: false,
    }
}

fn budget(item: &Value) -> Budget {
    let number = |pointer: &str| {
        i32::try_from(item.pointer(pointer).and_then(Value::as_i64).unwrap_or_default()).unwrap()
    };
    let progress = |key: &str| {
        let value = &item["spec"][key];
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        (!value.is_null()).then_some(text)
    };
    Budget {
        namespace: text(item, "/metadata/namespace"),
        name: name(item),
        selector: selector(&item["spec"]["selector"]),
        min_available: progress("minAvailable"),
        max_unavailable: progress("maxUnavailable"),
        allowed: number("/status/disruptionsAllowed"),
        healthy: number("/status/currentHealthy"),
        desired: number("/status/desiredHealthy"),
        expected: number("/status/expectedPods"),
        observed: item["status"]["observedGeneration"] == item["metadata"]["generation"],
        disrupted: 0,
        sync_failure: array(item, "/status/conditions")
            .iter()
            .find(|condition| condition["reason"] == "SyncFailed")
            .map(|condition| text(condition, "/message")),
        always_lets_unready_go: item["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow",
    }
}

fn selector(value: &Value) -> Selector {
    if value.is_null() {
        return Selector::Nothing;
    }
    let texts = |value: &Value| {
        let values = value.as_array().into_iter().flatten();
        values.map(|text| text.as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let mut out: Vec<Requirement> = value["matchLabels"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| Requirement::In(key.clone(), vec![value.as_str().unwrap().to_owned()]))
        .collect();
    for expression in array(value, "/matchExpressions") {
        let key = text(expression, "/key");
        out.push(match text(expression, "/operator").as_str() {
            "In" => Requirement::In(key, texts(&expression["values"])),
            "NotIn" => Requirement::NotIn(key, texts(&expression["values"])),
            "Exists" => Requirement::Exists(key),
            "DoesNotExist" => Requirement::Absent(key),
            other => {
                return Selector::Unreadable(format!(
                    "unknown operator {other} of {}",
                    text(expression, "/key")
                ));
            }
        });
    }
    Selector::Labels(out)
}

fn attachment(item: &Value) -> Attachment {
    Attachment {
        name: name(item),
        node: text(item, "/spec/nodeName"),
        volume: text(item, "/spec/source/persistentVolumeName"),
        detaching_since: time(item, "/metadata/deletionTimestamp"),
        detach_error: optional(item, "/status/detachError/message"),
    }
}

fn volume(item: &Value) -> BoundVolume {
    let claim = &item["spec"]["claimRef"];
    let terms = array(item, "/spec/nodeAffinity/required/nodeSelectorTerms").iter();
    BoundVolume {
        name: name(item),
        claim: claim.is_object().then(|| (text(claim, "/namespace"), text(claim, "/name"))),
        on_node: item["spec"].get("local").is_some(),
        zones: terms
            .flat_map(|term| array(term, "/matchExpressions"))
            .filter(|expression| expression["key"] == "topology.kubernetes.io/zone")
            .flat_map(|expression| array(expression, "/values"))
            .map(|zone| zone.as_str().unwrap().to_owned())
            .collect(),
    }
}

/// Webhooks that can block: those that ignore failures, cover deletions or are outside the cluster cannot.
fn admission(kind: &'static str, item: &Value) -> Option<Arc<WebhookConfiguration>> {
    let texts = |value: &Value| {
        let all = value.as_array().into_iter().flatten();
        all.map(|text| text.as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let or_all = |value: &Value| match selector(value) {
        Selector::Nothing => Selector::Labels(Vec::new()),
        written @ (Selector::Labels(_) | Selector::Unreadable(_)) => written,
    };
    let mut webhooks = Vec::new();
    for hook in array(item, "/webhooks") {
        let of_service = &hook["clientConfig"]["service"];
        let rules: Vec<Rule> = array(hook, "/rules")
            .iter()
            .filter(|rule| texts(&rule["operations"]).iter().any(|operation| operation != "DELETE"))
            .filter(|rule| texts(&rule["apiVersions"]) != ["v1beta1"])
            .map(|rule| Rule {
                creates: texts(&rule["operations"]) != ["UPDATE"],
                updates: texts(&rule["operations"]) != ["CREATE"],
                groups: texts(&rule["apiGroups"]),
                resources: texts(&rule["resources"]),
                scope: if rule["scope"] == "Namespaced" {
                    WebhookScope::Namespaced
                } else {
                    WebhookScope::Any
                },
            })
            .collect();
        let ignores_failures = hook["failurePolicy"] == "Ignore";
        let may_deny =
            rules.iter().any(|rule| rule.is_about(Operation::Create, "", "pods/eviction", true));
        let must_answer = !ignores_failures && of_service.is_object();
        if (must_answer || may_deny) && !rules.is_empty() {
            webhooks.push(Webhook {
                service: of_service
                    .is_object()
                    .then(|| service(text(of_service, "/namespace"), text(of_service, "/name"))),
                ignores_failures,
                rules,
                namespaces: or_all(&hook["namespaceSelector"]),
                objects: or_all(&hook["objectSelector"]),
                conditional: hook.get("matchConditions").is_some(),
            });
        }
    }
    (!webhooks.is_empty())
        .then(|| Arc::new(WebhookConfiguration { kind, name: name(item), webhooks }))
}

fn service(namespace: String, name: String) -> Service {
    Service { namespace, name }
}

fn endpoints(item: &Value) -> Endpoints {
    let service_name = label(item, "kubernetes.io/service-name").unwrap();
    let serves = |one: &Value| {
        one.get("conditions").is_none_or(|c| c["ready"] != false || c["serving"] == true)
    };
    Endpoints {
        service: service(text(item, "/metadata/namespace"), service_name),
        serves: array(item, "/endpoints").iter().any(serves),
    }
}

fn namespace(item: &Value) -> Arc<Namespace> {
    let labels = item["metadata"]["labels"].as_object().into_iter().flatten();
    let labels = labels.map(|(k, v)| (k.clone(), v.as_str().unwrap().to_owned())).collect();
    Arc::new(Namespace { name: name(item), labels })
}

#[test]
fn fixtures_are_valid_kubernetes_manifests() {
    use k8s_openapi::api::{
        admissionregistration::v1 as admission, core::v1, discovery::v1 as discovery,
        policy::v1 as policy, storage::v1 as storage,
    };
    fn takes<T: serde::de::DeserializeOwned>(item: &Value) {
        serde_json::from_value::<T>(item.clone()).unwrap_or_else(|error| panic!("{error}: {item}"));
    }
    for (_, yaml) in super::stages::FIXTURES {
        let list: Value = yaml_serde::from_str(yaml).unwrap();
        for item in list["items"].as_array().unwrap() {
            match text(item, "/kind").as_str() {
                "Node" => takes::<v1::Node>(item),
                "Secret" => takes::<v1::Secret>(item),
                "Pod" => takes::<v1::Pod>(item),
                "PodDisruptionBudget" => takes::<policy::PodDisruptionBudget>(item),
                "VolumeAttachment" => takes::<storage::VolumeAttachment>(item),
                "PersistentVolume" => takes::<v1::PersistentVolume>(item),
                "ValidatingWebhookConfiguration" => {
                    takes::<admission::ValidatingWebhookConfiguration>(item);
                }
                "MutatingWebhookConfiguration" => {
                    takes::<admission::MutatingWebhookConfiguration>(item);
                }
                "EndpointSlice" => takes::<discovery::EndpointSlice>(item),
                "Namespace" => takes::<v1::Namespace>(item),
                other => panic!("{other} in a fixture"),
            }
        }
    }
}
