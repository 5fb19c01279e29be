//! Input for finding blockers.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use crate::domain::age::since;
use crate::domain::cluster::Cluster;
use crate::domain::roll::classify::{NodeRoll, NodeStage, Since};
use crate::domain::roll::clock_skew::ClusterClock;
use crate::domain::roll::durations::ReplacementTimes;
use crate::domain::roll::generation::{RollStage, rollout_stage};
use crate::domain::roll::history::RollHistory;
use crate::domain::roll::progress::{PoolRoll, PoolState};
use crate::domain::snapshot::{ClusterSnapshot, Pod};

/// Time after which a state that is normal during a pod restart counts as a blocker.
pub const PATIENCE: SignedDuration = SignedDuration::from_mins(3);

/// Input for finding blockers.
#[derive(Debug, Clone, Copy)]
pub struct BlockerContext<'a> {
    pub cluster: &'a Cluster,
    pub snapshot: &'a ClusterSnapshot,
    pub pools: &'a [PoolRoll],
    pub history: &'a RollHistory,
    pub times: &'a ReplacementTimes,
    pub clock: ClusterClock,
}

impl BlockerContext<'_> {
    /// Whether something began before this roll: before the start, or before the first nodes were replaced.
    pub fn is_older(&self, began: Timestamp) -> bool {
        let rotation = &self.cluster.rotation;
        let is_rolling = rollout_stage(rotation) == RollStage::Rolling;
        let started = rotation.start().filter(|_| is_rolling).map(|at| self.clock.ours(at));
        let begun = |pool: &&PoolRoll| {
            pool.state.is_rolling() && pool.state != PoolState::NotBegun && pool.counts.seen() > 0
        };
        let begun = self.pools.iter().filter(begun).map(|pool| pool.template_created);
        // If one is unknown, its nodes may have started at any time.
        let begun = begun.collect::<Option<Vec<_>>>().unwrap_or_default().into_iter().min();
        started.max(begun).is_some_and(|roll| began < roll)
    }

    /// The last time at which all of these kinds were known.
    pub fn known_until(&self, kinds: &[&'static str]) -> Timestamp {
        let lost = kinds.iter().filter_map(|kind| self.history.unread_since(kind));
        lost.map(|since| since.at).fold(self.clock.now(), Timestamp::min)
    }

    /// The context as of the last time at which a kind was known: nothing begins later merely by elapsed time.
    #[must_use]
    pub fn while_known(&self, kind: &'static str) -> Self {
        let until = self.known_until(&[kind]);
        Self { clock: ClusterClock::new(until, self.snapshot.skew_seconds), ..*self }
    }

    /// Whether something has lasted longer than `patience`.
    pub fn has_lasted(&self, began: Since, patience: SignedDuration) -> bool {
        since(began.at, self.clock.now()) > patience
    }
}

/// The pods that are relevant to a roll, collected in a single pass.
pub struct RelevantPods<'a> {
    /// Pods that a drain must move: of old nodes, and of new ones that are being removed.
    pub leaving: Vec<(&'a Pod, &'a NodeRoll)>,
    /// Pods that a drain of an old node will have to evict once it starts.
    pub next: Vec<&'a Pod>,
    /// Unready pods on joining nodes, by node name.
    pub starting: HashMap<&'a str, Vec<&'a Pod>>,
    /// Unschedulable pods and since when, by our clock.
    pub pending: Vec<(&'a Pod, Option<Timestamp>)>,
}

impl<'a> RelevantPods<'a> {
    /// Collects the pods of a snapshot.
    pub fn of(context: &BlockerContext<'a>) -> Self {
        let rolling = context.pools.iter().filter(|pool| pool.state.is_rolling());
        let concerned: HashMap<&str, &NodeRoll> = rolling
            .flat_map(PoolRoll::nodes)
            .filter(|node| {
                is_drained(node)
                    || matches!(
                        node.stage,
                        NodeStage::Joining | NodeStage::Old | NodeStage::Cordoned
                    )
            })
            .map(|node| (node.name.as_str(), node))
            .collect();
        let mut out = Self {
            leaving: Vec::new(),
            next: Vec::new(),
            starting: HashMap::new(),
            pending: Vec::new(),
        };
        for pod in &context.snapshot.pods {
            if let Some((since, _)) = &pod.unscheduled
                && pod.pending
                && pod.deletion_deadline.is_none()
            {
                out.pending.push((pod, since.map(|at| context.clock.ours(at))));
            }
            let Some(node) = pod.node.as_deref().and_then(|name| concerned.get(name)) else {
                continue;
            };
            if is_drained(node) && !pod.stays_on_its_node() {
                out.leaving.push((pod, node));
            } else if node.stage.is_old() && !pod.stays_on_its_node() {
                out.next.push(pod);
            } else if node.stage == NodeStage::Joining && !pod.ready {
                out.starting.entry(&node.name).or_default().push(pod);
            }
        }
        out
    }
}

/// Whether the node is being drained.
pub fn is_drained(node: &NodeRoll) -> bool {
    matches!(node.stage, NodeStage::Draining | NodeStage::Leaving)
}
