//! Applies readings: clusters that changed, vanished, or were recreated under the same name.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::SignedDuration;

use crate::app::context::UpdateContext;
use crate::app::event::Event;
use crate::app::fleet::polling;
use crate::app::fleet::state::{Entry, Fleet, ReadingChange, ScopeStatus};
use crate::app::fleet::text;
use crate::app::notices::ToastAbout;
use crate::app::requests::RequestId;
use crate::app::rotation::pending::PendingSteps;
use crate::domain::age::passed;
use crate::domain::cluster::{Cluster, ClusterId, Listing, Scope};
use crate::domain::failure::{Failure, FailureKind};
use crate::domain::persisted::SavedCluster;
use crate::domain::record::Outcome;
use crate::domain::rotation::Phase;
use crate::domain::rotation_report::{missed_change, phase_change, phase_reached};

/// Maximum time between sorts, since clusters become due over time.
const REORDER: Duration = Duration::from_secs(30);

/// The result of a list. `in_use`: clusters whose rows stay even if no longer listed.
pub fn listed(
    fleet: &mut Fleet,
    (scope, request): (&Scope, RequestId),
    result: Result<Listing, Failure>,
    in_use: &[ClusterId],
    pending: &PendingSteps,
    cx: &mut UpdateContext<'_, ()>,
) {
    let listing = match result {
        Ok(listing) => listing,
        Err(failure) => {
            cx.raise(Event::SignIn(Some(failure.clone())));
            polling::schedule_after_failure(fleet, scope, failure, cx);
            return;
        }
    };
    if !fleet.scopes.contains_key(scope) {
        return;
    }
    cx.raise(Event::SignIn(None));
    fleet.note_skew(listing.skew);
    log_recovery(fleet, scope, cx);
    let mut changed = false;
    if let Some(entry) = fleet.scopes.get_mut(scope) {
        changed = !matches!(entry.status, ScopeStatus::Live) || entry.skipped != listing.skipped;
        entry.status = ScopeStatus::Live;
        entry.seen = Some(cx.shared.now);
        entry.skipped = listing.skipped;
        entry.wait_until = None;
    }
    let listed: BTreeSet<ClusterId> =
        listing.clusters.iter().map(|cluster| cluster.id.clone()).collect();
    for cluster in listing.clusters {
        changed |= apply(fleet, cluster, request, listing.skew, cx);
    }
    // Missing clusters may be among the unreadable items.
    if listing.skipped == 0 {
        changed |= remove_missing(fleet, scope, request, &listed, in_use, cx);
    }
    polling::schedule_after_success(fleet, scope, pending, cx);
    // Sorting a large fleet costs more than applying a list. Time alone changes what is due.
    let now = cx.shared.now.monotonic;
    if changed || now.saturating_sub(fleet.sorted_at) >= REORDER {
        fleet.sorted_at = now;
        cx.raise(Event::RowsChanged);
    }
}

/// The result of reading one cluster.
pub fn read(
    fleet: &mut Fleet,
    (id, request): (&ClusterId, RequestId),
    result: Result<(Box<Cluster>, Option<SignedDuration>), Failure>,
    cx: &mut UpdateContext<'_, ()>,
) {
    match result {
        Ok((cluster, skew)) => {
            cx.raise(Event::SignIn(None));
            fleet.note_skew(skew);
            if apply(fleet, *cluster, request, skew, cx) {
                cx.raise(Event::RowsChanged);
            }
        }
        Err(failure) => {
            cx.raise(Event::SignIn(Some(failure.clone())));
            if failure.kind == FailureKind::NotFound
                && fleet.entries.get(id).is_some_and(|entry| entry.read_by < request)
            {
                mark_missing(fleet, id, cx);
            }
            cx.raise(Event::ClusterNotRead { cluster: id.clone(), request, failure });
        }
    }
}

