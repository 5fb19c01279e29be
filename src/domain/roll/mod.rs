//! The node roll: the stage of each node, progress of pools, the estimated end, and blockers.
//!
//! A [`tracker::RollTracker`] observes every snapshot and keeps the history; [`Roll::evaluate`] evaluates a snapshot
//! with that history. Pure data: the texts are in `app::nodes`. The rules follow Gardener and its machine controller,
//! which SKE runs on; anything inferred is marked as an estimate.

pub mod blocker;
pub mod calendar;
pub mod classify;
pub mod clock_skew;
pub mod durations;
pub mod estimate;
pub mod generation;
pub mod history;
pub mod limits;
pub mod pace;
pub mod progress;
pub mod regression;
pub mod start_steps;
pub mod timeline;
pub mod tracker;

#[cfg(test)]
pub mod tests;

use std::collections::{BTreeSet, HashMap};

use jiff::{SignedDuration, Timestamp};

use crate::domain::cluster::Cluster;
use crate::domain::roll::blocker::context::BlockerContext;
use crate::domain::roll::blocker::{Blocker, MAX_BLOCKERS, Severity, find_blockers};
use crate::domain::roll::classify::{NodeRoll, NodeStage, Since};
use crate::domain::roll::clock_skew::ClusterClock;
use crate::domain::roll::durations::{ReplacementTimes, RollEstimate};
use crate::domain::roll::estimate::{estimate, measure};
use crate::domain::roll::generation::{EstimateReason, RollStage, rollout_stage};
use crate::domain::roll::history::RollHistory;
use crate::domain::roll::progress::{NodeCounts, PoolRoll, RollProgress, classify_pools};
use crate::domain::roll::start_steps::{StartStep, start_steps};
use crate::domain::rotation::Phase;
use crate::domain::snapshot::{ClusterSnapshot, Unseen};

/// A roll at a point in time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roll {
    /// Pools in SKE's order, then those known only from nodes.
    pub pools: Vec<PoolRoll>,
    pub counts: NodeCounts,
    /// Progress of the rotation; `None` if none was started or nodes cannot be seen.
    pub rotation: Option<RollProgress>,
    /// Progress of a roll outside the rotation (an upgrade, a changed pool), if there is one.
    pub another: Option<RollProgress>,
    /// No roll is running, and none was seen to finish: nodes are neither old nor new.
    pub idle: bool,
    /// Why the counts are estimates; empty if exact.
    pub estimate_reasons: BTreeSet<EstimateReason>,
    pub steps: Vec<StartStep>,
    pub estimate: RollEstimate,
    /// Durations of node replacements so far.
    pub times: ReplacementTimes,
    /// Blockers, worst first, bounded.
    pub blockers: Vec<Blocker>,
    pub notes: Vec<RollNote>,
}

/// A caveat about the counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RollNote {
    /// How far the cluster's clock is ahead of ours; negative if behind.
    ClockSkew(SignedDuration),
    /// A kind ("nodes") is outdated or unknown.
    Unseen { kind: &'static str, why: Unseen, nothing_known: bool },
    /// The pool was changed after the start: its nodes are replaced again before PREPARED.
    ChangedSinceStart(String),
    /// The pool's nodes are replaced for another reason than the rotation.
    AnotherRoll(String),
    /// SKE does not list the pool.
    UnlistedPool(String),
    /// Number of failed nodes of the pool that are preserved.
    Preserved { pool: String, nodes: usize },
    /// Number of unschedulable new nodes of the pool.
    CordonedNew { pool: String, nodes: usize },
}

impl Roll {
    /// Evaluates a snapshot with the history before it. `now` is by our clock.
    pub fn evaluate(
        cluster: &Cluster,
        snapshot: &ClusterSnapshot,
        history: &RollHistory,
        now: Timestamp,
    ) -> Self {
        let stage = rollout_stage(&cluster.rotation);
        let clock = ClusterClock::new(now, snapshot.skew_seconds);
        let mut pools = classify_pools(cluster, snapshot, history, clock);
        let times = measure(&pools);
        let context =
            BlockerContext { cluster, snapshot, pools: &pools, history, times: &times, clock };
        let seen_at = context.known_until(&["nodes"]);
        let mut blockers = find_blockers(&context);
        mark_blocked(&mut pools, &blockers);
        let mut counts = NodeCounts::default();
        let estimated = |pools: &[PoolRoll], stops: bool| {
            estimate(pools, &times, history.watched_since, seen_at).blocked_if(stops)
        };
        for pool in &mut pools {
            counts += pool.counts;
            let stops = blockers.iter().any(|b| b.stops() && b.concerns(&pool.name));
            pool.estimate = estimated(std::slice::from_ref(&*pool), stops);
        }
        let seen = !snapshot.is_blind_to("nodes");
        let progress = match stage {
            RollStage::Before => None,
            RollStage::Rolling if !seen => None,
            RollStage::Rolling => Some(pools.iter().map(|pool| pool.progress).sum()),
            RollStage::After => {
                let of_pool = |pool: &PoolRoll| {
                    RollProgress::finished(history.goal(&pool.name, false), pool.counts)
                };
                Some(RollProgress { done: true, ..pools.iter().map(of_pool).sum() })
                    .filter(|progress| seen || progress.goal.nodes > 0)
            }
        };
        let is_other = seen && stage != RollStage::Rolling && pools.iter().any(|pool| pool.another);
        let another = is_other.then(|| {
            // A pool that is done first stays included, otherwise its new nodes would be missing from the count.
            let concerned = |pool: &&PoolRoll| pool.another || history.others.contains(&pool.name);
            let of_pool = |pool: &PoolRoll| {
                let goal = history.goal(&pool.name, true).unwrap_or_else(|| pool.estimate_goal());
                RollProgress::counted(goal, pool.counts)
            };
            pools.iter().filter(concerned).map(of_pool).sum()
        });
        let estimate = match (stage, estimated(&pools, blockers.iter().any(Blocker::stops))) {
            (RollStage::Rolling, _) if !seen => RollEstimate::Unknown,
            (RollStage::Rolling, RollEstimate::Idle) => RollEstimate::Finishing,
            (RollStage::After, RollEstimate::Idle) => RollEstimate::Done,
            (_, estimate) => estimate,
        };
        let is_over = matches!(cluster.rotation.phase, Phase::Never | Phase::Completed);
        let idle = is_over
            && seen
            && another.is_none()
            && progress.is_none_or(|progress| progress.goal.estimated)
            && !pools.iter().any(|pool| pool.state.is_rolling());
        blockers.truncate(MAX_BLOCKERS);
        let estimate_reasons =
            pools.iter().flat_map(|pool| pool.estimate_reasons.iter().copied()).collect();
        let steps = start_steps(&cluster.rotation, snapshot, &pools, progress);
        let notes = find_notes(stage, snapshot, &pools, clock);
        Self {
            pools,
            counts,
            rotation: progress,
            another,
            idle,
            estimate_reasons,
            steps,
            estimate,
            times,
            blockers,
            notes,
        }
    }

