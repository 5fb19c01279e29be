//! What is seen of clusters through their own Kubernetes API, and which of them are looked at.
//!
//! Looking at a cluster costs an admin kubeconfig of ten minutes, so that only those are looked at that somebody
//! needs: the one on screen while its nodes matter, and those whose nodes roll, up to a bound.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::app::dialog::Dialog;
use crate::app::message::Now;
use crate::app::requests::RequestId;
use crate::app::settings::ObservationScope;
use crate::app::state::{Screen, State, Tab};
use crate::domain::age::{long, since};
use crate::domain::cluster::{Cluster, ClusterId};
use crate::domain::roll::blocker::Blocker;
use crate::domain::roll::eta::RollEstimate;
use crate::domain::roll::history::RollHistory;
use crate::domain::roll::{Roll, format};
use crate::domain::rotation::{Phase, Step};
use crate::domain::snapshot::{ClusterSnapshot, ObserverEvent, Unavailable};

/// A cluster that nobody needs any more is looked at for this much longer, so that going back and forth asks for
/// no further kubeconfig.
pub const LINGER: Duration = Duration::from_secs(45);

/// One cluster as it was looked at in this run.
#[derive(Debug, Clone, Default)]
pub struct ObservedCluster {
    /// What was watched.
    pub history: RollHistory,
    /// The newest snapshot.
    pub snapshot: Option<Arc<ClusterSnapshot>>,
    /// When the newest snapshot was last known to hold: when it came, or later, when it ceased to be watched.
    pub seen: Option<Now>,
    /// Whether the newest snapshot is watched, so that it holds now.
    pub live: bool,
    /// Why there is no newer snapshot, and since when that is so.
    pub trouble: Option<(Unavailable, Timestamp)>,
    /// How the roll stood when it was last read.
    pub roll: Option<Roll>,
    /// When the roll was last read, on the monotonic clock.
    pub read: Duration,
    /// Whether it was told that something holds the roll up, and not yet that it goes on.
    pub told_held: bool,
}

/// A roll is read anew this often while nothing comes, since a standstill is told by time alone.
const READ_ANEW: Duration = Duration::from_secs(5);

impl ObservedCluster {
    /// When the roll is to be read anew, on the monotonic clock; `None` while nothing is seen.
    pub fn read_anew_at(&self) -> Option<Duration> {
        self.live.then(|| self.read.saturating_add(READ_ANEW))
    }

    /// Whether that moment has come.
    pub fn is_to_be_read_anew(&self, now: Now) -> bool {
        self.read_anew_at().is_some_and(|at| at <= now.monotonic)
    }

    /// SKE showed the cluster: the roll is read in its light.
    pub fn reading(&mut self, cluster: &Cluster, now: Now) {
        let snapshot = self.snapshot.clone().filter(|_| self.live);
        let roll = snapshot.and_then(|snapshot| self.history.observe(cluster, &snapshot, now.wall));
        self.take_roll(roll, cluster, now);
        self.told_held &= cluster.rotation.phase == Phase::Preparing;
    }

    /// Somebody looked at the cluster; whether there is a new snapshot.
    pub fn sighted(&mut self, cluster: &Cluster, sighting: ObserverEvent, now: Now) -> bool {
        match sighting {
            ObserverEvent::Unavailable(trouble) => {
                // One outage may have many reasons, one after the other.
                let since = self.trouble.as_ref().map_or(now.wall, |(_, since)| *since);
                self.trouble = Some((trouble, since));
                self.lose_sight(now);
                false
            }
            ObserverEvent::Snapshot(snapshot) => {
                let roll = self.history.observe(cluster, &snapshot, now.wall);
                self.snapshot = Some(snapshot);
                self.seen = Some(now);
                self.live = true;
                self.trouble = None;
                self.take_roll(roll, cluster, now);
                true
            }
        }
    }

    /// Takes the roll as the history read it just now; reads it where the history left the snapshot out.
    fn take_roll(&mut self, roll: Option<Roll>, cluster: &Cluster, now: Now) {
        match roll {
            Some(roll) => (self.roll, self.read) = (Some(roll), now.monotonic),
            None => self.read_roll(cluster, now),
        }
    }

