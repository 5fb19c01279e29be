//! When the scopes are listed.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::app::context::UpdateContext;
use crate::app::effect::Request;
use crate::app::fleet::state::{Fleet, ScopeStatus};
use crate::app::now::Now;
use crate::app::outage::Outage;
use crate::app::requests::{RequestOwner, Requests};
use crate::app::rotation::pending::PendingSteps;
use crate::domain::cluster::Scope;
use crate::domain::failure::{Failure, FailureKind};

/// Interval of lists in a scope where a step runs.
const BUSY_SCOPE: Duration = Duration::from_secs(10);
/// How long a region that is not offered, or a project without SKE, is left alone.
const RARELY: Duration = Duration::from_mins(10);
/// After a jump of the clock, a moment to wait for that lies further ahead is not what the server meant.
const CREDIBLE_WAIT: SignedDuration = SignedDuration::from_mins(10);

/// Lists the scopes that are due.
pub fn poll(fleet: &mut Fleet, cx: &mut UpdateContext<'_>) {
    let now = cx.shared.now;
    for (id, scope) in &mut fleet.scopes {
        scope.wait_until = scope.wait_until.filter(|until| *until > now.wall);
        if scope.due <= now.monotonic && !cx.requests.lists(id) {
            cx.request(RequestOwner::Clusters(id.clone()), Request::List(id.clone()));
        }
    }
}

/// When a scope is listed next, on the monotonic clock.
pub fn next_wake(fleet: &Fleet, requests: &Requests) -> Option<Duration> {
    let idle = fleet.scopes.iter().filter(|(id, _)| !requests.lists(id));
    idle.map(|(_, scope)| scope.due).min()
}

/// Everything is due at once: the clock jumped, or the program was in the background. Only a server that asked us to
/// wait until a moment that still lies ahead is left alone until then.
pub fn rearm(fleet: &mut Fleet, now: Now) {
    let is_credible =
        |until: &Timestamp| *until > now.wall && until.duration_since(now.wall) <= CREDIBLE_WAIT;
    for scope in fleet.scopes.values_mut() {
        scope.wait_until = scope.wait_until.filter(is_credible);
        scope.due = scope.wait_until.map_or(now.monotonic, |until| now.monotonic_at(until));
    }
}

/// What was listed may be long ago: nothing counts as live until it was listed again.
pub fn doubt(fleet: &mut Fleet) {
    for scope in fleet.scopes.values_mut() {
        if matches!(scope.status, ScopeStatus::Live) {
            scope.status = ScopeStatus::Loading;
        }
    }
}

/// Lists everything again now, unless a server asked us to wait.
pub fn refresh(fleet: &mut Fleet, now: Now) {
    for scope in fleet.scopes.values_mut().filter(|scope| scope.wait_until.is_none()) {
        scope.due = now.monotonic;
    }
}

/// A list worked: when is the next one due?
pub fn schedule_after_success(
    fleet: &mut Fleet,
    scope: &Scope,
    pending: &PendingSteps,
    cx: &UpdateContext<'_>,
) {
    let jitter = fleet.random.f64();
    let busy = fleet.entries.values().any(|entry| {
        entry.cluster.id.scope == *scope
            && entry.gone.is_none()
            && (entry.cluster.rotation.phase.is_running()
                || pending.contains_key(&entry.cluster.id))
    });
    let idle = cx.shared.settings.poll_idle;
    let interval = if busy { BUSY_SCOPE.min(idle) } else { idle };
    if let Some(entry) = fleet.scopes.get_mut(scope) {
        let wait = interval.mul_f64(0.9 + 0.2 * jitter);
        entry.due = cx.shared.now.monotonic.saturating_add(wait);
    }
}

/// A list failed: keeps rows, reports it, and schedules a retry.
pub fn schedule_after_failure(
    fleet: &mut Fleet,
    scope: &Scope,
    failure: Failure,
    cx: &UpdateContext<'_>,
) {
    let jitter = fleet.random.f64();
    let now = cx.shared.now;
    // Where clusters were listed before, "not offered" is a failure like others: their rows are old now.
    let has_rows = fleet.entries.keys().any(|id| id.scope == *scope);
    let Some(entry) = fleet.scopes.get_mut(scope) else { return };
    if failure.kind == FailureKind::NotOffered && !has_rows {
        entry.due = now.monotonic.saturating_add(RARELY);
        entry.status = ScopeStatus::NotOffered;
        return;
    }
    let before = match std::mem::replace(&mut entry.status, ScopeStatus::Loading) {
        ScopeStatus::Failing(outage) => Some(*outage),
        ScopeStatus::Loading | ScopeStatus::Live | ScopeStatus::NotOffered => None,
    };
    entry.wait_until = failure.retry_at.or(entry.wait_until);
    let outage = Outage::after(before, failure, now);
    entry.due = outage.next(now, cx.shared.settings.poll_idle, true, jitter);
    if matches!(outage.failure.kind, FailureKind::NotFound | FailureKind::Forbidden) {
        entry.due = entry.due.max(now.monotonic.saturating_add(RARELY));
    }
    entry.status = ScopeStatus::Failing(Box::new(outage));
}
