//! Counts and progress of a roll: per zone, per pool, and for the whole cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::iter::Sum;
use std::ops::AddAssign;

use jiff::Timestamp;

use crate::domain::cluster::{Cluster, NodePool};
use crate::domain::roll::classify::{JoiningReason, NodeRoll, NodeStage, Since};
use crate::domain::roll::clock_skew::ClusterClock;
use crate::domain::roll::durations::RollEstimate;
use crate::domain::roll::generation::{
    EstimateReason, GenerationQuery, RollStage, TargetGeneration, pool_of, rollout_stage,
};
use crate::domain::roll::history::{RollGoal, RollHistory};
use crate::domain::roll::limits::Limits;
use crate::domain::snapshot::{ClusterSnapshot, Node};

/// Nodes by stage. Every visible node is in exactly one field, except for `blocked` and `missing`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NodeCounts {
    /// New and ready.
    pub new: usize,
    /// New, not ready yet.
    pub joining: usize,
    /// Old, waiting to be replaced.
    pub old: usize,
    /// Old and unschedulable, but not being removed.
    pub cordoned: usize,
    /// Old, being drained; includes the blocked ones.
    pub draining: usize,
    /// Draining nodes that a named blocker holds up.
    pub blocked: usize,
    /// New, but being removed.
    pub leaving: usize,
    /// Failed and preserved.
    pub preserved: usize,
    /// Expected in the zone but not visible: machines are invisible until they register as nodes.
    pub missing: usize,
}

impl NodeCounts {
    /// Counts one node; which ones are blocked is not known yet.
    pub fn add(&mut self, node: &NodeRoll) {
        *match node.stage {
            NodeStage::New => &mut self.new,
            NodeStage::Leaving => &mut self.leaving,
            NodeStage::Joining => &mut self.joining,
            NodeStage::Draining => &mut self.draining,
            NodeStage::Cordoned => &mut self.cordoned,
            NodeStage::Old => &mut self.old,
            NodeStage::Preserved => &mut self.preserved,
        } += 1;
    }

    /// Nodes that still have to be replaced.
    pub fn old_left(self) -> usize {
        self.old + self.cordoned + self.draining
    }

    /// Whether nodes still have to be replaced, or new ones are expected.
    pub fn is_unfinished(self) -> bool {
        self.old_left() + self.joining + self.leaving + self.missing > 0
    }

    /// All visible nodes.
    pub fn seen(self) -> usize {
        self.new + self.leaving + self.joining + self.old_left() + self.preserved
    }
}

impl AddAssign for NodeCounts {
    fn add_assign(&mut self, other: Self) {
        self.new += other.new;
        self.joining += other.joining;
        self.old += other.old;
        self.cordoned += other.cordoned;
        self.draining += other.draining;
        self.blocked += other.blocked;
        self.leaving += other.leaving;
        self.preserved += other.preserved;
        self.missing += other.missing;
    }
}

/// "6 of 15 nodes left to replace". Preserved nodes are not counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RollProgress {
    /// After completion without observation from the start: the existing nodes.
    pub goal: RollGoal,
    /// Nodes that still have to be replaced.
    pub old: usize,
    /// Removed old nodes whose replacement is not visible yet.
    pub awaited: usize,
    /// All nodes are new: for the roll according to the phase, for a pool according to its nodes.
    pub done: bool,
}

impl RollProgress {
    /// Progress before the phase confirms that the nodes are done.
    pub fn counted(goal: RollGoal, counts: NodeCounts) -> Self {
        let old = counts.old_left();
        let goal = RollGoal { nodes: goal.nodes.max(old), ..goal };
        let replacements = counts.new + counts.joining + counts.leaving;
        let awaited = (goal.nodes - old).saturating_sub(replacements);
        // Once no node is old, the autoscaler may have shrunk the pool.
        let awaited = if old > 0 { awaited } else { awaited.min(counts.missing) };
        Self { goal, old, awaited, done: false }
    }

    /// Progress after the phase has confirmed it, even if the node list is stale.
    pub fn finished(goal: Option<RollGoal>, counts: NodeCounts) -> Self {
        let nodes = counts.seen() - counts.old_left() - counts.preserved;
        let goal = goal.filter(|goal| !goal.estimated);
        let goal = goal.unwrap_or(RollGoal { nodes, estimated: nodes > 0 });
        Self { goal, old: 0, awaited: 0, done: true }
    }

    /// Nodes that have been replaced.
    pub fn replaced(self) -> usize {
        self.goal.nodes.saturating_sub(self.old + self.awaited)
    }

