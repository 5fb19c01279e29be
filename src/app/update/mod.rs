//! The only place where state changes: `update` takes what happened and says what to do.
mod dialogs;
mod kubeconfig;
mod menus;
mod navigation;
mod notices;
mod observing;
mod polling;
#[cfg(test)]
mod properties;
mod readings;
mod rotation;

use std::time::Duration;

use crossterm::event::{KeyEvent, KeyEventKind};
use jiff::SignedDuration;

use crate::app::dialog::Dialog;
use crate::app::effect::{Effect, Request, TerminalEffect};
use crate::app::keymap::{Command, Context};
use crate::app::message::{Answer, Message, Now, RotateOutcome};
use crate::app::requests::{RequestId, RequestOwner};
use crate::app::state::State;
use crate::app::status::status;
use crate::domain::failure::{Failure, FailureKind};
use crate::domain::kubeconfig::NotSaved;
use crate::domain::record::{Outcome, Record};

pub use crate::app::update::navigation::{COUNT_FILTERS, keep_visible};
pub use crate::app::update::polling::next_wake;
pub use crate::app::update::rotation::invalidates_confirmation;

/// Effects of the very first moment.
pub fn begin(state: &mut State) -> Vec<Effect> {
    let mut effects = vec![notices::request(state, RequestOwner::Identity, Request::Identify)];
    let unnamed: Vec<_> = state
        .settings
        .projects
        .iter()
        .filter(|(_, name)| name.is_none())
        .map(|(id, _)| id.clone())
        .collect();
    if !unnamed.is_empty() {
        let names = Request::NameProjects(unnamed);
        effects.push(notices::request(state, RequestOwner::ProjectNames, names));
    }
    if state.mouse {
        effects.push(Effect::Terminal(TerminalEffect::Mouse(true)));
    }
    effects.extend(polling::poll(state));
    effects
}

/// Takes in what happened at `now` and says what to do.
pub fn update(state: &mut State, now: Now, message: Message) -> Vec<Effect> {
    let before = std::mem::replace(&mut state.now, now);
    let mut effects = Vec::new();
    let suspended = state.suspended.take().filter(|at| now.overslept(at.monotonic));
    if now.has_jumped_since(before) {
        effects.extend(polling::rearm(state));
        polling::doubt(state);
        effects.extend(observing::slept(state, before));
        if now.wall < before.wall {
            observing::rewind(state);
        }
    } else if let Some(at) = suspended {
        effects.extend(observing::slept(state, at));
    }
    if matches!(message, Message::Key(_) | Message::Pasted(_) | Message::Mouse(_)) {
        settle(state);
    }
    effects.extend(match message {
        Message::Key(key) => press(state, key),
        Message::Pasted(text) => dialogs::paste(state, &text),
        Message::Mouse(event) => navigation::mouse(state, event),
        Message::Resized(columns, rows) => {
            let before = std::mem::replace(&mut state.size, (columns, rows));
            if before == state.size {
                // It was another one in between, and the terminal may have cut what was drawn.
                vec![Effect::Terminal(TerminalEffect::Redraw)]
            } else {
                Vec::new()
            }
        }
        Message::Ticked => Vec::new(),
        Message::Resumed => {
            let mut effects = polling::rearm(state);
            // The terminal was given back, and with it the title.
            state.status = None;
            effects.push(Effect::Terminal(TerminalEffect::Redraw));
            effects
        }
        Message::BackgroundKnown(background) => {
            state.background = Some(background);
            Vec::new()
        }
        Message::Terminated => dialogs::leave(state),
        Message::Answered(request, answer) => answered(state, request, answer),
        Message::TaskFailed(failure) => {
            notices::error(state, failure);
            Vec::new()
        }
    });
    effects.extend(polling::poll(state));
    effects.extend(observing::read_anew(state));
    effects.extend(observing::look(state));
    effects.extend(told_outside(state));
    effects
}

