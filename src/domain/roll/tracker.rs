//! Tracks a roll over time: removed nodes, durations of steps, time of the last change, and the timeline.
//!
//! It covers one rotation of one cluster and resets when SKE reports another start. Snapshots older than the newest one
//! are ignored; older readings of SKE are dropped by the caller.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::{SignedDuration, Timestamp};

use crate::domain::cluster::{Cluster, is_same_creation};
use crate::domain::roll::Roll;
use crate::domain::roll::blocker::context::is_drained;
use crate::domain::roll::blocker::webhooks::find_unanswered;
use crate::domain::roll::blocker::{Blocker, BlockerCause};
use crate::domain::roll::classify::{JoiningReason, NodeRoll, NodeStage, Since};
use crate::domain::roll::clock_skew::ClusterClock;
use crate::domain::roll::durations::{LONGEST_DRAIN, LONGEST_JOIN};
use crate::domain::roll::generation::{EstimateReason, RollStage, rollout_stage};
use crate::domain::roll::history::{NodeBlock, NodeHistory, RollGoal, RollHistory};
use crate::domain::roll::progress::{PoolRoll, PoolState, RollProgress, classify_pools};
use crate::domain::roll::regression::{find_cause, has_regressed};
use crate::domain::roll::timeline::{RegressionCause, Timeline, TimelineEvent};
use crate::domain::rotation::Phase;
use crate::domain::snapshot::{ClusterSnapshot, Templates};

/// Snapshots less than this apart tell when something happened.
const CLOSE: SignedDuration = SignedDuration::from_mins(2);
/// Maximum removed nodes that are remembered, since they may reappear.
const MAX_GONE: usize = 256;

#[derive(Debug, Clone, PartialEq, Eq)]
struct RotationId {
    created: Option<Timestamp>,
    initiated: Option<Timestamp>,
}

/// The observed roll of one rotation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RollTracker {
    rotation: Option<RotationId>,
    phase: Option<Phase>,
    last: Option<Timestamp>,
    history: RollHistory,
    gone: VecDeque<String>,
    timeline: Timeline,
    begun: BTreeSet<String>,
    another: BTreeSet<String>,
    estimate_reasons: BTreeMap<String, BTreeSet<EstimateReason>>,
    progress: (Option<RollProgress>, Option<RollProgress>),
    prepared_at: Option<Timestamp>,
}

impl RollTracker {
    /// Applies a snapshot as of `at` (our clock) with the newest reading of SKE, and evaluates the roll. `None` if it
    /// is ignored because a newer one is known.
    pub fn observe(
        &mut self,
        cluster: &Cluster,
        snapshot: &ClusterSnapshot,
        at: Timestamp,
    ) -> Option<Roll> {
        if self.last.is_some_and(|last| at < last) {
            return None;
        }
        self.reset_for(cluster);
        let clock = ClusterClock::new(at, snapshot.skew_seconds);
        self.note_phase(cluster, clock);
        let watched = self.was_close(clock);
        if !watched {
            self.history.begin_watch();
        }
        self.history.note_problems(&cluster.problems, at, !watched);
        self.history.note_unread(snapshot, at, !watched);
        let unread = snapshot.templates == Templates::Unread;
        let roll = if unread || snapshot.is_blind_to("nodes") {
            Roll::evaluate(cluster, snapshot, &self.history, at)
        } else {
            self.note_nodes(cluster, snapshot, clock)
        };
        self.last = Some(at);
        Some(roll)
    }

    /// The last snapshot is still current at `at` (our clock): it was confirmed that nothing changed.
    pub fn still_holds(&mut self, at: Timestamp) {
        self.last = self.last.max(Some(at));
    }

    /// Evaluates the last snapshot again as of `at` (our clock): nothing changed, but a blocker may begin or end merely
    /// by elapsed time.
    pub fn reevaluate(
        &mut self,
        cluster: &Cluster,
        snapshot: &ClusterSnapshot,
        at: Timestamp,
    ) -> Roll {
        self.still_holds(at);
        let roll = Roll::evaluate(cluster, snapshot, &self.history, at);
        if snapshot.templates != Templates::Unread && !snapshot.is_blind_to("nodes") {
            let clock = ClusterClock::new(at, snapshot.skew_seconds);
            self.note_blocks(&roll, snapshot.tells_drains(), clock);
        }
        roll
    }

