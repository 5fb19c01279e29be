//! Lists to choose from: order, columns, what to copy, commands by name.
//!
//! ```text
//! ┏━ Sort by ━━━━━━━━━━━━━━━━━━━━━━━━━┓
//! ┃ ▌(•) attention: what needs you first ┃
//! ┃  ( ) name                            ┃
//! ┗━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┛
//! ```

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span, Text};

use crate::app::availability::can;
use crate::app::columns::{COLUMNS, Tone};
use crate::app::dialog::{Menu, MenuKind};
use crate::app::keymap::Command;
use crate::app::state::State;
use crate::domain::text::{clean, width};
use crate::ui::dialogs::frame::open;
use crate::ui::text::{cut_spans, pad_end, spread};
use crate::ui::theme::{Role, Theme};
use crate::ui::widgets::footer::key_of;
use crate::ui::widgets::scrollbar;

/// One line of a list.
struct Item {
    lead: String,
    text: String,
    right: String,
    tone: Tone,
}

/// Draws the list over `area`.
pub fn draw(state: &State, theme: Theme, frame: &mut Frame<'_>, area: Rect, menu: &Menu) {
    let (title, hint) = match &menu.kind {
        MenuKind::Sort => ("Sort by", "again turns it round"),
        MenuKind::Columns => ("Columns", "space ticks"),
        MenuKind::Copy(_) => ("Copy", ""),
        MenuKind::Commands(_) => ("Commands", ""),
    };
    let items = items(state, theme, menu);
    let query = matches!(menu.kind, MenuKind::Commands(_));
    let most = match menu.kind {
        MenuKind::Sort | MenuKind::Columns => 46,
        MenuKind::Copy(_) | MenuKind::Commands(_) => 76,
    };
    let above = usize::from(query);
    let rows = (items.len().max(1) + above).min(usize::from(area.height.saturating_sub(2)));
    let inner = open(theme, frame, area, (most, rows), title, hint);
    let columns = usize::from(inner.width);
    if query {
        let spans = vec![
            theme.part(": ", Role::Accent),
            Span::raw(clean(menu.query.value())),
            theme.part("▏", Role::Accent),
        ];
        let line = Line::from(cut_spans(spans, columns));
        frame.render_widget(Text::from(line), Rect { height: inner.height.min(1), ..inner });
    }
    let list = Rect {
        y: inner.y + u16::from(query).min(inner.height),
        height: inner.height.saturating_sub(u16::from(query)),
        ..inner
    };
    if items.is_empty() {
        let text = if query { "no command matches" } else { "nothing to choose" };
        frame.render_widget(Text::from(theme.span(text, Tone::Dim)), list);
        return;
    }
    let high = usize::from(list.height);
    let all = items.len();
    let first = (menu.cursor + 1).saturating_sub(high).min(all.saturating_sub(high));
    let lines: Vec<Line<'static>> = items
        .into_iter()
        .enumerate()
        .skip(first)
        .take(high)
        .map(|(index, item)| line(theme, item, index == menu.cursor, columns.saturating_sub(1)))
        .collect();
    frame.render_widget(Text::from(lines), list);
    let bar = Rect { x: list.right().saturating_sub(1), width: 1, ..list };
    scrollbar::draw(theme, frame, bar, first, all);
}

fn line(theme: Theme, item: Item, chosen: bool, columns: usize) -> Line<'static> {
    let left = vec![
        theme.part(if chosen { "▌" } else { " " }, Role::Accent),
        Span::raw(item.lead),
        theme.span(item.text, item.tone),
    ];
    let line = spread(left, vec![theme.span(item.right, Tone::Dim)], columns);
    if chosen { line.patch_style(theme.role(Role::Selected)) } else { line }
}

fn items(state: &State, theme: Theme, menu: &Menu) -> Vec<Item> {
    match &menu.kind {
        MenuKind::Sort => COLUMNS
            .iter()
            .map(|column| {
                let chosen = column.sort == state.look.sort;
                let arrow = if state.look.reversed { "↑" } else { "↓" };
                Item {
                    lead: if chosen { "(•) " } else { "( ) " }.to_owned(),
                    text: column.sort_label.to_owned(),
                    right: if chosen { arrow.to_owned() } else { String::new() },
                    tone: Tone::Plain,
                }
            })
            .collect(),
        MenuKind::Columns => COLUMNS
            .iter()
            .skip(2)
            .map(|column| {
                let all = state.look.columns.is_empty();
                let ticked = all || state.look.columns.iter().any(|id| id == column.id);
                Item {
                    lead: if ticked { "[x] " } else { "[ ] " }.to_owned(),
                    text: column.title.to_lowercase(),
                    right: format!("from {} columns", column.from),
                    tone: Tone::Plain,
                }
            })
            .collect(),
        MenuKind::Copy(choices) => choices
            .iter()
            .map(|(words, text)| Item {
                lead: String::new(),
                text: format!("{}{}", pad_end(&clean(words), 18), clean(text)),
                right: String::new(),
                tone: Tone::Plain,
            })
            .collect(),
        MenuKind::Commands(commands) => {
            commands.iter().map(|command| command_item(state, theme, command)).collect()
        }
    }
}

fn command_item(
    state: &State,
    theme: Theme,
    (command, name, help): &(Command, String, String),
) -> Item {
    let key = key_of(state, theme, *command);
    // Asked as if the menu were closed: the command is carried out on the screen below.
    let (text, tone) = match can(state, *command) {
        Ok(()) => (help.clone(), Tone::Plain),
        Err(reason) => (reason, Tone::Dim),
    };
    let name_columns = 14.max(width(name) + 2);
    Item {
        lead: String::new(),
        text: format!("{}{text}", pad_end(name, name_columns)),
        right: key,
        tone,
    }
}
