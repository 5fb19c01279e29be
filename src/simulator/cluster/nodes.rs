//! Node objects: the platform's labels, annotations and taints, and their changes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::simulator::cluster::data_plane::{DataPlane, NodeInfo};
use crate::simulator::cluster::events::NewEvent;
use crate::simulator::cluster::machine_deployment::MachineDeployment;
use crate::simulator::cluster::objects::{
    Condition, ObjectBody, ObjectKey, ObjectKind, StoredNode, StoredObject, Taint,
};

/// Taint of nodes that a roll will replace.
pub const REPLACEMENT_TAINT: &str = "deployment.machine.sapcloud.io/prefer-no-schedule";
/// Taint of nodes whose system pods are not ready.
pub const CRITICAL_COMPONENTS_TAINT: &str = "node.gardener.cloud/critical-components-not-ready";
/// Taint of nodes that the cloud provider has not initialized.
pub const UNINITIALIZED_TAINT: &str = "node.cloudprovider.kubernetes.io/uninitialized";
/// Taint of nodes that are not ready.
pub const NOT_READY_TAINT: &str = "node.kubernetes.io/not-ready";
const UNSCHEDULABLE_TAINT: &str = "node.kubernetes.io/unschedulable";
/// Annotations of nodes whose machine deployment rolls.
pub const ROLL_ANNOTATIONS: [&str; 2] = [
    "cluster-autoscaler.kubernetes.io/scale-down-disabled",
    "cluster-autoscaler.kubernetes.io/scale-down-disabled-by-mcm",
];
/// Label with the name of the Secret that defines a node, which implies its generation.
pub const NODE_AGENT_SECRET_LABEL: &str = "worker.gardener.cloud/gardener-node-agent-secret-name";
/// Annotation with the checksum of the configuration that a node has applied.
pub const CHECKSUM_ANNOTATION: &str = "checksum/cloud-config-data";
/// Annotation of nodes whose machine is kept on failure.
pub const PRESERVE_ANNOTATION: &str = "node.machine.sapcloud.io/preserve";
/// Label of the pool.
pub const POOL_LABEL: &str = "worker.gardener.cloud/pool";

/// The first hexadecimal digits of a hash.
pub fn digest(parts: &[&str], digits: usize) -> String {
    let hash = Sha256::digest(parts.join("|"));
    let nibbles = hash.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(u32::from);
    nibbles.filter_map(|nibble| char::from_digit(nibble, 16)).take(digits).collect()
}

impl DataPlane {
    /// Name of the Secret that defines a pool's nodes of a template.
    pub fn node_agent_secret(&self, pool: &str, template: u32) -> String {
        let hash = digest(&[&self.spec.shoot_id, pool, &template.to_string()], 16);
        format!("gardener-node-agent-{pool}-{hash}")
    }

    /// Checksum of that Secret.
    pub fn node_agent_checksum(&self, pool: &str, template: u32) -> String {
        digest(&["script", &self.spec.shoot_id, pool, &template.to_string()], 64)
    }

    /// Changes a node object, and the scheduler's view of it.
    pub(super) fn edit_node(&mut self, name: &str, change: impl FnOnce(&mut StoredObject)) {
        self.store.edit(ObjectKind::Node, &ObjectKey::global(name), change);
        if let Some(node) = self.store.node(name)
            && let Some(info) = self.nodes.get_mut(name)
        {
            let was_schedulable = info.schedulable;
            info.schedulable = node.is_schedulable();
            info.avoided = node.has_taint(REPLACEMENT_TAINT);
            self.dirty.pods |= info.schedulable && !was_schedulable;
        }
    }

