//! When what is read: lists per scope, the open cluster, clusters with a step under way; and when the next frame is due.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "keys and commands that mean nothing here are ignored"
)]

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::app::dialog::{Dialog, RotationDialogStage};
use crate::app::effect::{Effect, Request};
use crate::app::fleet::{ScopeState, ScopeStatus};
use crate::app::requests::{RequestId, RequestOwner};
use crate::app::state::{PendingStage, Screen, State};
use crate::app::update::{notices, observing, random, rotation};
use crate::domain::backoff::{SIGNED_OUT, retry};
use crate::domain::cluster::{ClusterId, Scope};
use crate::domain::failure::{Failure, FailureKind};

/// Interval of lists in a scope where a step runs.
const BUSY_SCOPE: Duration = Duration::from_secs(10);
/// How long a region that is not offered, or a project without SKE, is left alone.
const RARELY: Duration = Duration::from_mins(10);

/// Asks for everything that is due, and settles what has waited long enough.
pub fn poll(state: &mut State) -> Vec<Effect> {
    if state.quitting {
        return Vec::new();
    }
    let mut effects = Vec::new();
    let now = state.now.monotonic;
    if state.toast.as_ref().is_some_and(|toast| toast.until <= now) {
        state.toast = None;
    }
    let over = state.clipboard.iter().filter(|(_, at)| **at <= now).map(|(copy, _)| *copy);
    for copy in over.collect::<Vec<_>>() {
        state.clipboard.remove(&copy);
        effects.push(notices::request(
            state,
            RequestOwner::ClearClipboard,
            Request::ClearClipboard(copy),
        ));
    }
    let wall = state.now.wall;
    state.waits.retain(|_, until| *until > wall);
    let due: Vec<Scope> = state
        .fleet
        .scopes
        .iter()
        .filter(|(_, scope)| scope.in_flight.is_none() && scope.due <= now)
        .map(|(id, _)| id.clone())
        .collect();
    for scope in due {
        let request = state.requests.begin(RequestOwner::Clusters(scope.clone()));
        if let Some(entry) = state.fleet.scopes.get_mut(&scope) {
            entry.in_flight = Some(request);
        }
        effects.push(Effect::Request(request, Request::List(scope)));
    }
    effects.extend(rotation::follow(state));
    if let Some(id) = detail(state).filter(|_| state.detail_due <= now) {
        state.detail_due = now.saturating_add(state.settings.poll_running);
        effects.extend(read(state, &id));
    }
    effects
}

/// The open cluster, if it is worth reading often.
fn detail(state: &State) -> Option<ClusterId> {
    let Screen::Cluster { id, .. } = &state.screen else { return None };
    let entry = state.fleet.entries.get(id)?;
    (entry.gone.is_none() && entry.cluster.rotation.phase.is_running()).then(|| id.clone())
}

/// Reads one cluster unless that is under way.
pub fn read(state: &mut State, id: &ClusterId) -> Option<Effect> {
    read_after(state, id, RequestId::default())
}

/// Reads one cluster unless that is under way and was asked for later than `after`.
pub fn read_after(state: &mut State, id: &ClusterId, after: RequestId) -> Option<Effect> {
    let is_read = state.requests.reads_cluster(id, after);
    let read = Request::Read(id.clone());
    (!is_read).then(|| notices::request(state, RequestOwner::Cluster(id.clone()), read))
}

/// After a jump of the clock, a moment to wait for that lies further ahead is not what the server meant.
const CREDIBLE_WAIT: SignedDuration = SignedDuration::from_mins(10);

/// Everything is due at once: the clock jumped, or the program was in the background. Only a server that asked us to
/// wait until a moment that still lies ahead is left alone until then.
pub fn rearm(state: &mut State) -> Vec<Effect> {
    let (wall, now) = (state.now.wall, state.now.monotonic);
    let is_ahead = |until: Timestamp| until > wall && until.duration_since(wall) <= CREDIBLE_WAIT;
    state.waits.retain(|_, until| is_ahead(*until));
    state.detail_due = now;
    for (id, scope) in &mut state.fleet.scopes {
        scope.due = state.waits.get(id).map_or(now, |until| monotonic_of(wall, now, *until));
    }
    for pending in state.pending.values_mut() {
        pending.due = now;
    }
    let mut again = None;
    let ignore_reads_through = state.requests.last();
    if let Some(Dialog::Rotate(dialog)) = &mut state.dialog
        && matches!(dialog.stage, RotationDialogStage::Asking | RotationDialogStage::Changed(_))
    {
        dialog.stage = RotationDialogStage::Checking;
        dialog.checked = None;
        dialog.ignore_reads_through = ignore_reads_through;
        again = Some(dialog.shown.id.clone());
    }
    again.and_then(|id| read_after(state, &id, ignore_reads_through)).into_iter().collect()
}

