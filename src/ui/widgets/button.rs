//! Buttons: labels in brackets; the focused one has a mark and is reversed.

use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::app::screen::Clickable;
use crate::domain::text::width;
use crate::ui::canvas::Canvas;
use crate::ui::text::cells;
use crate::ui::theme::{Role, Theme};

/// One button.
pub struct Button<'a> {
    pub label: &'a str,
    pub focused: bool,
    /// Whether the button is enabled.
    pub ready: bool,
    pub click: Clickable,
}

impl<'a> Button<'a> {
    /// The button that closes a dialog without any effect.
    pub fn cancel(label: &'a str, focused: bool) -> Self {
        Self { label, focused, ready: true, click: Clickable::Cancel }
    }

    /// The button that performs the dialog's action.
    pub fn confirm(label: &'a str, focused: bool, ready: bool) -> Self {
        Self { label, focused, ready, click: Clickable::Confirm }
    }

    fn spans(&self, theme: Theme) -> Vec<Span<'static>> {
        let text = format!("[ {} ]", self.label);
        let mark = if self.focused { theme.part("▸", Role::Accent) } else { Span::raw(" ") };
        let role = match (self.ready, self.focused) {
            (false, _) => Role::Off,
            (true, true) => Role::Focus,
            (true, false) => Role::Title,
        };
        vec![mark, theme.part(text, role)]
    }

    fn columns(&self) -> usize {
        width(self.label) + 5
    }
}

/// Rows of the buttons: one, or one per button if they do not fit side by side.
pub fn rows(buttons: &[Button<'_>], columns: usize) -> usize {
    let wide: usize = buttons.iter().map(Button::columns).sum();
    if wide <= columns { 1 } else { buttons.len() }
}

/// Draws buttons from the top left of `area` and registers their click targets.
pub fn draw(canvas: &mut Canvas<'_, '_>, area: Rect, buttons: &[Button<'_>]) {
    let theme = canvas.theme;
    let room = usize::from(area.width);
    let stacked = rows(buttons, room) > 1;
    let wide: usize = buttons.iter().map(|button| button.columns() + 3).sum();
    let gap = if wide <= room { 3 } else { 0 };
    let (mut x, mut y) = (0, 0);
    for button in buttons {
        let columns = button.columns();
        let place = Rect {
            x: area.x.saturating_add(cells(x)),
            y: area.y.saturating_add(cells(y)),
            width: cells(columns),
            height: 1,
        }
        .intersection(area);
        canvas.text(Line::from(button.spans(theme)), place);
        if place.width > 1 && !place.is_empty() {
            canvas.click(Rect { x: place.x + 1, width: place.width - 1, ..place }, button.click);
        }
        if stacked { y += 1 } else { x += columns + gap }
    }
}