/// Applies a reading, unless a later one exists. Returns whether anything changed.
fn apply(
    fleet: &mut Fleet,
    cluster: Cluster,
    request: RequestId,
    skew: Option<SignedDuration>,
    cx: &mut UpdateContext<'_, ()>,
) -> bool {
    let now = cx.shared.now;
    let known = fleet.entries.get(&cluster.id);
    if known.is_some_and(|entry| entry.read_by > request) {
        return false;
    }
    let id = cluster.id.clone();
    let was_gone = known.is_some_and(|entry| entry.not_listed_since.is_some());
    let (earlier, known) = match fleet.entries.remove(&id) {
        Some(entry) if entry.is_last_known() => (Some(entry.cluster), None),
        known => (None, known),
    };
    let kept = fleet.kept.remove(&id);
    let is_replaced = kept.as_ref().is_some_and(|kept| kept.is_replaced_by(&cluster));
    let (entry, change) = match known {
        None if is_replaced => (Entry::new(cluster, now, request), ReadingChange::Replaced),
        None => (Entry::new(cluster, now, request), ReadingChange::Cluster),
        Some(mut entry) => {
            let change = entry.take(cluster, now, request);
            (entry, change)
        }
    };
    let cluster = Box::new(entry.cluster.clone());
    fleet.put(entry);
    match &change {
        ReadingChange::Phase(before) => log_phase(fleet, before, &cluster, cx),
        ReadingChange::Replaced => log_replacement(fleet, &id, cx),
        ReadingChange::Nothing | ReadingChange::Cluster => {}
    }
    if let Some(earlier) = earlier.filter(|_| change != ReadingChange::Replaced) {
        log_missed(&earlier, &cluster, cx);
    }
    if let Some(kept) = kept.filter(|kept| kept.watched && !is_replaced) {
        announce_missed(fleet, &kept, &cluster, cx);
    }
    let changed = change != ReadingChange::Nothing;
    cx.raise(Event::ClusterRead { cluster, request, skew, changed });
    changed || was_gone
}

fn log_phase(fleet: &Fleet, before: &Phase, cluster: &Cluster, cx: &mut UpdateContext<'_, ()>) {
    let after = &cluster.rotation.phase;
    let text = phase_change(before, after);
    let record = cx.record(Some(&cluster.id), "phase", Outcome::Observed, text.as_str());
    if matches!(after, Phase::Prepared | Phase::Completed) {
        let about = ToastAbout::Cluster(cluster.id.clone());
        cx.toast_about(about, text::of_cluster(fleet.label(&cluster.id), &text));
        let (cluster, text) = (cluster.id.clone(), phase_reached(before, after));
        cx.raise(Event::Announce { cluster, text });
    }
    cx.journal(record.of_rotation(cluster.rotation.start()));
}

/// First reading in this run of a cluster that an earlier run read: records what changed in between, at an unknown time.
fn log_missed(earlier: &Cluster, read: &Cluster, cx: &mut UpdateContext<'_, ()>) {
    let (before, after) = (&earlier.rotation, &read.rotation);
    let text = if !earlier.is_same_cluster(read) {
        text::RECREATED.to_owned()
    } else if after.is_older_than(before) {
        return;
    } else if before.phase != after.phase || after.is_next_of(before) {
        missed_change(&before.phase, &after.phase)
    } else {
        return;
    };
    let record = cx.record(Some(&read.id), "phase", Outcome::Observed, text);
    cx.journal(record.of_rotation(after.start()));
}

/// First reading of a watched cluster in this run: notifies once of a phase reached since the last run.
fn announce_missed(
    fleet: &Fleet,
    kept: &SavedCluster,
    read: &Cluster,
    cx: &mut UpdateContext<'_, ()>,
) {
    let phase = &read.rotation.phase;
    let is_other = kept.phase.as_ref().is_some_and(|before| before != phase);
    if is_other && matches!(phase, Phase::Prepared | Phase::Completed) {
        let text = text::since_last_run(phase.label());
        let about = ToastAbout::Cluster(kept.id.clone());
        cx.toast_about(about, text::of_cluster(fleet.label(&kept.id), &text));
        cx.raise(Event::Announce { cluster: kept.id.clone(), text });
    }
}

/// The cluster was recreated. `Access::is_of` recognises kubeconfigs of the old one.
fn log_replacement(fleet: &Fleet, id: &ClusterId, cx: &mut UpdateContext<'_, ()>) {
    let text = text::RECREATED;
    cx.toast(text::of_cluster(fleet.label(id), text));
    cx.journal(cx.record(Some(id), "phase", Outcome::Observed, text));
    cx.raise(Event::ClusterReplaced(id.clone()));
}

