//! Decides when a wait is over. Pure: readings, failures and times are arguments.
//!
//! For some minutes after an accepted start SKE may still show the previous phase. The wait fails only when SKE has
//! shown no rotation in progress for [`START_GRACE`]. COMPLETED of a rotation before a start that skeys sent, or that
//! SKE reports, does not end the wait, however long it is shown.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::app::fleet::state::{Entry, ReadingChange};
use crate::app::now::Now;
use crate::app::outage::Outage;
use crate::app::requests::RequestId;
use crate::app::settings::Settings;
use crate::cli::args::Goal;
use crate::cli::commands::wait::target::address;
use crate::cli::commands::wait::text;
use crate::domain::age::long;
use crate::domain::cluster::{Cluster, ClusterId};
use crate::domain::failure::{Failure, FailureKind};
use crate::domain::rotation::{CLOCK_TOLERANCE, Phase, Rotation};

/// How long SKE may show no rotation; an accepted start usually shows within three minutes.
pub const START_GRACE: Duration = Duration::from_mins(5);
/// Consecutive answers without the cluster after which it counts as deleted, if it was read before.
const MISSING_LIMIT: u32 = 2;
/// Minimum time between the first and the last of them: a list may omit a cluster for a moment.
const MISSING_APART: Duration = Duration::from_secs(30);
/// How long a permanent refusal is retried: gateways may send spurious ones.
pub const REFUSAL_LIMIT: Duration = Duration::from_secs(30);
/// How long a rejected token is retried if its source can provide another.
const TOKEN_LIMIT: Duration = Duration::from_mins(10);
/// Poll interval in an unknown phase.
const UNKNOWN_PHASE_INTERVAL: Duration = Duration::from_secs(10);

/// The outcome of the wait, or a sentence why the goal can no longer be reached; `None` while the wait continues.
pub type WaitResult = Option<Result<Reached, String>>;

/// How the goal was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reached {
    DuringWait,
    /// Shown by the first reading.
    BeforeWait,
    /// The rotation is past the goal.
    Passed,
}

/// State derived from the readings so far.
#[derive(Debug)]
pub struct WaitTracker {
    goal: Goal,
    id: ClusterId,
    /// Whether the source of the token can provide another one.
    renews: bool,
    /// When a start was accepted, in our time, if skeys recorded one.
    accepted: Option<Timestamp>,
    /// The server's clock minus ours, if known.
    skew: SignedDuration,
    first: Option<Rotation>,
    /// The last reading that showed a rotation in progress, by its phase or only by its times.
    in_progress: Option<Rotation>,
    latest: Option<Entry>,
    /// Since when SKE shows no rotation in progress, without an outage in between.
    idle_since: Option<Duration>,
    /// Number of consecutive answers without the cluster, and the time of the first, on the monotonic clock.
    missing: Option<(u32, Duration)>,
    outage: Option<Outage>,
}

impl WaitTracker {
    /// A tracker without readings. `accepted`: when a start was accepted, in our time.
    pub fn new(goal: Goal, id: ClusterId, renews: bool, accepted: Option<Timestamp>) -> Self {
        Self {
            goal,
            id,
            renews,
            accepted,
            skew: SignedDuration::ZERO,
            first: None,
            in_progress: None,
            latest: None,
            idle_since: None,
            missing: None,
            outage: None,
        }
    }

    /// The latest reading.
    pub fn latest(&self) -> Option<&Cluster> {
        self.latest.as_ref().map(|entry| &entry.cluster)
    }

    /// The outage, while reads fail.
    pub fn outage(&self) -> Option<&Outage> {
        self.outage.as_ref()
    }

    /// Whether SKE shows no rotation in progress.
    pub fn is_idle(&self) -> bool {
        self.idle_since.is_some()
    }

    /// Handles a suspend of the machine: earlier readings no longer count as lasting.
    pub fn handle_suspend(&mut self) {
        self.idle_since = None;
        if let Some(entry) = &mut self.latest {
            entry.stale_since = None;
        }
    }

    /// Sets the server's clock minus ours, if known.
    pub fn set_skew(&mut self, skew: Option<SignedDuration>) {
        self.skew = skew.unwrap_or(self.skew);
    }

