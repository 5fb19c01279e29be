//! Schedules the lists of scopes.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::app::context::UpdateContext;
use crate::app::effect::Request;
use crate::app::fleet::circuit::{Circuit, answered};
use crate::app::fleet::state::{Fleet, ScopeStatus};
use crate::app::now::Now;
use crate::app::outage::Outage;
use crate::app::requests::{RequestOwner, Requests};
use crate::app::rotation::pending::{PendingStep, PendingSteps};
use crate::domain::cluster::{Region, Scope};
use crate::domain::failure::{Failure, FailureKind};

/// Poll interval of a scope with a running step.
const BUSY_SCOPE: Duration = Duration::from_secs(10);
/// Maximum rate of polling lists; with many scopes, intervals get longer.
const LISTS_PER_SECOND: u32 = 5;
/// Poll interval of a region that is not offered, or a project without SKE.
const RARELY: Duration = Duration::from_mins(10);
/// After a clock jump, a longer remaining wait cannot be what the server meant.
const CREDIBLE_WAIT: SignedDuration = SignedDuration::from_mins(10);

/// Lists the scopes that are due.
pub fn poll(fleet: &mut Fleet, cx: &mut UpdateContext<'_, ()>) {
    let now = cx.shared.now;
    // In an unreachable region, the scope that has waited longest is probed.
    let mut probes: BTreeMap<&Region, (Duration, &Scope)> = BTreeMap::new();
    for scope in fleet.scopes.values_mut() {
        scope.wait_until = scope.wait_until.filter(|until| *until > now.wall);
    }
    for (id, scope) in fleet.scopes.iter().filter(|(id, _)| fleet.is_polled(id)) {
        if scope.due > now.monotonic || cx.requests.lists(id) {
            continue;
        }
        match fleet.circuits.get(&id.region).filter(|circuit| circuit.is_open()) {
            None => list(id, cx),
            Some(circuit) if circuit.probe > now.monotonic => {}
            Some(_) => {
                let probe = probes.entry(&id.region).or_insert((scope.due, id));
                *probe = (*probe).min((scope.due, id));
            }
        }
    }
    for (region, (_, id)) in probes {
        if !cx.requests.lists_in(region) {
            list(id, cx);
        }
    }
}

fn list(scope: &Scope, cx: &mut UpdateContext<'_, ()>) {
    cx.request(RequestOwner::Clusters(scope.clone()), Request::List(scope.clone()));
}

/// When the next list is due (monotonic clock).
pub fn next_wake(fleet: &Fleet, requests: &Requests) -> Option<Duration> {
    let polled = fleet.scopes.iter().filter(|(id, _)| fleet.is_polled(id));
    let idle = polled.filter(|(id, _)| !requests.lists(id));
    idle.filter_map(|(id, scope)| {
        match fleet.circuits.get(&id.region).filter(|circuit| circuit.is_open()) {
            None => Some(scope.due),
            Some(circuit) => (!requests.lists_in(&id.region)).then(|| scope.due.max(circuit.probe)),
        }
    })
    .min()
}

/// Makes everything due after a clock jump or suspend, except where a server-requested wait is still credible.
pub fn make_due(fleet: &mut Fleet, now: Now) {
    let is_credible =
        |until: &Timestamp| *until > now.wall && until.duration_since(now.wall) <= CREDIBLE_WAIT;
    for scope in fleet.scopes.values_mut() {
        scope.wait_until = scope.wait_until.filter(is_credible);
        scope.due = scope.wait_until.map_or(now.monotonic, |until| now.monotonic_at(until));
    }
    fleet.circuits.values_mut().for_each(|circuit| circuit.probe = now.monotonic);
}

/// After a pause, readings may be old: no scope counts as live until it is listed again.
pub fn mark_unconfirmed(fleet: &mut Fleet) {
    for scope in fleet.scopes.values_mut() {
        if matches!(scope.status, ScopeStatus::Live) {
            scope.status = ScopeStatus::Loading;
        }
    }
}

/// Makes everything due, except where the server requested a wait.
pub fn refresh(fleet: &mut Fleet, now: Now) {
    for scope in fleet.scopes.values_mut().filter(|scope| scope.wait_until.is_none()) {
        scope.due = now.monotonic;
    }
    fleet.circuits.values_mut().for_each(|circuit| circuit.probe = now.monotonic);
}

/// The region answered: lists that failed without an answer are due now.
fn close_circuit(fleet: &mut Fleet, region: &Region, now: Now) {
    if !fleet.circuits.remove(region).is_some_and(|circuit| circuit.is_open()) {
        return;
    }
    let waits = fleet.scopes.iter_mut().filter(|(id, scope)| {
        let unreachable = |outage: &Outage| answered(&outage.failure) == Some(false);
        id.region == *region
            && matches!(&scope.status, ScopeStatus::Failing(outage) if unreachable(outage))
    });
    waits.for_each(|(_, scope)| scope.due = scope.due.min(now.monotonic));
}

