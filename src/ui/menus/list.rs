//! List menus: sort order, columns, copy, commands by name.

use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::app::availability::can;
use crate::app::cell::Tone;
use crate::app::credentials::text as credentials;
use crate::app::fleet::columns::COLUMNS;
use crate::app::keymap::{Binding, Command};
use crate::app::menus::choices::{CHOICES, ExportTarget};
use crate::app::menus::palette::PaletteItem;
use crate::app::menus::scope::ScopeItem;
use crate::app::menus::state::{CopyItem, Menu, MenuItems, optional_columns};
use crate::app::menus::text;
use crate::app::screen::Clickable;
use crate::app::state::State;
use crate::domain::table::TableFormat;
use crate::domain::text::{clean, width};
use crate::ui::canvas::Canvas;
use crate::ui::fleet::screen::shown_columns;
use crate::ui::line_context::LineContext;
use crate::ui::text::{behind, cells, pad_end, spread, wrap, wrap_to};
use crate::ui::theme::{Role, Theme};
use crate::ui::widgets::dialog;
use crate::ui::widgets::dialog::open;
use crate::ui::widgets::scrollbar;

/// Maximum width of a list, so that its lines stay easy to read.
const MOST: u16 = 130;
/// Maximum rows for the selected line in full.
const FULL: usize = 8;
/// Minimum list rows that stay if the selected line is long.
const LEAST_LISTED: usize = 4;

/// One line of a list.
#[derive(Default)]
struct Item {
    lead: String,
    /// Name in a column of its own; may be empty.
    label: String,
    text: String,
    right: String,
    /// Whether the item is disabled.
    off: bool,
}

impl Item {
    fn new(label: impl Into<String>, text: impl Into<String>) -> Self {
        Self { label: label.into(), text: text.into(), ..Self::default() }
    }

    /// Width of the whole line if labels take `labels` columns.
    fn columns(&self, labels: usize) -> usize {
        let right = if self.right.is_empty() { 0 } else { width(&self.right) + 1 };
        1 + width(&self.lead) + labels.max(width(&self.label)) + width(&self.text) + right
    }

    /// The text in full, with the label if that is cut.
    fn full(&self, labels: usize) -> String {
        if width(&self.label) + 1 >= labels && labels > 0 {
            return format!("{}: {}", self.label, self.text);
        }
        self.text.clone()
    }
}

