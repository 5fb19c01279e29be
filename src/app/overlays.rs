//! Keys, pasted text, clicks and the mouse wheel for what covers the screen.

use crossterm::event::KeyEvent;

use crate::app::availability::can_act;
use crate::app::confirmation::Confirmation;
use crate::app::context::{Outbox, context};
use crate::app::ending::end_program;
use crate::app::help::{self, Help};
use crate::app::keymap::Command;
use crate::app::kubeconfig::renewal::RenewalField;
use crate::app::log;
use crate::app::rotation::dialog::Focus;
use crate::app::screen::Overlay;
use crate::app::search::Search;
use crate::app::shared::Shared;
use crate::app::state::State;
use crate::app::text;
use crate::app::{actions, checklist, kubeconfig, menus, rotation};
use crate::domain::action::Action;

/// A key while an overlay is open.
pub fn key(
    state: &mut State,
    out: &mut Outbox,
    overlay: Overlay,
    (command, key): (Option<Command>, KeyEvent),
) {
    match (overlay, command) {
        (
            Overlay::Rotation
            | Overlay::Action
            | Overlay::Kubeconfig
            | Overlay::Renewal
            | Overlay::Checklist,
            Some(Command::Help),
        ) => {
            state.search = Search::default();
            state.help = Some(Help { context: state.context(), scroll: 0 });
        }
        (Overlay::Rotation, _) => {
            rotation::update::key(&mut state.rotation, command, key, context!(state, out));
        }
        (Overlay::Kubeconfig, _) => {
            let cx = context!(state, out);
            kubeconfig::update::key(&mut state.kubeconfig, command, key, cx);
        }
        (Overlay::Renewal, _) => {
            let cx = context!(state, out);
            kubeconfig::renew::key(&mut state.kubeconfig, command, key, cx);
        }
        (Overlay::Checklist, _) => {
            let snapshot = state.dialog_cluster().and_then(|id| state.nodes.current_snapshot(id));
            let (checklist, cx) = (&mut state.checklist, context!(state, out));
            checklist::update::key(checklist, snapshot.as_deref(), (command, key), cx);
        }
        (Overlay::Menu, _) => {
            let (below, cx) = (state.screen_context(), context!(state, out));
            menus::update::key(&mut state.menu, &mut state.view, (command, key), below, cx);
        }
        (Overlay::Help, Some(Command::Filter)) => state.search.begin(),
        (Overlay::Help, Some(Command::Back)) if !state.search.text.is_empty() => {
            state.search = Search::default();
        }
        (Overlay::Help, Some(command)) => {
            help::run(&mut state.help, command, &state.shared.metrics);
        }
        (Overlay::Log, Some(command)) => {
            log::run(&mut state.log, command, &state.shared.metrics);
        }
        (Overlay::Quit, Some(command)) => {
            answer_quit(state, out, |question, shared| question.key(command, shared));
        }
        (Overlay::Action, Some(command)) => {
            answer_action(state, out, |question, shared| question.key(command, shared));
        }
        (Overlay::Help | Overlay::Log | Overlay::Quit | Overlay::Action, None) => {}
    }
}

/// Pastes into the focused field, if the overlay has one.
pub fn paste(state: &mut State, out: &mut Outbox, overlay: Overlay, text: &str) {
    match overlay {
        Overlay::Rotation => {
            state.rotation.dialog.iter_mut().for_each(|dialog| rotation::update::paste(dialog));
        }
        Overlay::Kubeconfig => {
            kubeconfig::update::paste(&mut state.kubeconfig, text, context!(state, out));
        }
        Overlay::Renewal => {
            let renewal = state.kubeconfig.renewal.iter_mut();
            renewal.for_each(|renewal| kubeconfig::renew::paste(renewal, text));
        }
        Overlay::Checklist => checklist::update::paste(&mut state.checklist, text),
        Overlay::Quit | Overlay::Help | Overlay::Log | Overlay::Action | Overlay::Menu => {}
    }
}

