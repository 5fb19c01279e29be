//! Node objects: the labels, annotations and taints by which the platform marks them, and how they change.

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::simulator::cluster::events::normal;
use crate::simulator::cluster::interior::{Host, Interior, text};
use crate::simulator::cluster::objects::{Body, Condition, Key, Kind, Node, Object, Taint, Text};

/// Taint of nodes that will be replaced.
pub const DOOMED: &str = "deployment.machine.sapcloud.io/prefer-no-schedule";
/// Taint of nodes whose system pods are not ready.
pub const CRITICAL: &str = "node.gardener.cloud/critical-components-not-ready";
/// Taint of nodes that the cloud provider has not looked at.
pub const UNINITIALIZED: &str = "node.cloudprovider.kubernetes.io/uninitialized";
/// Taint of nodes that are not ready.
pub const NOT_READY: &str = "node.kubernetes.io/not-ready";
/// Taint of nodes that are cordoned.
pub const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";
/// Annotation of nodes whose machine deployment rolls.
pub const KEPT: &str = "cluster-autoscaler.kubernetes.io/scale-down-disabled";
/// The same, with who set it.
pub const KEPT_BY_MCM: &str = "cluster-autoscaler.kubernetes.io/scale-down-disabled-by-mcm";
/// Label that names the Secret a node was born with.
pub const GENERATION: &str = "worker.gardener.cloud/gardener-node-agent-secret-name";
/// Annotation with the checksum of what a node has applied.
pub const CHECKSUM: &str = "checksum/cloud-config-data";
/// Label of the pool.
pub const POOL: &str = "worker.gardener.cloud/pool";
/// Label of the zone.
pub const ZONE: &str = "topology.kubernetes.io/zone";

/// A taint without a value.
pub fn taint(key: &'static str, effect: &'static str, added: Option<Timestamp>) -> Taint {
    Taint { key: key.into(), value: "".into(), effect: effect.into(), added }
}

fn doomed() -> Taint {
    Taint { value: "True".into(), ..taint(DOOMED, "PreferNoSchedule", None) }
}

/// The first hexadecimal digits of a hash.
pub fn digest(parts: &[&str], digits: usize) -> String {
    let hash = Sha256::digest(parts.join("|"));
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    hash.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).take(digits).collect()
}

impl Interior {
    /// Name of the Secret that describes a pool's nodes of a template.
    pub fn template_name(&self, pool: &str, template: u32) -> String {
        let hash = digest(&[&self.about.shoot, pool, &template.to_string()], 16);
        format!("gardener-node-agent-{pool}-{hash}")
    }

    /// Checksum of that Secret.
    pub fn template_checksum(&self, pool: &str, template: u32) -> String {
        digest(&["script", &self.about.shoot, pool, &template.to_string()], 64)
    }

    /// Changes a node object and what the scheduler knows of it.
    pub(in crate::simulator::cluster) fn edit_node(
        &mut self,
        name: &str,
        change: impl FnOnce(&mut Object),
    ) {
        let key = Key::global(name);
        self.store.edit(Kind::Node, &key, change);
        let Some(object) = self.store.get(Kind::Node, &key) else { return };
        let Some(node) = object.node() else { return };
        if let Some(host) = self.hosts.get_mut(name) {
            let was_open = host.open;
            host.open = node.takes_pods();
            host.avoided = node.has_taint(DOOMED);
            self.stir.pods |= host.open && !was_open;
        }
    }

    /// The node of a machine as it appears: not ready, closed to pods.
    pub(in crate::simulator::cluster) fn appear(
        &mut self,
        pool: &str,
        zone: &str,
        name: &Text,
        template: u32,
        at: Timestamp,
    ) {
        let machine =
            self.about.pools.get(pool).map_or_else(|| text("g1a.4d"), |p| Text::clone(&p.machine));
        let cores = cores(&machine);
        self.number += 1;
        let number = self.number;
        let mut meta = self.meta(Key::global(name), at);
        let labels = [
            ("kubernetes.io/arch", text("amd64")),
            ("kubernetes.io/os", text("linux")),
            ("kubernetes.io/hostname", Text::clone(name)),
            ("node.kubernetes.io/instance-type", Text::clone(&machine)),
            ("node.gardener.cloud/machine-name", Text::clone(name)),
            ("topology.kubernetes.io/region", Text::clone(&self.about.region)),
            (ZONE, text(zone)),
            ("worker.gardener.cloud/cri-name", text("containerd")),
            (GENERATION, self.template_name(pool, template).into()),
            (
                "worker.gardener.cloud/kubernetes-version",
                text(self.about.version.trim_start_matches('v')),
            ),
            (POOL, text(pool)),
        ];
        meta.labels.extend(labels.map(|(key, value)| (key.into(), value)));
        let rolling = self.zones.iter().any(|z| *z.pool == *pool && *z.zone == *zone && z.rolling);
        if rolling {
            meta.annotations.insert(KEPT.into(), text("true"));
            meta.annotations.insert(KEPT_BY_MCM.into(), text("true"));
        }
        let node = Node {
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
                taint(CRITICAL, "NoSchedule", None),
                taint(UNINITIALIZED, "NoSchedule", None),
                taint(NOT_READY, "NoSchedule", Some(at)),
            ],
            machine,
            version: Text::clone(&self.about.version),
            number,
        };
        self.store.put(Object { meta, body: Body::Node(Box::new(node)) });
        self.hosts.insert(
            Text::clone(name),
            Host {
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
        mut object: Object,
        at: Timestamp,
    ) {
        let key = object.meta.key.clone();
        let was = self
            .store
            .get(Kind::Node, &key)
            .and_then(|known| known.node())
            .map(|n| n.unschedulable);
        let Body::Node(node) = &mut object.body else { return };
        let is = node.unschedulable;
        if is && !node.has_taint(UNSCHEDULABLE) {
            node.taints.push(taint(UNSCHEDULABLE, "NoSchedule", Some(at)));
        } else if !is {
            node.remove_taint(UNSCHEDULABLE);
        }
        self.edit_node(&key.name, |known| *known = object);
        if was != Some(is) {
            let name = &key.name;
            let reason = if is { "NodeNotSchedulable" } else { "NodeSchedulable" };
            let message = format!("Node {name} status is now: {reason}");
            self.note(Kind::Node, &key, at, normal("kubelet", reason, message));
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
pub fn mark_rolling(object: &mut Object, old: bool) {
    object.meta.annotations.insert(KEPT.into(), text("true"));
    object.meta.annotations.insert(KEPT_BY_MCM.into(), text("true"));
    if let Body::Node(node) = &mut object.body
        && old
        && !node.has_taint(DOOMED)
    {
        node.taints.push(doomed());
    }
}