    /// Creates the node of a machine, not ready and not schedulable.
    pub(super) fn create_node(
        &mut self,
        pool: &Arc<str>,
        zone: &Arc<str>,
        name: &Arc<str>,
        template: u32,
        at: Timestamp,
    ) {
        let spec = self.spec.pools.get(pool);
        let machine_type =
            spec.map_or_else(|| "g1a.4d".into(), |pool| Arc::clone(&pool.machine_type));
        let version = Arc::clone(spec.map_or(&self.spec.version, |pool| &pool.version));
        let cores = cores(&machine_type);
        self.last_number += 1;
        let number = self.last_number;
        let mut meta = self.new_meta(ObjectKey::global(Arc::clone(name)), at);
        let labels: [(&str, Arc<str>); 11] = [
            ("kubernetes.io/arch", "amd64".into()),
            ("kubernetes.io/os", "linux".into()),
            ("kubernetes.io/hostname", Arc::clone(name)),
            ("node.kubernetes.io/instance-type", Arc::clone(&machine_type)),
            ("node.gardener.cloud/machine-name", Arc::clone(name)),
            ("topology.kubernetes.io/region", Arc::clone(&self.spec.region)),
            ("topology.kubernetes.io/zone", Arc::clone(zone)),
            ("worker.gardener.cloud/cri-name", "containerd".into()),
            (NODE_AGENT_SECRET_LABEL, self.node_agent_secret(pool, template).into()),
            ("worker.gardener.cloud/kubernetes-version", version.trim_start_matches('v').into()),
            (POOL_LABEL, Arc::clone(pool)),
        ];
        meta.labels.extend(labels.map(|(key, value)| (key.into(), value)));
        let is_here = |d: &MachineDeployment| d.pool == *pool && d.zone == *zone;
        let rolling = self.machine_deployments.iter().any(|d| is_here(d) && d.rolling);
        let node = StoredNode {
            ready: Condition {
                status: false,
                since: at,
                reason: "KubeletNotReady",
                message: "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady \
                          message:Network plugin returns error: cni plugin not initialized",
            },
            terminating: None,
            preserved: None,
            unschedulable: false,
            taints: vec![
                taint(CRITICAL_COMPONENTS_TAINT, None),
                taint(UNINITIALIZED_TAINT, None),
                taint(NOT_READY_TAINT, Some(at)),
            ],
            machine_type,
            version,
            number,
        };
        let mut object = StoredObject { meta, body: ObjectBody::Node(Box::new(node)) };
        if rolling {
            mark_rolling(&mut object, false);
        }
        self.store.put(object);
        let info = NodeInfo {
            pool: Arc::clone(pool),
            zone: Arc::clone(zone),
            cpu: allocatable(cores),
            requested_cpu: 0,
            pods: BTreeSet::new(),
            counts: BTreeMap::new(),
            schedulable: false,
            avoided: false,
        };
        self.nodes.insert(Arc::clone(name), info);
    }

    /// A client changed a node: the node controller adds or removes the taint for cordoning.
    pub(super) fn follow_node(&mut self, name: &Arc<str>, was: bool, is: bool, at: Timestamp) {
        self.edit_node(name, |object| {
            let Some(node) = object.node_mut() else { return };
            if is {
                add_unschedulable_taint(node, at);
            } else {
                node.remove_taint(UNSCHEDULABLE_TAINT);
            }
        });
        if was != is {
            let reason = if is { "NodeNotSchedulable" } else { "NodeSchedulable" };
            self.node_status_event(name, at, reason);
        }
    }

    /// Records an event about a changed kubelet status.
    pub(super) fn node_status_event(
        &mut self,
        name: &Arc<str>,
        at: Timestamp,
        reason: &'static str,
    ) {
        let message = format!("Node {name} status is now: {reason}");
        self.node_event(name, at, NewEvent::normal("kubelet", reason, message));
    }
}

/// Cores of a machine type ("g1a.4d").
pub fn cores(machine_type: &str) -> u32 {
    let size = machine_type.rsplit('.').next().unwrap_or_default();
    size.trim_end_matches(char::is_alphabetic).parse().unwrap_or(4)
}

/// Allocatable millicores of a node with this number of cores.
pub fn allocatable(cores: u32) -> u32 {
    cores.saturating_mul(1_000).saturating_sub(80)
}

fn taint(key: &'static str, added: Option<Timestamp>) -> Taint {
    Taint { key: key.into(), value: "".into(), effect: "NoSchedule".into(), added }
}

fn add_unschedulable_taint(node: &mut StoredNode, at: Timestamp) {
    if !node.has_taint(UNSCHEDULABLE_TAINT) {
        node.taints.push(taint(UNSCHEDULABLE_TAINT, Some(at)));
    }
}

/// Condition `Ready` that is true.
pub fn ready(since: Timestamp) -> Condition {
    let (reason, message) = ("KubeletReady", "kubelet is posting ready status");
    Condition { status: true, since, reason, message }
}

/// Marks the node of a machine deployment that rolls; `old` ones will be replaced.
pub fn mark_rolling(object: &mut StoredObject, old: bool) {
    for key in ROLL_ANNOTATIONS {
        object.meta.annotations.insert(key.into(), "true".into());
    }
    if let Some(node) = object.node_mut().filter(|node| old && !node.has_taint(REPLACEMENT_TAINT)) {
        let effect = "PreferNoSchedule".into();
        node.taints.push(Taint { value: "True".into(), effect, ..taint(REPLACEMENT_TAINT, None) });
    }
}

/// Cordons the node of a machine that is being deleted.
pub fn mark_terminating(object: &mut StoredObject, at: Timestamp) {
    let Some(node) = object.node_mut() else { return };
    let (reason, message) = ("ScaleDown", "Machine Controller is scaling down machine");
    node.terminating = Some(Condition { status: true, since: at, reason, message });
    node.unschedulable = true;
    add_unschedulable_taint(node, at);
}
