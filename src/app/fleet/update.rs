//! Keys of the fleet: cursor, marks, filter.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "keys and commands that mean nothing here are ignored"
)]

use crossterm::event::{KeyCode, KeyEvent};

use crate::app::fleet::row::RowSource;
use crate::app::fleet::view::FleetView;
use crate::app::keymap::Command;
use crate::app::motion::moved;
use crate::app::text_field::LineInput;

/// Filters for the counts in the header, by number.
pub const COUNT_FILTERS: [&str; 7] = [
    "phase:completed",
    "phase:preparing",
    "phase:prepared",
    "phase:completing",
    "phase:never",
    "stuck",
    "due",
];

/// A command specific to the fleet.
pub fn run(view: &mut FleetView, source: RowSource<'_>, command: Command) {
    match command {
        Command::Filter => {
            let before = (view.filter.clone(), view.cursor.clone());
            view.filter_input = Some(LineInput::new(&view.filter, before));
        }
        Command::Mark => {
            if let Some(id) = view.cursor.clone()
                && !view.marks.remove(&id)
            {
                view.marks.insert(id);
            }
            move_cursor(view, source, Command::Down);
        }
        Command::MarkAll => {
            if view.shown.iter().all(|id| view.marks.contains(id)) {
                for id in &view.shown {
                    view.marks.remove(id);
                }
            } else {
                view.marks.extend(view.shown.iter().cloned());
            }
        }
        Command::Preview => view.preview = !view.preview,
        Command::Number(number) => {
            let at = usize::from(number).saturating_sub(1);
            if let Some(filter) = COUNT_FILTERS.get(at) {
                let same = view.filter == *filter;
                let filter = if same { "" } else { *filter };
                set_filter(view, source, filter.to_owned());
            }
        }
        _ => move_cursor(view, source, command),
    }
}

/// Applies a filter.
pub fn set_filter(view: &mut FleetView, source: RowSource<'_>, filter: String) {
    view.filter = filter;
    view.select(source);
}

fn move_cursor(view: &mut FleetView, source: RowSource<'_>, command: Command) {
    let page = source.shared.metrics.page();
    let last = view.shown.len().saturating_sub(1);
    let Some(row) = moved(command, view.cursor_row().unwrap_or(0), page, last) else { return };
    view.cursor = view.shown.get(row).cloned();
    view.cursor_moved = true;
    view.keep_cursor_visible(page);
}

/// A key while the filter input is active.
pub fn filter_key(
    view: &mut FleetView,
    source: RowSource<'_>,
    command: Option<Command>,
    key: KeyEvent,
) {
    match command {
        Some(Command::Open) => {
            view.filter_input = None;
            // Confirming a filter counts as selecting the cluster under the cursor.
            view.cursor_moved |= !view.filter.is_empty();
        }
        Some(Command::Back) => {
            if let Some(input) = view.filter_input.take() {
                (view.filter, view.cursor) = input.before;
                view.select(source);
            }
        }
        _ => {
            if view.filter_input.as_mut().is_some_and(|input| input.key(key)) {
                apply_typed(view, source);
                return;
            }
            match key.code {
                KeyCode::Up => move_cursor(view, source, Command::Up),
                KeyCode::Down => move_cursor(view, source, Command::Down),
                _ => {}
            }
        }
    }
}

/// Pastes into the active filter input.
pub fn paste_filter(view: &mut FleetView, source: RowSource<'_>, text: &str) {
    view.filter_input.iter_mut().for_each(|input| input.paste(text));
    apply_typed(view, source);
}

/// Applies the typed filter, and moves the cursor to the best match.
fn apply_typed(view: &mut FleetView, source: RowSource<'_>) {
    let Some(line) = &view.filter_input else { return };
    let typed = line.input.value().to_owned();
    set_filter(view, source, typed);
    view.cursor = view.shown.first().cloned();
    view.keep_cursor_visible(source.shared.metrics.page());
}
