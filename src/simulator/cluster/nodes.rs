//! Node objects: the labels, annotations and taints by which the platform marks them, and how they change.

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::simulator::cluster::data_plane::{DataPlane, NodeInfo, text};
use crate::simulator::cluster::events::normal;
use crate::simulator::cluster::objects::{
    Condition, ObjectBody, ObjectKey, ObjectKind, StoredNode, StoredObject, Taint, Text,
};

/// Taint of nodes that will be replaced.
pub const REPLACEMENT_TAINT: &str = "deployment.machine.sapcloud.io/prefer-no-schedule";
/// Taint of nodes whose system pods are not ready.
pub const CRITICAL_COMPONENTS_TAINT: &str = "node.gardener.cloud/critical-components-not-ready";
/// Taint of nodes that the cloud provider has not looked at.
pub const UNINITIALIZED_TAINT: &str = "node.cloudprovider.kubernetes.io/uninitialized";
/// Taint of nodes that are not ready.
pub const NOT_READY_TAINT: &str = "node.kubernetes.io/not-ready";
/// Taint of nodes that are cordoned.
pub const UNSCHEDULABLE_TAINT: &str = "node.kubernetes.io/unschedulable";
/// Annotation of nodes whose machine deployment rolls.
pub const SCALE_DOWN_DISABLED: &str = "cluster-autoscaler.kubernetes.io/scale-down-disabled";
/// The same, with who set it.
pub const SCALE_DOWN_DISABLED_BY_MCM: &str =
    "cluster-autoscaler.kubernetes.io/scale-down-disabled-by-mcm";
/// Label that names the Secret a node was born with.
pub const NODE_AGENT_SECRET_LABEL: &str = "worker.gardener.cloud/gardener-node-agent-secret-name";
/// Annotation with the checksum of what a node has applied.
pub const CHECKSUM_ANNOTATION: &str = "checksum/cloud-config-data";
/// Label of the pool.
pub const POOL_LABEL: &str = "worker.gardener.cloud/pool";
/// Label of the zone.
pub const ZONE_LABEL: &str = "topology.kubernetes.io/zone";

/// A taint without a value.
pub fn taint(key: &'static str, effect: &'static str, added: Option<Timestamp>) -> Taint {
    Taint { key: key.into(), value: "".into(), effect: effect.into(), added }
}

fn replacement_taint() -> Taint {
    Taint { value: "True".into(), ..taint(REPLACEMENT_TAINT, "PreferNoSchedule", None) }
}

/// The first hexadecimal digits of a hash.
pub fn digest(parts: &[&str], digits: usize) -> String {
    let hash = Sha256::digest(parts.join("|"));
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    hash.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).take(digits).collect()
}

impl DataPlane {
    /// Name of the Secret that describes a pool's nodes of a template.
    pub fn template_name(&self, pool: &str, template: u32) -> String {
        let hash = digest(&[&self.spec.shoot, pool, &template.to_string()], 16);
        format!("gardener-node-agent-{pool}-{hash}")
    }

    /// Checksum of that Secret.
    pub fn template_checksum(&self, pool: &str, template: u32) -> String {
        digest(&["script", &self.spec.shoot, pool, &template.to_string()], 64)
    }

    /// Changes a node object and what the scheduler knows of it.
    pub(in crate::simulator::cluster) fn edit_node(
        &mut self,
        name: &str,
        change: impl FnOnce(&mut StoredObject),
    ) {
        let key = ObjectKey::global(name);
        self.store.edit(ObjectKind::Node, &key, change);
        let Some(object) = self.store.get(ObjectKind::Node, &key) else { return };
        let Some(node) = object.node() else { return };
        if let Some(host) = self.nodes.get_mut(name) {
            let was_open = host.open;
            host.open = node.takes_pods();
            host.avoided = node.has_taint(REPLACEMENT_TAINT);
            self.dirty.pods |= host.open && !was_open;
        }
    }