    /// The clock was set back to `now`: clamps recorded times. The timeline does not change.
    pub fn clamp_times(&mut self, now: Timestamp) {
        for time in [&mut self.last, &mut self.prepared_at] {
            *time = time.map(|at| at.min(now));
        }
        self.history.clamp_times(now);
    }

    /// Facts from earlier snapshots.
    pub fn history(&self) -> &RollHistory {
        &self.history
    }

    /// The events so far.
    pub fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    /// When PREPARED was seen to begin; `None` if it began before the watch.
    pub fn prepared_at(&self) -> Option<Timestamp> {
        self.prepared_at
    }

    /// Resets if the reading is of another rotation than the tracked one.
    fn reset_for(&mut self, cluster: &Cluster) {
        let mut initiated = cluster.rotation.initiated;
        // A reading may lack the start.
        if cluster.rotation.phase != Phase::Never {
            initiated = initiated.or_else(|| self.rotation.as_ref()?.initiated);
        }
        let seen = RotationId { created: cluster.created, initiated };
        let is_same = |known: &RotationId| {
            is_same_creation(known.created, seen.created) && known.initiated == seen.initiated
        };
        // The next rotation may show by its phase before its time does.
        let restarts = matches!(self.phase, Some(Phase::Never | Phase::Completed))
            && cluster.rotation.phase == Phase::Preparing
            && !cluster.rotation.is_clear();
        if restarts || !self.rotation.as_ref().is_some_and(is_same) {
            *self = Self::default();
        }
        // The creation time may become known later.
        self.rotation = Some(seen);
    }

    fn note_phase(&mut self, cluster: &Cluster, clock: ClusterClock) {
        let phase = &cluster.rotation.phase;
        match self.phase.replace(phase.clone()) {
            Some(known) if known == *phase => {}
            Some(_) => {
                self.timeline.add(clock.now(), TimelineEvent::Phase(phase.clone()));
                match phase {
                    Phase::Prepared => self.prepared_at = Some(clock.now()),
                    Phase::Never | Phase::Preparing => self.prepared_at = None,
                    Phase::Completing | Phase::Completed | Phase::Unknown(_) => {}
                }
            }
            None => {
                if let Some(started) = cluster.rotation.start() {
                    let what = TimelineEvent::Phase(Phase::Preparing);
                    self.timeline.add(clock.ours(started), what);
                }
            }
        }
    }

    fn note_nodes(
        &mut self,
        cluster: &Cluster,
        snapshot: &ClusterSnapshot,
        clock: ClusterClock,
    ) -> Roll {
        for pool in self.history.note_templates(&snapshot.templates, clock.now()) {
            self.timeline.add(clock.now(), TimelineEvent::Reconfigured { pool });
        }
        let seen = classify_pools(cluster, snapshot, &self.history, clock);
        let first = self.history.watched_since.is_none();
        let stage = rollout_stage(&cluster.rotation);
        let mut causes = self.note_pools(&seen, stage, clock);
        let mut before = std::mem::take(&mut self.history.nodes);
        for pool in &seen {
            for node in pool.nodes() {
                let track = before.remove(&node.uid);
                self.note_node(pool, node, track, first, clock, &mut causes);
            }
        }
        let had_no_gap = !first && self.was_close(clock);
        self.note_goals(&seen, stage, had_no_gap);
        let rolling: BTreeSet<&str> = seen
            .iter()
            .filter(|pool| pool.state.has_begun())
            .map(|pool| pool.name.as_str())
            .collect();
        for (uid, track) in before {
            let is_shown = rolling.contains(track.pool.as_str());
            self.note_gone(uid, track, is_shown, clock);
        }
        let draining = seen.iter().flat_map(PoolRoll::nodes).filter(|node| is_drained(node));
        self.history.note_turns(draining, snapshot, clock.now());
        if !snapshot.is_blind_to("poddisruptionbudgets") {
            self.history.note_budgets(&snapshot.budgets, clock.now());
        }
        if let Some(unanswered) = find_unanswered(snapshot) {
            let services = unanswered.into_iter().map(|webhook| webhook.service);
            self.history.note_services(services, clock.now());
        }
        if first {
            self.history.watched_since = Some(clock.now());
        }
        let zones: BTreeSet<(&str, &str)> = seen
            .iter()
            .flat_map(|pool| pool.zones.iter().map(|zone| (pool.name.as_str(), zone.name.as_str())))
            .collect();
        self.history
            .changes
            .retain(|(pool, zone), _| zones.contains(&(pool.as_str(), zone.as_str())));
        let roll = Roll::evaluate(cluster, snapshot, &self.history, clock.now());
        self.note_blocks(&roll, snapshot.tells_drains(), clock);
        self.notice_figures(&roll, clock, causes);
        roll
    }

