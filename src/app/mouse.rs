//! Mouse events: the wheel and clicks.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::Position;

use crate::app::commands;
use crate::app::context::{Outbox, context};
use crate::app::ending::persist;
use crate::app::fleet::columns::COLUMNS;
use crate::app::keymap::{Command, KeyContext};
use crate::app::screen::Clickable;
use crate::app::state::State;
use crate::app::{activity, kubeconfig, menus, overlays};

/// A mouse event; ignored while the mouse is off.
pub fn mouse(state: &mut State, out: &mut Outbox, event: MouseEvent) {
    if !state.shared.mouse {
        return;
    }
    match event.kind {
        MouseEventKind::ScrollUp => wheel(state, out, Command::Up),
        MouseEventKind::ScrollDown => wheel(state, out, Command::Down),
        MouseEventKind::Down(MouseButton::Left) => {
            click(state, out, Position { x: event.column, y: event.row });
        }
        MouseEventKind::Down(_)
        | MouseEventKind::Up(_)
        | MouseEventKind::Drag(_)
        | MouseEventKind::Moved
        | MouseEventKind::ScrollLeft
        | MouseEventKind::ScrollRight => {}
    }
}

fn wheel(state: &mut State, out: &mut Outbox, command: Command) {
    match state.overlay() {
        Some(overlay) => overlays::scroll(state, overlay, command),
        None if state.context() == KeyContext::Filter => {}
        None => commands::on_screen(state, out, command),
    }
}

fn click(state: &mut State, out: &mut Outbox, at: Position) {
    state.shared.key_count = state.shared.key_count.saturating_add(1);
    let hit = state.shared.metrics.targets.iter().find(|target| target.area.contains(at));
    let Some(what) = hit.map(|target| target.what) else { return };
    match (what, state.overlay()) {
        (Clickable::Cancel, Some(overlay)) => overlays::click_cancel(state, out, overlay),
        (Clickable::Confirm, Some(overlay)) => overlays::click_confirm(state, out, overlay),
        (Clickable::Answer(answer), _) => {
            let cx = context!(state, out);
            kubeconfig::update::click_answer(&mut state.kubeconfig, answer, cx);
        }
        (Clickable::Line(line), _) => {
            let (menu, view) = (&mut state.menu, &mut state.view);
            menus::update::click(menu, view, line, context!(state, out));
        }
        (_, Some(_)) | (Clickable::Cancel | Clickable::Confirm, None) => {}
        (Clickable::Row(at), None) => {
            let clicked = state.view.shown.get(at).cloned();
            if clicked.is_some() && clicked == state.view.cursor {
                commands::open_cluster(state, out);
                return;
            }
            state.view.cursor = clicked.or(state.view.cursor.take());
            state.view.cursor_moved = true;
        }
        (Clickable::Record(row), None) => {
            let (about, metrics) = (state.screen.cluster(), &state.shared.metrics);
            if activity::update::click(&mut state.activity, about, row, metrics) {
                commands::run(state, out, Command::Open);
            }
        }
        (Clickable::Column(at), None) => {
            if let Some(column) = COLUMNS.get(at) {
                state.view.sort_by(column);
                state.view.outdated = true;
                persist(state, out);
            }
        }
        (Clickable::Tab(tab), None) => commands::show_tab(state, tab),
        (Clickable::Count(number), None) => {
            commands::on_screen(state, out, Command::Number(number));
        }
    }
}
