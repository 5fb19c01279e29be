//! The fleet table: builds only the visible rows.

use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::app::cell::Tone;
use crate::app::fleet::columns::{COLUMNS, Column, glyph, new_nodes, overdue};
use crate::app::fleet::state::Entry;
use crate::app::screen::Clickable;
use crate::app::state::State;
use crate::domain::cluster::ClusterId;
use crate::domain::text::{cut_middle, width};
use crate::ui::canvas::Canvas;
use crate::ui::line_context::LineContext;
use crate::ui::text::{blanks, cells, pad_end, pad_start, spread};
use crate::ui::theme::Role;
use crate::ui::widgets::scrollbar;

/// Columns before the first table column: cursor bar, mark, glyph, blank.
const LEAD: usize = 4;

/// The viewport: its first row, and the cursor's index among all rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    pub first: usize,
    pub cursor: Option<usize>,
}

/// Scrolls to the cursor. Searches the whole fleet only if the cursor is outside the viewport.
pub fn window(state: &State, rows: usize) -> Window {
    let all = state.view.shown.len();
    let first = state.view.offset.min(all.saturating_sub(rows));
    let near = state.view.shown.iter().skip(first).take(rows);
    let on_screen = state
        .view
        .cursor
        .as_ref()
        .and_then(|cursor| near.enumerate().find(|(_, id)| *id == cursor));
    if let Some((row, _)) = on_screen {
        return Window { first, cursor: Some(first + row) };
    }
    let cursor = state.view.cursor_row();
    let first = match cursor {
        Some(row) if row < first => row,
        Some(row) if row >= first + rows => row + 1 - rows.max(1),
        _ => first,
    };
    Window { first: first.min(all.saturating_sub(1)), cursor }
}

/// The columns that fit a table of this width, in order, with their widths.
pub fn layout(state: &State, columns: usize) -> Vec<(&'static Column, usize)> {
    let mut shown: Vec<(&'static Column, usize)> = state
        .view
        .chosen_columns()
        .filter(|column| column.id != "attention" && usize::from(column.from) <= columns + 1)
        .map(|column| (column, usize::from(column.width.0)))
        .collect();
    let gap = gap(columns);
    let used =
        |shown: &[(&Column, usize)]| LEAD + shown.iter().map(|(_, wide)| wide + gap).sum::<usize>();
    // If possible, one blank of the last gap stays, so that no text touches the scrollbar.
    let room = columns + 1;
    while used(&shown) > room && shown.len() > 1 {
        // The column that needs the widest screen is dropped first.
        let least = shown.iter().enumerate().max_by_key(|(_, (column, _))| column.from);
        let Some((index, _)) = least else { break };
        shown.remove(index);
    }
    let mut spare = room.saturating_sub(used(&shown));
    // Distinguishable names first, then a readable next step, then the rest.
    let wishes = [
        ("project", 12),
        ("next", 24),
        // Wider if nodes are being replaced: includes the time left.
        ("roll", if state.fleet.rolling.is_empty() { 13 } else { 19 }),
        ("name", 16),
        ("project", 20),
        ("next", 30),
        ("roll", 22),
        ("state", 12),
        ("version", 8),
    ];
    for (id, wish) in wishes {
        if let Some((column, wide)) = shown.iter_mut().find(|(column, _)| column.id == id) {
            let most = usize::from(column.width.1).min(wish);
            let more = most.saturating_sub(*wide).min(spare);
            *wide += more;
            spare -= more;
        }
    }
    shown
}

fn gap(columns: usize) -> usize {
    if columns < 60 { 1 } else { 2 }
}

/// Draws titles and rows; sets the page size and click targets.
pub fn draw(canvas: &mut Canvas<'_, '_>, area: Rect, window: Window) {
    let cx = canvas.line_context(area).narrower_by(1);
    let LineContext { state, columns, .. } = cx;
    let layout = layout(state, columns);
    let heading = area.height >= 6;
    let rows = usize::from(area.height.saturating_sub(u16::from(heading)));
    let mut lines = Vec::with_capacity(rows + 1);
    if heading {
        lines.push(titles(cx, &layout));
        let mut x = area.x.saturating_add(cells(LEAD));
        for (column, wide) in &layout {
            if let Some(at) = COLUMNS.iter().position(|known| known == *column) {
                let place = Rect { x, y: area.y, width: cells(*wide), height: 1 };
                canvas.click(place, Clickable::Column(at));
            }
            x = x.saturating_add(cells(wide + gap(columns)));
        }
    }
    let top = area.y.saturating_add(u16::from(heading));
    for (index, id) in state.view.shown.iter().skip(window.first).take(rows).enumerate() {
        let Some(entry) = state.fleet.entries.get(id) else { continue };
        let selected = window.cursor == Some(window.first + index);
        lines.push(row(cx, &layout, (id, entry), selected));
    }
    canvas.text(lines, area);
    let list = Rect { y: top, height: cells(rows), ..area };
    let shown = state.view.shown.len().saturating_sub(window.first).min(rows);
    canvas.click_rows(list, shown, |row| Clickable::Row(window.first + row));
    let bar = area.right().saturating_sub(1);
    scrollbar::draw(canvas, list, bar, window.first, state.view.shown.len());
}

fn titles(cx: LineContext<'_>, layout: &[(&'static Column, usize)]) -> Line<'static> {
    let gap = gap(cx.columns);
    let mut spans = vec![blanks(LEAD)];
    for (column, wide) in layout {
        let sorted = *column == cx.state.view.sort;
        let arrow = if cx.state.view.reversed { "↑" } else { "↓" };
        let text = if sorted && width(column.title) < *wide {
            format!("{}{arrow}", column.title)
        } else {
            column.title.to_owned()
        };
        let text = if column.right { pad_start(&text, *wide) } else { pad_end(&text, *wide) };
        let role = if sorted { Role::Accent } else { Role::Label };
        spans.push(cx.part(text, role));
        spans.push(blanks(gap));
    }
    spans.pop();
    spread(spans, Vec::new(), cx.columns)
}