    /// Progress of the current activity: the rotation while it rolls, otherwise another roll, otherwise the rotation.
    pub fn progress(&self) -> Option<RollProgress> {
        match self.rotation {
            Some(progress) if !progress.done => Some(progress),
            done => self.another.or(done),
        }
    }

    /// Whether nodes can be seen; if not, the counts are zero.
    pub fn sees_nodes(&self) -> bool {
        let is_blind = |note: &RollNote| {
            matches!(note, RollNote::Unseen { kind: "nodes", nothing_known: true, .. })
        };
        !self.notes.iter().any(is_blind)
    }

    /// Whether the counts are estimates.
    pub fn is_estimated(&self) -> bool {
        !self.estimate_reasons.is_empty()
    }

    /// All nodes, pool by pool.
    pub fn nodes(&self) -> impl Iterator<Item = &NodeRoll> {
        self.pools.iter().flat_map(PoolRoll::nodes)
    }

    /// The worst blocker, ignoring notes.
    pub fn worst(&self) -> Option<&Blocker> {
        self.blockers.iter().find(|blocker| blocker.severity() != Severity::Note)
    }

    /// The blockers of a node.
    pub fn blockers_of(&self, node: &NodeRoll) -> impl Iterator<Item = &Blocker> {
        let is_of = |blocker: &&Blocker| blocker.node.as_ref().is_some_and(|b| b.full == node.name);
        self.blockers.iter().filter(is_of)
    }
}

/// When the grace periods of pods end, at the earliest and at the latest; `None` if something else blocks.
type GracePeriod = Option<(Timestamp, Timestamp)>;

/// Marks blocked draining nodes, and counts them.
fn mark_blocked(pools: &mut [PoolRoll], blockers: &[Blocker]) {
    let mut blocked: HashMap<&str, (Option<Since>, GracePeriod)> = HashMap::new();
    for blocker in blockers.iter().filter(|blocker| blocker.blocks_drain()) {
        let leaves = blocker.cause.grace_period();
        if let Some(node) = &blocker.node {
            let known = blocked.entry(&node.full).or_insert((blocker.since, leaves));
            known.1 = known.1.filter(|_| leaves.is_some());
        }
    }
    for pool in pools {
        for zone in &mut pool.zones {
            for node in &mut zone.nodes {
                let found = blocked.get(node.name.as_str());
                let found = found.filter(|_| node.stage == NodeStage::Draining).copied();
                node.blocked = found.is_some();
                (node.blocked_since, node.leaves) = found.unwrap_or_default();
                zone.counts.blocked += usize::from(node.blocked);
                pool.counts.blocked += usize::from(node.blocked);
            }
        }
    }
}

fn find_notes(
    stage: RollStage,
    snapshot: &ClusterSnapshot,
    pools: &[PoolRoll],
    clock: ClusterClock,
) -> Vec<RollNote> {
    let mut out: Vec<RollNote> =
        clock.noticeable_skew().map(RollNote::ClockSkew).into_iter().collect();
    out.extend(snapshot.unseen.iter().map(|(kind, why)| {
        let nothing_known = match *kind {
            // A service may have endpoints in a part that was not read.
            "endpointslices" => !snapshot.is_whole(kind),
            _ => snapshot.is_blind_to(kind),
        };
        RollNote::Unseen { kind, why: why.clone(), nothing_known }
    }));
    for pool in pools {
        let name = || pool.name.clone();
        if pool.another && stage == RollStage::Rolling {
            out.push(RollNote::ChangedSinceStart(name()));
        } else if pool.another {
            out.push(RollNote::AnotherRoll(name()));
        }
        if !pool.known_to_ske && !pool.name.is_empty() {
            out.push(RollNote::UnlistedPool(name()));
        }
        if pool.counts.preserved > 0 {
            out.push(RollNote::Preserved { pool: name(), nodes: pool.counts.preserved });
        }
        let cordoned = pool.nodes().filter(|node| node.stage == NodeStage::New && node.cordoned);
        match cordoned.count() {
            0 => {}
            nodes => out.push(RollNote::CordonedNew { pool: name(), nodes }),
        }
    }
    out
}
