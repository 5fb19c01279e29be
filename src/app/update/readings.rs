//! What reads bring: clusters that changed, vanished or are new ones under an old name.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::SignedDuration;

use crate::app::dialog::Dialog;
use crate::app::effect::Effect;
use crate::app::fleet::{Entry, ScopeStatus};
use crate::app::message::Listing;
use crate::app::requests::RequestId;
use crate::app::state::{Screen, State};
use crate::app::update::{arrange, kubeconfig, notices, observing, polling, rotation};
use crate::domain::age::{long, since};
use crate::domain::cluster::{Cluster, ClusterId, Scope};
use crate::domain::failure::{Failure, FailureKind};
use crate::domain::record::Outcome;
use crate::domain::rotation::{OLD_ANSWERS, Phase};

/// A scope was listed, or not.
pub fn listed(
    state: &mut State,
    sequence: RequestId,
    scope: &Scope,
    result: Result<Listing, Failure>,
) -> Vec<Effect> {
    let now = state.now;
    let Some(entry) = state.fleet.scopes.get_mut(scope) else { return Vec::new() };
    if entry.in_flight != Some(sequence) {
        return Vec::new();
    }
    entry.in_flight = None;
    match result {
        Err(failure) => {
            note_sign_in(state, Some(&failure));
            polling::schedule_after_failure(state, scope, failure);
            Vec::new()
        }
        Ok(listing) => {
            note_sign_in(state, None);
            state.fleet.note_skew(listing.skew);
            let mut effects = recovered(state, scope);
            if let Some(entry) = state.fleet.scopes.get_mut(scope) {
                entry.status = ScopeStatus::Live;
                entry.failures = 0;
                entry.seen = Some(now);
                entry.skipped = listing.skipped;
            }
            state.waits.remove(scope);
            let listed: BTreeSet<ClusterId> =
                listing.clusters.iter().map(|cluster| cluster.id.clone()).collect();
            for cluster in listing.clusters {
                effects.extend(apply(state, cluster, sequence, listing.skew));
            }
            effects.extend(missing(state, scope, &listed, sequence, listing.skipped));
            polling::schedule_after_success(state, scope);
            arrange(state);
            effects
        }
    }
}

/// One cluster was read, or not.
pub fn read(
    state: &mut State,
    sequence: RequestId,
    id: &ClusterId,
    result: Result<(Box<Cluster>, SignedDuration), Failure>,
) -> Vec<Effect> {
    match result {
        Ok((cluster, skew)) => {
            note_sign_in(state, None);
            state.fleet.note_skew(skew);
            let effects = apply(state, *cluster, sequence, skew);
            arrange(state);
            effects
        }
        Err(failure) => {
            note_sign_in(state, Some(&failure));
            if failure.kind == FailureKind::NotFound
                && state.fleet.entries.get(id).is_some_and(|entry| entry.sequence < sequence)
            {
                vanished(state, id);
            }
            rotation::read_failed(state, id, sequence, failure)
        }
    }
}

/// Takes a reading in, unless a later one is there.
fn apply(
    state: &mut State,
    cluster: Cluster,
    sequence: RequestId,
    skew: SignedDuration,
) -> Vec<Effect> {
    let (id, now) = (cluster.id.clone(), state.now);
    let known = state.fleet.entries.get(&id);
    if known.is_some_and(|entry| entry.sequence > sequence) {
        return Vec::new();
    }
    let mut effects = Vec::new();
    let mut entry = Entry::new(cluster, now, sequence);
    entry.cluster.remember(None, now.wall);
    let mut changed = true;
    if let Some(known) = known.cloned() {
        if State::is_same(&known.cluster, &entry.cluster) {
            keep_from_old_answer(&mut entry, &known, now.monotonic);
            entry.cluster.remember(Some(&known.cluster), now.wall);
            changed = known.cluster != entry.cluster;
            let before = &known.cluster.rotation.phase;
            if *before == entry.cluster.rotation.phase {
                entry.phase_seen = known.phase_seen;
                (entry.held, entry.remaining) = (known.held, known.remaining);
            } else {
                entry.phase_seen = Some(now.wall);
                effects.extend(phase_changed(state, before, &entry.cluster));
            }
        } else {
            effects.extend(replaced(state, &id));
        }
    }
    effects.extend(rotation::seen(state, &entry.cluster, sequence, skew));
    let shown = changed.then(|| entry.cluster.clone());
    state.fleet.put(entry);
    effects.extend(shown.iter().flat_map(|cluster| observing::reading(state, cluster)));
    effects
}

