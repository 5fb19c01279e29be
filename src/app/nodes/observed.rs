//! An observed cluster: its latest snapshot, and its roll.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::app::now::Now;
use crate::domain::cluster::Cluster;
use crate::domain::roll::Roll;
use crate::domain::roll::blocker::Blocker;
use crate::domain::roll::durations::RollEstimate;
use crate::domain::roll::progress::RollProgress;
use crate::domain::roll::tracker::RollTracker;
use crate::domain::rotation::Phase;
use crate::domain::snapshot::{ClusterSnapshot, ObserverEvent, Unavailable};

/// A cluster as observed in this run.
#[derive(Debug, Clone, Default)]
pub struct ObservedCluster {
    pub tracker: RollTracker,
    pub snapshot: Option<Arc<ClusterSnapshot>>,
    /// When the latest snapshot was last known to be current: on arrival or, later, when watching it stopped.
    pub seen: Option<Now>,
    /// Whether the snapshot is being watched, and so is current.
    pub live: bool,
    /// Why there is no current snapshot, and since when.
    pub trouble: Option<(Unavailable, Timestamp)>,
    /// The roll as last evaluated.
    pub roll: Option<Roll>,
    /// When the roll was last evaluated (monotonic clock).
    pub read: Duration,
    /// Whether a blocked or stalled roll was announced, but not its end.
    pub blocked_announced: bool,
}

/// Interval of evaluations without new snapshots, since a stall only shows over time.
const REEVALUATE: Duration = Duration::from_secs(5);

impl ObservedCluster {
    /// When the next evaluation is due (monotonic clock); `None` while the cluster is not observed.
    pub fn next_evaluation(&self) -> Option<Duration> {
        self.live.then(|| self.read.saturating_add(REEVALUATE))
    }

    /// Whether the next evaluation is due.
    pub fn is_due(&self, now: Now) -> bool {
        self.next_evaluation().is_some_and(|at| at <= now.monotonic)
    }

    /// Applies a reading of SKE and evaluates the roll.
    pub fn take_reading(&mut self, cluster: &Cluster, now: Now) {
        let snapshot = self.snapshot.clone().filter(|_| self.live);
        let roll = snapshot.and_then(|snapshot| self.tracker.observe(cluster, &snapshot, now.wall));
        self.take_roll(roll, cluster, now);
        self.blocked_announced &= cluster.rotation.phase == Phase::Preparing;
    }

    /// Applies an event of the observer; returns whether there is a new snapshot.
    pub fn take_event(&mut self, cluster: &Cluster, event: ObserverEvent, now: Now) -> bool {
        match event {
            ObserverEvent::Unavailable(trouble) => {
                // One outage may have several successive reasons.
                let since = self.trouble.as_ref().map_or(now.wall, |(_, since)| *since);
                self.trouble = Some((trouble, since));
                self.stop_watching(now);
                false
            }
            ObserverEvent::Snapshot(snapshot) => {
                // Time alone may have started a blocker since the last evaluation, which this snapshot ends.
                if self.live && self.roll.as_ref().is_some_and(|roll| roll.counts.draining > 0) {
                    self.evaluate(cluster, now);
                }
                let roll = self.tracker.observe(cluster, &snapshot, now.wall);
                self.snapshot = Some(snapshot);
                self.seen = Some(now);
                self.live = true;
                self.trouble = None;
                self.take_roll(roll, cluster, now);
                true
            }
        }
    }

    /// Stores the roll if the tracker just evaluated it; evaluates it if the tracker skipped the snapshot.
    fn take_roll(&mut self, roll: Option<Roll>, cluster: &Cluster, now: Now) {
        match roll {
            Some(roll) => (self.roll, self.read) = (Some(roll), now.monotonic),
            None => self.evaluate(cluster, now),
        }
    }

    /// Evaluates the roll as of when the snapshot was last current: unobserved nodes may have changed since.
    pub fn evaluate(&mut self, cluster: &Cluster, now: Now) {
        self.read = now.monotonic;
        let at = self.as_of(now.wall);
        match &self.snapshot {
            Some(snapshot) if self.live => {
                self.roll = Some(self.tracker.reevaluate(cluster, snapshot, at));
            }
            Some(snapshot) => {
                self.roll = Some(Roll::evaluate(cluster, snapshot, self.tracker.history(), at));
            }
            // Keeps the counts of a finished roll.
            None if cluster.rotation.phase != Phase::Preparing => {}
            None => self.roll = None,
        }
        if !self.live {
            self.forget_estimate();
        }
    }

    /// The time to evaluate at: now while live, otherwise when the snapshot was last current.
    pub fn as_of(&self, now: Timestamp) -> Timestamp {
        self.seen.filter(|_| !self.live).map_or(now, |seen| seen.wall)
    }

    /// The clock was set back to `now`: clamps recorded times to it.
    pub fn clamp_times(&mut self, now: Timestamp) {
        self.tracker.clamp_times(now);
        if let Some((_, since)) = &mut self.trouble {
            *since = now.min(*since);
        }
        if let Some(seen) = &mut self.seen {
            seen.wall = now.min(seen.wall);
        }
    }

    /// The snapshot is no longer watched: drops its estimates.
    pub fn stop_watching(&mut self, now: Now) {
        if std::mem::take(&mut self.live) {
            self.seen = Some(now);
        }
        self.forget_estimate();
    }

    fn forget_estimate(&mut self) {
        let prepared = self.tracker.prepared_at();
        let was_observed = prepared.zip(self.seen).is_some_and(|(at, seen)| seen.wall >= at);
        let Some(roll) = &mut self.roll else { return };
        // SKE reports all nodes as new, but the snapshot is older: it does not show how many there are.
        let done = roll.rotation.is_some_and(|progress| progress.done);
        if done && roll.counts.old_left() > 0 && !was_observed {
            roll.rotation = None;
        }
        if matches!(
            roll.estimate,
            RollEstimate::Remaining { .. }
                | RollEstimate::NodesMissing
                | RollEstimate::Stalled { .. }
        ) {
            roll.estimate = RollEstimate::Unknown;
            for pool in &mut roll.pools {
                pool.estimate = RollEstimate::Idle;
            }
        }
    }

    /// Progress of the roll at the last evaluation.
    pub fn progress(&self) -> Option<RollProgress> {
        self.roll.as_ref()?.progress()
    }

    /// Whether the roll is stalled or has a blocker.
    pub fn is_blocked(&self) -> bool {
        self.roll.as_ref().is_some_and(|roll| {
            matches!(roll.estimate, RollEstimate::Stalled { .. })
                || roll.counts.blocked > 0
                || roll.worst().is_some_and(Blocker::stops)
        })
    }
}