    fn note_pools(
        &mut self,
        seen: &[PoolRoll],
        rollout_stage: RollStage,
        clock: ClusterClock,
    ) -> Vec<RegressionCause> {
        let mut causes = Vec::new();
        for pool in seen {
            let has_begun = pool.state.has_begun() && pool.state != PoolState::Missing;
            if has_begun && rollout_stage == RollStage::Rolling {
                if !self.begun.contains(&pool.name) {
                    let at = pool.template_created.unwrap_or(clock.now());
                    self.timeline.add(at, TimelineEvent::NodesBegan { pool: pool.name.clone() });
                    self.begun.insert(pool.name.clone());
                }
                if let Some(template) = pool.template.as_ref().filter(|_| !pool.another)
                    && pool.template_created.is_some()
                {
                    let known = &mut self.history.first_templates;
                    known.entry(pool.name.clone()).or_insert_with(|| template.clone());
                }
            }
            if pool.another && self.another.insert(pool.name.clone()) {
                let at = pool.template_created.unwrap_or(clock.now());
                self.timeline.add(at, TimelineEvent::AnotherRoll { pool: pool.name.clone() });
                causes.push(RegressionCause::AnotherRoll(pool.name.clone()));
                let other = rollout_stage != RollStage::Rolling;
                self.history.goals.remove(&(pool.name.clone(), other));
            } else if !pool.another {
                self.another.remove(&pool.name);
            }
            let known =
                self.estimate_reasons.insert(pool.name.clone(), pool.estimate_reasons.clone());
            if known.is_some_and(|known| known != pool.estimate_reasons) {
                causes.push(RegressionCause::OtherTemplate(pool.name.clone()));
            }
        }
        let names: BTreeSet<&str> = seen.iter().map(|pool| pool.name.as_str()).collect();
        for (pool, _) in self.history.goals.keys().filter(|(pool, _)| !names.contains(&**pool)) {
            causes.push(RegressionCause::PoolRemoved(pool.clone()));
        }
        self.history.goals.retain(|(pool, _), _| names.contains(pool.as_str()));
        self.estimate_reasons.retain(|pool, _| names.contains(pool.as_str()));
        self.begun.retain(|pool| names.contains(pool.as_str()));
        self.another.retain(|pool| names.contains(pool.as_str()));
        if self.another.is_empty() {
            self.history.others.clear();
        }
        self.history.others.extend(self.another.iter().cloned());
        causes
    }

    /// Records how many nodes a pool's roll replaces: before replacement starts, the existing ones; nodes replaced
    /// before observation are estimated.
    fn note_goals(&mut self, seen: &[PoolRoll], stage: RollStage, had_no_gap: bool) {
        for pool in seen {
            let is_rotation = stage == RollStage::Rolling;
            // A pool that was in another roll is displayed with it to the end.
            let is_other = pool.another || self.history.others.contains(&pool.name);
            if !(is_rotation && pool.state.is_rolling() || is_other) {
                continue;
            }
            // If the roll was observed from its start, new nodes are not part of it: the autoscaler added them.
            let goal = if had_no_gap {
                RollGoal { nodes: pool.counts.old_left(), estimated: false }
            } else {
                pool.estimate_goal()
            };
            let waits = pool.state == PoolState::NotBegun && !self.begun.contains(&pool.name);
            let known = self.history.goals.entry((pool.name.clone(), !is_rotation));
            let known = known.or_insert(goal);
            if waits {
                *known = goal;
            }
            known.nodes = known.nodes.max(pool.counts.old_left());
        }
    }

