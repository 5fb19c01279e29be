//! `QuitDialog` while something is under way.

use ratatui::layout::Rect;
use ratatui::text::Line;

use crate::app::cell::Tone;
use crate::app::session::quit::QuitDialog;
use crate::app::session::text;
use crate::domain::text::clean;
use crate::ui::canvas::Canvas;
use crate::ui::widgets::button::Button;
use crate::ui::widgets::dialog::{columns, marked, show};

const MOST: u16 = 66;

/// Draws the question over `area`.
pub fn draw(canvas: &mut Canvas<'_, '_>, area: Rect, QuitDialog { leave, why, then }: &QuitDialog) {
    let theme = canvas.theme;
    let columns = columns(area, MOST);
    let mut lines = marked(theme, "!", Tone::Warn, &clean(why), columns);
    lines.extend(theme.paragraph(then, Tone::Dim, columns));
    if area.height >= 10 {
        lines.push(Line::default());
    }
    let buttons = [Button::cancel(text::STAY, !leave), Button::confirm(text::QUIT, *leave, true)];
    show(canvas, area, MOST, (text::QUIT_TITLE, ""), lines, &buttons);
}
