//! Where the rotation that is waited for stands, and when the wait is over. Pure: readings, failures and moments are
//! handed in.
//!
//! For some minutes after it accepted a start SKE may still show the phase from before it. Such a reading ends
//! nothing: only when SKE has shown for [`GRACE`] that nothing is under way, the wait fails.

use std::time::Duration;

use crate::app::fleet::state::{Change, Entry};
use crate::app::now::Now;
use crate::app::outage::Outage;
use crate::app::requests::RequestId;
use crate::cli::args::Goal;
use crate::cli::commands::wait::outage_text::moment;
use crate::cli::commands::wait::target::address;
use crate::domain::age::long;
use crate::domain::cluster::{Cluster, ClusterId};
use crate::domain::failure::{Failure, FailureKind};
use crate::domain::rotation::{Phase, Rotation};

/// How long SKE may show that nothing is under way; a start that it accepted usually shows within three minutes.
pub const GRACE: Duration = Duration::from_mins(5);
/// Answers in a row that must say that the cluster is not there.
const MISSING: u32 = 2;
/// A refusal that nobody can do anything about is taken for a passing one for this long: gateways err, too.
const PATIENCE: Duration = Duration::from_secs(30);
/// A token that is refused may be replaced for this long, where its source can bring another.
const RENEWAL: Duration = Duration::from_mins(10);
/// Interval of reads where it is not known whether a step runs.
const UNSURE: Duration = Duration::from_secs(10);

/// Whether the wait is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WaitResult {
    GoesOn,
    Reached(How),
    /// It cannot be reached any more, and why: a sentence.
    Failed(String),
}

/// How the goal was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// It came about during the wait.
    Seen,
    /// It was so at the first look.
    Already,
    /// The rotation went past it.
    Past,
}

/// How often SKE is read.
#[derive(Debug, Clone, Copy)]
pub struct PollIntervals {
    /// While a step runs, or may be about to.
    pub running: Duration,
    /// While somebody must act.
    pub idle: Duration,
}

/// What was seen so far.
#[derive(Debug)]
pub struct WaitTracker {
    goal: Goal,
    id: ClusterId,
    /// Whether the source of the token can bring another one.
    renews: bool,
    first: Option<Rotation>,
    /// The last reading that showed a rotation under way.
    open: Option<Rotation>,
    latest: Option<Entry>,
    /// Since when SKE shows that nothing is under way, without an outage in between.
    at_rest: Option<Duration>,
    missing: u32,
    outage: Option<Outage>,
}

impl WaitTracker {
    /// Nothing was seen yet.
    pub fn new(goal: Goal, id: ClusterId, renews: bool) -> Self {
        Self {
            goal,
            id,
            renews,
            first: None,
            open: None,
            latest: None,
            at_rest: None,
            missing: 0,
            outage: None,
        }
    }

    /// The cluster as it is known.
    pub fn latest(&self) -> Option<&Cluster> {
        self.latest.as_ref().map(|entry| &entry.cluster)
    }

    /// Since when SKE cannot be read.
    pub fn outage(&self) -> Option<&Outage> {
        self.outage.as_ref()
    }

    /// Whether SKE shows that nothing is under way.
    pub fn is_at_rest(&self) -> bool {
        self.at_rest.is_some()
    }

    /// Time passed in which nothing could be asked: what SKE showed before does not count as lasting.
    pub fn slept(&mut self) {
        self.at_rest = None;
        if let Some(entry) = &mut self.latest {
            entry.older = None;
        }
    }

    /// SKE showed the cluster.
    pub fn reading(&mut self, cluster: Cluster, now: Now) -> WaitResult {
        self.missing = 0;
        if self.outage.take().is_some_and(|outage| outage.is_told(now)) {
            // What SKE accepted before it went away may take as long to show after it came back.
            self.at_rest = None;
        }
        let first_look = self.latest.is_none();
        match &mut self.latest {
            None => self.latest = Some(Entry::new(cluster, now, RequestId::default())),
            Some(entry) => {
                if entry.take(cluster, now, RequestId::default()) == Change::Replaced {
                    return WaitResult::Failed(self.another());
                }
                if entry.older.is_some() {
                    return WaitResult::GoesOn;
                }
            }
        }
        let Some(rotation) = self.latest().map(|cluster| cluster.rotation.clone()) else {
            return WaitResult::GoesOn;
        };
        self.first.get_or_insert_with(|| rotation.clone());
        if matches!(rotation.phase, Phase::Never | Phase::Completed) {
            self.at_rest.get_or_insert(now.monotonic);
        } else {
            self.at_rest = None;
            self.open = Some(rotation.clone());
        }
        self.judge(&rotation, first_look, now)
    }

