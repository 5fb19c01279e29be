//! `QuitDialog` while something is under way.

use ratatui::layout::Rect;
use ratatui::text::Line;

use crate::app::cell::Tone;
use crate::app::screen::Clickable;
use crate::app::session::quit::QuitDialog;
use crate::app::session::text;
use crate::domain::text::clean;
use crate::ui::canvas::Canvas;
use crate::ui::text::{cells, wrap};
use crate::ui::widgets::button::{self, Button};
use crate::ui::widgets::dialog::{columns, marked, open};

const MOST: u16 = 66;

/// Draws the question over `area`.
pub fn draw(canvas: &mut Canvas<'_, '_>, area: Rect, QuitDialog { leave, why }: &QuitDialog) {
    let theme = canvas.theme;
    let columns = columns(area, MOST);
    let mut lines = marked(theme, "!", Tone::Warn, &clean(why), columns);
    let rest = text::REQUESTS_CONTINUE;
    lines.extend(
        wrap(rest, columns).into_iter().map(|line| Line::from(theme.span(line, Tone::Dim))),
    );
    if area.height >= 10 {
        lines.push(Line::default());
    }
    let inner = open(canvas, area, (MOST, lines.len() + 1), text::QUIT_TITLE, "");
    let text_rows = cells(lines.len()).min(inner.height.saturating_sub(1));
    canvas.text(lines, Rect { height: text_rows, ..inner });
    let below = Rect { y: inner.y + text_rows, height: inner.height.min(1), ..inner };
    let button = |label, focused, click| Button { label, focused, ready: true, click: Some(click) };
    let buttons = [
        button(text::STAY, !leave, Clickable::Cancel),
        button(text::QUIT, *leave, Clickable::Confirm),
    ];
    button::draw(canvas, below, &buttons);
}
