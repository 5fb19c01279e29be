//! The latest lines of the diagnostic log, over everything else.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Text};
use ratatui::widgets::Clear;

use crate::app::cell::Tone;
use crate::app::keymap::Command;
use crate::app::log::LogView;
use crate::app::screen::Metrics;
use crate::app::state::State;
use crate::app::text;
use crate::ui::text::wrap;
use crate::ui::theme::{Role, Theme};
use crate::ui::widgets::footer::key_of;
use crate::ui::widgets::scrollbar;

/// Draws the overlay.
pub fn draw(
    state: &State,
    theme: Theme,
    frame: &mut Frame<'_>,
    area: Rect,
    log: &LogView,
    metrics: &mut Metrics,
) {
    frame.render_widget(Clear, area);
    let closes = text::closes(key_of(state, theme, Command::Back));
    let block = theme
        .pane()
        .border_style(theme.role(Role::DialogBorder))
        .title(theme.title(vec![theme.part(text::LOG_TITLE, Role::Title)]))
        .title(theme.title_right(vec![theme.span(closes, Tone::Dim)]));
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let (columns, rows) = (usize::from(inner.width.saturating_sub(2)), usize::from(inner.height));
    let empty = |text: &str| vec![theme.span(format!(" {text}"), Tone::Dim).into()];
    let lines: Vec<Line<'static>> = match &log.lines {
        None => empty(text::LOG_READING),
        Some(lines) if lines.is_empty() => empty(text::LOG_EMPTY),
        Some(lines) => lines
            .iter()
            .flat_map(|line| wrap(line, columns))
            .map(|line| Line::from(format!(" {line}")))
            .collect(),
    };
    let all = lines.len();
    metrics.page_rows = rows;
    metrics.scroll_last = all.saturating_sub(rows);
    let first = log.first.unwrap_or(usize::MAX).min(metrics.scroll_last);
    let shown: Vec<Line<'static>> = lines.into_iter().skip(first).take(rows).collect();
    frame.render_widget(Text::from(shown), inner);
    let bar = Rect { x: inner.right().saturating_sub(1), width: 1, ..inner };
    scrollbar::draw(theme, frame, bar, first, all);
}
