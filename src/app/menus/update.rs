//! Keys of an open menu.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "keys and commands that mean nothing here are ignored"
)]

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::app::context::UpdateContext;
use crate::app::event::Event;
use crate::app::fleet::columns::COLUMNS;
use crate::app::fleet::view::FleetView;
use crate::app::keymap::{Command, KeyContext};
use crate::app::menus::choices::{CHOICES, ExportTarget};
use crate::app::menus::palette::{PaletteItem, offers};
use crate::app::menus::scope;
use crate::app::menus::state::{Menu, MenuItems, optional_columns};
use crate::app::menus::text;
use crate::app::text_field::type_into;

/// A key while a menu is open. `below`: the key context of the screen behind it.
pub fn key(
    menu: &mut Option<Menu>,
    view: &mut FleetView,
    (command, key): (Option<Command>, KeyEvent),
    below: KeyContext,
    cx: &mut UpdateContext<'_>,
) {
    let Some(open) = menu else { return };
    let types = matches!(key.code, KeyCode::Char(_) | KeyCode::Backspace)
        && !key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT);
    if open.is_searched() && types {
        type_into(&mut open.query, key);
        let (query, settings) = (open.query.value(), &cx.shared.settings);
        open.items = match open.items {
            MenuItems::Scope(_) => MenuItems::Scope(scope::items(cx.fleet, settings, query)),
            _ => MenuItems::Commands(offers(below, query, cx.fleet, settings)),
        };
        open.cursor = 0;
        return;
    }
    // The columns menu mentions the preview, so its key works here, too.
    if matches!(open.items, MenuItems::Columns)
        && cx.shared.keymap.lookup(KeyContext::Fleet, key) == Some(Command::Preview)
    {
        view.preview = !view.preview;
        return;
    }
    if matches!(open.items, MenuItems::Sort)
        && command.is_none()
        && let KeyCode::Char(letter) = key.code
        && let Some(at) = COLUMNS.iter().position(|column| column.key == letter)
    {
        open.cursor = at;
        choose(menu, view, cx);
        return;
    }
    match command {
        Some(Command::Back | Command::Quit) => *menu = None,
        // In the palette, a space was already handled as text.
        Some(Command::Open | Command::Mark) => choose(menu, view, cx),
        Some(command) => open.step(command, cx.shared.metrics.page()),
        None => {}
    }
}

/// A click on a line: moves the cursor there, or selects the line if it already is.
pub fn click(
    menu: &mut Option<Menu>,
    view: &mut FleetView,
    line: usize,
    cx: &mut UpdateContext<'_>,
) {
    let Some(open) = menu else { return };
    if open.cursor == line {
        choose(menu, view, cx);
    } else {
        open.cursor = line.min(open.lines().saturating_sub(1));
    }
}

fn choose(menu: &mut Option<Menu>, view: &mut FleetView, cx: &mut UpdateContext<'_>) {
    let Some(open) = menu.take() else { return };
    match &open.items {
        MenuItems::Sort => {
            if let Some(column) = COLUMNS.get(open.cursor) {
                view.sort_by(column);
            }
            cx.raise(Event::RowsChanged);
            cx.raise(Event::PreferencesChanged);
        }
        MenuItems::Columns => {
            if let Some(column) = optional_columns().nth(open.cursor) {
                toggle_column(view, column.id);
            }
            cx.raise(Event::PreferencesChanged);
            *menu = Some(open);
        }
        MenuItems::Copy(items) => {
            if let Some(item) = items.get(open.cursor) {
                let label = if item.lacks_context() {
                    text::without_context(&item.label)
                } else {
                    item.label.clone()
                };
                cx.copy(&label, item.text.clone());
            }
        }
        MenuItems::Export(_) => match CHOICES.get(open.cursor) {
            Some((_, ExportTarget::File)) if cx.shared.settings.read_only => {
                cx.toast(text::EXPORT_READ_ONLY);
                *menu = Some(open);
            }
            chosen => cx.out.events.extend(chosen.map(|(format, to)| Event::Export(*format, *to))),
        },
        MenuItems::Commands(items) => {
            cx.out.events.extend(items.get(open.cursor).cloned().map(Event::Chosen));
        }
        MenuItems::Forget(question) => {
            if open.cursor > 0 {
                cx.raise(Event::CredentialForgotten(question.clone()));
            }
        }
        MenuItems::Scope(items) => {
            let chosen = items.get(open.cursor).cloned().map(PaletteItem::Scope);
            cx.out.events.extend(chosen.map(Event::Chosen));
        }
    }
}

fn toggle_column(view: &mut FleetView, id: &str) {
    let mut chosen: Vec<String> =
        view.chosen_columns().map(|column| column.id.to_owned()).collect();
    match chosen.iter().position(|column| column == id) {
        Some(at) => drop(chosen.remove(at)),
        None => chosen.push(id.to_owned()),
    }
    view.columns = if chosen.len() == COLUMNS.len() { Vec::new() } else { chosen };
}