    /// Replaced share, 0 to 1; exactly 1 only when done, at most 0.99 before.
    pub fn fraction(self) -> f64 {
        if self.done {
            return 1.0;
        }
        let part = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        (part(self.replaced()) / part(self.goal.nodes.max(1))).min(0.99)
    }

    /// The share in percent, rounded down; 100 only when done.
    pub fn percent(self) -> usize {
        if self.done { 100 } else { (self.replaced() * 100 / self.goal.nodes.max(1)).min(99) }
    }
}

impl Sum for RollProgress {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self {
            goal: RollGoal {
                nodes: sum.goal.nodes + one.goal.nodes,
                estimated: sum.goal.estimated || one.goal.estimated,
            },
            old: sum.old + one.old,
            awaited: sum.awaited + one.awaited,
            done: false,
        })
    }
}

/// The nodes of one pool in one zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZoneRoll {
    /// Empty for nodes without a zone label.
    pub name: String,
    /// Surge and unavailable here; `None` if SKE does not list the pool or the zone.
    pub limits: Option<Limits>,
    /// Nodes: new ones first, then by age.
    pub nodes: Vec<NodeRoll>,
    pub counts: NodeCounts,
    /// When a node here last changed its stage, or replacement started, by our clock, if known.
    pub changed: Option<Timestamp>,
}

impl ZoneRoll {
    /// Number of batches that still have to be replaced here.
    pub fn batches(&self) -> usize {
        self.counts.old_left().div_ceil(self.limits.map_or(1, Limits::batch))
    }

    /// Whether the roll is not finished in this zone.
    pub fn is_unfinished(&self) -> bool {
        self.counts.is_unfinished()
    }

    /// Machines of the zone, without those being removed and those added temporarily by the roll.
    pub fn machines(&self) -> usize {
        let counts = self.counts;
        let surge = self.limits.map_or(0, |limits| usize::try_from(limits.surge).unwrap_or(0));
        let in_flight =
            if counts.old_left() > 0 { surge.min(counts.joining + counts.draining) } else { 0 };
        (counts.seen() - counts.leaving).saturating_sub(in_flight)
    }

    /// When a node here last changed its stage, according to the nodes themselves.
    fn last_change(&self) -> Option<Timestamp> {
        let times = |node: &NodeRoll| [node.since.and_then(Since::known), node.created];
        self.nodes.iter().flat_map(times).flatten().max()
    }
}

/// Progress of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolState {
    /// In no roll.
    Settled,
    /// The control plane comes first; no node is being replaced yet.
    NotBegun,
    /// Nodes are being replaced.
    Rolling,
    /// All nodes are new; the phase has not changed yet.
    AllNew,
    /// It has no nodes and needs none; preserved ones do not count.
    Empty,
    /// It should have nodes, but none is visible.
    Missing,
}

/// The nodes of one pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolRoll {
    /// Empty for nodes without a pool.
    pub name: String,
    /// Whether SKE lists the pool; a removed one still has nodes for a while.
    pub known_to_ske: bool,
    pub state: PoolState,
    /// Its nodes are replaced for another reason than the rotation, or again during it.
    pub another: bool,
    /// Zones in SKE's order, then those known only from nodes.
    pub zones: Vec<ZoneRoll>,
    pub counts: NodeCounts,
    /// Share of new nodes.
    pub progress: RollProgress,
    pub estimate: RollEstimate,
    /// Why the counts are estimates; empty if exact.
    pub estimate_reasons: BTreeSet<EstimateReason>,
    /// When the target template was created, by our clock.
    pub template_created: Option<Timestamp>,
    /// Name of the target template.
    pub template: Option<String>,
}

impl PoolState {
    /// Whether the pool is in a roll.
    pub fn is_rolling(self) -> bool {
        match self {
            Self::NotBegun | Self::Rolling | Self::AllNew | Self::Missing => true,
            Self::Settled | Self::Empty => false,
        }
    }

    /// Whether its nodes are being replaced, or the last one just was.
    pub fn has_begun(self) -> bool {
        self.is_rolling() && self != Self::NotBegun
    }
}