/// Removes clusters that are missing from a successful, complete list. Returns whether there were any.
fn remove_missing(
    fleet: &mut Fleet,
    scope: &Scope,
    request: RequestId,
    listed: &BTreeSet<ClusterId>,
    in_use: &[ClusterId],
    cx: &mut UpdateContext<'_, ()>,
) -> bool {
    let missing: BTreeSet<ClusterId> = fleet
        .in_scope(scope)
        .filter(|entry| entry.read_by < request)
        .map(|entry| entry.cluster.id.clone())
        .chain(fleet.kept.keys().filter(|id| id.scope == *scope).cloned())
        .filter(|id| !listed.contains(id))
        .collect();
    let is_any = !missing.is_empty();
    for id in missing {
        let was_read = fleet.entries.get(&id).is_some_and(|entry| !entry.is_last_known());
        if !was_read || !mark_missing(fleet, &id, cx) && !in_use.contains(&id) {
            fleet.forget(&id);
            cx.raise(Event::ClusterForgotten(id));
        }
    }
    is_any
}

/// Marks a cluster as no longer listed and logs that once. Returns whether this was the first time.
fn mark_missing(fleet: &mut Fleet, id: &ClusterId, cx: &mut UpdateContext<'_, ()>) -> bool {
    let Some(entry) = fleet.entries.get_mut(id).filter(|entry| entry.not_listed_since.is_none())
    else {
        return false;
    };
    entry.not_listed_since = Some(cx.shared.now.wall);
    cx.add_record(cx.record(Some(id), "phase", Outcome::Observed, text::NOT_LISTED));
    cx.raise(Event::ClusterMissing(id.clone()));
    cx.raise(Event::RowsChanged);
    true
}