    /// Converts our time to the server's.
    pub fn of_server(&self, at: Timestamp) -> Timestamp {
        at.saturating_add(self.skew).unwrap_or(at)
    }

    /// Processes a reading.
    pub fn take_reading(&mut self, cluster: Cluster, now: Now) -> WaitResult {
        self.missing = None;
        if self.outage.take().is_some_and(|outage| outage.is_reported(now)) {
            // After an outage, an accepted start may again take the full grace period to show.
            self.idle_since = None;
        }
        let is_first = self.latest.is_none();
        let start = self.latest().and_then(|cluster| cluster.rotation.initiated);
        match &mut self.latest {
            None => self.latest = Some(Entry::new(cluster, now, RequestId::default())),
            Some(entry) => {
                if entry.take(cluster, now, RequestId::default()) == ReadingChange::Replaced {
                    return Some(Err(self.recreated()));
                }
                if entry.stale_since.is_some() {
                    return None;
                }
            }
        }
        let rotation = self.latest()?.rotation.clone();
        self.first.get_or_insert_with(|| rotation.clone());
        if rotation.initiated != start {
            self.idle_since = None;
        }
        let rests = matches!(rotation.phase, Phase::Never | Phase::Completed);
        if rests && !rotation.is_started_before_phase() {
            self.idle_since.get_or_insert(now.monotonic);
        } else {
            self.idle_since = None;
            let before = self.in_progress.replace(rotation.clone());
            // A newer rotation was started, so the awaited one was completed.
            let is_next = before.is_some_and(|before| {
                (before.is_clear() || before.is_started_before_phase())
                    && rotation.initiated > before.initiated
                    && rotation.completed > before.completed
            });
            if self.goal == Goal::Completed && is_next && rotation.phase != Phase::Never {
                return Some(Ok(Reached::Passed));
            }
        }
        self.evaluate(&rotation, is_first, now)
    }

    fn evaluate(&self, rotation: &Rotation, is_first: bool, now: Now) -> WaitResult {
        if rotation.is_started_before_phase() {
            return None;
        }
        let reached = if is_first { Reached::BeforeWait } else { Reached::DuringWait };
        let reached = Some(Ok(reached));
        let idle_for = self.idle_since.map(|began| now.monotonic.saturating_sub(began));
        let in_time = idle_for.is_none_or(|idle| idle < START_GRACE);
        // A start without a completion may be newer than the phase, until it had the time to show there.
        let may_be_old = in_time && self.may_lack_phase(rotation, now);
        match (self.goal, &rotation.phase) {
            (Goal::Prepared, Phase::Prepared) => reached,
            (Goal::Prepared, Phase::Completing) => Some(Ok(Reached::Passed)),
            (Goal::Prepared, Phase::Completed) if !may_be_old && self.has_passed(rotation) => {
                Some(Ok(Reached::Passed))
            }
            (Goal::Completed, Phase::Completed)
                if !may_be_old && !self.is_before_start(rotation) =>
            {
                reached
            }
            (_, Phase::Never | Phase::Completed) if !in_time => {
                let (address, last) = (address(&self.id), text::last_rotation(rotation));
                let sent = self.accepted.filter(|_| self.is_before_start(rotation));
                Some(Err(match sent {
                    Some(at) => text::start_not_shown(address, last, text::moment(at), grace()),
                    None => text::no_rotation(address, last, grace()),
                }))
            }
            _ => None,
        }
    }

    /// Whether the reported start is so recent that the phase may still be that of the previous rotation, and no
    /// completion is reported that would tell.
    fn may_lack_phase(&self, shown: &Rotation, now: Now) -> bool {
        let grace = SignedDuration::try_from(START_GRACE).unwrap_or_default();
        let is_recent = |start: Timestamp| self.of_server(now.wall).duration_since(start) < grace;
        shown.completed.is_none() && shown.initiated.is_some_and(is_recent)
    }

