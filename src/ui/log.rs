//! The latest lines of the diagnostic log, as an overlay.

use ratatui::layout::Rect;
use ratatui::text::Line;

use crate::app::cell::Tone;
use crate::app::log::LogView;
use crate::app::text;
use crate::ui::canvas::Canvas;
use crate::ui::text::{blanks, indent, wrap};
use crate::ui::widgets::dialog::overlay;
use crate::ui::widgets::scrollbar;

/// Draws the overlay.
pub fn draw(canvas: &mut Canvas<'_, '_>, area: Rect, log: &LogView) {
    let theme = canvas.theme;
    let inner = overlay(canvas, area, text::LOG_TITLE);
    let columns = usize::from(inner.width.saturating_sub(2));
    let empty = |text: &str| vec![theme.span(format!(" {text}"), Tone::Dim).into()];
    let lines: Vec<Line<'static>> = match &log.lines {
        None => empty(text::LOG_READING),
        Some(lines) if lines.is_empty() => empty(text::LOG_EMPTY),
        Some(lines) => lines.iter().flat_map(|line| entry(line, columns)).collect(),
    };
    let scroll = log.first.unwrap_or(usize::MAX);
    scrollbar::scrolled(canvas, inner, inner.right().saturating_sub(1), lines, scroll);
}

/// A log line, wrapped; continuation lines are indented.
fn entry(text: &str, columns: usize) -> Vec<Line<'static>> {
    let mut lines = indent(wrap(text, columns.saturating_sub(2)), 3);
    if let Some(first) = lines.first_mut() {
        first.spans.splice(..1, [blanks(1)]);
    }
    lines
}
