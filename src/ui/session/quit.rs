//! `QuitDialog`: asks before leaving while something is in progress.

use ratatui::layout::Rect;
use ratatui::text::Line;

use crate::app::cell::Tone;
use crate::app::session::quit::QuitDialog;
use crate::app::session::text;
use crate::domain::text::clean;
use crate::ui::canvas::Canvas;
use crate::ui::widgets::button::Button;
use crate::ui::widgets::dialog::{columns, show};

const MOST: u16 = 66;

/// Draws the question over `area`.
pub fn draw(canvas: &mut Canvas<'_, '_>, area: Rect, dialog: &QuitDialog) {
    let QuitDialog { confirmation, why, then } = dialog;
    let cx = canvas.line_context(area).with_columns(columns(area, MOST));
    let mut lines = cx.marked("!", Tone::Warn, &clean(why));
    lines.extend(cx.paragraph(then, Tone::Dim));
    if area.height >= 10 {
        lines.push(Line::default());
    }
    let quits = confirmation.confirms;
    let buttons = [Button::cancel(text::STAY, !quits), Button::confirm(text::QUIT, quits, true)];
    show(canvas, area, MOST, (text::QUIT_TITLE, ""), lines, &buttons);
}