/// Draws the list over `area`.
pub fn draw(canvas: &mut Canvas<'_, '_>, area: Rect, menu: &Menu) {
    let (cx, theme) = (canvas.line_context(area), canvas.theme);
    let (items, note) = items(cx, area, menu);
    let (title, hint) = match &menu.items {
        MenuItems::Sort => (text::TITLE_SORT, text::SORT_HINT),
        MenuItems::Columns => (text::TITLE_COLUMNS, note.as_str()),
        MenuItems::Copy(items) if items.iter().any(CopyItem::lacks_context) => {
            (text::TITLE_COPY, text::WITHOUT_CONTEXT)
        }
        MenuItems::Copy(_) => (text::TITLE_COPY, ""),
        MenuItems::Export(listed) => (text::TITLE_EXPORT, listed.as_str()),
        MenuItems::Commands(_) => (text::TITLE_COMMANDS, ""),
        MenuItems::Scope(_) => (text::SCOPE, text::SCOPE_HINT),
        MenuItems::Forget(_) => (credentials::FORGET_TITLE, note.as_str()),
    };
    let query = menu.is_searched();
    let is_palette = matches!(menu.items, MenuItems::Commands(_));
    let least = match menu.items {
        MenuItems::Sort | MenuItems::Columns | MenuItems::Export(_) => 46,
        MenuItems::Copy(_)
        | MenuItems::Commands(_)
        | MenuItems::Scope(_)
        | MenuItems::Forget(_) => 76,
    };
    let labels = items.iter().map(|item| width(&item.label)).max().unwrap_or(0);
    let labels = if labels == 0 { 0 } else { labels + 2 };
    // Frame, padding, and scrollbar with a leading blank take eight columns.
    let widest = items.iter().map(|item| item.columns(labels)).max().unwrap_or(0) + 8;
    let most = cells(widest).clamp(least, MOST);
    let room = usize::from(area.height.saturating_sub(2));
    let columns = dialog::columns(area, most).saturating_sub(2);
    let labels = labels.min(columns / 2);
    let above = usize::from(query);
    // Reserves the rows of the longest line, so that the list does not move while the cursor does.
    let in_full = !matches!(menu.items, MenuItems::Sort | MenuItems::Columns);
    let cut = |item: &Item| in_full && item.columns(labels) > columns;
    let full = |item: &Item| wrap(&item.full(labels), columns.saturating_sub(2)).len();
    let longest = items.iter().filter(|item| cut(item)).map(full).max().unwrap_or(0);
    let below = longest.min(FULL).min(room.saturating_sub(LEAST_LISTED.min(items.len()) + above));
    let gap = usize::from(below > 0 && items.len() + above + below < room);
    let rows = (items.len().max(1) + above + gap + below).min(room);
    let inner = open(canvas, area, (most, rows), title, hint);
    if query {
        let spans = vec![
            theme.part(if is_palette { ": " } else { "/ " }, Role::Accent),
            Span::raw(clean(menu.query.value())),
            theme.part("▏", Role::Accent),
        ];
        canvas.text(
            cx.with_columns(columns).line(spans),
            Rect { height: inner.height.min(1), ..inner },
        );
    }
    let list = Rect {
        y: inner.y + u16::from(query).min(inner.height),
        height: inner.height.saturating_sub(cells(above + gap + below)),
        ..inner
    };
    if items.is_empty() {
        let text = if is_palette { text::NO_COMMAND } else { text::NOTHING };
        canvas.text(theme.span(text, Tone::Dim), list);
        return;
    }
    if let Some(item) = items.get(menu.cursor).filter(|item| below > 0 && cut(item)) {
        let mark = theme.part("▸ ", Role::Accent);
        let lines = behind(mark, wrap_to(&item.full(labels), columns.saturating_sub(2), below));
        let height = cells(below).min(inner.height);
        let place = Rect { y: inner.bottom() - height, height, ..inner };
        canvas.text(lines, place);
    }
    let high = usize::from(list.height);
    let all = items.len();
    let first = (menu.cursor + 1).saturating_sub(high).min(all.saturating_sub(high));
    let lines: Vec<Line<'static>> = items
        .into_iter()
        .enumerate()
        .skip(first)
        .take(high)
        .map(|(index, item)| line(theme, item, index == menu.cursor, (labels, columns)))
        .collect();
    canvas.click_rows(list, lines.len(), |row| Clickable::Line(first + row));
    canvas.text(lines, list);
    scrollbar::draw(canvas, list, list.right().saturating_sub(1), first, all);
}

fn line(
    theme: Theme,
    item: Item,
    chosen: bool,
    (labels, columns): (usize, usize),
) -> Line<'static> {
    let label = if labels == 0 {
        String::new()
    } else {
        format!("{} ", pad_end(&item.label, labels.saturating_sub(1)))
    };
    let tone = if item.off { Tone::Dim } else { Tone::Plain };
    let left = vec![
        theme.part(if chosen { "▌" } else { " " }, Role::Accent),
        Span::raw(item.lead),
        theme.span(label, tone),
        theme.span(item.text, tone),
    ];
    let line = spread(left, vec![theme.span(item.right, Tone::Dim)], columns);
    if chosen { line.patch_style(theme.role(Role::Selected)) } else { line }
}

