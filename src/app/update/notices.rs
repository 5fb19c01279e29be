//! What is told: toasts, errors that stay, records of the activity and the journal.

use std::time::Duration;

use crate::app::effect::{Effect, Request};
use crate::app::message::Copied;
use crate::app::requests::{RequestId, RequestOwner};
use crate::app::state::{ACTIVITY_LIMIT, State, Toast};
use crate::domain::cluster::ClusterId;
use crate::domain::failure::Failure;
use crate::domain::persisted::PersistedState;
use crate::domain::record::{Outcome, Record};

/// How long a toast stays.
const TOAST: Duration = Duration::from_secs(6);
/// Errors kept until dismissed; older ones go.
const ERROR_LIMIT: usize = 20;

/// Shows one line for six seconds: what became of something that the person did.
pub fn toast(state: &mut State, text: String) {
    let until = state.now.monotonic.saturating_add(TOAST);
    state.toast = Some(Toast { text, until, seen: false });
}

/// Shows one line about something that was seen; it never takes the place of an answer to the person.
pub fn mention(state: &mut State, text: String) {
    if state.toast.as_ref().is_none_or(|toast| toast.seen) {
        let until = state.now.monotonic.saturating_add(TOAST);
        state.toast = Some(Toast { text, until, seen: true });
    }
}

/// Shows an error until it is dismissed.
pub fn error(state: &mut State, failure: Failure) {
    if state.errors.back() == Some(&failure) {
        return;
    }
    if state.errors.len() >= ERROR_LIMIT {
        state.errors.pop_front();
    }
    state.errors.push_back(failure);
}

/// Keeps a record in the activity.
pub fn remember(state: &mut State, record: Record) {
    if state.activity.len() >= ACTIVITY_LIMIT {
        state.activity.pop_front();
        state.activity_dropped = state.activity_dropped.saturating_add(1);
    }
    state.activity.push_back(record);
}

/// A record of now, by us.
pub fn record(
    state: &State,
    cluster: Option<&ClusterId>,
    step: &str,
    request: Option<RequestId>,
    outcome: Outcome,
    text: String,
) -> Record {
    Record {
        at: state.now.wall,
        who: state.who(),
        cluster: cluster.cloned(),
        step: step.to_owned(),
        request: request.map(|request| request.to_string()),
        outcome,
        text,
        expires: None,
        trace: None,
    }
}

/// Keeps a record in the activity and the journal.
pub fn journal(state: &mut State, record: Record) -> Effect {
    remember(state, record.clone());
    Effect::Journal(Box::new(record))
}

/// What is kept between runs, as it stands.
pub fn kept(state: &mut State) -> Effect {
    let kept = PersistedState {
        credentials: state.fleet.credentials.clone(),
        theme: Some(state.theme.word().to_owned()),
        columns: state.look.columns.clone(),
        sort: Some(state.look.sort.id().to_owned()),
    };
    let persist = Request::Persist(Box::new(kept), state.server_now());
    request(state, RequestOwner::PersistedState, persist)
}

/// Asks for something; its answer is taken in through its owner.
pub fn request(state: &mut State, owner: RequestOwner, request: Request) -> Effect {
    Effect::Request(state.requests.begin(owner), request)
}

/// Copies something that is no secret.
pub fn copy(state: &mut State, what: String, text: String) -> Effect {
    request(state, RequestOwner::Copy(what), Request::CopyText(text))
}

/// Something that is no secret was copied, or not.
pub fn copied(state: &mut State, what: &str, result: Result<Copied, Failure>) {
    match result {
        Err(failure) => error(state, failure),
        Ok(copied) => toast(state, format!("{}: {what}.", copied.how)),
    }
}
