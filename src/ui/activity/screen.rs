//! The activity, newest first, and the entry under the cursor in full.

use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};

use crate::app::activity::text;
use crate::app::cell::Tone;
use crate::app::motion::keep_visible;
use crate::app::screen::{Clickable, Screen};
use crate::app::state::State;
use crate::app::text as common;
use crate::domain::record::Record;
use crate::ui::activity::records;
use crate::ui::canvas::Canvas;
use crate::ui::line_context::LineContext;
use crate::ui::text::{cells, indent, spread};
use crate::ui::theme::{Role, Theme};
use crate::ui::widgets::{header, scrollbar};

/// Minimum columns to show the entry beside the list.
const BESIDE: u16 = 120;
/// Minimum rows to show it below the list.
const BELOW: u16 = 14;
/// Minimum rows for a border around the list.
const BORDER: u16 = 9;
/// Minimum rows for a border around an entry.
const ENTRY_BORDER: u16 = 5;

/// Draws the screen.
pub fn draw(canvas: &mut Canvas<'_, '_>, area: Rect) {
    let cx = canvas.line_context(area);
    let LineContext { theme, columns, .. } = cx;
    let head =
        spread(header::path(theme, &[common::PATH_FLEET, text::PATH]), header::status(cx), columns);
    canvas.text(head, Rect { height: 1, ..area });
    let body = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    draw_records(canvas, body);
}

/// The records, and the one under the cursor; also used by a tab of the cluster screen.
pub fn draw_records(canvas: &mut Canvas<'_, '_>, area: Rect) {
    let (state, cx) = (canvas.state, canvas.line_context(area));
    let all = state.activity.list(state.screen.cluster());
    let Some((_, chosen)) = all.get(state.activity.index(&all)) else {
        nothing(canvas, area);
        return;
    };
    if state.activity.open {
        let inner = entry_pane(canvas, area);
        let lines = records::whole(chosen, canvas.line_context(inner).narrower_by(1));
        let bar = inner.right().saturating_sub(1);
        scrollbar::scrolled(canvas, inner, bar, lines, state.activity.scroll);
        return;
    }
    let layout = if area.width >= BESIDE {
        Layout::horizontal([Constraint::Fill(5), Constraint::Fill(3)])
    } else if area.height >= BELOW {
        let lines = cells(records::whole(chosen, cx.narrower_by(2)).len());
        let wanted = lines.saturating_add(2).min(area.height / 2);
        Layout::vertical([Constraint::Fill(1), Constraint::Length(wanted)])
    } else {
        return list(canvas, area, &all);
    };
    let [list_area, entry_area] = layout.areas(area);
    list(canvas, list_area, &all);
    let inner = entry_pane(canvas, entry_area);
    canvas.text(records::whole(chosen, canvas.line_context(inner)), inner);
}

fn zone(state: &State, theme: Theme) -> Vec<Span<'static>> {
    vec![theme.span(if state.shared.utc { text::IN_UTC } else { text::IN_LOCAL_TIME }, Tone::Dim)]
}

fn nothing(canvas: &mut Canvas<'_, '_>, area: Rect) {
    let (state, theme) = (canvas.state, canvas.theme);
    let title = vec![theme.part(text::TITLE_EMPTY, Role::Title)];
    let inner = canvas.pane(area, title, zone(state, theme));
    let text = match state.screen {
        Screen::Cluster { .. } => text::NONE_HERE,
        Screen::Fleet | Screen::Activity(_) => text::NONE,
    };
    let mut lines = vec![Line::default()];
    lines.extend(indent(canvas.line_context(inner).narrower_by(2).paragraph(text, Tone::Dim), 1));
    canvas.text(lines, inner);
}

fn entry_pane(canvas: &mut Canvas<'_, '_>, area: Rect) -> Rect {
    let theme = canvas.theme;
    if area.height < ENTRY_BORDER {
        return area;
    }
    canvas.pane(area, vec![theme.part(text::TITLE_ENTRY, Role::Title)], Vec::new())
}

fn list(canvas: &mut Canvas<'_, '_>, area: Rect, all: &[(usize, &Record)]) {
    let (state, theme) = (canvas.state, canvas.theme);
    let boxed = area.height >= BORDER;
    let rows = usize::from(area.height.saturating_sub(if boxed { 2 } else { 0 }));
    let cursor = state.activity.index(all);
    let first = keep_visible(state.activity.scroll, cursor, rows, all.len());
    canvas.metrics.page_rows = rows;
    let mut inner = area;
    if boxed {
        let last = (first + rows).min(all.len());
        let title = if last - first == all.len() {
            text::TITLE.to_owned()
        } else {
            text::title_range(first + 1, last, all.len())
        };
        inner = canvas.pane(area, vec![theme.part(title, Role::Title)], zone(state, theme));
    }
    let cx = canvas.line_context(inner).narrower_by(1);
    let with_cluster = matches!(state.screen, Screen::Activity(_));
    let shown = all.iter().skip(first).take(rows).map(|(_, record)| *record);
    let mut lines = records::lines(shown, cx, with_cluster);
    canvas.click_rows(inner, lines.len(), |row| Clickable::Record(first + row));
    if let Some(line) = lines.get_mut(cursor.saturating_sub(first)) {
        *line = records::chosen(std::mem::take(line), cx);
    }
    canvas.text(lines, inner);
    scrollbar::draw(canvas, inner, inner.right().saturating_sub(1), first, all.len());
}
