//! Common parts of dialogs: a centred heavy frame, a title with the step, fields, and a persistent failure.

use ratatui::layout::{Margin, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::Clear;
use tui_input::Input;

use crate::app::cell::Tone;
use crate::app::keymap::Command;
use crate::app::state::State;
use crate::app::text;
use crate::domain::cluster::ClusterId;
use crate::domain::failure::Failure;
use crate::domain::text::{clean, cut_middle, plural, width};
use crate::ui::canvas::Canvas;
use crate::ui::line_context::LineContext;
use crate::ui::text::{blanks, cells, indent};
use crate::ui::theme::{Role, Theme};
use crate::ui::widgets::button::{self, Button};

/// Text width in `area` of a dialog that is at most `most` columns wide.
pub fn columns(area: Rect, most: u16) -> usize {
    usize::from(area.width.min(most).saturating_sub(padding(area) * 2 + 2))
}

fn padding(area: Rect) -> u16 {
    if area.width >= 60 { 2 } else { u16::from(area.width >= 45) }
}

/// Lines that fit above the buttons of a dialog.
pub fn room(area: Rect, most: u16, buttons: &[Button<'_>]) -> usize {
    let rows = button::rows(buttons, columns(area, most));
    usize::from(area.height.saturating_sub(2)).saturating_sub(rows)
}

/// Draws a dialog of at most `most` columns over `area`: frame with left and right title, lines, and buttons.
pub fn show(
    canvas: &mut Canvas<'_, '_>,
    area: Rect,
    most: u16,
    (title, right): (&str, &str),
    lines: Vec<Line<'static>>,
    buttons: &[Button<'_>],
) {
    let rows = button::rows(buttons, columns(area, most));
    let inner = open(canvas, area, (most, lines.len() + rows), title, right);
    let used = cells(lines.len()).min(inner.height.saturating_sub(cells(rows)));
    canvas.text(lines, Rect { height: used, ..inner });
    let below = Rect { y: inner.y + used, height: inner.height - used, ..inner };
    button::draw(canvas, below, buttons);
}

/// Clears `area`, draws the frame of an overlay, and returns the inner area.
pub fn overlay(canvas: &mut Canvas<'_, '_>, area: Rect, title: &'static str) -> Rect {
    let theme = canvas.theme;
    canvas.frame.render_widget(Clear, area);
    let closes = text::closes(canvas.line_context(area).key_of(Command::Back));
    let block = theme
        .pane()
        .border_style(theme.role(Role::DialogBorder))
        .title(theme.title(vec![theme.part(title, Role::Title)]))
        .title(theme.title_right(vec![theme.span(closes, Tone::Dim)]));
    canvas.block(block, area)
}

/// Clears the middle of `area`, draws the dialog frame, and returns the inner area.
pub fn open(
    canvas: &mut Canvas<'_, '_>,
    area: Rect,
    (most, rows): (u16, usize),
    title: &str,
    right: &str,
) -> Rect {
    let theme = canvas.theme;
    let wide = area.width.min(most);
    let high = cells(rows.saturating_add(2)).min(area.height);
    let place = Rect {
        x: area.x + (area.width - wide) / 2,
        y: area.y + (area.height - high) / 2,
        width: wide,
        height: high,
    };
    // A blank column on both sides separates the frame from the screen below.
    let halo = place.outer(Margin::new(1, 0)).intersection(area);
    canvas.frame.render_widget(Clear, halo);
    let dash = theme.part("━", Role::DialogBorder);
    let title_left = vec![dash.clone(), theme.part(format!(" {title} "), Role::Title)];
    let mut block = theme.dialog().title(title_left);
    if width(title) + width(right) + 8 <= usize::from(wide) && !right.is_empty() {
        let right = vec![theme.span(format!(" {right} "), Tone::Dim), dash];
        block = block.title(Line::from(right).right_aligned());
    }
    canvas.block(block, place).inner(Margin::new(padding(area), 0))
}

/// The place of a cluster, for display after its name; the project is truncated in favour of the region.
pub fn place(id: &ClusterId, state: &State, columns: usize) -> String {
    let project = state.fleet.project_name(id.project());
    let used = width(id.name.as_str()) + width(id.region().as_str()) + 6;
    let project = cut_middle(&clean(project), columns.saturating_sub(used).clamp(5, 20));
    format!(" · {project} · {}", id.region())
}

/// A text field of `columns` columns including its brackets; long text shows its end.
pub fn field(theme: Theme, input: &Input, columns: usize, focused: bool) -> Vec<Span<'static>> {
    let room = columns.saturating_sub(4);
    let text: Vec<char> = clean(input.value()).chars().collect();
    let at = input.cursor().min(text.len());
    let before: String = text.iter().take(at).collect();
    let after: String = text.iter().skip(at).collect();
    let mark = usize::from(focused);
    let mut before = before;
    while width(&before) + mark > room && !before.is_empty() {
        before.remove(0);
    }
    let left = room.saturating_sub(width(&before) + mark);
    let after = crate::domain::text::cut_end(&after, left);
    let rest = left.saturating_sub(width(&after));
    let role = if focused { Role::Accent } else { Role::Label };
    let mut spans = vec![theme.part("[ ", role), Span::raw(before)];
    if focused {
        spans.push(theme.part("▏", Role::Accent));
    }
    spans.push(Span::raw(after));
    spans.push(blanks(rest));
    spans.push(theme.part(" ]", role));
    spans
}

/// A failure in full: reason, advice, and for support what was tried, code and trace id.
pub fn failure(cx: LineContext<'_>, failure: &Failure) -> Vec<Line<'static>> {
    let mut lines = cx.marked("✗", Tone::Bad, &failure.message);
    if let Some(advice) = failure.advice() {
        lines.extend(indent(cx.narrower_by(2).paragraph(&advice, Tone::Plain), 2));
    }
    let details: Vec<String> = [
        failure.tried.clone(),
        failure.code.as_ref().map(text::code),
        failure.trace.as_ref().map(text::trace_id),
    ]
    .into_iter()
    .flatten()
    .collect();
    let details = cx.narrower_by(2).paragraph(&details.join(" · "), Tone::Dim);
    lines.extend(indent(details, 2));
    lines
}

/// At most `room` lines from `scroll` on; the last one reports how many more follow.
pub fn shorten(
    theme: Theme,
    lines: Vec<Line<'static>>,
    room: usize,
    scroll: usize,
) -> Vec<Line<'static>> {
    let all = lines.len();
    if all <= room {
        return lines;
    }
    if room == 0 {
        return Vec::new();
    }
    let first = scroll.min(all - room.min(all));
    let mut shown: Vec<Line<'static>> = lines.into_iter().skip(first).take(room).collect();
    let below = all - first - shown.len();
    if let Some(last) = shown.last_mut()
        && below > 0
        && room > 1
    {
        let more = plural(below + 1, text::ONE_MORE_LINE, text::MORE_LINES);
        *last = theme.span(text::more_lines(more), Tone::Dim).into();
    }
    shown
}