/// Scrolls the overlay, if it scrolls.
pub fn scroll(state: &mut State, overlay: Overlay, command: Command) {
    let metrics = &state.shared.metrics;
    match overlay {
        Overlay::Help => help::run(&mut state.help, command, metrics),
        Overlay::Log => log::run(&mut state.log, command, metrics),
        Overlay::Rotation => {
            if let Some(dialog) = &mut state.rotation.dialog {
                metrics.scroll(&mut dialog.scroll, command);
            }
        }
        Overlay::Renewal => {
            if let Some(renewal) = &mut state.kubeconfig.renewal {
                metrics.scroll(&mut renewal.scroll, command);
            }
        }
        Overlay::Menu => state.menu.iter_mut().for_each(|menu| menu.step(command, 1)),
        Overlay::Quit | Overlay::Action | Overlay::Kubeconfig | Overlay::Checklist => {}
    }
}

/// A click on the confirm button: focuses it, or presses it if focused. Rotations are confirmed by keyboard only.
pub fn click_confirm(state: &mut State, out: &mut Outbox, overlay: Overlay) {
    match overlay {
        Overlay::Quit => answer_quit(state, out, Confirmation::click),
        Overlay::Action => answer_action(state, out, Confirmation::click),
        Overlay::Rotation => {
            state.rotation.dialog.iter_mut().for_each(|dialog| dialog.focus = Focus::Confirm);
        }
        Overlay::Kubeconfig => {
            kubeconfig::update::click(&mut state.kubeconfig, context!(state, out));
        }
        Overlay::Renewal => {
            let renewal = state.kubeconfig.renewal.iter_mut();
            renewal.for_each(|renewal| renewal.focus = RenewalField::Confirm);
        }
        Overlay::Checklist => {
            let snapshot = state.dialog_cluster().and_then(|id| state.nodes.current_snapshot(id));
            let (checklist, cx) = (&mut state.checklist, context!(state, out));
            checklist::update::click(checklist, snapshot.as_deref(), cx);
        }
        Overlay::Help | Overlay::Log | Overlay::Menu => {}
    }
}

/// A click on the cancel button: closes the overlay, or takes one step back; nothing is lost without a question.
pub fn click_cancel(state: &mut State, out: &mut Outbox, overlay: Overlay) {
    match overlay {
        Overlay::Quit => state.session.quit_dialog = None,
        Overlay::Help => state.help = None,
        Overlay::Log => state.log = None,
        Overlay::Rotation => state.rotation.dialog = None,
        Overlay::Action => state.action = None,
        Overlay::Kubeconfig => {
            kubeconfig::update::back(&mut state.kubeconfig, context!(state, out));
        }
        Overlay::Renewal => {
            kubeconfig::renew::back(&mut state.kubeconfig, context!(state, out));
        }
        Overlay::Checklist => state.checklist.dialog = None,
        Overlay::Menu => state.menu = None,
    }
}

fn answer_quit(
    state: &mut State,
    out: &mut Outbox,
    press: impl FnOnce(&mut Confirmation, &Shared) -> Option<bool>,
) {
    let Some(dialog) = &mut state.session.quit_dialog else { return };
    match press(&mut dialog.confirmation, &state.shared) {
        Some(true) => end_program(state, out),
        Some(false) => state.session.quit_dialog = None,
        None => {}
    }
}

fn answer_action(
    state: &mut State,
    out: &mut Outbox,
    press: impl FnOnce(&mut Confirmation, &Shared) -> Option<bool>,
) {
    let Some(dialog) = &mut state.action else { return };
    let Some(confirmed) = press(&mut dialog.confirmation, &state.shared) else { return };
    let Some(dialog) = state.action.take().filter(|_| confirmed) else { return };
    let entry = state.fleet.entries.get(&dialog.cluster);
    match entry.map(|entry| can_act(state, entry, Action::Trigger(dialog.action))) {
        Some(Err(reason)) => {
            context!(state, out).toast(text::refused(dialog.action.label(), &reason));
        }
        Some(Ok(())) | None => {
            actions::update::send(&dialog.cluster, dialog.action, context!(state, out));
        }
    }
}
