//! The node roll: what each node does, how far pools are, when it will be done, and what holds it up.
//!
//! [`history::RollHistory`] is shown every snapshot; [`Roll::read`] says where it stands at any moment. Pure: snapshots,
//! readings of SKE and moments are handed in. The facts behind the rules are Gardener's and its machine
//! controller's, which SKE runs on; what could only be inferred is said to be an estimate.

pub mod blocker;
pub mod calendar;
pub mod classify;
pub mod clock_skew;
pub mod eta;
pub mod format;
pub mod generation;
pub mod history;
pub mod limits;
pub mod memory;
pub mod preflight;
pub mod progress;
pub mod regression;
pub mod steps;
pub mod subject;
pub mod timeline;

#[cfg(test)]
pub mod tests;

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::domain::cluster::Cluster;
use crate::domain::roll::blocker::{Blocker, MAX_BLOCKERS, Scene, Severity};
use crate::domain::roll::classify::{NodeRoll, NodeStage};
use crate::domain::roll::clock_skew::ClusterClock;
use crate::domain::roll::eta::{RollEstimate, outlook};
use crate::domain::roll::generation::{EstimateReason, RolloutStage, rollout_stage};
use crate::domain::roll::history::RollHistory;
use crate::domain::roll::progress::{Counts, Figure, PoolRoll, pools};
use crate::domain::roll::steps::{StepView, steps};
use crate::domain::snapshot::ClusterSnapshot;

/// How a roll stands at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roll {
    /// Pools in SKE's order, then those that only nodes name.
    pub pools: Vec<PoolRoll>,
    /// How many nodes of the cluster do what.
    pub counts: Counts,
    /// Share of new nodes in the rotation; `None` when none was started or nodes cannot be seen.
    pub rotation: Option<Figure>,
    /// Share of new nodes in a roll that is not part of the rotation (an upgrade, a changed pool), if there is one.
    pub another: Option<Figure>,
    /// Why the figures are estimates; empty when they are exact.
    pub guesses: BTreeSet<EstimateReason>,
    pub steps: Vec<StepView>,
    /// When it will be done.
    pub outlook: RollEstimate,
    /// What holds it up, worst first, bounded.
    pub blockers: Vec<Blocker>,
    /// What a reader should know of the figures, in sentences without a full stop.
    pub notes: Vec<String>,
}

impl Roll {
    /// Reads a snapshot in the light of what was seen before. `now` is our clock's.
    pub fn read(
        cluster: &Cluster,
        snapshot: &ClusterSnapshot,
        history: &RollHistory,
        now: Timestamp,
    ) -> Self {
        let rollout_stage = rollout_stage(&cluster.rotation);
        let clock = ClusterClock::new(now, snapshot.skew_seconds);
        let memory = history.memory();
        let mut pools = pools(cluster, snapshot, memory, clock);
        let pace = history.pace();
        let scene = Scene { cluster, snapshot, pools: &pools, history, clock };
        let mut blockers = blocker::find(&scene);
        mark_blocked(&mut pools, &blockers);
        let mut counts = Counts::default();
        for pool in &mut pools {
            counts += pool.counts;
            let alone = std::slice::from_ref(&*pool);
            let stops = blockers.iter().any(|b| b.stops() && b.concerns(&pool.name));
            pool.outlook = outlook(alone, pace, memory.watched_since, now).held_if(stops);
        }
        let seen = !snapshot.is_blind_to("nodes");
        let figure = match rollout_stage {
            RolloutStage::Before => None,
            RolloutStage::Rolling if !seen => None,
            RolloutStage::Rolling => Some(Figure::counted(counts)),
            RolloutStage::After => Some(Figure::finished(counts)),
        };
        let is_other =
            seen && rollout_stage != RolloutStage::Rolling && pools.iter().any(|pool| pool.another);
        let another = is_other.then(|| {
            let mut counts = Counts::default();
            // A pool that is done first stays in, or its new nodes would be lost to the figure.
            let concerned = |pool: &&PoolRoll| pool.another || memory.others.contains(&pool.name);
            pools.iter().filter(concerned).for_each(|pool| counts += pool.counts);
            Figure::counted(counts)
        });
        let stops = blockers.iter().any(Blocker::stops);
        blockers.truncate(MAX_BLOCKERS);
        let outlook = match outlook(&pools, pace, memory.watched_since, now).held_if(stops) {
            _ if !seen && rollout_stage == RolloutStage::Rolling => RollEstimate::Unknown,
            RollEstimate::Idle if rollout_stage == RolloutStage::Rolling => RollEstimate::Finishing,
            RollEstimate::Idle if rollout_stage == RolloutStage::After => RollEstimate::Done,
            other @ (RollEstimate::Idle
            | RollEstimate::Unknown
            | RollEstimate::NotBegun
            | RollEstimate::Early
            | RollEstimate::Left { .. }
            | RollEstimate::Stalled { .. }
            | RollEstimate::Finishing
            | RollEstimate::Done) => other,
        };
        let guesses = pools.iter().flat_map(|pool| pool.guesses.iter().copied()).collect();
        let steps = steps(&cluster.rotation, snapshot, &pools, figure);
        let notes = format::notes(&cluster.rotation, snapshot, &pools, clock);
        Self { pools, counts, rotation: figure, another, guesses, steps, outlook, blockers, notes }
    }

    /// The figure of what is under way: the rotation's while it rolls, else another roll's, else the rotation's.
    pub fn figure(&self) -> Option<Figure> {
        match self.rotation {
            Some(figure) if !figure.done => Some(figure),
            done => self.another.or(done),
        }
    }

    /// Whether the figures are estimates.
    pub fn is_estimated(&self) -> bool {
        !self.guesses.is_empty()
    }

    /// All nodes, pool by pool.
    pub fn nodes(&self) -> impl Iterator<Item = &NodeRoll> {
        self.pools.iter().flat_map(PoolRoll::nodes)
    }

    /// The worst thing that holds the roll up; notes do not count.
    pub fn worst(&self) -> Option<&Blocker> {
        self.blockers.iter().find(|blocker| blocker.kind.severity() != Severity::Note)
    }

    /// What is named to hold up a node.
    pub fn blockers_of(&self, node: &NodeRoll) -> impl Iterator<Item = &Blocker> {
        self.blockers.iter().filter(|blocker| blocker.node.as_ref() == Some(&node.name))
    }
}

/// Lays the blockers over the draining nodes.
fn mark_blocked(pools: &mut [PoolRoll], blockers: &[Blocker]) {
    let held: BTreeSet<&str> = blockers
        .iter()
        .filter(|blocker| blocker.holds_drain())
        .filter_map(|blocker| blocker.node.as_deref())
        .collect();
    for pool in pools {
        for zone in &mut pool.zones {
            for node in &mut zone.nodes {
                node.blocked =
                    node.stage == NodeStage::Draining && held.contains(node.name.as_str());
                zone.counts.blocked += usize::from(node.blocked);
                pool.counts.blocked += usize::from(node.blocked);
            }
        }
    }
}
