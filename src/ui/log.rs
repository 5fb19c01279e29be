//! The latest lines of the diagnostic log, over everything else.

use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::Clear;

use crate::app::cell::Tone;
use crate::app::keymap::Command;
use crate::app::log::LogView;
use crate::app::text;
use crate::ui::canvas::Canvas;
use crate::ui::text::{indent, wrap};
use crate::ui::theme::Role;
use crate::ui::widgets::footer::key_of;
use crate::ui::widgets::scrollbar;

/// Draws the overlay.
pub fn draw(canvas: &mut Canvas<'_, '_>, area: Rect, log: &LogView) {
    let (state, theme) = (canvas.state, canvas.theme);
    canvas.frame.render_widget(Clear, area);
    let closes = text::closes(key_of(state, theme, Command::Back));
    let block = theme
        .pane()
        .border_style(theme.role(Role::DialogBorder))
        .title(theme.title(vec![theme.part(text::LOG_TITLE, Role::Title)]))
        .title(theme.title_right(vec![theme.span(closes, Tone::Dim)]));
    let inner = canvas.block(block, area);
    let (columns, rows) = (usize::from(inner.width.saturating_sub(2)), usize::from(inner.height));
    let empty = |text: &str| vec![theme.span(format!(" {text}"), Tone::Dim).into()];
    let lines: Vec<Line<'static>> = match &log.lines {
        None => empty(text::LOG_READING),
        Some(lines) if lines.is_empty() => empty(text::LOG_EMPTY),
        Some(lines) => lines.iter().flat_map(|line| indent(wrap(line, columns), 1)).collect(),
    };
    let all = lines.len();
    canvas.metrics.page_rows = rows;
    canvas.metrics.scroll_last = all.saturating_sub(rows);
    let first = log.first.unwrap_or(usize::MAX).min(canvas.metrics.scroll_last);
    let shown: Vec<Line<'static>> = lines.into_iter().skip(first).take(rows).collect();
    canvas.text(shown, inner);
    let bar = Rect { x: inner.right().saturating_sub(1), width: 1, ..inner };
    scrollbar::draw(canvas, bar, first, all);
}
