//! One observed cluster: its newest snapshot, and its roll.

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

/// One cluster as it was observed in this run.
#[derive(Debug, Clone, Default)]
pub struct ObservedCluster {
    pub tracker: RollTracker,
    /// The newest snapshot.
    pub snapshot: Option<Arc<ClusterSnapshot>>,
    /// When the newest snapshot was last known to hold: when it came, or later, when it ceased to be watched.
    pub seen: Option<Now>,
    /// Whether the newest snapshot is watched, so that it holds now.
    pub live: bool,
    /// Why there is no newer snapshot, and since when that is so.
    pub trouble: Option<(Unavailable, Timestamp)>,
    /// The roll when it was last evaluated.
    pub roll: Option<Roll>,
    /// When the roll was last read, on the monotonic clock.
    pub read: Duration,
    /// Whether a blocked or stalled roll was announced, and its end not yet.
    pub held_announced: bool,
}

/// A roll is evaluated this often without new snapshots, since a stall shows only by time.
const REEVALUATE: Duration = Duration::from_secs(5);

impl ObservedCluster {
    /// When the roll is evaluated next, on the monotonic clock; `None` while the cluster is not observed.
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
        self.held_announced &= cluster.rotation.phase == Phase::Preparing;
    }

    /// Applies an event of the observer; returns whether there is a new snapshot.
    pub fn take_event(&mut self, cluster: &Cluster, event: ObserverEvent, now: Now) -> bool {
        match event {
            ObserverEvent::Unavailable(trouble) => {
                // One outage may have many reasons, one after the other.
                let since = self.trouble.as_ref().map_or(now.wall, |(_, since)| *since);
                self.trouble = Some((trouble, since));
                self.stop_watching(now);
                false
            }
            ObserverEvent::Snapshot(snapshot) => {
                // A blocker may have begun by time alone since the last evaluation, and end with this snapshot.
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

    /// Takes the roll as the tracker read it just now; reads it where the tracker left the snapshot out.
    fn take_roll(&mut self, roll: Option<Roll>, cluster: &Cluster, now: Now) {
        match roll {
            Some(roll) => (self.roll, self.read) = (Some(roll), now.monotonic),
            None => self.evaluate(cluster, now),
        }
    }

    /// Evaluates the roll as of the time at which the snapshot was last known to hold: nodes that are not observed may
    /// have changed since.
    pub fn evaluate(&mut self, cluster: &Cluster, now: Now) {
        self.read = now.monotonic;
        let at = self.as_of(now.wall);
        match &self.snapshot {
            Some(snapshot) if self.live => {
                self.roll = Some(self.tracker.reevaluate(cluster, snapshot, at));
            }
            Some(snapshot) => {
                self.roll = Some(Roll::read(cluster, snapshot, self.tracker.history(), at));
            }
            // The count of the roll that is over stays.
            None if cluster.rotation.phase != Phase::Preparing => {}
            None => self.roll = None,
        }
        if !self.live {
            self.forget_estimate();
        }
    }

    /// The time of the snapshot.
    pub fn as_of(&self, now: Timestamp) -> Timestamp {
        self.seen.filter(|_| !self.live).map_or(now, |seen| seen.wall)
    }

    /// The clock was set back to `now`: no recorded time is later.
    pub fn rewind(&mut self, now: Timestamp) {
        self.tracker.rewind(now);
        if let Some((_, since)) = &mut self.trouble {
            *since = now.min(*since);
        }
        if let Some(seen) = &mut self.seen {
            seen.wall = now.min(seen.wall);
        }
    }

    /// The snapshot is no longer watched: its estimates no longer hold.
    pub fn stop_watching(&mut self, now: Now) {
        if std::mem::take(&mut self.live) {
            self.seen = Some(now);
        }
        self.forget_estimate();
    }

    fn forget_estimate(&mut self) {
        let prepared = self.tracker.prepared_at();
        let held_then = prepared.zip(self.seen).is_some_and(|(at, seen)| seen.wall >= at);
        let Some(roll) = &mut self.roll else { return };
        // SKE says that all nodes are new, and the snapshot is from before that: it does not show how many they are.
        let done = roll.rotation.is_some_and(|progress| progress.done);
        if done && roll.counts.old_left() > 0 && !held_then {
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

    /// How far the roll was when it was last evaluated.
    pub fn progress(&self) -> Option<RollProgress> {
        self.roll.as_ref()?.progress()
    }

    /// Whether the roll is stalled or has a blocker.
    pub fn is_held(&self) -> bool {
        self.roll.as_ref().is_some_and(|roll| {
            matches!(roll.estimate, RollEstimate::Stalled { .. })
                || roll.counts.blocked > 0
                || roll.worst().is_some_and(Blocker::stops)
        })
    }
}
