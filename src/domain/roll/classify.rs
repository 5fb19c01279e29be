//! The stage of each node in the roll, from one snapshot; the history adds since when.

use jiff::{SignedDuration, Timestamp};

use crate::domain::roll::clock_skew::ClusterClock;
use crate::domain::roll::generation::TargetGeneration;
use crate::domain::snapshot::Node;
use crate::domain::text::clean;

/// Default time after which the machine controller forces a drain; the value on SKE is not documented.
pub const DRAIN_TIMEOUT: SignedDuration = SignedDuration::from_hours(2);
/// Default time after which the machine controller gives up on a machine that has not joined.
pub const CREATION_TIMEOUT: SignedDuration = SignedDuration::from_mins(20);

/// The stage of a node in the roll.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NodeStage {
    /// Of the target generation, ready, and with its template applied.
    New,
    Leaving,
    /// Of the target generation, not ready yet.
    Joining,
    /// Of the old generation, being drained.
    Draining,
    /// Of the old generation, unschedulable, but not removed by the platform: an administrator may have cordoned it.
    Cordoned,
    /// Of the old generation, not being replaced yet.
    Old,
    /// Failed and preserved; displayed but not counted.
    Preserved,
}

impl NodeStage {
    /// Whether it still has to be replaced.
    pub fn is_old(self) -> bool {
        match self {
            Self::Old | Self::Cordoned | Self::Draining => true,
            Self::New | Self::Leaving | Self::Joining | Self::Preserved => false,
        }
    }
}

/// Why a node of the target generation does not count as new yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum JoiningReason {
    /// Its condition `Ready` is not true.
    NotReady,
    /// Its system pods are not ready, or the cloud has not initialised it (taints).
    Starting,
    /// The current content of the template is not applied.
    Configuring,
}

/// When a state began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Since {
    /// The time, by our clock.
    pub at: Timestamp,
    /// The state may have begun earlier: this is when it was first seen.
    pub at_least: bool,
}

impl Since {
    /// A time that was reported by the cluster, or observed.
    pub fn exact(at: Timestamp) -> Self {
        Self { at, at_least: false }
    }

    /// The time at which the state was first seen; it may have begun earlier.
    pub fn at_least(at: Timestamp) -> Self {
        Self { at, at_least: true }
    }

    /// The time, unless the state may have begun earlier.
    pub fn known(self) -> Option<Timestamp> {
        (!self.at_least).then_some(self.at)
    }
}

/// A node in the roll.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeRoll {
    /// `metadata.uid`.
    pub uid: String,
    /// `metadata.name`, as the API writes it.
    pub name: String,
    /// The name from its pool on ("web-z1-5f7d9-abcde"), safe to display.
    pub short: String,
    /// Pool; empty if the node has no such label.
    pub pool: String,
    /// Zone; empty if the node has no such label.
    pub zone: String,
    pub stage: NodeStage,
    /// Since when it is in this stage, if known.
    pub since: Option<Since>,
    /// While it drains: when the platform forces the drain by its default timeout, by our clock.
    pub deadline: Option<Timestamp>,
    /// While it drains: whether one of the roll's blockers blocks it.
    pub blocked: bool,
    /// Since when it is blocked, according to its first blocker.
    pub blocked_since: Option<Since>,
    /// While only grace periods block it: when its pods are gone, at the earliest and at the latest. The earliest is
    /// the platform's default drain timeout.
    pub leaves: Option<(Timestamp, Timestamp)>,
    /// While it joins: why it does not count as new yet.
    pub joining_reason: Option<JoiningReason>,
    /// Its own reason for being unready or removed; safe to display.
    pub reason: Option<String>,
    /// Whether it is of the old generation, whatever its stage.
    pub of_old_generation: bool,
    /// While it is not ready: since when, by our clock, and the reason; safe to display.
    pub not_ready: Option<(Option<Timestamp>, Option<String>)>,
    pub cordoned: bool,
    /// Whether its generation is inferred from its age.
    pub estimated: bool,
    /// Kubernetes version, safe to display.
    pub version: String,
    /// `metadata.creationTimestamp`, by our clock.
    pub created: Option<Timestamp>,
}

/// The stage of a node, given the target generation of its pool.
fn classify(node: &Node, wanted: &TargetGeneration, compares_checksums: bool) -> NodeStage {
    if node.preserved && !node.ready && node.terminating.is_none() {
        NodeStage::Preserved
    } else if wanted.is_old(node) {
        if node.terminating.is_some() {
            NodeStage::Draining
        } else if node.cordoned {
            NodeStage::Cordoned
        } else {
            NodeStage::Old
        }
    } else if node.terminating.is_some() {
        NodeStage::Leaving
    } else if joining_reason(node, wanted, compares_checksums).is_some() {
        NodeStage::Joining
    } else {
        NodeStage::New
    }
}