/// The items, and a hint for the whole list.
fn items(cx: LineContext<'_>, area: Rect, menu: &Menu) -> (Vec<Item>, String) {
    let items = match &menu.items {
        MenuItems::Sort => COLUMNS
            .iter()
            .map(|column| {
                let chosen = column == cx.state.view.sort;
                let arrow = if cx.state.view.reversed { "↑" } else { "↓" };
                Item {
                    lead: format!("{} {}  ", if chosen { "(•)" } else { "( )" }, column.key),
                    right: if chosen { arrow } else { "" }.to_owned(),
                    ..Item::new("", column.sort_label)
                }
            })
            .collect(),
        MenuItems::Columns => return columns(cx, area),
        MenuItems::Copy(choices) => {
            choices.iter().map(|item| Item::new(clean(&item.label), clean(&item.text))).collect()
        }
        MenuItems::Export(_) => {
            CHOICES.iter().map(|choice| export_item(cx.state, *choice)).collect()
        }
        MenuItems::Commands(commands) => {
            commands.iter().map(|item| palette_item(cx, item)).collect()
        }
        MenuItems::Scope(choices) => choices.iter().map(scope_item).collect(),
        MenuItems::Forget(question) => {
            let location = clean(&question.known.location.describe());
            let subject = credentials::forget_subject(&question.cluster.name, location);
            let keep = Item::new(credentials::KEEP_LABEL, credentials::KEEP_EFFECT);
            let forget = Item::new(credentials::FORGET_LABEL, question.effect.as_str());
            return (vec![keep, forget], subject);
        }
    };
    (items, String::new())
}

/// The columns: which are ticked, and which of those fit on the screen.
fn columns(cx: LineContext<'_>, area: Rect) -> (Vec<Item>, String) {
    let (shown, alone) = shown_columns(cx, area);
    let all = cx.state.view.columns.is_empty();
    let mut hidden = false;
    let items = optional_columns()
        .map(|column| {
            let ticked = all || cx.state.view.columns.iter().any(|id| id == column.id);
            let right = if !ticked {
                ""
            } else if shown.contains(&column.id) {
                text::SHOWN
            } else if alone.contains(&column.id) {
                hidden = true;
                text::NO_ROOM_BESIDE_PREVIEW
            } else {
                text::NO_ROOM
            };
            Item {
                lead: if ticked { "[x] " } else { "[ ] " }.to_owned(),
                right: right.to_owned(),
                ..Item::new("", column.title.to_lowercase())
            }
        })
        .collect();
    let key = cx.key_of(Command::Preview);
    (items, if hidden { text::hides_preview(&key) } else { String::new() })
}

fn export_item(state: &State, (format, target): (TableFormat, ExportTarget)) -> Item {
    let settings = &state.shared.settings;
    let text = match target {
        ExportTarget::File => text::to_file(clean(&settings.export_folder)),
        ExportTarget::Clipboard => text::TO_CLIPBOARD.to_owned(),
    };
    let off = target == ExportTarget::File && settings.read_only;
    Item { off, ..Item::new(format.names().0, text) }
}

fn palette_item(cx: LineContext<'_>, item: &PaletteItem) -> Item {
    match item {
        PaletteItem::Command(binding) => command_item(cx, binding),
        PaletteItem::Filter(filter) => Item::new(text::FILTER, clean(filter)),
        PaletteItem::Cluster(id) => {
            let place = dialog::place(id, cx.state, 60);
            Item::new(text::OPEN, format!("{}{place}", id.name))
        }
        PaletteItem::Scope(item) => Item { lead: String::new(), ..scope_item(item) },
    }
}

fn scope_item(item: &ScopeItem) -> Item {
    Item {
        lead: if item.present { "(•) " } else { "( ) " }.to_owned(),
        right: clean(&item.note),
        ..Item::new(item.part(), clean(&item.text))
    }
}

fn command_item(cx: LineContext<'_>, binding: &Binding) -> Item {
    // Checked against the screen below: the menu closes before the command runs.
    let refusal = can(cx.state, binding.command).err();
    Item {
        right: cx.key_of(binding.command),
        off: refusal.is_some(),
        ..Item::new(binding.id, refusal.unwrap_or_else(|| binding.help.to_owned()))
    }
}