    /// Reads the roll anew, as of the moment at which the snapshot was last known to hold: nobody knows what has become
    /// of nodes that are not seen, least of all that they stand still.
    pub fn read_roll(&mut self, cluster: &Cluster, now: Now) {
        self.read = now.monotonic;
        let at = self.as_of(now.wall);
        if self.live {
            self.history.still_holds(at);
        }
        match &self.snapshot {
            Some(snapshot) => self.roll = Some(Roll::read(cluster, snapshot, &self.history, at)),
            // The count of the roll that is over stays.
            None if cluster.rotation.phase != Phase::Preparing => {}
            None => self.roll = None,
        }
        if !self.live {
            self.forget_outlook();
        }
    }

    /// The moment of which the snapshot is.
    pub fn as_of(&self, now: Timestamp) -> Timestamp {
        self.seen.filter(|_| !self.live).map_or(now, |seen| seen.wall)
    }

    /// The clock was set back to `now`: no remembered moment lies ahead of it any more.
    pub fn rewind(&mut self, now: Timestamp) {
        self.history.rewind(now);
        if let Some((_, since)) = &mut self.trouble {
            *since = now.min(*since);
        }
        if let Some(seen) = &mut self.seen {
            seen.wall = now.min(seen.wall);
        }
    }

    /// Nobody looks, and nothing rolls: the snapshot, which may be large, is let go.
    pub fn let_go(&mut self) {
        self.snapshot = None;
    }

    /// The snapshot is not watched any more: what it said of now and of later no longer holds.
    pub fn lose_sight(&mut self, now: Now) {
        if std::mem::take(&mut self.live) {
            self.seen = Some(now);
        }
        self.forget_outlook();
    }

    fn forget_outlook(&mut self) {
        let prepared = self.history.prepared_at();
        let held_then = prepared.zip(self.seen).is_some_and(|(at, seen)| seen.wall >= at);
        let Some(roll) = &mut self.roll else { return };
        // SKE says that all nodes are new, and the snapshot is from before that: it does not tell how many they are.
        let done = roll.rotation.is_some_and(|figure| figure.done);
        if done && roll.counts.old_left() > 0 && !held_then {
            roll.rotation = None;
        }
        if matches!(
            roll.outlook,
            RollEstimate::Left { .. } | RollEstimate::Early | RollEstimate::Stalled { .. }
        ) {
            roll.outlook = RollEstimate::Unknown;
            for pool in &mut roll.pools {
                pool.outlook = RollEstimate::Idle;
            }
        }
    }

    /// Whether the roll stands still or something is named that holds it up.
    pub fn is_held(&self) -> bool {
        self.roll.as_ref().is_some_and(|roll| {
            matches!(roll.outlook, RollEstimate::Stalled { .. })
                || roll.counts.blocked > 0
                || roll.worst().is_some_and(Blocker::stops)
        })
    }
}

/// A cluster that is looked at now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observation {
    /// Its number: what others saw before it does not count.
    pub number: RequestId,
    /// When the last one who needed it went away, on the monotonic clock; `None` while it is needed.
    pub left: Option<Duration>,
    /// Whether a person agreed that asking for a kubeconfig switches static tokens off.
    pub agreed: bool,
}

