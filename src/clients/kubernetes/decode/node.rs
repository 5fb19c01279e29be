//! Nodes, and the Secrets with the desired state of a pool's nodes. Names of labels, annotations, taints and conditions
//! are those of Gardener and its machine-controller-manager.

use k8s_openapi::api::core::v1 as core;
use kube::core::PartialObjectMeta;

use crate::clients::kubernetes::decode::{
    annotation, at, because, is_annotated, label, some, text,
};
use crate::domain::snapshot::{Node, Template, Terminating};

const POOL: &str = "worker.gardener.cloud/pool";
const ZONE: &str = "topology.kubernetes.io/zone";
const GENERATION: &str = "worker.gardener.cloud/gardener-node-agent-secret-name";
const VERSION: &str = "worker.gardener.cloud/kubernetes-version";
const APPLIED: &str = "checksum/cloud-config-data";
const WANTED_CHECKSUM: &str = "checksum/data-script";
const ROLLING: &str = "cluster-autoscaler.kubernetes.io/scale-down-disabled-by-mcm";
const PRESERVE: &str = "node.machine.sapcloud.io/preserve";
/// Values of that annotation that preserve a machine whatever its condition.
const PRESERVED: [&str; 2] = ["now", "auto-preserved"];
const MARKED_FOR_DELETION: &str = "deployment.machine.sapcloud.io/prefer-no-schedule";
const JOINING: [&str; 2] = [
    "node.gardener.cloud/critical-components-not-ready",
    "node.cloudprovider.kubernetes.io/uninitialized",
];

/// Reads a node.
pub fn node(node: &core::Node) -> Option<Node> {
    let meta = &node.metadata;
    let spec = node.spec.as_ref();
    let status = node.status.as_ref();
    let taints = spec.and_then(|spec| spec.taints.as_deref()).unwrap_or_default();
    let conditions = status.and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let condition = |kind: &str| conditions.iter().find(|condition| condition.type_ == kind);
    let holds = |condition: &&core::NodeCondition| condition.status == "True";
    let readiness = condition("Ready");
    let kubelet = status
        .and_then(|status| status.node_info.as_ref())
        .and_then(|info| some(Some(&info.kubelet_version)))
        .map(|version| version.trim_start_matches('v').to_owned());
    Some(Node {
        uid: text(meta.uid.as_ref()),
        name: some(meta.name.as_ref())?,
        pool: label(meta, POOL).unwrap_or_default(),
        zone: label(meta, ZONE).unwrap_or_default(),
        created: at(meta.creation_timestamp.as_ref()),
        generation: label(meta, GENERATION),
        checksum: annotation(meta, APPLIED),
        version: label(meta, VERSION).or(kubelet).unwrap_or_default(),
        marked_for_deletion: taints.iter().any(|taint| taint.key == MARKED_FOR_DELETION),
        rolling: is_annotated(meta, ROLLING),
        cordoned: spec.and_then(|spec| spec.unschedulable).unwrap_or(false),
        terminating: condition("Terminating").filter(holds).map(|condition| Terminating {
            since: at(condition.last_transition_time.as_ref()),
            reason: text(condition.reason.as_ref()),
        }),
        ready: readiness.is_some_and(|condition| holds(&condition)),
        ready_changed: readiness.and_then(|condition| at(condition.last_transition_time.as_ref())),
        not_ready_because: readiness
            .filter(|condition| !holds(condition))
            .and_then(|condition| because(condition.reason.as_ref(), condition.message.as_ref())),
        still_joining: taints.iter().any(|taint| JOINING.contains(&taint.key.as_str())),
        preserved: condition("Preserved").is_some_and(|condition| holds(&condition))
            || annotation(meta, PRESERVE).is_some_and(|value| PRESERVED.contains(&&*value)),
    })
}

/// Reads the metadata of a Secret with the desired state of a pool's nodes.
pub fn template(secret: &PartialObjectMeta<core::Secret>) -> Option<Template> {
    let meta = &secret.metadata;
    Some(Template {
        name: some(meta.name.as_ref())?,
        pool: label(meta, POOL).unwrap_or_default(),
        created: at(meta.creation_timestamp.as_ref()),
        checksum: annotation(meta, WANTED_CHECKSUM),
    })
}