    fn note_node(
        &mut self,
        pool: &PoolRoll,
        node: &NodeRoll,
        track: Option<NodeHistory>,
        first: bool,
        clock: ClusterClock,
        causes: &mut Vec<RegressionCause>,
    ) {
        let before = track.as_ref().map(|track| track.stage);
        let reconfigured = track.as_ref().is_some_and(|track| track.reconfigures);
        let reconfigures = node.joining_reason == Some(JoiningReason::Configuring)
            && (reconfigured || before == Some(NodeStage::New));
        let returned = track.is_none() && self.forget_gone(&node.uid);
        let since = match &track {
            Some(track) if track.stage == node.stage => track.since,
            Some(_) => Since::exact(clock.now()),
            None if first || returned => node.since.unwrap_or(Since::at_least(clock.now())),
            None => node.since.unwrap_or(Since::exact(clock.now())),
        };
        if before != Some(node.stage) {
            if !first {
                let zone = (node.pool.clone(), node.zone.clone());
                self.history.changes.insert(zone, clock.now());
            }
            // The pool's entry covers all of its nodes.
            let quiet = reconfigures || reconfigured && node.stage == NodeStage::New;
            let took =
                if quiet { None } else { self.measure_join(pool, node, before, first, clock) };
            if !(returned || quiet) {
                self.add_stage_change(pool, node, before, first, took, clock);
            }
            let cause = find_cause(pool, node, before, first);
            if let Some(RegressionCause::OldNodeAdded(_) | RegressionCause::NodeCountsAgain(_)) =
                cause
                && !returned
                && self.begun.contains(&pool.name)
            {
                // Applies to the newest roll, since only that one has old nodes.
                let goals = self.history.goals.iter_mut().rev();
                let of_pool = goals.filter(|((name, _), _)| *name == pool.name);
                of_pool.take(1).for_each(|(_, goal)| goal.nodes += 1);
            }
            causes.extend(cause);
        }
        let drain_began = match node.stage {
            NodeStage::Draining | NodeStage::Leaving => Some(node.since.unwrap_or(since).at),
            NodeStage::New
            | NodeStage::Joining
            | NodeStage::Cordoned
            | NodeStage::Old
            | NodeStage::Preserved => None,
        };
        self.history.nodes.insert(
            node.uid.clone(),
            NodeHistory {
                stage: node.stage,
                since,
                reconfigures,
                drain_began,
                short: node.short.clone(),
                pool: node.pool.clone(),
                zone: node.zone.clone(),
            },
        );
    }

    /// Uids are never reused: a reappearing one means that the list in between was incomplete.
    fn forget_gone(&mut self, uid: &str) -> bool {
        let Some(place) = self.gone.iter().position(|gone| gone == uid) else { return false };
        self.gone.remove(place);
        true
    }

    /// Whether the last snapshot is so recent that changes since then happened now.
    fn was_close(&self, clock: ClusterClock) -> bool {
        self.last.is_some_and(|last| clock.now().duration_since(last) < CLOSE)
    }

    fn measure_join(
        &mut self,
        pool: &PoolRoll,
        node: &NodeRoll,
        before: Option<NodeStage>,
        first: bool,
        clock: ClusterClock,
    ) -> Option<SignedDuration> {
        if node.stage != NodeStage::New || !pool.state.has_begun() {
            return None;
        }
        let created = node.created?;
        let reported = node.since.and_then(Since::known);
        let close = self.was_close(clock);
        // System pods start after the kubelet: if the change itself was observed, that time is more accurate.
        let watched =
            (!first && before == Some(NodeStage::Joining) && close).then_some(clock.now());
        let took = watched.or(reported)?.duration_since(created);
        (took > SignedDuration::ZERO && took <= LONGEST_JOIN).then_some(took)
    }

