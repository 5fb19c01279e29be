//! Scrollable lines, with a scrollbar in one column if they do not fit.

use ratatui::layout::Rect;
use ratatui::text::Line;

use crate::ui::canvas::Canvas;
use crate::ui::text::cells;
use crate::ui::theme::Role;

/// Draws the viewport from line `scroll` on, and the scrollbar thumb in column `bar`; records the maximum scroll
/// offset.
pub fn scrolled(
    canvas: &mut Canvas<'_, '_>,
    area: Rect,
    bar: u16,
    lines: Vec<Line<'static>>,
    scroll: usize,
) {
    let (rows, all) = (usize::from(area.height), lines.len());
    canvas.metrics.page_rows = rows;
    canvas.metrics.scroll_last = all.saturating_sub(rows);
    let first = scroll.min(canvas.metrics.scroll_last);
    let shown: Vec<Line<'static>> = lines.into_iter().skip(first).take(rows).collect();
    canvas.text(shown, area);
    draw(canvas, area, bar, first, all);
}

/// Draws the scrollbar thumb in column `bar`, for a list of `all` lines scrolled to line `first`.
pub fn draw(canvas: &mut Canvas<'_, '_>, area: Rect, bar: u16, first: usize, all: usize) {
    let theme = canvas.theme;
    let rows = usize::from(area.height);
    let area = Rect { x: bar, width: 1, ..area }.intersection(canvas.frame.area());
    if all <= rows || rows == 0 || area.is_empty() {
        return;
    }
    let thumb = (rows * rows / all).clamp(1, rows);
    let hidden = all - rows;
    let top = (first.min(hidden) * (rows - thumb)).checked_div(hidden).unwrap_or(0);
    for row in top..top + thumb {
        let position = (area.x, area.y.saturating_add(cells(row)));
        if let Some(cell) = canvas.frame.buffer_mut().cell_mut(position) {
            cell.set_symbol("█").set_style(theme.role(Role::Border));
        }
    }
}
