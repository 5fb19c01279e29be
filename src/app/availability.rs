//! Whether a command can be carried out now, and if not, why: read by update, footer, menus and help.

use crate::app::fleet::Entry;
use crate::app::keymap::Command;
use crate::app::state::{Pending, PendingStage, Screen, State, Tab};
use crate::domain::action::{Action, permits};
use crate::domain::age::{long, since};
use crate::domain::rotation::Step;

/// Says whether a command can be carried out now.
///
/// # Errors
/// One sentence that begins with the action: "Complete: nodes are still being replaced".
pub fn can(state: &State, command: Command) -> Result<(), String> {
    let on_cluster = |action: Action| match state.subject() {
        Some(entry) => {
            can_act(state, entry, action).map_err(|reason| format!("{}: {reason}", action.word()))
        }
        None => Err(format!("{}: no cluster is chosen", action.word())),
    };
    match command {
        Command::Rotate => match due_step(state) {
            Some(step) => on_cluster(Action::Rotate(step)),
            None => on_cluster(Action::Rotate(Step::Start)),
        },
        Command::Kubeconfig => on_cluster(Action::Issue),
        Command::WakeUp => on_cluster(Action::WakeUp),
        Command::Reconcile => on_cluster(Action::Reconcile),
        Command::Watch if state.subject().is_none() => {
            Err("Observation: no cluster is chosen".to_owned())
        }
        Command::Events if !matches!(state.screen, Screen::Cluster { tab: Tab::Nodes, .. }) => {
            Err("Events: they are on the nodes tab".to_owned())
        }
        Command::Open if state.context() == crate::app::keymap::Context::Fleet => {
            if state.subject().is_some() {
                Ok(())
            } else {
                Err("Open: no cluster is chosen".to_owned())
            }
        }
        Command::Open if state.dialog.is_none() && state.lists_records() => {
            if state.record_at_cursor().is_some() {
                Ok(())
            } else {
                Err("Open: nothing happened yet".to_owned())
            }
        }
        Command::Open if state.context() == crate::app::keymap::Context::Cluster => {
            Err("Open: what can be opened here is on the activity tab".to_owned())
        }
        Command::Copy
            if matches!(state.screen, Screen::Activity(_))
                && state.record_at_cursor().is_none()
                && state.errors.is_empty()
                && state.look.marks.is_empty() =>
        {
            Err("Nothing to copy here.".to_owned())
        }
        Command::Back if state.screen == Screen::Fleet && state.dialog.is_none() => {
            if state.look.filter.is_empty() && state.errors.is_empty() && state.toast.is_none() {
                Err("Back: this is the first screen; q leaves".to_owned())
            } else {
                Ok(())
            }
        }
        Command::Mark if state.screen == Screen::Fleet && state.fleet.shown.is_empty() => {
            Err("Mark: no cluster is shown".to_owned())
        }
        Command::MarkAll | Command::Sort if state.fleet.entries.is_empty() => {
            Err("there are no clusters".to_owned())
        }
        Command::Up
        | Command::Down
        | Command::PageUp
        | Command::PageDown
        | Command::First
        | Command::Last
        | Command::Left
        | Command::Right
        | Command::Open
        | Command::Back
        | Command::Quit
        | Command::Interrupt
        | Command::Help
        | Command::Palette
        | Command::Filter
        | Command::Refresh
        | Command::Copy
        | Command::Utc
        | Command::Mouse
        | Command::Redraw
        | Command::Suspend
        | Command::Theme
        | Command::Mark
        | Command::MarkAll
        | Command::Sort
        | Command::Columns
        | Command::Activity
        | Command::Preview
        | Command::Watch
        | Command::Events
        | Command::Next
        | Command::Previous
        | Command::Number(_) => Ok(()),
    }
}

/// Says whether an action can be carried out on a cluster now.
///
/// # Errors
/// The reason, without the action's name.
pub fn can_act(state: &State, entry: &Entry, action: Action) -> Result<(), String> {
    if state.settings.read_only {
        return Err("read-only mode; start skeys without --read-only".to_owned());
    }
    let cluster = &entry.cluster;
    if let Some(gone) = entry.gone {
        return Err(format!("no longer listed since {}", state.zone().clock(gone)));
    }
    if let Some((at, _)) = &state.signed_out {
        return Err(format!("SKE refuses the token since {}", state.zone().clock(*at)));
    }
    if let (Some(pending), Action::Rotate(_)) = (state.pending.get(&cluster.id), action) {
        return Err(pending_reason(state, pending));
    }
    permits(cluster, action).map_err(|refusal| refusal.to_string())
}

/// Why a step that was sent forbids another one.
pub fn pending_reason(state: &State, pending: &Pending) -> String {
    match &pending.stage {
        PendingStage::Sending => format!("the {} is being sent", pending.step),
        PendingStage::Accepted { at, .. } => {
            let waited = since(*at, state.now.wall);
            format!(
                "accepted at {}; waiting for SKE to show it for {}",
                state.zone().clock(*at),
                long(waited)
            )
        }
        PendingStage::ReadingBack { until, .. } => {
            let left = until.saturating_sub(state.now.monotonic).try_into().unwrap_or_default();
            format!("checking whether the {} took effect, for up to {}", pending.step, long(left))
        }
        PendingStage::Lost { .. } => format!(
            "whether the {} took effect is not known; the next read that works tells",
            pending.step
        ),
    }
}

/// The step that is due for the cluster at hand.
pub fn due_step(state: &State) -> Option<Step> {
    state.subject()?.cluster.rotation.phase.due_step()
}