/// An answer may be older than one before it: then the rotation stays as it is known, for a while.
fn keep_from_old_answer(entry: &mut Entry, known: &Entry, now: Duration) {
    if !entry.cluster.rotation.is_older_than(&known.cluster.rotation) {
        return;
    }
    let began = known.older.unwrap_or(now);
    if now.saturating_sub(began) < OLD_ANSWERS {
        entry.older = Some(began);
        entry.cluster.rotation = known.cluster.rotation.clone();
    }
}

fn phase_changed(state: &mut State, before: &Phase, cluster: &Cluster) -> Vec<Effect> {
    let after = &cluster.rotation.phase;
    let text = format!("{} → {}", before.word(), after.word());
    if matches!(after, Phase::Prepared | Phase::Completed) {
        notices::mention(state, format!("{}: {text}", state.fleet.label(&cluster.id)));
    }
    let mut effects = Vec::new();
    if matches!(after, Phase::Prepared | Phase::Completed) {
        effects.extend(observing::tell(state, &cluster.id, after.word()));
    }
    let record = notices::record(state, Some(&cluster.id), "phase", None, Outcome::Seen, text);
    effects.push(notices::journal(state, record));
    effects
}

/// Another cluster stands under the same name: what was meant for the old one is dropped.
fn replaced(state: &mut State, id: &ClusterId) -> Vec<Effect> {
    state.look.marks.remove(id);
    state.pending.remove(id);
    if dialog_is_about(state, id) {
        state.dialog = None;
    }
    let mut effects = kubeconfig::drop_unsaved(state, id, "the cluster was deleted");
    if matches!(&state.screen, Screen::Cluster { id: open, .. } if open == id) {
        state.screen = Screen::Fleet;
    }
    let text = "deleted and created anew; this is another cluster".to_owned();
    notices::toast(state, format!("{}: {text}", state.fleet.label(id)));
    let record = notices::record(state, Some(id), "phase", None, Outcome::Seen, text);
    // Kubeconfigs of the old one are known for what they are: `Access::is_of`.
    effects.push(notices::journal(state, record));
    effects.extend(observing::forget(state, id));
    effects
}

fn dialog_is_about(state: &State, id: &ClusterId) -> bool {
    match &state.dialog {
        Some(Dialog::Rotate(dialog)) => dialog.shown.id == *id,
        Some(Dialog::Confirm(dialog)) => dialog.cluster == *id,
        Some(Dialog::Issue(form)) => form.cluster.id == *id,
        Some(Dialog::Menu(_)) | None => false,
    }
}

/// Clusters that a working, complete list no longer has.
fn missing(
    state: &mut State,
    scope: &Scope,
    listed: &BTreeSet<ClusterId>,
    sequence: RequestId,
    skipped: usize,
) -> Vec<Effect> {
    if skipped > 0 {
        // The missing ones may be among the items that could not be read.
        return Vec::new();
    }
    let gone: Vec<ClusterId> = state
        .fleet
        .entries
        .values()
        .filter(|entry| entry.cluster.id.scope == *scope && entry.sequence < sequence)
        .map(|entry| entry.cluster.id.clone())
        .filter(|id| !listed.contains(id))
        .collect();
    let mut effects = Vec::new();
    for id in gone {
        let in_use = state.cursor.as_ref() == Some(&id)
            || dialog_is_about(state, &id)
            || matches!(&state.screen, Screen::Cluster { id: open, .. } if *open == id);
        if !vanished(state, &id) && !in_use {
            state.fleet.forget(&id);
            state.look.marks.remove(&id);
            state.pending.remove(&id);
            effects.extend(kubeconfig::drop_unsaved(state, &id, "the cluster is no longer listed"));
            effects.extend(observing::forget(state, &id));
        }
    }
    effects
}