/// Hands an answer to whoever asked. One that nobody asked for, or that came before, changes nothing.
fn answered(state: &mut State, request: RequestId, answer: Answer) -> Vec<Effect> {
    let owner = match (state.requests.owner(request), &answer) {
        (Some(owner @ RequestOwner::Observer(_)), Answer::Observed(_)) => Some(owner.clone()),
        _ => state.requests.end(request),
    };
    let Some(owner) = owner else { return Vec::new() };
    match (owner, answer) {
        (owner, Answer::Broken(failure)) => broken(state, request, owner, failure),
        (RequestOwner::Identity, Answer::Identity { identity, notes }) => {
            state.identity = Some(*identity);
            for note in notes {
                notices::toast(state, note);
            }
            Vec::new()
        }
        (RequestOwner::ProjectNames, Answer::ProjectNames(names)) => {
            state.fleet.projects.extend(names);
            arrange(state);
            Vec::new()
        }
        (RequestOwner::Clusters(scope), Answer::Clusters(result)) => {
            readings::listed(state, request, &scope, result)
        }
        (RequestOwner::Cluster(id), Answer::Cluster(result)) => {
            readings::read(state, request, &id, result)
        }
        (RequestOwner::Rotation { cluster, step }, Answer::Rotation(outcome)) => {
            rotation::rotated(state, request, &cluster, step, outcome)
        }
        (RequestOwner::Action { cluster, action }, Answer::Action(result)) => {
            dialogs::acted(state, request, &cluster, action, result)
        }
        (RequestOwner::StaticTokens(dialog), Answer::StaticTokens(found)) => {
            rotation::tokens_found(state, dialog, found)
        }
        (RequestOwner::Destination(dialog), Answer::Destination(result)) => {
            kubeconfig::planned(state, request, dialog, result)
        }
        (RequestOwner::Kubeconfig(asked), Answer::Kubeconfig(result)) => {
            kubeconfig::issued(state, request, *asked, result)
        }
        (RequestOwner::Delivery { kubeconfig, dialog }, Answer::Saved(result)) => {
            kubeconfig::saved(state, request, kubeconfig, dialog, result)
        }
        (RequestOwner::Delivery { kubeconfig, dialog }, Answer::Copied(result)) => {
            kubeconfig::copied(state, request, kubeconfig, dialog, result)
        }
        (RequestOwner::Copy(what), Answer::Copied(result)) => {
            notices::copied(state, &what, result);
            Vec::new()
        }
        (RequestOwner::ClearClipboard, Answer::ClipboardCleared(cleared)) => {
            let text = if cleared {
                "Clipboard cleared."
            } else {
                "Clipboard left alone: it no longer holds the kubeconfig, as far as can be read."
            };
            notices::toast(state, text.to_owned());
            Vec::new()
        }
        (RequestOwner::PersistedState, Answer::Credentials { credentials, note }) => {
            rotation::recalled(state, credentials, note)
        }
        (RequestOwner::Observer(id), Answer::Observed(sighting)) => {
            observing::sighted(state, &id, request, sighting)
        }
        (owner, _) => {
            let defect =
                Failure::new(FailureKind::Bug, "a request was answered with something else");
            broken(state, request, owner, defect)
        }
    }
}

/// What is written down of requests that nobody will answer any more, since the program ends.
pub fn unanswered(state: &mut State) -> Vec<Record> {
    let open: Vec<(RequestId, RequestOwner)> =
        state.requests.open().map(|(request, owner)| (request, owner.clone())).collect();
    let mut records = Vec::new();
    for (request, owner) in open {
        let (id, step, expires) = match owner {
            RequestOwner::Rotation { cluster, step } => (cluster, step.verb().to_owned(), None),
            RequestOwner::Action { cluster, action } => {
                (cluster, action.word().to_lowercase(), None)
            }
            RequestOwner::Kubeconfig(asked) => {
                let until = asked.until();
                (asked.cluster.id, "kubeconfig".to_owned(), until)
            }
            RequestOwner::Identity
            | RequestOwner::ProjectNames
            | RequestOwner::Clusters(_)
            | RequestOwner::Cluster(_)
            | RequestOwner::StaticTokens(_)
            | RequestOwner::Destination(_)
            | RequestOwner::Delivery { .. }
            | RequestOwner::Copy(_)
            | RequestOwner::ClearClipboard
            | RequestOwner::PersistedState
            | RequestOwner::Observer(_) => continue,
        };
        let text = "skeys ended before SKE answered".to_owned();
        let mut record =
            notices::record(state, Some(&id), &step, Some(request), Outcome::Unknown, text);
        record.expires = expires;
        records.push(record);
    }
    let unsaved: Vec<RequestId> = state.unsaved.keys().copied().collect();
    for request in unsaved {
        let is_saved = |owner: &RequestOwner| matches!(owner, RequestOwner::Delivery { kubeconfig, .. } if *kubeconfig == request);
        let why = if state.requests.open().any(|(_, owner)| is_saved(owner)) {
            "skeys ended while it was being saved"
        } else {
            "dropped, not saved: skeys ended"
        };
        records.extend(kubeconfig::drop_one(state, request, why));
    }
    records
}