/// The clusters that should be looked at, the most needed first, within the bound; and how many of them, from the first
/// on, somebody asked for.
pub fn wanted(state: &State) -> (Vec<ClusterId>, usize) {
    if state.settings.read_only || state.settings.watch == ObservationScope::Never {
        // Asking for a kubeconfig is a request that changes something.
        return (Vec::new(), 0);
    }
    let limit = state.settings.watch_limit;
    let mut found: Vec<ClusterId> = Vec::new();
    let take = |found: &mut Vec<ClusterId>, ids: &mut dyn Iterator<Item = &ClusterId>| {
        for id in ids {
            if found.len() >= limit {
                break;
            }
            let listed = state.fleet.entries.get(id).is_some_and(|entry| entry.gone.is_none());
            if listed && !found.contains(id) {
                found.push(id.clone());
            }
        }
    };
    take(&mut found, &mut on_screen(state).iter());
    take(&mut found, &mut state.watched.iter().filter(|id| rolls(state, id)));
    let asked_for = found.len();
    if state.settings.watch == ObservationScope::Running {
        // Who is looked at keeps its place: neither filter nor order of the rows may cost kubeconfigs.
        let rest = state.observing.keys().chain(&state.fleet.rolling);
        take(&mut found, &mut rest.filter(|id| rolls(state, id)));
    }
    (found, asked_for)
}

/// Whether the nodes of a cluster are being replaced, as far as SKE tells.
pub fn rolls(state: &State, id: &ClusterId) -> bool {
    state.fleet.cluster(id).is_some_and(|cluster| cluster.rotation.phase == Phase::Preparing)
}

/// Clusters whose nodes somebody looks at, or is about to replace.
fn on_screen(state: &State) -> Vec<ClusterId> {
    let mut ids = Vec::new();
    if let Some(Dialog::Rotate(dialog)) = &state.dialog
        && (dialog.step == Step::Start || dialog.shown.rotation.phase == Phase::Prepared)
    {
        ids.push(dialog.shown.id.clone());
    }
    if let Screen::Cluster { id, tab, .. } = &state.screen {
        let open = state.fleet.cluster(id).is_some_and(|cluster| {
            matches!(cluster.rotation.phase, Phase::Preparing | Phase::Prepared)
        });
        if *tab == Tab::Nodes || open {
            ids.push(id.clone());
        }
    }
    ids
}

/// The snapshot of a cluster, if it is of now.
pub fn seen_now(state: &State, id: &ClusterId) -> Option<Arc<ClusterSnapshot>> {
    state.observed.get(id).filter(|observed| observed.live)?.snapshot.clone()
}

/// What holds a cluster's roll up, in one line; how old that is when nothing newer is seen.
pub fn held_up(state: &State, id: &ClusterId) -> Option<String> {
    let now = state.now.wall;
    state.fleet.entries.get(id).filter(|entry| entry.held)?;
    let observed = state.observed.get(id)?;
    let roll = observed.roll.as_ref()?;
    let at = observed.as_of(now);
    let text = roll.worst().map(|worst| format::headline(worst, at));
    let text = text.or_else(|| format::standstill(roll, at).filter(|_| observed.live));
    let text = text.unwrap_or_else(|| "the roll stood still".to_owned());
    Some(if observed.live { text } else { format!("{text} (as of {} ago)", long(since(at, now))) })
}

/// Why nothing newer is seen of a cluster's nodes, as a sentence without a full stop; `None` while they are seen.
pub fn unseen(state: &State, id: &ClusterId) -> Option<String> {
    let observed = state.observed.get(id);
    let looks = state.observing.contains_key(id);
    match observed.and_then(|observed| observed.trouble.as_ref()) {
        Some((trouble, _)) if looks => return Some(trouble.to_string()),
        None if looks && observed.is_some_and(|observed| observed.live) => return None,
        None if looks => return Some(Unavailable::Connecting.to_string()),
        Some(_) | None => {}
    }
    let sleeps = state.fleet.cluster(id).is_some_and(|cluster| cluster.hibernated);
    Some(if state.settings.read_only {
        "nodes are not looked at in read-only mode: that takes a kubeconfig, and asking for one is a request \
         that changes something"
            .to_owned()
    } else if state.settings.watch == ObservationScope::Never {
        "nodes are not looked at: the configuration says kubernetes.watch = \"never\"".to_owned()
    } else if sleeps {
        Unavailable::Hibernated.to_string()
    } else if state.observing.len() >= state.settings.watch_limit {
        format!(
            "not looked at: {} clusters are looked at already, the most that the configuration allows \
             (kubernetes.limit)",
            state.observing.len()
        )
    } else {
        "not looked at now".to_owned()
    })
}