/// The cluster is no longer there, whichever read says so first: told once. Says whether this was the first.
fn vanished(state: &mut State, id: &ClusterId) -> bool {
    let wall = state.now.wall;
    let Some(entry) = state.fleet.entries.get_mut(id).filter(|entry| entry.gone.is_none()) else {
        return false;
    };
    entry.gone = Some(wall);
    let text = "no longer listed".to_owned();
    let record = notices::record(state, Some(id), "phase", None, Outcome::Seen, text);
    notices::remember(state, record);
    kubeconfig::cluster_gone(state, id);
    rotation::cluster_gone(state, id);
    arrange(state);
    true
}

/// A scope works again: said once.
fn recovered(state: &mut State, scope: &Scope) -> Vec<Effect> {
    let Some(ScopeStatus::Failing { since: began, failure }) =
        state.fleet.scopes.get(scope).map(|entry| entry.status.clone())
    else {
        return Vec::new();
    };
    let lasted = since(began, state.now.wall);
    let project = state.fleet.project_name(&scope.project).to_owned();
    let text = format!("{project} in {} answers again after {}", scope.region, long(lasted));
    if lasted > SignedDuration::from_secs(20) {
        notices::mention(state, text.clone());
    }
    let mut record = notices::record(state, None, "connection", None, Outcome::Seen, text);
    record.trace = failure.trace;
    notices::remember(state, record);
    Vec::new()
}

fn note_sign_in(state: &mut State, failure: Option<&Failure>) {
    match failure {
        Some(failure) if failure.kind == FailureKind::SignedOut => {
            if state.signed_out.is_none() {
                state.signed_out = Some((state.now.wall, failure.clone()));
            }
        }
        None if state.signed_out.take().is_some() => {
            notices::toast(state, "SKE takes the token again.".to_owned());
        }
        Some(_) | None => {}
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::SignedDuration;

    use crate::app::keymap::Keymap;
    use crate::app::message::{Answer, Listing, Message, Now};
    use crate::app::requests::RequestOwner;
    use crate::app::settings::Settings;
    use crate::app::state::State;
    use crate::app::update::update;
    use crate::domain::cluster::{Cluster, ProjectId, Region};
    use crate::domain::failure::{Failure, FailureKind};
    use crate::domain::fixtures::{cluster, now};
    use crate::domain::persisted::PersistedState;
    use crate::domain::rotation::Phase;

    fn list(state: &mut State, clusters: Vec<Cluster>) {
        let Some(scope) = state.fleet.scopes.keys().next().cloned() else { return };
        let request = state.requests.begin(RequestOwner::Clusters(scope.clone()));
        state.fleet.scopes.get_mut(&scope).unwrap().in_flight = Some(request);
        let at = state.now;
        let listing = Listing { clusters, skipped: 0, skew: SignedDuration::ZERO };
        update(state, at, Message::Answered(request, Answer::Clusters(Ok(listing))));
    }

    #[test]
    fn api_17_a_cluster_that_a_single_read_misses_is_told_as_gone_once() {
        let mut settings = Settings::defaults();
        let web = cluster("web", Phase::Never);
        settings.projects = vec![(ProjectId::new(web.id.project().as_str()), None)];
        settings.regions = vec![Region::new("eu01")];
        let at = Now { wall: now(), monotonic: Duration::ZERO };
        let mut state = State::new(settings, Keymap::default(), PersistedState::default(), at, 1);
        list(&mut state, vec![web.clone()]);
        let gone = |state: &State| {
            state.activity.iter().filter(|record| record.text == "no longer listed").count()
        };
        for _ in 0..2 {
            let request = state.requests.begin(RequestOwner::Cluster(web.id.clone()));
            let failure = Failure::new(FailureKind::NotFound, "no such cluster");
            update(&mut state, at, Message::Answered(request, Answer::Cluster(Err(failure))));
            assert_eq!(gone(&state), 1);
        }
        assert!(state.fleet.entries.get(&web.id).is_some_and(|entry| entry.gone.is_some()));
        state.cursor = Some(web.id);
        list(&mut state, Vec::new());
        assert_eq!(gone(&state), 1, "the list tells it no second time");
    }
}