    fn judge(&self, rotation: &Rotation, first_look: bool, now: Now) -> WaitResult {
        let seen = WaitResult::Reached(if first_look { How::Already } else { How::Seen });
        let rested = self.at_rest.map(|began| now.monotonic.saturating_sub(began));
        let in_time = rested.is_none_or(|rested| rested < GRACE);
        let doubtful = rotation.contradicts_completion();
        match (self.goal, &rotation.phase) {
            (Goal::Prepared, Phase::Prepared) => seen,
            (Goal::Prepared, Phase::Completing) => WaitResult::Reached(How::Past),
            (Goal::Prepared, Phase::Completed) if !doubtful && self.was_passed(rotation) => {
                WaitResult::Reached(How::Past)
            }
            // Moments that contradict the phase for longer than a start takes to show are wrong.
            (Goal::Completed, Phase::Completed) if !doubtful || !in_time => seen,
            (_, Phase::Never | Phase::Completed) if !in_time => {
                WaitResult::Failed(self.nothing_under_way(rotation))
            }
            _ => WaitResult::GoesOn,
        }
    }

    /// Whether a rotation that is completed now is one that this wait saw under way, or a later one than it began with.
    fn was_passed(&self, now: &Rotation) -> bool {
        let later = self.first.as_ref().is_some_and(|first| now.initiated > first.initiated);
        let ended = self
            .open
            .as_ref()
            .is_some_and(|open| now.completed.is_none() || now.completed > open.completed);
        later || ended
    }

    /// SKE could not be read.
    pub fn failure(&mut self, failure: Failure, now: Now) -> WaitResult {
        if failure.kind == FailureKind::NotFound {
            self.missing = self.missing.saturating_add(1);
            return if self.missing < MISSING {
                WaitResult::GoesOn
            } else {
                WaitResult::Failed(self.gone(&failure))
            };
        }
        let may_pass = failure.is_transient() || self.latest.is_some();
        let outage = Outage::after(self.outage.take(), failure, now);
        let outage = self.outage.insert(outage);
        if may_pass && now.monotonic < final_at(outage, self.renews) {
            WaitResult::GoesOn
        } else {
            WaitResult::Failed(with_trace(&outage.failure))
        }
    }

    /// When SKE is read next, on the monotonic clock. `random` lies in 0..1.
    pub fn next(&self, now: Now, cadence: PollIntervals, random: f64) -> Duration {
        if let Some(outage) = &self.outage {
            return outage.next(now, cadence.idle, self.renews, random);
        }
        let phase = self.latest().map(|cluster| &cluster.rotation.phase);
        let interval = match phase {
            None | Some(Phase::Never | Phase::Preparing | Phase::Completing | Phase::Completed) => {
                cadence.running
            }
            Some(Phase::Prepared) => cadence.idle,
            Some(Phase::Unknown(_)) => UNSURE.min(cadence.idle),
        };
        // Many waits that were begun at once do not ask at once for ever.
        now.monotonic.saturating_add(interval.mul_f64(0.9 + 0.2 * random.clamp(0.0, 1.0)))
    }

    fn nothing_under_way(&self, rotation: &Rotation) -> String {
        let rotation = match (rotation.initiated, rotation.completed) {
            (Some(started), Some(completed)) => format!(
                "the last one was started {} and completed {}",
                moment(started),
                moment(completed)
            ),
            (Some(started), None) => format!("the last one was started {}", moment(started)),
            (None, _) => "there never was one".to_owned(),
        };
        format!(
            "no rotation of {} is under way: {rotation}, and SKE has shown no start for {}. Start one first",
            address(&self.id),
            long(GRACE.try_into().unwrap_or_default())
        )
    }

    fn gone(&self, failure: &Failure) -> String {
        let place = address(&self.id);
        match self.latest() {
            Some(known) => format!(
                "{place} is gone: SKE does not list it any more; it was {} when it was last seen",
                known.rotation.phase.api_word()
            ),
            None => format!("there is no {place}: {}", with_trace(failure)),
        }
    }

    fn another(&self) -> String {
        let created = self.latest().and_then(|cluster| cluster.created);
        let created = created.map_or_else(String::new, |at| format!(" at {}", moment(at)));
        format!("{} was deleted and recreated{created}; this is another cluster", address(&self.id))
    }
}

/// When going on asking cannot help any more, on the monotonic clock. `renews`: the source of the token can bring
/// another one.
fn final_at(outage: &Outage, renews: bool) -> Duration {
    let signs_in = matches!(outage.failure.kind, FailureKind::SignedOut | FailureKind::File);
    let patience = if signs_in && renews { RENEWAL } else { PATIENCE };
    outage.refused.map_or(Duration::MAX, |began| began.saturating_add(patience))
}

/// A failure in full, with the id that support asks for.
pub fn with_trace(failure: &Failure) -> String {
    match &failure.trace {
        Some(trace) => format!("{failure} (trace id {trace})"),
        None => failure.to_string(),
    }
}