    /// Whether the shown rotation precedes the accepted start.
    fn is_before_start(&self, shown: &Rotation) -> bool {
        let Some(accepted) = self.accepted else { return false };
        let accepted = self.of_server(accepted);
        let created = self.latest().and_then(|cluster| cluster.created);
        // SKE accepts a start only after the previous rotation completed, and long before its own completion.
        let is_earlier = match (shown.completed, shown.initiated) {
            (Some(completed), _) => completed < accepted,
            (None, Some(initiated)) => accepted.duration_since(initiated) > CLOCK_TOLERANCE,
            (None, None) => true,
        };
        // The start of a deleted cluster says nothing about a new one of the same name.
        is_earlier
            && self.in_progress.as_ref().is_none_or(|seen| seen.initiated > shown.initiated)
            && created.is_none_or(|created| created <= accepted)
    }

    /// Whether a completed rotation was in progress during this wait, or is later than the first reading.
    fn has_passed(&self, now: &Rotation) -> bool {
        let later = self.first.as_ref().is_some_and(|first| now.initiated > first.initiated);
        let ended = self
            .in_progress
            .as_ref()
            .is_some_and(|before| now.completed.is_none() || now.completed > before.completed);
        later || ended
    }

    /// Processes a failed read.
    pub fn take_failure(&mut self, failure: Failure, now: Now) -> WaitResult {
        if failure.kind == FailureKind::NotFound {
            let (count, since) = self.missing.unwrap_or((0, now.monotonic));
            let count = count.saturating_add(1);
            self.missing = Some((count, since));
            let apart = now.monotonic.saturating_sub(since);
            let may_be_late = self.latest.is_some() && apart < MISSING_APART;
            return if count < MISSING_LIMIT || may_be_late {
                None
            } else {
                Some(Err(self.not_found(&failure)))
            };
        }
        let may_pass = failure.is_transient() || self.latest.is_some();
        let outage = Outage::after(self.outage.take(), failure, now);
        let outage = self.outage.insert(outage);
        if may_pass && now.monotonic < retry_until(outage, self.renews) {
            None
        } else {
            Some(Err(with_trace(&outage.failure)))
        }
    }

    /// When SKE is read next, on the monotonic clock. `random` is in 0..1.
    pub fn next_read(&self, now: Now, settings: &Settings, random: f64) -> Duration {
        if let Some(outage) = &self.outage {
            return outage.next(now, settings.poll_idle, self.renews, random);
        }
        let phase = self.latest().map(|cluster| &cluster.rotation.phase);
        let interval = match phase {
            None | Some(Phase::Never | Phase::Preparing | Phase::Completing | Phase::Completed) => {
                settings.poll_running
            }
            Some(Phase::Prepared) => settings.poll_idle,
            Some(Phase::Unknown(_)) => UNKNOWN_PHASE_INTERVAL.min(settings.poll_idle),
        };
        // Jitter spreads waits that were started simultaneously.
        now.monotonic.saturating_add(interval.mul_f64(0.9 + 0.2 * random.clamp(0.0, 1.0)))
    }

    fn not_found(&self, failure: &Failure) -> String {
        let address = address(&self.id);
        match self.latest() {
            Some(known) => text::no_longer_listed(address, known.rotation.phase.api_word()),
            None => text::not_found(address, with_trace(failure)),
        }
    }

    fn recreated(&self) -> String {
        let created = self.latest().and_then(|cluster| cluster.created);
        let when = created.map_or_else(String::new, |at| text::at(text::moment(at)));
        text::recreated(address(&self.id), when)
    }
}

/// "5m": how long an accepted start may take to show.
pub fn grace() -> String {
    long(START_GRACE.try_into().unwrap_or_default())
}

/// When retrying ends, on the monotonic clock. `renews`: the source of the token can provide another one.
fn retry_until(outage: &Outage, renews: bool) -> Duration {
    let signs_in = matches!(outage.failure.kind, FailureKind::SignedOut | FailureKind::File);
    let limit = if signs_in && renews { TOKEN_LIMIT } else { REFUSAL_LIMIT };
    outage.refused.map_or(Duration::MAX, |began| began.saturating_add(limit))
}

/// A failure with the trace ID, which support asks for.
fn with_trace(failure: &Failure) -> String {
    match &failure.trace {
        Some(trace) => text::with_trace(failure, trace),
        None => failure.to_string(),
    }
}
