//! Small dialogs: wake up, reconcile, leaving; and what is pasted.

use crate::app::availability::can;
use crate::app::dialog::{ConfirmDialog, Dialog, QuitDialog};
use crate::app::effect::{Effect, Request, TerminalEffect};
use crate::app::keymap::Command;
use crate::app::requests::{RequestId, RequestOwner};
use crate::app::state::State;
use crate::app::update::{guard, kubeconfig, may_press, notices, polling};
use crate::domain::action::Action;
use crate::domain::cluster::ClusterId;
use crate::domain::failure::Failure;
use crate::domain::record::Outcome;
use crate::domain::text::clean;

/// Longest paste that a text field takes, in characters.
const PASTE_LIMIT: usize = 256;

/// Opens the question of a wake-up or reconcile, or says why not.
pub fn open_confirm(state: &mut State, command: Command, action: Action) -> Vec<Effect> {
    if let Err(reason) = can(state, command) {
        notices::toast(state, reason);
        return Vec::new();
    }
    let Some(entry) = state.subject() else { return Vec::new() };
    let cluster = entry.cluster.id.clone();
    let guard = guard(state);
    state.dialog =
        Some(Dialog::Confirm(Box::new(ConfirmDialog { cluster, action, confirm: false, guard })));
    Vec::new()
}

/// A key in one of the small dialogs.
pub fn key(state: &mut State, command: Option<Command>) -> Vec<Effect> {
    match (&mut state.dialog, command) {
        (_, Some(Command::Back)) => back(state),
        (Some(Dialog::Confirm(dialog)), Some(turn)) if is_turn(turn) => {
            dialog.confirm = !dialog.confirm;
            Vec::new()
        }
        (Some(Dialog::Confirm(dialog)), Some(Command::Open)) => {
            let (dialog, guard) = (dialog.clone(), dialog.guard);
            if !may_press(state, guard) {
                return Vec::new();
            }
            state.dialog = None;
            if dialog.confirm { act(state, &dialog) } else { Vec::new() }
        }
        _ => Vec::new(),
    }
}

/// One step back from whatever lies on top: never past what would be lost.
pub fn back(state: &mut State) -> Vec<Effect> {
    if state.leaving.take().is_some() {
        return Vec::new();
    }
    if let Some(Dialog::Issue(_)) = &state.dialog {
        return kubeconfig::back(state);
    }
    state.dialog = None;
    Vec::new()
}

/// A key while it is asked whether to leave.
pub fn leaving_key(state: &mut State, command: Option<Command>) -> Vec<Effect> {
    let Some(leaving) = &mut state.leaving else { return Vec::new() };
    match command {
        Some(Command::Back) => back(state),
        Some(turn) if is_turn(turn) => {
            leaving.leave = !leaving.leave;
            Vec::new()
        }
        Some(Command::Open) if leaving.leave => leave(state),
        Some(Command::Open) => back(state),
        _ => Vec::new(),
    }
}

fn is_turn(command: Command) -> bool {
    matches!(command, Command::Next | Command::Previous | Command::Left | Command::Right)
}

fn act(state: &mut State, dialog: &ConfirmDialog) -> Vec<Effect> {
    let allowed = state
        .fleet
        .entries
        .get(&dialog.cluster)
        .map(|entry| crate::app::availability::can_act(state, entry, dialog.action));
    if let Some(Err(reason)) = allowed {
        notices::toast(state, format!("{}: {reason}", dialog.action.word()));
        return Vec::new();
    }
    let (cluster, action) = (dialog.cluster.clone(), dialog.action);
    let request = state.requests.begin(RequestOwner::Action { cluster: cluster.clone(), action });
    let verb = dialog.action.word().to_lowercase();
    let intent = notices::record(
        state,
        Some(&dialog.cluster),
        &verb,
        Some(request),
        Outcome::Intended,
        verb.clone(),
    );
    let act = Request::Act { id: cluster, action, intent: Box::new(intent) };
    vec![Effect::Request(request, act)]
}

/// A wake-up or reconcile was answered, or broke.
pub fn acted(
    state: &mut State,
    request: RequestId,
    id: &ClusterId,
    action: Action,
    result: Result<Option<String>, Failure>,
) -> Vec<Effect> {
    let verb = action.word().to_lowercase();
    let (outcome, text, trace) = match result {
        Ok(trace) => {
            let label = state.fleet.label(id);
            notices::toast(state, format!("{label}: {verb} accepted."));
            (Outcome::Done, format!("{verb}: accepted (202)"), trace)
        }
        Err(failure) => {
            let text = format!("{verb} of {}: {failure}", id.name);
            let unknown = failure.leaves_outcome_unknown();
            let trace = failure.trace.clone();
            notices::error(state, failure);
            (if unknown { Outcome::Unknown } else { Outcome::Refused }, text, trace)
        }
    };
    let mut record = notices::record(state, Some(id), &verb, Some(request), outcome, text);
    record.trace = trace;
    let mut effects = vec![notices::journal(state, record)];
    effects.extend(polling::read(state, id));
    effects
}

/// Leaves, or asks first while something is under way.
pub fn ask_to_leave(state: &mut State) -> Vec<Effect> {
    if state.leaving.is_some() {
        return leave(state);
    }
    if let Some(why) = why_stay(state) {
        state.leaving = Some(QuitDialog { leave: false, why });
        return Vec::new();
    }
    leave(state)
}

fn why_stay(state: &State) -> Option<String> {
    if let Some((id, pending)) = state
        .pending
        .iter()
        .find(|(_, p)| matches!(p.stage, crate::app::state::PendingStage::Sending))
    {
        return Some(format!("the {} of {} is being sent", pending.step, state.fleet.label(id)));
    }
    if state.requests.has_kubeconfigs() {
        return Some("a kubeconfig is being issued or written".to_owned());
    }
    if !state.unsaved.is_empty() {
        return Some("an issued kubeconfig was not saved anywhere".to_owned());
    }
    state.write_under_way().then(|| "it is being checked what became of a request".to_owned())
}

/// Ends the program.
pub fn leave(state: &mut State) -> Vec<Effect> {
    if state.quitting {
        return Vec::new();
    }
    state.quitting = true;
    let mut effects = Vec::new();
    for (copy, _) in std::mem::take(&mut state.clipboard) {
        let clear = Request::ClearClipboard(copy);
        effects.push(notices::request(state, RequestOwner::ClearClipboard, clear));
    }
    if state.status.take().is_some() {
        effects.push(Effect::Terminal(TerminalEffect::Status(None)));
    }
    effects.push(notices::kept(state));
    effects
        .push(Effect::Terminal(TerminalEffect::Quit { print: std::mem::take(&mut state.print) }));
    effects
}

/// Text was pasted: for the focused field only, never keys.
pub fn paste(state: &mut State, text: &str) -> Vec<Effect> {
    let part: String = clean(&text.chars().take(PASTE_LIMIT).collect::<String>()).trim().to_owned();
    if state.leaving.is_some() {
        return Vec::new();
    }
    if let Some(Dialog::Rotate(dialog)) = &mut state.dialog {
        if dialog.wants_name {
            dialog.typed_note = Some("type the name; a paste is not taken here".to_owned());
        }
        return Vec::new();
    }
    if let Some(Dialog::Issue(_)) = &state.dialog {
        return kubeconfig::paste(state, &part);
    }
    if !state.is_covered() && state.filtering.is_some() {
        state.look.filter.push_str(&part);
        crate::app::update::select(state);
    }
    Vec::new()
}