/// A request ended by a defect of this program: whoever asked is told, and what it did is not known.
fn broken(
    state: &mut State,
    request: RequestId,
    owner: RequestOwner,
    failure: Failure,
) -> Vec<Effect> {
    match owner {
        RequestOwner::Clusters(scope) => readings::listed(state, request, &scope, Err(failure)),
        RequestOwner::Cluster(id) => readings::read(state, request, &id, Err(failure)),
        RequestOwner::Rotation { cluster, step } => {
            let outcome = RotateOutcome::Unknown(failure, SignedDuration::ZERO);
            rotation::rotated(state, request, &cluster, step, outcome)
        }
        RequestOwner::Action { cluster, action } => {
            dialogs::acted(state, request, &cluster, action, Err(failure))
        }
        RequestOwner::Destination(dialog) => {
            kubeconfig::planned(state, request, dialog, Err(failure))
        }
        RequestOwner::Kubeconfig(asked) => kubeconfig::issued(state, request, *asked, Err(failure)),
        RequestOwner::Delivery { kubeconfig, dialog } => {
            let result = Err(NotSaved::Failed(failure));
            kubeconfig::saved(state, request, kubeconfig, dialog, result)
        }
        RequestOwner::Identity
        | RequestOwner::ProjectNames
        | RequestOwner::StaticTokens(_)
        | RequestOwner::Copy(_)
        | RequestOwner::ClearClipboard
        | RequestOwner::PersistedState
        | RequestOwner::Observer(_) => {
            notices::error(state, failure);
            Vec::new()
        }
    }
}

/// Window title and terminal progress, when they changed.
fn told_outside(state: &mut State) -> Option<Effect> {
    let status = status(state);
    if status == state.status || state.quitting {
        return None;
    }
    state.status.clone_from(&status);
    Some(Effect::Terminal(TerminalEffect::Status(status)))
}

fn press(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    if key.kind == KeyEventKind::Release {
        return Vec::new();
    }
    state.key_count = state.key_count.saturating_add(1);
    let context = state.context();
    let command = state.keymap.lookup(context, key);
    match command {
        Some(Command::Interrupt) => return dialogs::ask_to_leave(state),
        Some(Command::Redraw) => return vec![Effect::Terminal(TerminalEffect::Redraw)],
        Some(Command::Suspend) => return suspend(state),
        _ => {}
    }
    if state.leaving.is_some() {
        return dialogs::leaving_key(state, command);
    }
    match context {
        Context::Help => navigation::help(state, command),
        Context::Filter => navigation::filter_key(state, command, key),
        Context::Dialog => match &state.dialog {
            Some(Dialog::Rotate(_)) => rotation::key(state, command, key),
            _ => dialogs::key(state, command),
        },
        Context::Form => kubeconfig::key(state, command, key),
        Context::Menu => menus::key(state, command, key),
        Context::Fleet | Context::Cluster | Context::Activity => {
            command.map_or_else(Vec::new, |command| navigation::run(state, command))
        }
    }
}

/// Goes to the background. Whatever comes next comes after that.
fn suspend(state: &mut State) -> Vec<Effect> {
    state.suspended = Some(state.now);
    vec![Effect::Terminal(TerminalEffect::Suspend)]
}

/// Data changed: what is derived from it is out of date until [`settle`].
fn arrange(state: &mut State) {
    state.fleet.outdated = true;
}

/// Makes counts and shown rows anew if data changed, and keeps the cursor on its cluster. Called before the state is
/// read: by the loop before it draws, so that a hundred answers cost one sorting, and before a person's input counts.
pub fn settle(state: &mut State) {
    if !state.fleet.outdated {
        return;
    }
    let row = state.cursor_row();
    state.fleet.arrange(&state.look, state.now.wall, &state.settings);
    keep_cursor(state, row);
}

/// The way of looking changed: makes the shown rows anew and keeps the cursor on its cluster.
fn select(state: &mut State) {
    let row = state.cursor_row();
    state.fleet.select(&state.look, state.now.wall, &state.settings);
    keep_cursor(state, row);
}

fn keep_cursor(state: &mut State, row: Option<usize>) {
    if !state.cursor_moved {
        // Until somebody has moved it, the cursor stays on top, whatever arrives.
        state.cursor = state.fleet.shown.first().cloned();
    } else if state.cursor_row().is_none() {
        let last = state.fleet.shown.len().saturating_sub(1);
        state.cursor = state.fleet.shown.get(row.unwrap_or(0).min(last)).cloned();
    }
    navigation::keep_cursor_visible(state);
}

/// A number in 0..1 from the state's own generator (xorshift64*).
fn random(state: &mut State) -> f64 {
    let mut x = state.random;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    state.random = x;
    let bits = u32::try_from(x.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32).unwrap_or(0);
    f64::from(bits) / f64::from(u32::MAX)
}

/// Within this time after a dialog or one of its stages appeared, its buttons do nothing.
const GUARD: Duration = Duration::from_millis(400);

/// Whether a button that appeared at `guard` may be pressed by this key.
fn may_press(state: &State, guard: crate::app::dialog::Guard) -> bool {
    state.now.monotonic.saturating_sub(guard.at) >= GUARD && state.key_count > guard.keys
}

fn guard(state: &State) -> crate::app::dialog::Guard {
    crate::app::dialog::Guard { keys: state.key_count, at: state.now.monotonic }
}