    /// The node of a machine as it appears: not ready, closed to pods.
    pub(in crate::simulator::cluster) fn create_node(
        &mut self,
        pool: &str,
        zone: &str,
        name: &Text,
        template: u32,
        at: Timestamp,
    ) {
        let machine =
            self.spec.pools.get(pool).map_or_else(|| text("g1a.4d"), |p| Text::clone(&p.machine));
        let cores = cores(&machine);
        self.number += 1;
        let number = self.number;
        let mut meta = self.meta(ObjectKey::global(name), at);
        let labels = [
            ("kubernetes.io/arch", text("amd64")),
            ("kubernetes.io/os", text("linux")),
            ("kubernetes.io/hostname", Text::clone(name)),
            ("node.kubernetes.io/instance-type", Text::clone(&machine)),
            ("node.gardener.cloud/machine-name", Text::clone(name)),
            ("topology.kubernetes.io/region", Text::clone(&self.spec.region)),
            (ZONE_LABEL, text(zone)),
            ("worker.gardener.cloud/cri-name", text("containerd")),
            (NODE_AGENT_SECRET_LABEL, self.template_name(pool, template).into()),
            (
                "worker.gardener.cloud/kubernetes-version",
                text(self.spec.version.trim_start_matches('v')),
            ),
            (POOL_LABEL, text(pool)),
        ];
        meta.labels.extend(labels.map(|(key, value)| (key.into(), value)));
        let rolling = self
            .machine_deployments
            .iter()
            .any(|z| *z.pool == *pool && *z.zone == *zone && z.rolling);
        if rolling {
            meta.annotations.insert(SCALE_DOWN_DISABLED.into(), text("true"));
            meta.annotations.insert(SCALE_DOWN_DISABLED_BY_MCM.into(), text("true"));
        }
        let node = StoredNode {
            ready: Condition {
                status: false,
                since: at,
                reason: "KubeletNotReady".into(),
                message: "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady \
                          message:Network plugin returns error: cni plugin not initialized"
                    .into(),
            },
            terminating: None,
            unschedulable: false,
            taints: vec![
                taint(CRITICAL_COMPONENTS_TAINT, "NoSchedule", None),
                taint(UNINITIALIZED_TAINT, "NoSchedule", None),
                taint(NOT_READY_TAINT, "NoSchedule", Some(at)),
            ],
            machine,
            version: Text::clone(&self.spec.version),
            number,
        };
        self.store.put(StoredObject { meta, body: ObjectBody::Node(Box::new(node)) });
        self.nodes.insert(
            Text::clone(name),
            NodeInfo {
                pool: text(pool),
                zone: text(zone),
                cpu: (allocatable(cores), 0),
                pods: std::collections::BTreeSet::new(),
                counts: std::collections::BTreeMap::new(),
                open: false,
                avoided: false,
            },
        );
    }

    /// Somebody changed a node object; one that was cordoned or opened gets or loses the taint that goes with it.
    pub(in crate::simulator::cluster) fn replace_node(
        &mut self,
        mut object: StoredObject,
        at: Timestamp,
    ) {
        let key = object.meta.key.clone();
        let was = self
            .store
            .get(ObjectKind::Node, &key)
            .and_then(|known| known.node())
            .map(|n| n.unschedulable);
        let ObjectBody::Node(node) = &mut object.body else { return };
        let is = node.unschedulable;
        if is && !node.has_taint(UNSCHEDULABLE_TAINT) {
            node.taints.push(taint(UNSCHEDULABLE_TAINT, "NoSchedule", Some(at)));
        } else if !is {
            node.remove_taint(UNSCHEDULABLE_TAINT);
        }
        self.edit_node(&key.name, |known| *known = object);
        if was != Some(is) {
            let name = &key.name;
            let reason = if is { "NodeNotSchedulable" } else { "NodeSchedulable" };
            let message = format!("Node {name} status is now: {reason}");
            self.record_event(ObjectKind::Node, &key, at, normal("kubelet", reason, message));
        }
    }
}

/// Cores of a machine type ("g1a.4d").
pub fn cores(machine: &str) -> u32 {
    let size = machine.rsplit('.').next().unwrap_or_default();
    size.trim_end_matches(char::is_alphabetic).parse().unwrap_or(4)
}

/// Millicores that pods may have of so many cores.
pub fn allocatable(cores: u32) -> u32 {
    cores.saturating_mul(1_000).saturating_sub(80)
}

/// Condition `Ready` that is true.
pub fn ready(since: Timestamp) -> Condition {
    Condition {
        status: true,
        since,
        reason: "KubeletReady".into(),
        message: "kubelet is posting ready status".into(),
    }
}

/// Marks the node of a machine deployment that rolls.
pub fn mark_rolling(object: &mut StoredObject, old: bool) {
    object.meta.annotations.insert(SCALE_DOWN_DISABLED.into(), text("true"));
    object.meta.annotations.insert(SCALE_DOWN_DISABLED_BY_MCM.into(), text("true"));
    if let ObjectBody::Node(node) = &mut object.body
        && old
        && !node.has_taint(REPLACEMENT_TAINT)
    {
        node.taints.push(replacement_taint());
    }
}