/// What was listed may be long ago: nothing counts as live until it was listed again.
pub fn doubt(state: &mut State) {
    for scope in state.fleet.scopes.values_mut() {
        if matches!(scope.status, ScopeStatus::Live) {
            scope.status = ScopeStatus::Loading;
        }
    }
}

/// Lists everything again now, unless a server asked us to wait.
pub fn refresh(state: &mut State) {
    let now = state.now.monotonic;
    state.detail_due = now;
    let waits = &state.waits;
    for (id, scope) in &mut state.fleet.scopes {
        if !waits.contains_key(id) {
            scope.due = now;
        }
    }
}

/// A list worked: when is the next one due?
pub fn schedule_after_success(state: &mut State, scope: &Scope) {
    let jitter = random(state);
    let busy = state.fleet.entries.values().any(|entry| {
        entry.cluster.id.scope == *scope
            && entry.gone.is_none()
            && (entry.cluster.rotation.phase.is_running()
                || state.pending.contains_key(&entry.cluster.id))
    });
    let interval =
        if busy { BUSY_SCOPE.min(state.settings.poll_idle) } else { state.settings.poll_idle };
    let now = state.now.monotonic;
    if let Some(entry) = state.fleet.scopes.get_mut(scope) {
        entry.due = now.saturating_add(interval.mul_f64(0.9 + 0.2 * jitter));
    }
}

/// A list failed: keep rows, tell, and say when to try again. Returns whether this begins an outage.
pub fn schedule_after_failure(state: &mut State, scope: &Scope, failure: Failure) -> bool {
    let jitter = random(state);
    let now = state.now;
    // Where clusters were listed before, "not offered" is a failure like others: their rows are old now.
    let has_rows = state.fleet.entries.keys().any(|id| id.scope == *scope);
    let Some(entry) = state.fleet.scopes.get_mut(scope) else { return false };
    entry.failures = entry.failures.saturating_add(1);
    let not_offered = failure.kind == FailureKind::NotOffered && !has_rows;
    let wait = match failure.kind {
        FailureKind::NotFound | FailureKind::Forbidden => RARELY,
        FailureKind::NotOffered if not_offered => RARELY,
        FailureKind::SignedOut => SIGNED_OUT,
        _ => retry(entry.failures, state.settings.poll_idle, jitter),
    };
    entry.due = now.monotonic.saturating_add(wait);
    if let Some(at) = failure.retry_at {
        entry.due = entry.due.max(monotonic_of(now.wall, now.monotonic, at));
        state.waits.insert(scope.clone(), at);
    }
    if not_offered {
        entry.status = ScopeStatus::NotOffered;
        entry.failures = 0;
        return false;
    }
    let since = match &entry.status {
        ScopeStatus::Failing { since, .. } => Some(*since),
        ScopeStatus::Loading | ScopeStatus::Live | ScopeStatus::NotOffered => None,
    };
    let begins = since.is_none();
    entry.status = ScopeStatus::Failing { failure, since: since.unwrap_or(now.wall) };
    begins
}

/// The monotonic moment of a wall moment, as the clocks stand to each other now.
fn monotonic_of(wall: Timestamp, monotonic: Duration, at: Timestamp) -> Duration {
    let ahead = Duration::try_from(at.duration_since(wall)).unwrap_or(Duration::ZERO);
    monotonic.saturating_add(ahead)
}

/// When the machine wants to be woken, on the monotonic clock: the next thing that is due, and the next
/// visible change of an age. Nothing is due sooner than something changes on screen.
pub fn next_wake(state: &State) -> Option<Duration> {
    let now = state.now.monotonic;
    let scopes = state
        .fleet
        .scopes
        .values()
        .filter(|scope: &&ScopeState| scope.in_flight.is_none())
        .map(|scope| scope.due);
    let pending = state.pending.values().map(|pending| match &pending.stage {
        PendingStage::ReadingBack { until, .. } => pending.due.min(*until),
        PendingStage::Accepted { .. } => pending.due,
        // Nothing is read for these, so that no timer is needed.
        PendingStage::Sending | PendingStage::Lost { .. } => Duration::MAX,
    });
    let detail = detail(state).map(|_| state.detail_due);
    let toast = state.toast.as_ref().map(|toast| toast.until);
    scopes
        .chain(pending)
        .chain(detail)
        .chain(toast)
        .chain(state.clipboard.values().copied())
        .chain(observing::next_reading(state))
        .chain([now.saturating_add(motion(state))])
        .min()
        .map(|wake| wake.max(now))
}

/// How soon the snapshot changes by time alone.
fn motion(state: &State) -> Duration {
    let seconds_matter = state.dialog.is_some()
        || state.leaving.is_some()
        || !state.pending.is_empty()
        || state.fleet.failing().next().is_some()
        || !state.waits.is_empty();
    if seconds_matter { Duration::from_secs(1) } else { Duration::from_mins(1) }
}