/// Lengthens the interval if there are many scopes.
fn spread(interval: Duration, scopes: usize) -> Duration {
    let scopes = u32::try_from(scopes).unwrap_or(u32::MAX);
    interval.max(Duration::from_secs(1).saturating_mul(scopes) / LISTS_PER_SECOND)
}

/// Schedules the next list after a success.
pub fn schedule_after_success(
    fleet: &mut Fleet,
    scope: &Scope,
    pending: &PendingSteps,
    cx: &UpdateContext<'_, ()>,
) {
    let jitter = fleet.random.f64();
    close_circuit(fleet, &scope.region, cx.shared.now);
    let busy = fleet.in_scope(scope).any(|entry| {
        entry.not_listed_since.is_none()
            && (entry.cluster.rotation.phase.is_running()
                || pending.get(&entry.cluster.id).is_some_and(PendingStep::blocks))
    });
    let polled = || fleet.scopes.iter().filter(|(id, _)| fleet.is_polled(id));
    let others = polled().filter(|(id, other)| other.busy && *id != scope).count();
    let idle = cx.shared.settings.poll_idle;
    let interval = if busy {
        spread(BUSY_SCOPE.min(idle), others + 1)
    } else {
        spread(idle, polled().count())
    };
    if let Some(entry) = fleet.scopes.get_mut(scope) {
        entry.busy = busy;
        let wait = interval.mul_f64(0.9 + 0.2 * jitter);
        entry.due = cx.shared.now.monotonic.saturating_add(wait);
    }
}