impl PoolRoll {
    /// Number of nodes that its roll replaces, judged from one snapshot. If some are new or may be missing during the
    /// roll, others may have been replaced already.
    pub fn estimate_goal(&self) -> RollGoal {
        let (counts, old) = (self.counts, self.counts.old_left());
        let limits = || self.zones.iter().map(|zone| zone.limits);
        let untouched = counts.seen() > 0
            && counts.new + counts.joining + counts.leaving == 0
            && limits().all(|limits| limits.is_some_and(|limits| limits.unavailable == 0));
        if self.state == PoolState::NotBegun || untouched {
            return RollGoal { nodes: old, estimated: false };
        }
        let machines = self.zones.iter().map(ZoneRoll::machines).sum::<usize>() - counts.preserved;
        let sum = |bound: fn(&Limits) -> u32| {
            let bounds = limits().map(|limits| usize::try_from(bound(&limits?)).ok());
            bounds.sum::<Option<usize>>().filter(|_| self.state != PoolState::Empty)
        };
        let nodes = machines.max(sum(|limits| limits.minimum).unwrap_or(0));
        let nodes = nodes.min(sum(|limits| limits.maximum).unwrap_or(usize::MAX)).max(old);
        RollGoal { nodes, estimated: nodes > 0 }
    }

    /// All nodes of the pool.
    pub fn nodes(&self) -> impl Iterator<Item = &NodeRoll> {
        self.zones.iter().flat_map(|zone| &zone.nodes)
    }
}

/// Classifies the nodes of a snapshot, pool by pool: SKE's in its order, then those known only from nodes.
pub fn classify_pools(
    cluster: &Cluster,
    snapshot: &ClusterSnapshot,
    history: &RollHistory,
    clock: ClusterClock,
) -> Vec<PoolRoll> {
    let known: BTreeSet<String> = cluster.pools.iter().map(|pool| pool.name.clone()).collect();
    let mut by_pool: BTreeMap<&str, Vec<&Node>> = BTreeMap::new();
    for node in &snapshot.nodes {
        by_pool.entry(pool_of(node, &snapshot.templates, &known)).or_default().push(node);
    }
    let mut out = Vec::with_capacity(by_pool.len().max(cluster.pools.len()));
    let listed = cluster.pools.iter().map(|pool| (pool.name.as_str(), Some(pool)));
    let mut unlisted: Vec<&str> =
        by_pool.keys().copied().filter(|name| !known.contains(*name)).collect();
    unlisted.sort_by_key(|name| (name.is_empty(), *name));
    for (name, spec) in listed.chain(unlisted.into_iter().map(|name| (name, None))) {
        let nodes = by_pool.remove(name).unwrap_or_default();
        let query = GenerationQuery {
            pool: name,
            nodes: &nodes,
            templates: &snapshot.templates,
            rotation: &cluster.rotation,
            first: history.first_template(name),
        };
        out.push(pool(name, spec, query, history, clock));
    }
    // The control plane comes first for all pools: if one has started, so have those that cannot be read.
    if out.iter().any(|pool| matches!(pool.state, PoolState::Rolling | PoolState::AllNew)) {
        let unread = |pool: &&mut PoolRoll| {
            let unread = pool.known_to_ske && !pool.estimate_reasons.is_empty();
            unread && pool.state == PoolState::NotBegun
        };
        out.iter_mut().filter(unread).for_each(|pool| pool.state = PoolState::Rolling);
    }
    out
}

