//! Reads this machine's kubeconfig files; after a rotation, tries the credentials with predictions.

use std::time::Duration;

use crate::app::context::UpdateContext;
use crate::app::credentials::state::{InventoryState, PredictedCredential, Prediction, content_at};
use crate::app::credentials::text;
use crate::app::effect::Request;
use crate::app::message::TriedCredential;
use crate::app::requests::RequestOwner;
use crate::domain::cluster::{Cluster, ClusterId};
use crate::domain::credential::{
    Credentials, KnownCredential, KubeconfigLocation, Trial, TrialSummary, Verdict,
};
use crate::domain::failure::{Failure, FailureKind};
use crate::domain::kubeconfig::token_alone;
use crate::domain::record::Outcome;
use crate::domain::rotation::Phase;

/// Rereads the files.
pub fn read(inventory: &mut InventoryState, credentials: &Credentials, cx: &mut UpdateContext<'_>) {
    inventory.requested_at = Some(cx.shared.now.monotonic);
    let more = cx.shared.settings.more_files(credentials);
    cx.request(RequestOwner::Inventory, Request::ReadInventory(more));
}

/// Whether the files are due to be read again.
pub fn is_due(inventory: &InventoryState, interval: Duration, now: Duration) -> bool {
    inventory.requested_at.is_none_or(|at| at.saturating_add(interval) <= now)
}

/// Judges a pasted token; keeps only its facts.
pub fn paste(inventory: &mut InventoryState, pasted: &str, cx: &mut UpdateContext<'_>) {
    inventory.pasted = token_alone(pasted);
    if inventory.pasted.is_none() {
        cx.toast(text::NO_TOKEN);
    }
}

/// Handles a reading: predicts the fate of `known` credentials while a rotation is open, and tries them once it is
/// completed.
pub fn cluster_read(
    inventory: &mut InventoryState,
    cluster: &Cluster,
    known: Vec<KnownCredential>,
    cx: &mut UpdateContext<'_>,
) {
    let id = &cluster.id;
    let Some(start) = cluster.rotation.initiated else { return };
    match cluster.rotation.phase {
        Phase::Preparing | Phase::Prepared => {
            // Skips credentials that kubectl cannot use: a trial from here might still be accepted.
            let known = known
                .into_iter()
                .filter(|known| known.verdict != Verdict::Expired && known.unusable().is_none());
            let files = inventory.files.as_deref().unwrap_or_default();
            let predicted = |known: KnownCredential| PredictedCredential {
                content: content_at(files, &known.location),
                location: known.location,
                verdict: known.verdict,
            };
            let credentials: Vec<_> = known.map(predicted).collect();
            // In a large fleet, most clusters have no known credentials.
            if credentials.is_empty() {
                inventory.predicted.remove(id);
            } else {
                inventory.predicted.insert(id.clone(), Prediction { start, credentials });
            }
            inventory.trials.remove(id);
        }
        Phase::Completed if !inventory.trials.contains_key(id) => {
            let predicted =
                inventory.predicted.get(id).filter(|predicted| predicted.start == start);
            let predicted = predicted.into_iter().flat_map(|predicted| &predicted.credentials);
            let locations: Vec<KubeconfigLocation> =
                predicted.map(|one| one.location.clone()).collect();
            if !locations.is_empty() {
                inventory.trials.insert(id.clone(), Vec::new());
                cx.request(RequestOwner::Trials(id.clone()), Request::TryCredentials(locations));
            }
        }
        Phase::Completed | Phase::Completing | Phase::Never | Phase::Unknown(_) => {}
    }
}