/// Handles a failed list: keeps the rows, records the outage, and schedules a retry.
pub fn schedule_after_failure(
    fleet: &mut Fleet,
    scope: &Scope,
    failure: Failure,
    cx: &UpdateContext<'_, ()>,
) {
    let jitter = fleet.random.f64();
    let now = cx.shared.now;
    // If clusters were listed before, "not offered" is an ordinary failure that makes their rows stale.
    let has_rows = fleet.in_scope(scope).next().is_some();
    let (idle, random) = (cx.shared.settings.poll_idle, fleet.random.f64());
    match answered(&failure) {
        Some(true) => close_circuit(fleet, &scope.region, now),
        Some(false) => {
            let before = fleet.circuits.remove(&scope.region);
            let circuit = Circuit::after(before, now.monotonic, idle, random);
            fleet.circuits.insert(scope.region.clone(), circuit);
        }
        None => {}
    }
    let in_region = fleet.scopes.keys().filter(|id| id.region == scope.region).count();
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
    entry.due = outage.next(now, idle, true, jitter);
    if outage.failure.retry_at.is_some() {
        // All scopes of the region have the same retry time: spread them.
        let wait = spread(Duration::ZERO, in_region).mul_f64(jitter);
        entry.due = entry.due.saturating_add(wait);
    }
    if matches!(outage.failure.kind, FailureKind::NotFound | FailureKind::Forbidden) {
        entry.due = entry.due.max(now.monotonic.saturating_add(RARELY));
    }
    entry.status = ScopeStatus::Failing(Box::new(outage));
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use jiff::SignedDuration;

    use crate::app::effect::{Effect, Request};
    use crate::app::fleet::polling::LISTS_PER_SECOND;
    use crate::app::keymap::Keymap;
    use crate::app::message::{Answer, Message};
    use crate::app::now::Now;
    use crate::app::requests::RequestId;
    use crate::app::settings::Settings;
    use crate::app::state::State;
    use crate::app::update::{begin, next_wake, update};
    use crate::domain::cluster::{Listing, ProjectId, Region, Scope};
    use crate::domain::failure::{Failure, FailureKind};
    use crate::domain::fixtures::now;
    use crate::domain::persisted::PersistedState;

    fn at(passed: Duration) -> Now {
        Now { wall: now() + SignedDuration::try_from(passed).unwrap(), monotonic: passed }
    }

    fn machine(projects: usize, regions: &[&str]) -> State {
        let mut settings = Settings::defaults();
        let names = (0..projects).map(|number| format!("p-{number:03}"));
        settings.projects = names.map(|name| (ProjectId::new(name), None)).collect();
        settings.regions = regions.iter().map(Region::new).collect();
        let at = at(Duration::ZERO);
        State::new(settings, Keymap::default(), PersistedState::default(), at, 1)
    }

    fn lists(effects: Vec<Effect>) -> Vec<(RequestId, Scope)> {
        let list = |effect| {
            let Effect::Request(request, Request::List(scope)) = effect else { return None };
            Some((request, scope))
        };
        effects.into_iter().filter_map(list).collect()
    }

    /// Runs for `seconds`, answering each list immediately; returns the time and scope of each.
    fn run(
        state: &mut State,
        from: u64,
        seconds: u64,
        answer: impl Fn(&Scope) -> Result<(), FailureKind>,
    ) -> Vec<(Duration, Scope)> {
        let mut asked = Vec::new();
        let end = Duration::from_secs(from + seconds);
        let mut waiting = match from {
            0 => lists(begin(state)),
            _ => Vec::new(),
        };
        while state.shared.now.monotonic < end || !waiting.is_empty() {
            let moment = at(state.shared.now.monotonic);
            for (request, scope) in std::mem::take(&mut waiting) {
                asked.push((moment.monotonic, scope.clone()));
                let listing = Listing { clusters: Vec::new(), skipped: 0, skew: None };
                let result = answer(&scope).map(|()| Answer::Clusters(listing));
                let result = result.map_err(|kind| {
                    let mut failure = Failure::new(kind, "no answer");
                    let limited = kind == FailureKind::RateLimited;
                    failure.retry_at = limited.then(|| moment.wall + Duration::from_mins(1));
                    failure
                });
                let message = Message::Answered(request, result);
                waiting.extend(lists(update(state, moment, message)));
            }
            if waiting.is_empty() && state.shared.now.monotonic < end {
                let next =
                    next_wake(state).unwrap().max(moment.monotonic + Duration::from_millis(1));
                waiting = lists(update(state, at(next), Message::Ticked));
            }
        }
        asked
    }

    #[test]
    fn many_scopes_are_listed_less_often() {
        for (projects, most) in [(1, 12), (200, LISTS_PER_SECOND * 300 * 5 / 4)] {
            let mut state = machine(projects, &["eu01", "eu02"]);
            let asked = run(&mut state, 0, 300, |_| Ok(()));
            let again = asked.len() - 2 * projects;
            assert!(again <= usize::try_from(most).unwrap() * 2, "{again} lists");
            let mut each: BTreeMap<&Scope, usize> = BTreeMap::new();
            for (_, scope) in &asked {
                *each.entry(scope).or_default() += 1;
            }
            assert!(each.len() == 2 * projects && each.values().all(|times| *times >= 3));
        }
    }

    #[test]
    fn api_09_scopes_that_wait_for_the_same_moment_do_not_come_back_in_it() {
        let mut state = machine(200, &["eu01"]);
        run(&mut state, 0, 20, |_| Err(FailureKind::RateLimited));
        let asked = run(&mut state, 20, 100, |_| Ok(()));
        let first = asked.first().unwrap().0;
        assert!(first >= Duration::from_mins(1), "{first:?}");
        for second in 0..30 {
            let from = first + Duration::from_secs(second);
            let within =
                asked.iter().filter(|(at, _)| (from..from + Duration::from_secs(1)).contains(at));
            assert!(within.count() <= 3 * usize::try_from(LISTS_PER_SECOND).unwrap());
        }
        assert!(
            asked.iter().filter(|(at, _)| *at <= first + Duration::from_secs(45)).count() >= 200
        );
    }

    #[test]
    fn api_31_an_unreachable_region_gets_one_list_at_a_time_until_it_answers() {
        let mut state = machine(50, &["eu01", "eu02"]);
        let down = |scope: &Scope| match scope.region.as_str() {
            "eu01" => Err(FailureKind::Unreachable),
            _ => Ok(()),
        };
        run(&mut state, 0, 60, down);
        let asked = run(&mut state, 60, 300, down);
        let (down, up): (Vec<_>, Vec<_>) =
            asked.into_iter().partition(|(_, scope)| scope.region.as_str() == "eu01");
        assert!((8..=12).contains(&down.len()), "one in 30 s: {down:?}");
        let mut tried: Vec<&Scope> = down.iter().map(|(_, scope)| scope).collect();
        tried.sort();
        tried.dedup();
        assert_eq!(tried.len(), down.len(), "not the same one again and again");
        assert!(up.len() >= 400, "the other region is listed as ever: {}", up.len());
        assert_eq!(state.fleet.unreachable_regions(), [&Region::new("eu01")]);
        // Any answer is enough, even a refusal.
        let asked = run(&mut state, 360, 40, |scope| match scope.project.as_str() {
            "p-000" => Err(FailureKind::Forbidden),
            _ => Ok(()),
        });
        let asked = asked.iter().filter(|(_, scope)| scope.region.as_str() == "eu01").count();
        assert!(asked >= 50, "{asked}");
        assert!(state.fleet.unreachable_regions().is_empty());
        assert_eq!(state.fleet.failing().count(), 2, "p-000 in both regions");
    }
}