fn row(
    cx: LineContext<'_>,
    layout: &[(&'static Column, usize)],
    (id, entry): (&ClusterId, &Entry),
    selected: bool,
) -> Line<'static> {
    let LineContext { state, theme, columns } = cx;
    let mark = if state.view.marks.contains(id) {
        "+"
    } else if state.nodes.watched.contains(id) {
        "w"
    } else {
        " "
    };
    let row = state.row(entry);
    let sign = glyph(&row);
    let shows = |id: &str| layout.iter().any(|(column, _)| column.id == id);
    let (has_roll, has_next) = (shows("roll"), shows("next"));
    // Without both project and region columns, the name has to disambiguate namesakes.
    let distinction =
        if shows("project") && shows("region") { None } else { state.fleet.distinction(entry) };
    let gap = gap(columns);
    let mut spans = vec![
        theme.part(if selected { "▌" } else { " " }, Role::Accent),
        theme.part(mark, Role::Accent),
        theme.span(sign.text, sign.tone),
        Span::raw(" "),
    ];
    for (column, wide) in layout {
        let value = match column.id {
            // Without a roll column, its figure replaces the phase; without a next-step column, "overdue" replaces the
            // roll.
            "phase" if !has_roll => new_nodes(&row).or_else(|| overdue(&row)),
            "roll" if !has_next => overdue(&row),
            _ => None,
        };
        let value = value.unwrap_or_else(|| (column.cell)(&row, *wide));
        let text = match column.id {
            "name" => distinct_name(&value.text, distinction, *wide),
            "project" | "region" => cut_middle(&value.text, *wide),
            _ => value.text,
        };
        let text = if column.right { pad_start(&text, *wide) } else { pad_end(&text, *wide) };
        let tone = if column.id == "name" && entry.not_listed_since.is_some() {
            Tone::Dim
        } else {
            value.tone
        };
        // Only the phase may use a loud style.
        let loud = column.id == "phase";
        let style = if loud { theme.tone(tone) } else { theme.soft(tone) };
        spans.push(Span::styled(text, style));
        spans.push(blanks(gap));
    }
    spans.pop();
    let line = spread(spans, Vec::new(), columns);
    if selected { line.patch_style(theme.role(Role::Selected)) } else { line }
}

/// The name, followed by what disambiguates it.
fn distinct_name(name: &str, distinction: Option<&str>, wide: usize) -> String {
    let Some(distinction) = distinction else { return cut_middle(name, wide) };
    let distinction = cut_middle(distinction, wide / 2);
    let room = wide.saturating_sub(width(&distinction) + 1);
    format!("{}·{distinction}", cut_middle(name, room))
}
