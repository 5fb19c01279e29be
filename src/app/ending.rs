//! The end of a dashboard, on quit or restart, and the state that is saved.

use crate::app::confirmation::Confirmation;
use crate::app::context::{Outbox, context};
use crate::app::effect::{Request, TerminalEffect};
use crate::app::kubeconfig::renewal::{RenewalItem, RenewalItemStage};
use crate::app::requests::RequestOwner;
use crate::app::rotation::pending::PendingStage;
use crate::app::session::quit::QuitDialog;
use crate::app::state::State;
use crate::app::{kubeconfig, session};
use crate::domain::last_known::LastFleet;
use crate::domain::persisted::PersistedState;

/// Quits, or asks first while something is pending; a second request quits.
pub fn ask_to_quit(state: &mut State, out: &mut Outbox) {
    match why_stay(state) {
        Some((why, then)) if state.session.quit_dialog.is_none() => {
            state.session.quit_dialog =
                Some(QuitDialog { confirmation: Confirmation::new(&state.shared), why, then });
        }
        _ => end_program(state, out),
    }
}

/// What quitting would interrupt, if anything, and the consequence.
fn why_stay(state: &State) -> Option<(String, &'static str)> {
    let sending = |stage: &PendingStage| matches!(stage, PendingStage::Sending);
    let sent = state.rotation.pending.iter().find(|(_, pending)| sending(&pending.stage));
    if let Some((id, pending)) = sent {
        let why = session::text::request_being_sent(pending.step, state.fleet.label(id));
        return Some((why, session::text::REQUESTS_CONTINUE));
    }
    let (why, then) = if state.requests.has_kubeconfigs() {
        (session::text::KUBECONFIG_UNDER_WAY, session::text::KUBECONFIG_LOST)
    } else if !state.kubeconfig.unsaved.is_empty() {
        (session::text::KUBECONFIG_UNSAVED, session::text::KUBECONFIG_LOST)
    } else if state.write_under_way() {
        (session::text::OUTCOME_UNKNOWN, session::text::REQUESTS_CONTINUE)
    } else {
        return None;
    };
    Some((why.to_owned(), then))
}

/// Ends the program.
pub fn end_program(state: &mut State, out: &mut Outbox) {
    end(state, out, TerminalEffect::Quit);
}

fn end(state: &mut State, out: &mut Outbox, how: TerminalEffect) {
    if std::mem::replace(&mut state.session.quitting, true) {
        return;
    }
    if let Some(renewal) = &mut state.kubeconfig.renewal {
        // Issued kubeconfigs are still saved; no more are requested.
        let waits = |item: &RenewalItem| {
            matches!(item.stage, RenewalItemStage::Ready) && item.issued.is_none()
        };
        renewal.items.retain(|item| !waits(item));
    }
    let window = state.session.window.take();
    let cx = context!(state, out);
    kubeconfig::delivery::clear_clipboard(&mut state.kubeconfig, std::time::Duration::MAX, cx);
    if window.is_some() {
        cx.terminal(TerminalEffect::Status(None));
    }
    persist(state, out);
    save_fleet(state, out);
    context!(state, out).terminal(how);
}

/// Saves the last readings of the fleet for the next run.
pub fn save_fleet(state: &mut State, out: &mut Outbox) {
    state.session.fleet_saved_at = state.shared.now.monotonic;
    let clusters = state.fleet.last_known();
    if !clusters.is_empty() {
        let last = LastFleet { ske: state.shared.settings.ske.clone(), clusters };
        let keep = Request::SaveFleet(Box::new(last));
        context!(state, out).request(RequestOwner::PersistedState, keep);
    }
}

/// The state to persist for the next run.
pub fn persisted(state: &State) -> PersistedState {
    let (marks, watched) = (&state.view.marks, &state.nodes.watched);
    let clusters = marks
        .union(watched)
        .map(|id| state.fleet.kept(id, marks.contains(id), watched.contains(id)));
    let selections = state.session.kept_selections(&state.shared.settings, &state.fleet.selection);
    PersistedState {
        credentials: state.credentials.clone(),
        theme: Some(state.shared.theme.label().to_owned()),
        columns: state.view.columns.clone(),
        sort: Some(state.view.sort.id.to_owned()),
        reversed: state.view.reversed,
        filter: state.view.filter.clone(),
        clusters: clusters.collect(),
        selections,
    }
}

/// Saves the persisted state.
pub fn persist(state: &mut State, out: &mut Outbox) {
    let persist = Request::Persist(Box::new(persisted(state)), state.server_clock());
    context!(state, out).request(RequestOwner::PersistedState, persist);
}

/// Requests a dashboard with the current configuration, unless something would be lost.
pub fn restart(state: &mut State, out: &mut Outbox, profile: Option<String>) {
    if let Some(why) = why_no_restart(state) {
        return context!(state, out).toast(session::text::no_restart(why));
    }
    let cx = context!(state, out);
    if cx.requests.open().any(|(_, owner)| *owner == RequestOwner::Restart) {
        return cx.toast(session::text::no_restart(session::text::ALREADY_RESTARTING.to_owned()));
    }
    cx.toast(session::text::RESTARTING.to_owned());
    cx.request(RequestOwner::Restart, Request::PrepareRestart { profile });
}

/// Why a restart is not possible now, if so: open requests, undelivered or copied kubeconfigs would be lost.
fn why_no_restart(state: &State) -> Option<String> {
    why_stay(state).map(|(why, _)| why).or_else(|| {
        let copied = !state.kubeconfig.clipboard.is_empty();
        copied.then(|| session::text::KUBECONFIG_IN_CLIPBOARD.to_owned())
    })
}

/// The next dashboard is ready: restarts, unless something has opened in the meantime.
pub fn restart_ready(state: &mut State, out: &mut Outbox) {
    let is_plain = state.context() == state.screen_context();
    let why = why_no_restart(state)
        .or_else(|| (!is_plain).then(|| session::text::SOMETHING_OPEN.to_owned()));
    if let Some(why) = why {
        context!(state, out).toast(session::text::no_restart(why));
        return;
    }
    if state.shared.mouse {
        context!(state, out).terminal(TerminalEffect::Mouse(false));
    }
    end(state, out, TerminalEffect::Restart);
}