/// Why a node of the target generation does not count as new yet. Checksums are compared only in pools where some node
/// reports one.
fn joining_reason(
    node: &Node,
    wanted: &TargetGeneration,
    compares_checksums: bool,
) -> Option<JoiningReason> {
    if !node.ready {
        Some(JoiningReason::NotReady)
    } else if node.still_joining {
        Some(JoiningReason::Starting)
    } else if compares_checksums && wanted.checksum.is_some() && node.checksum != wanted.checksum {
        Some(JoiningReason::Configuring)
    } else {
        None
    }
}

impl NodeRoll {
    /// Whether it is in this pool and zone; an empty zone matches all.
    pub fn is_in(&self, (pool, zone): &(String, String)) -> bool {
        self.pool == *pool && (zone.is_empty() || self.zone == *zone)
    }

    /// Classifies one node. `zone` is where it is counted.
    pub fn of(
        node: &Node,
        (pool, zone): (&str, &str),
        wanted: &TargetGeneration,
        compares_checksums: bool,
        clock: ClusterClock,
    ) -> Self {
        let stage = classify(node, wanted, compares_checksums);
        let drain_began = node.terminating.as_ref().and_then(|terminating| terminating.since);
        let waits_for = (stage == NodeStage::Joining)
            .then(|| joining_reason(node, wanted, compares_checksums))
            .flatten();
        let reported = match stage {
            // It may have been ready long before its template changed in place.
            NodeStage::Joining if waits_for == Some(JoiningReason::Configuring) => None,
            NodeStage::New | NodeStage::Preserved => node.ready_changed,
            // A node that was ready before waits since it failed, not since its creation.
            NodeStage::Joining if !node.ready => node.ready_changed.max(node.created),
            NodeStage::Joining => node.created,
            NodeStage::Draining | NodeStage::Leaving => drain_began,
            NodeStage::Old | NodeStage::Cordoned => None,
        };
        let reason = match stage {
            NodeStage::Joining | NodeStage::Preserved => node.not_ready_because.as_deref(),
            NodeStage::Draining | NodeStage::Leaving => {
                node.terminating.as_ref().map(|terminating| terminating.reason.as_str())
            }
            NodeStage::New | NodeStage::Old | NodeStage::Cordoned => None,
        };
        Self {
            uid: node.uid.clone(),
            name: node.name.clone(),
            short: short_name(&node.name, pool),
            pool: pool.to_owned(),
            zone: zone.to_owned(),
            stage,
            since: reported.map(|at| Since::exact(clock.ours(at))),
            deadline: drain_began
                .filter(|_| stage == NodeStage::Draining)
                .and_then(|at| clock.ours(at).checked_add(DRAIN_TIMEOUT).ok()),
            blocked: false,
            blocked_since: None,
            leaves: None,
            joining_reason: waits_for,
            reason: reason.filter(|text| !text.is_empty()).map(clean),
            of_old_generation: wanted.is_old(node),
            not_ready: (!node.ready).then(|| {
                let at = node.ready_changed.map(|at| clock.ours(at));
                (at, node.not_ready_because.as_deref().map(clean))
            }),
            cordoned: node.cordoned,
            estimated: wanted.judges_by_age(node),
            version: clean(&node.version),
            created: node.created.map(|at| clock.ours(at)),
        }
    }
}

/// A node's name from its pool on: machine names start with the technical name of the cluster
/// (`shoot--<project>--<cluster>-<pool>-z1-<hash>-<random>`), which is shown elsewhere on the screen.
pub fn short_name(name: &str, pool: &str) -> String {
    let start = if pool.is_empty() { None } else { name.rfind(&format!("-{pool}-")) };
    clean(start.and_then(|at| name.get(at + 1..)).unwrap_or(name))
}

#[cfg(test)]
mod tests {
    use crate::domain::roll::classify::short_name;

    #[test]
    fn names_are_shown_from_the_pool_on_and_cleaned() {
        assert_eq!(short_name("shoot--f00--shop-web-z1-5f7d9-abcde", "web"), "web-z1-5f7d9-abcde");
        assert_eq!(short_name("shoot--f00--web-web-z1-5f7d9-abcde", "web"), "web-z1-5f7d9-abcde");
        assert_eq!(short_name("web-7", "web"), "web-7");
        assert_eq!(short_name("web-7", ""), "web-7");
        assert_eq!(short_name("x-web-\u{1b}]0;y", "web"), "web-␛]0;y");
    }
}