/// Logs the end of a scope's outage.
fn log_recovery(fleet: &Fleet, scope: &Scope, cx: &mut UpdateContext<'_, ()>) {
    let status = fleet.scopes.get(scope).map(|entry| &entry.status);
    let Some(ScopeStatus::Failing(outage)) = status else { return };
    let lasted = passed(outage.since.wall, cx.shared.now.wall);
    let project = fleet.project_name(&scope.project);
    let text = text::recovered(project, &scope.region, lasted);
    if outage.is_reported(cx.shared.now) {
        cx.toast_about(ToastAbout::Ske, text.clone());
    }
    let mut record = cx.record(None, "connection", Outcome::Observed, text);
    record.trace.clone_from(&outage.failure.trace);
    cx.add_record(record);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::{SignedDuration, Timestamp};

    use crate::app::effect::{Effect, Request};
    use crate::app::keymap::Keymap;
    use crate::app::message::{Answer, Message};
    use crate::app::now::Now;
    use crate::app::requests::{RequestId, RequestOwner};
    use crate::app::rotation::pending::{PendingStage, PendingStep};
    use crate::app::settings::Settings;
    use crate::app::state::State;
    use crate::app::update::update;
    use crate::domain::cluster::{Cluster, ClusterId, Listing, ProjectId, Region};
    use crate::domain::failure::{Failure, FailureKind};
    use crate::domain::fixtures::{cluster, now};
    use crate::domain::last_known::LastKnown;
    use crate::domain::persisted::{PersistedState, SavedCluster};
    use crate::domain::record::Outcome;
    use crate::domain::rotation::{Phase, Step};

    fn list(state: &mut State, clusters: Vec<Cluster>) {
        let Some(scope) = state.fleet.scopes.keys().next().cloned() else { return };
        let request = state.requests.begin(RequestOwner::Clusters(scope));
        let at = state.shared.now;
        let listing = Listing { clusters, skipped: 0, skew: None };
        update(state, at, Message::Answered(request, Ok(Answer::Clusters(listing))));
    }

    #[test]
    fn api_17_a_missing_cluster_is_logged_once() {
        let mut settings = Settings::defaults();
        let web = cluster("web", Phase::Never);
        settings.projects = vec![(ProjectId::new(web.id.project().as_str()), None)];
        settings.regions = vec![Region::new("eu01")];
        let at = Now { wall: now(), monotonic: Duration::ZERO };
        let mut state = State::new(settings, Keymap::default(), PersistedState::default(), at, 1);
        list(&mut state, vec![web.clone()]);
        let gone = |state: &State| {
            state.activity.records.iter().filter(|record| record.text == "no longer listed").count()
        };
        for _ in 0..2 {
            let request = state.requests.begin(RequestOwner::Cluster(web.id.clone()));
            let failure = Failure::new(FailureKind::NotFound, "no such cluster");
            update(&mut state, at, Message::Answered(request, Err(failure)));
            assert_eq!(gone(&state), 1);
        }
        assert!(
            state.fleet.entries.get(&web.id).is_some_and(|entry| entry.not_listed_since.is_some())
        );
        state.view.cursor = Some(web.id);
        list(&mut state, Vec::new());
        assert_eq!(gone(&state), 1, "the list tells it no second time");
    }

    fn kept(cluster: &Cluster, phase: Phase) -> SavedCluster {
        let (id, created) = (cluster.id.clone(), cluster.created);
        SavedCluster { id, created, marked: true, watched: true, phase: Some(phase) }
    }

    /// A state with clusters kept by an earlier run, and a scope to list.
    fn with_kept(clusters: Vec<SavedCluster>) -> State {
        let mut settings = Settings::defaults();
        let project = cluster("web", Phase::Never).id.project().clone();
        settings.projects = vec![(project, None)];
        settings.regions = vec![Region::new("eu01")];
        let at = Now { wall: now(), monotonic: Duration::ZERO };
        let persisted = PersistedState { clusters, ..PersistedState::default() };
        State::new(settings, Keymap::default(), persisted, at, 1)
    }

    fn answer(state: &mut State, result: Result<Listing, Failure>) -> Vec<Effect> {
        let scope = state.fleet.scopes.keys().next().cloned().unwrap();
        let request = state.requests.begin(RequestOwner::Clusters(scope));
        let message = Message::Answered(request, result.map(Answer::Clusters));
        update(state, state.shared.now, message)
    }

    fn listing(clusters: &[&Cluster], skipped: usize) -> Listing {
        let clusters = clusters.iter().map(|cluster| (*cluster).clone()).collect();
        Listing { clusters, skipped, skew: None }
    }

    fn is_kept(state: &State, cluster: &Cluster) -> (bool, bool) {
        (state.view.marks.contains(&cluster.id), state.nodes.watched.contains(&cluster.id))
    }

    #[test]
    fn api_17_a_mark_of_an_earlier_run_stays_until_a_complete_list_lacks_its_cluster() {
        let [web, db] = ["web", "db"].map(|name| cluster(name, Phase::Never));
        let mut elsewhere = web.clone();
        elsewhere.id = ClusterId::new("another-project", "eu01", "web");
        let all = [&web, &db, &elsewhere].map(|cluster| kept(cluster, Phase::Never)).to_vec();
        let mut state = with_kept(all);
        assert_eq!(state.view.marked(&state.fleet).count(), 0, "none has a row");
        let failure = Failure::new(FailureKind::Unreachable, "no answer");
        for result in [Err(failure), Ok(listing(&[&web], 1))] {
            answer(&mut state, result);
            assert_eq!(is_kept(&state, &db), (true, true));
        }
        assert_eq!(state.view.marked(&state.fleet).count(), 1);
        answer(&mut state, Ok(listing(&[&web], 0)));
        assert_eq!(is_kept(&state, &web), (true, true));
        assert_eq!(is_kept(&state, &db), (false, false));
        assert_eq!(is_kept(&state, &elsewhere), (true, true), "nothing lists its project");
        answer(&mut state, Ok(listing(&[&web, &db], 0)));
        assert_eq!(is_kept(&state, &db), (false, false));
    }

    #[test]
    fn api_40_the_next_rotation_in_the_same_phase_is_recorded_and_told() {
        let web = cluster("web", Phase::Prepared);
        let mut state = with_kept(Vec::new());
        answer(&mut state, Ok(listing(&[&web], 0)));
        state.nodes.watched.insert(web.id.clone());
        let mut next = web.clone();
        let ago = |minutes| now().checked_sub(SignedDuration::from_mins(minutes)).ok();
        (next.rotation.completed, next.rotation.initiated) = (ago(90), ago(80));
        let effects = answer(&mut state, Ok(listing(&[&next], 0)));
        let text = "PREPARED → PREPARED of another rotation";
        let is_told = |effect: &Effect| matches!(effect, Effect::Journal(record) if record.action == "phase" && record.text == text);
        assert!(effects.iter().any(is_told), "{effects:?}");
        let notifies = |effect: &Effect| matches!(effect, Effect::Notify { text, .. } if text == "PREPARED of another rotation");
        assert!(effects.iter().any(notifies), "{effects:?}");
        let entry = &state.fleet.entries[&web.id];
        assert_eq!(entry.phase_seen, Some(state.shared.now.wall));
    }

    #[test]
    fn api_39_what_somebody_waits_for_outlasts_lists_that_lack_its_cluster() {
        let [web, db, ci] = ["web", "db", "ci"].map(|name| cluster(name, Phase::Completed));
        let mut state = with_kept(Vec::new());
        answer(&mut state, Ok(listing(&[&web, &db, &ci], 0)));
        let pending = PendingStep {
            request: RequestId(1),
            step: Step::Start,
            asked: state.shared.now,
            before: web.rotation.clone(),
            skew: None,
            ignore_reads_through: state.requests.last(),
            stage: PendingStage::Unknown,
            due: Duration::ZERO,
        };
        state.rotation.pending.insert(web.id.clone(), pending);
        state.nodes.watched.insert(db.id.clone());
        state.view.cursor = None;
        for _ in 0..3 {
            answer(&mut state, Ok(listing(&[], 0)));
        }
        assert!(!state.fleet.entries.contains_key(&ci.id), "nobody waits for anything of it");
        assert!(state.fleet.entries.contains_key(&web.id), "its row tells of the step");
        assert!(state.rotation.pending.contains_key(&web.id));
        assert!(state.nodes.watched.contains(&db.id));
        // Listed again, the cluster settles its step like any reading.
        let mut started = web;
        started.rotation.phase = Phase::Preparing;
        let effects = answer(&mut state, Ok(listing(&[&started], 0)));
        let is_done = |effect: &Effect| matches!(effect, Effect::Journal(record) if record.action == "start" && record.outcome == Outcome::Done);
        assert!(effects.iter().any(is_done), "{effects:?}");
    }

    #[test]
    fn api_18_a_cluster_recreated_between_two_runs_loses_mark_and_watch() {
        let web = cluster("web", Phase::Preparing);
        let mut again = cluster("web", Phase::Prepared);
        again.created = Some(now());
        assert_ne!(web.created, again.created);
        let mut state = with_kept(vec![kept(&web, Phase::Preparing)]);
        let effects = answer(&mut state, Ok(listing(&[&again], 0)));
        assert_eq!(is_kept(&state, &web), (false, false));
        assert!(!effects.iter().any(|effect| matches!(effect, Effect::Notify { .. })));
        let said = state.notices.toast.as_ref().map(|toast| toast.text.as_str());
        assert_eq!(said, Some("web: deleted and recreated; this is another cluster"));
    }

    #[test]
    fn what_came_about_between_two_runs_is_told_once_of_watched_clusters() {
        for (before, after, expected) in [
            (Some(Phase::Preparing), Phase::Prepared, Some("PREPARED since skeys last ran")),
            (Some(Phase::Never), Phase::Completed, Some("completed since skeys last ran")),
            (Some(Phase::Prepared), Phase::Prepared, None),
            (Some(Phase::Completed), Phase::Preparing, None),
            (None, Phase::Prepared, None),
        ] {
            for watched in [true, false] {
                let web = cluster("web", after.clone());
                let kept =
                    SavedCluster { phase: before.clone(), watched, ..kept(&web, Phase::Never) };
                let mut state = with_kept(vec![kept]);
                for expected in [expected.filter(|_| watched), None] {
                    let effects = answer(&mut state, Ok(listing(&[&web], 0)));
                    let (mut told, mut phase) = (None, None);
                    for effect in &effects {
                        if let Effect::Notify { text, .. } = effect {
                            told = Some(text.as_str());
                        } else if let Effect::Request(_, Request::Persist(kept, _)) = effect {
                            phase = kept.clusters.first().and_then(|kept| kept.phase.clone());
                        }
                    }
                    assert_eq!(told, expected, "{before:?} {after:?} {watched}");
                    // An announced phase is persisted.
                    assert_eq!(phase, expected.map(|_| after.clone()));
                }
            }
        }
    }

    /// The journal records about phases that the first list of a run writes, after an earlier run read `before`.
    fn told_after(before: &Cluster, read: &Cluster) -> Vec<(String, Option<Timestamp>)> {
        let mut state = with_kept(Vec::new());
        let (id, created, version) = (before.id.clone(), before.created, before.version.clone());
        let rotation = before.rotation.clone();
        state.fleet.remember(vec![LastKnown { id, created, version, rotation, read: now() }]);
        let effects = answer(&mut state, Ok(listing(&[read], 0)));
        let phases = effects.into_iter().filter_map(|effect| {
            let Effect::Journal(record) = effect else { return None };
            (record.action == "phase").then_some((record.text, record.rotation_started))
        });
        phases.collect()
    }

    #[test]
    fn what_came_about_between_two_runs_is_recorded_with_the_start_of_its_rotation() {
        let ago = |minutes| now().checked_sub(SignedDuration::from_mins(minutes)).ok();
        let of = |phase, initiated: i64, completed: i64| {
            let mut web = cluster("web", phase);
            (web.rotation.initiated, web.rotation.completed) = (ago(initiated), ago(completed));
            web
        };
        let missed =
            |text: &str, start| vec![(format!("{text} while skeys did not run"), ago(start))];
        let before = of(Phase::Prepared, 90, 9_000);
        assert_eq!(
            told_after(&before, &of(Phase::Prepared, 30, 40)),
            missed("PREPARED → PREPARED of another rotation", 30)
        );
        assert_eq!(
            told_after(&before, &of(Phase::Preparing, 30, 40)),
            missed("PREPARED → preparing", 30)
        );
        let done = of(Phase::Completed, 90, 40);
        assert_eq!(told_after(&before, &done), missed("PREPARED → completed", 90));
        assert_eq!(
            told_after(&done, &of(Phase::Completed, 30, 20)),
            missed("completed → completed of another rotation", 30)
        );
        // The start is not reported with its phase yet.
        let early = of(Phase::Preparing, 90, 40);
        let told = told_after(&done, &early);
        assert_eq!(told, [("completed → preparing while skeys did not run".to_owned(), None)]);
        assert_eq!(told_after(&before, &before), []);
        assert_eq!(told_after(&done, &before), [], "an old answer");
        let mut recreated = of(Phase::Never, 90, 40);
        (recreated.rotation.initiated, recreated.rotation.completed) = (None, None);
        recreated.created = Some(now());
        let told = told_after(&before, &recreated);
        assert_eq!(told, [("deleted and recreated; this is another cluster".to_owned(), None)]);
    }

    #[test]
    fn a_list_without_changes_orders_the_rows_only_from_time_to_time() {
        let mut settings = Settings::defaults();
        let web = cluster("web", Phase::Never);
        settings.projects = vec![(ProjectId::new(web.id.project().as_str()), None)];
        settings.regions = vec![Region::new("eu01")];
        let at = Now { wall: now(), monotonic: Duration::ZERO };
        let mut state = State::new(settings, Keymap::default(), PersistedState::default(), at, 1);
        let mut is_outdated = |seconds: u64, cluster: &Cluster| {
            state.shared.now.monotonic = Duration::from_secs(seconds);
            state.view.outdated = false;
            list(&mut state, vec![cluster.clone()]);
            state.view.outdated
        };
        assert!(is_outdated(1, &web), "it is new");
        assert!(!is_outdated(2, &web));
        let mut changed = web;
        changed.rotation.phase = Phase::Prepared;
        assert!(is_outdated(3, &changed));
        assert!(!is_outdated(4, &changed));
        assert!(is_outdated(40, &changed), "time alone makes it due");
    }
}