/// Compares trial results with predictions and records them; reports differences as an error. A credential that was
/// replaced since its prediction proves nothing and is only counted.
pub fn tried(
    inventory: &mut InventoryState,
    id: &ClusterId,
    tried: Vec<TriedCredential>,
    cx: &mut UpdateContext<'_>,
) {
    // The cluster was deleted since, or another rotation was started.
    let Some(trials) = inventory.trials.get_mut(id) else { return };
    let predicted = inventory.predicted.get(id).map(|predicted| &predicted.credentials);
    let (mut counts, mut replaced) = (TrialSummary::default(), 0);
    let mut differing = Vec::new();
    for predicted in predicted.into_iter().flatten() {
        let Some(tried) = tried.iter().find(|tried| tried.location == predicted.location) else {
            continue;
        };
        let is_answered = matches!(tried.trial, Trial::Accepted | Trial::Refused(_));
        let is_known = tried.content.is_some() && predicted.content.is_some();
        if is_answered && tried.content != predicted.content {
            // Where one of them was not read, nobody knows whether it is the same.
            *(if is_known { &mut replaced } else { &mut counts.open }) += 1;
        } else if !counts.count(predicted.verdict, &tried.trial) {
            differing.push(predicted.location.describe());
        }
    }
    let summary = text::proof(&counts, replaced);
    let text = match differing.as_slice() {
        [] => summary,
        locations => text::proof_differs(summary, locations.join(", ")),
    };
    cx.journal(cx.record(Some(id), "credentials", Outcome::Observed, text.clone()));
    if differing.is_empty() {
        cx.toast(text::of_cluster(cx.fleet.label(id), text));
    } else {
        let problem =
            Failure::new(FailureKind::Refused, text::of_cluster(cx.fleet.label(id), text));
        cx.notices.error(problem.hint(text::PROOF_HINT));
    }
    *trials = tried.into_iter().map(|tried| (tried.location, tried.trial)).collect();
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

    use crate::app::context::{Outbox, context};
    use crate::app::credentials::state::{PredictedCredential, Prediction};
    use crate::app::credentials::update::cluster_read;
    use crate::app::effect::{Effect, Request};
    use crate::app::keymap::Keymap;
    use crate::app::message::{Answer, Message, TriedCredential};
    use crate::app::now::Now;
    use crate::app::requests::RequestOwner;
    use crate::app::settings::Settings;
    use crate::app::state::State;
    use crate::app::update::update;
    use crate::domain::cluster::ClusterId;
    use crate::domain::credential::{
        CredentialKind, FoundContext, FoundFile, KnownCredential, KubeconfigLocation, SignIn,
        TokenFacts, Trial, Trust, Verdict,
    };
    use crate::domain::failure::{Failure, FailureKind};
    use crate::domain::fixtures::{cluster, found_context, found_file, now};
    use crate::domain::persisted::PersistedState;
    use crate::domain::preflight::Evidence;
    use crate::domain::rotation::Phase;

    fn at() -> Now {
        Now { wall: now(), monotonic: Duration::from_secs(1_000) }
    }

    fn state() -> State {
        State::new(Settings::defaults(), Keymap::default(), PersistedState::default(), at(), 1)
    }

    /// A context with a token, distinguished by its subject.
    fn found(subject: &str) -> FoundContext {
        let facts = TokenFacts { subject: subject.into(), ..TokenFacts::default() };
        found_context("web", "api.example", Trust::System, vec![SignIn::OtherToken(facts)])
    }

    fn location() -> KubeconfigLocation {
        KubeconfigLocation::File { path: "~/a.yaml".into(), context: "web".into(), whole: false }
    }

    /// Whether an accepted credential that was predicted to break is reported, and the journal text.
    fn reported(predicted: Option<&str>, tried: Option<&str>, trial: Trial) -> (bool, String) {
        let (mut state, id) = (state(), ClusterId::new("p", "eu01", "web"));
        let credential = PredictedCredential {
            location: location(),
            verdict: Verdict::BreaksOnComplete,
            content: predicted.map(found),
        };
        let prediction = Prediction { start: now(), credentials: vec![credential] };
        state.inventory.predicted.insert(id.clone(), prediction);
        state.inventory.trials.insert(id.clone(), Vec::new());
        let request = state.requests.begin(RequestOwner::Trials(id));
        let tried = TriedCredential { location: location(), trial, content: tried.map(found) };
        let answer = Message::Answered(request, Ok(Answer::Tried(vec![tried])));
        let effects = update(&mut state, at(), answer);
        let told = effects.into_iter().find_map(|effect| {
            if let Effect::Journal(record) = effect { Some(record.text) } else { None }
        });
        (!state.notices.errors.is_empty(), told.unwrap())
    }

    #[test]
    fn cred_13_a_fresh_kubeconfig_in_the_place_of_one_that_breaks_is_no_difference() {
        let (is_reported, told) = reported(Some("old"), Some("old"), Trial::Accepted);
        assert!(is_reported && told.contains("differs from the verdict"), "{told}");
        for (predicted, tried, expected) in [
            (Some("old"), Some("fresh"), "1 replaced since, not compared"),
            (None, Some("fresh"), "1 inconclusive"),
            (Some("old"), None, "1 inconclusive"),
        ] {
            let (is_reported, told) = reported(predicted, tried, Trial::Accepted);
            assert!(!is_reported, "{told}");
            assert_eq!(told, expected);
        }
        let gone = Trial::NotTried("it is not there".into());
        assert_eq!(reported(Some("old"), None, gone).1, "1 inconclusive");
    }

    fn asks_for(effects: &[Effect], is_wanted: impl Fn(&Request) -> bool) -> bool {
        effects.iter().any(|effect| matches!(effect, Effect::Request(_, asked) if is_wanted(asked)))
    }

    fn late() -> Failure {
        Failure::new(FailureKind::File, "no answer within 10 s")
    }

    #[test]
    fn cred_15_files_that_could_not_be_read_are_read_again_on_refresh() {
        let mut state = state();
        let request = state.requests.begin(RequestOwner::Inventory);
        update(&mut state, at(), Message::Answered(request, Err(late())));
        let subject = cluster("web", Phase::Prepared);
        assert_eq!(state.evidence(&subject).not_read.as_deref(), Some("no answer within 10 s"));
        assert_eq!(state.notices.errors.pop_front(), Some(late()));
        let key = KeyEvent::new(KeyCode::Char('r'), KeyModifiers::NONE);
        let effects = update(&mut state, at(), Message::Key(key));
        assert!(asks_for(&effects, |asked| matches!(asked, Request::ReadInventory(_))));
        assert!(state.evidence(&subject).not_read.is_some(), "until they are read");
        let request = state.requests.begin(RequestOwner::Inventory);
        update(&mut state, at(), Message::Answered(request, Ok(Answer::Inventory(Vec::new()))));
        let evidence = state.evidence(&subject);
        assert_eq!((evidence.files.map(|files| files.len()), evidence.not_read), (Some(0), None));
    }

    #[test]
    fn cred_15_files_read_earlier_do_not_replace_those_read_later() {
        let mut state = state();
        let subject = cluster("web", Phase::Prepared);
        let [first, second, third] =
            [(); 3].map(|()| state.requests.begin(RequestOwner::Inventory));
        let file = |path: &str| found_file(path, "api.example", Trust::System, SignIn::StaticToken);
        let answer = |state: &mut State, request, answer: Result<_, Failure>| {
            update(state, at(), Message::Answered(request, answer.map(Answer::Inventory)));
            let Evidence { files, not_read, .. } = state.evidence(&subject);
            (files.map(|files| files[0].path.clone()), not_read)
        };
        let read = (Some("b".to_owned()), None);
        assert_eq!(answer(&mut state, second, Ok(vec![file("b")])), read);
        assert_eq!(answer(&mut state, first, Ok(vec![file("a")])), read);
        let failed = (Some("b".to_owned()), Some("no answer within 10 s".to_owned()));
        assert_eq!(answer(&mut state, third, Err(late())), failed);
    }

    #[test]
    fn cred_15_what_could_not_be_tried_is_tried_again_on_refresh() {
        let mut state = state();
        let mut completed = cluster("web", Phase::Completed);
        completed.rotation.initiated = Some(now());
        let credential = PredictedCredential {
            location: location(),
            verdict: Verdict::BreaksOnComplete,
            content: Some(found("old")),
        };
        let prediction = Prediction { start: now(), credentials: vec![credential] };
        state.inventory.predicted.insert(completed.id.clone(), prediction);
        let read = |state: &mut State| {
            let mut out = Outbox::default();
            let cx = context!(state, &mut out);
            cluster_read(&mut state.inventory, &completed, Vec::new(), cx);
            asks_for(&out.effects, |asked| matches!(asked, Request::TryCredentials(_)))
        };
        let refresh = |state: &mut State| {
            let key = KeyEvent::new(KeyCode::Char('r'), KeyModifiers::NONE);
            update(state, at(), Message::Key(key));
        };
        assert!(read(&mut state));
        refresh(&mut state);
        assert!(!read(&mut state), "it is being tried");
        let is_trial = |owner: &RequestOwner| matches!(owner, RequestOwner::Trials(_));
        let (request, _) = state.requests.open().find(|(_, owner)| is_trial(owner)).unwrap();
        let effects = update(&mut state, at(), Message::Answered(request, Err(late())));
        assert!(!effects.iter().any(|effect| matches!(effect, Effect::Journal(_))));
        assert_eq!(state.notices.errors.pop_front(), Some(late()));
        assert!(!read(&mut state), "not with every reading");
        refresh(&mut state);
        assert!(read(&mut state));
    }

    #[test]
    fn api_18_trials_of_a_deleted_cluster_are_not_those_of_its_successor() {
        let (mut state, id) = (state(), ClusterId::new("p", "eu01", "web"));
        state.inventory.trials.insert(id.clone(), Vec::new());
        let request = state.requests.begin(RequestOwner::Trials(id.clone()));
        state.inventory.forget(&id);
        let tried = TriedCredential { location: location(), trial: Trial::Accepted, content: None };
        let answer = Message::Answered(request, Ok(Answer::Tried(vec![tried])));
        let effects = update(&mut state, at(), answer);
        assert!(!effects.iter().any(|effect| matches!(effect, Effect::Journal(_))));
        assert_eq!(state.inventory.trial(&id, &location()), None);
    }

    #[test]
    fn a_prediction_keeps_what_was_there() {
        let mut state = state();
        let file = FoundFile {
            path: "~/a.yaml".into(),
            other_names: Vec::new(),
            is_default: false,
            wide_mode: None,
            contexts: Ok(vec![found("old")]),
        };
        state.inventory.files = Some(Arc::from(vec![file]));
        let mut prepared = cluster("web", Phase::Prepared);
        prepared.rotation.initiated = Some(now());
        let known = KnownCredential {
            location: location(),
            kind: CredentialKind::OtherToken,
            expires: None,
            verdict: Verdict::BreaksOnComplete,
            reasons: Vec::new(),
            wide_mode: None,
            other_file: None,
        };
        let mut out = Outbox::default();
        let cx = context!(state, &mut out);
        cluster_read(&mut state.inventory, &prepared, vec![known], cx);
        let predicted = &state.inventory.predicted[&prepared.id].credentials;
        assert_eq!(predicted[0].content, Some(found("old")));
    }
}