    /// Adds a node's stage change to the timeline. Changes before the watch are added with the cluster's own time, or
    /// not at all.
    fn add_stage_change(
        &mut self,
        pool: &PoolRoll,
        node: &NodeRoll,
        before: Option<NodeStage>,
        first: bool,
        took: Option<SignedDuration>,
        clock: ClusterClock,
    ) {
        if !pool.state.has_begun() {
            return;
        }
        let reported = node.since.and_then(Since::known);
        let Some(at) = (if first { reported } else { reported.or(Some(clock.now())) }) else {
            return;
        };
        let name = node.short.clone();
        let what = match (node.stage, before) {
            (NodeStage::New, _) => TimelineEvent::Ready { node: name, took },
            (NodeStage::Joining, Some(NodeStage::New)) => TimelineEvent::NotReady { node: name },
            (NodeStage::Joining, _) => TimelineEvent::Joining { node: name },
            (NodeStage::Draining, _) => TimelineEvent::Draining { node: name },
            (NodeStage::Cordoned, _) => TimelineEvent::Cordoned { node: name },
            (NodeStage::Leaving, _) => TimelineEvent::Leaving { node: name },
            (NodeStage::Old | NodeStage::Preserved, _) => return,
        };
        // A node that fails again did so now, whenever it was created.
        let at = if matches!(what, TimelineEvent::NotReady { .. }) { clock.now() } else { at };
        self.timeline.add(at, what);
    }

    fn note_gone(&mut self, uid: String, track: NodeHistory, is_shown: bool, clock: ClusterClock) {
        if self.gone.len() == MAX_GONE {
            self.gone.pop_front();
        }
        // Otherwise it may have been removed at any time since the last snapshot.
        let took = track
            .drain_began
            .filter(|_| self.was_close(clock))
            .map(|began| clock.now().duration_since(began))
            .filter(|took| !took.is_negative() && *took <= LONGEST_DRAIN);
        self.history.changes.insert((track.pool, track.zone), clock.now());
        if is_shown {
            self.timeline.add(clock.now(), TimelineEvent::Gone { node: track.short, took });
        }
        self.gone.push_back(uid);
    }

    /// Whether nodes were blocked when that was last known.
    pub fn has_blocked(&self) -> bool {
        !self.history.blocked.is_empty()
    }

    fn note_blocks(&mut self, roll: &Roll, known: bool, clock: ClusterClock) {
        let mut before = std::mem::take(&mut self.history.blocked);
        for node in roll.nodes().filter(|node| node.blocked) {
            // If there are very many blockers, not all are listed.
            let by = || roll.blockers_of(node).filter(|blocker| blocker.blocks_drain());
            let known = before.remove(&node.uid);
            if let (None, Some(by)) = (&known, by().find_map(Blocker::object)) {
                let what = TimelineEvent::Blocked { node: node.short.clone(), by };
                self.timeline.add(clock.now(), what);
            }
            let since = node.blocked_since.unwrap_or(Since::exact(clock.now()));
            let since = known.map_or(since, |known| known.since);
            let budgets = by().filter_map(|blocker| {
                let BlockerCause::Pdb(block) = &blocker.cause else { return None };
                Some((block.budget.clone(), blocker.since?))
            });
            let block = NodeBlock { since, budgets: budgets.collect(), short: node.short.clone() };
            self.history.blocked.insert(node.uid.clone(), block);
        }
        for (uid, block) in before {
            let Some(track) = self.history.nodes.get(&uid) else { continue };
            if !known && track.stage == NodeStage::Draining {
                self.history.blocked.insert(uid, block);
            } else {
                // A new wait begins here.
                let zone = (track.pool.clone(), track.zone.clone());
                self.history.changes.insert(zone, clock.now());
                let what = TimelineEvent::Unblocked { node: block.short };
                self.timeline.add(clock.now(), what);
            }
        }
    }

    fn notice_figures(&mut self, roll: &Roll, clock: ClusterClock, causes: Vec<RegressionCause>) {
        let now = (roll.rotation, roll.another);
        for (before, after) in [(self.progress.0, now.0), (self.progress.1, now.1)] {
            if let (Some(before), Some(after)) = (before, after)
                && has_regressed(before, after)
            {
                let mut causes = causes.clone();
                if before.done {
                    causes.insert(0, RegressionCause::Phase);
                } else if causes.is_empty() {
                    causes.push(RegressionCause::FewerNewNodes);
                }
                self.timeline.add_regression(clock.now(), before, after, causes);
            }
        }
        self.progress = now;
    }
}