fn pool(
    name: &str,
    spec: Option<&NodePool>,
    query: GenerationQuery<'_>,
    history: &RollHistory,
    clock: ClusterClock,
) -> PoolRoll {
    let wanted = TargetGeneration::determine(query);
    let compares = query.nodes.iter().any(|node| node.checksum.is_some());
    let zones = zones(spec, query.nodes, |node, zone| {
        let mut seen = NodeRoll::of(node, (name, zone), &wanted, compares, clock);
        let watched = history.since(&seen.uid, seen.stage);
        seen.since = match (seen.since, watched) {
            // It was ready before, and was seen to fail.
            (Some(reported), Some(watched)) if seen.stage == NodeStage::Joining => {
                Some(reported.max(watched))
            }
            (reported, watched) => reported.or(watched),
        };
        if seen.joining_reason == Some(JoiningReason::Configuring)
            && let Some(asked) = history.configured_since(name)
        {
            let born = seen.created.filter(|created| *created > asked.at).map(Since::exact);
            seen.since = Some(born.unwrap_or(asked));
        }
        seen
    });
    let template_created = wanted.created.map(|at| clock.ours(at));
    let mut zones: Vec<ZoneRoll> = zones
        .into_iter()
        .map(|mut zone| {
            let seen = zone.last_change().max(history.change(name, &zone.name));
            // Before its template was created, a zone had nothing to wait for.
            zone.changed = seen.max(template_created);
            zone
        })
        .collect();
    let mut counts = NodeCounts::default();
    for zone in &zones {
        counts += zone.counts;
    }
    let state = state(spec, counts, &wanted, rollout_stage(query.rotation));
    if !matches!(state, PoolState::Rolling | PoolState::Missing) {
        counts.missing = 0;
        for zone in &mut zones {
            zone.counts.missing = 0;
        }
    }
    let mut pool = PoolRoll {
        name: name.to_owned(),
        known_to_ske: spec.is_some(),
        state,
        another: wanted.another,
        zones,
        counts,
        progress: RollProgress::default(),
        estimate: RollEstimate::Idle,
        estimate_reasons: if query.nodes.is_empty() {
            BTreeSet::new()
        } else {
            wanted.estimate_reasons
        },
        template_created,
        template: wanted.name,
    };
    let of_rotation = rollout_stage(query.rotation) == RollStage::Rolling;
    let known = history.goal(name, !of_rotation && pool.another);
    let goal = known.unwrap_or_else(|| pool.estimate_goal());
    pool.progress = match state {
        PoolState::AllNew | PoolState::Empty => {
            RollProgress { done: true, ..RollProgress::counted(goal, counts) }
        }
        PoolState::Settled => RollProgress::finished(known, counts),
        PoolState::NotBegun | PoolState::Rolling | PoolState::Missing => {
            RollProgress::counted(goal, counts)
        }
    };
    pool
}

fn state(
    spec: Option<&NodePool>,
    counts: NodeCounts,
    wanted: &TargetGeneration,
    rollout_stage: RollStage,
) -> PoolState {
    if counts.seen() == 0 {
        return if spec.is_some_and(|pool| pool.minimum > 0) && rollout_stage == RollStage::Rolling {
            PoolState::Missing
        } else {
            PoolState::Empty
        };
    }
    match rollout_stage {
        RollStage::Before | RollStage::After if wanted.another => PoolState::Rolling,
        RollStage::Before | RollStage::After => PoolState::Settled,
        RollStage::Rolling if !wanted.begun => PoolState::NotBegun,
        RollStage::Rolling if counts.is_unfinished() => PoolState::Rolling,
        RollStage::Rolling if counts.new == 0 => PoolState::Empty,
        RollStage::Rolling => PoolState::AllNew,
    }
}

fn zones(
    spec: Option<&NodePool>,
    nodes: &[&Node],
    classify: impl Fn(&Node, &str) -> NodeRoll,
) -> Vec<ZoneRoll> {
    let listed = spec.map(|pool| pool.zones.as_slice()).unwrap_or_default();
    let mut by_zone: BTreeMap<&str, Vec<NodeRoll>> = BTreeMap::new();
    for node in nodes {
        // In a pool with one zone, a node without the label must be in that zone.
        let zone = match listed {
            [only] if node.zone.is_empty() => only,
            _ => &node.zone,
        };
        by_zone.entry(zone).or_default().push(classify(node, zone));
    }
    let zone = |name: &str, limits, nodes| ZoneRoll {
        name: name.to_owned(),
        limits,
        nodes,
        counts: NodeCounts::default(),
        changed: None,
    };
    let mut out: Vec<ZoneRoll> = listed
        .iter()
        .enumerate()
        .map(|(index, name)| {
            let limits = spec.map(|pool| Limits::of(pool, index));
            zone(name, limits, by_zone.remove(name.as_str()).unwrap_or_default())
        })
        .collect();
    let mut unlisted: Vec<(&str, Vec<NodeRoll>)> = by_zone.into_iter().collect();
    unlisted.sort_by_key(|(zone, _)| (zone.is_empty(), *zone));
    // A node in an unknown zone may be the one that another zone seems to miss.
    let all_placed = unlisted.is_empty();
    out.extend(unlisted.into_iter().map(|(name, nodes)| zone(name, None, nodes)));
    for zone in &mut out {
        zone.nodes.sort_by(|a, b| {
            (a.stage, a.created, &a.name, &a.uid).cmp(&(b.stage, b.created, &b.name, &b.uid))
        });
        for node in &zone.nodes {
            zone.counts.add(node);
        }
        if let Some(limits) = zone.limits.filter(|_| all_placed) {
            let least = usize::try_from(limits.minimum).unwrap_or(usize::MAX);
            zone.counts.missing = least.saturating_sub(zone.nodes.len());
        }
    }
    out
}
