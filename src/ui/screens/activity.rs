//! What happened, newest first.
//!
//! ```text
//!  skeys  FLEET › ACTIVITY                                                WRITE  ● live 2s
//! ╭─ 1–20 of 44, newest first ──────────────────────────────────────────────────── UTC ─────╮
//! │ 14:02:11     ✓ shop-prod       start accepted                         trace 7f3c…91ab   │
//! ╰─────────────────────────────────────────────────────────────────────────────────────────╯
//! ```

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Text};

use crate::app::columns::Tone;
use crate::app::state::{Metrics, State};
use crate::ui::Status;
use crate::ui::text::spread;
use crate::ui::theme::{Role, Theme};
use crate::ui::widgets::{header, records, scrollbar};

/// Draws the screen.
pub fn draw(
    state: &State,
    theme: Theme,
    frame: &mut Frame<'_>,
    area: Rect,
    metrics: &mut Metrics,
) -> Status {
    let columns = usize::from(area.width);
    let head = spread(
        header::path(theme, &["FLEET", "ACTIVITY"]),
        header::status(state, theme, columns),
        columns,
    );
    frame.render_widget(Text::from(head), Rect { height: 1, ..area });
    let pane = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    let rows = usize::from(pane.height.saturating_sub(2));
    metrics.page_rows = rows;
    let all = state.activity.len();
    metrics.scroll_last = all.saturating_sub(rows);
    let first = state.scroll.min(all.saturating_sub(rows.min(all)));
    let title = if all == 0 {
        " activity ".to_owned()
    } else {
        format!(" {}–{} of {all}, newest first ", first + 1, (first + rows).min(all))
    };
    let zone = if state.utc { " UTC " } else { " local time " };
    let block = theme
        .pane()
        .title(theme.title(vec![theme.part(title, Role::Title)]))
        .title(theme.title_right(vec![theme.span(zone, Tone::Dim)]));
    let inner = block.inner(pane);
    frame.render_widget(block, pane);
    if all == 0 {
        let text =
            theme.span(" Nothing happened yet. What skeys does and sees is kept here.", Tone::Dim);
        frame.render_widget(Text::from(vec![Line::default(), Line::from(text)]), inner);
        return Status::default();
    }
    let wide = usize::from(inner.width.saturating_sub(1));
    let lines: Vec<Line<'static>> = state
        .activity
        .iter()
        .rev()
        .skip(first)
        .take(rows)
        .map(|record| records::line(record, state, theme, wide, true))
        .collect();
    frame.render_widget(Text::from(lines), inner);
    let bar = Rect { x: inner.right().saturating_sub(1), width: 1, ..inner };
    scrollbar::draw(theme, frame, bar, first, all);
    Status::default()
}
