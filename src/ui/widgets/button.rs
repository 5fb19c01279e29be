//! Buttons in a row: verbs in brackets; the focused one has a mark and is reversed.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span, Text};

use crate::app::state::{Clickable, Metrics, Target};
use crate::domain::text::width;
use crate::ui::text::{blanks, cells};
use crate::ui::theme::{Role, Theme};

/// One button.
pub struct Button<'a> {
    /// The verb on it.
    pub label: &'a str,
    /// Whether it has the focus.
    pub focused: bool,
    /// Whether it can be pressed.
    pub ready: bool,
    /// What a click on it means.
    pub click: Option<Clickable>,
}

impl Button<'_> {
    fn spans(&self, theme: Theme) -> Vec<Span<'static>> {
        let text = format!("[ {} ]", self.label);
        if self.focused {
            vec![theme.part("▸", Role::Accent), theme.part(text, Role::Focus)]
        } else if self.ready {
            vec![Span::raw(" "), theme.part(text, Role::Title)]
        } else {
            vec![Span::raw(" "), theme.part(text, Role::Off)]
        }
    }

    fn columns(&self) -> usize {
        width(self.label) + 5
    }
}

/// Draws buttons from the left of `area`, and says where they can be clicked.
pub fn draw(
    theme: Theme,
    frame: &mut Frame<'_>,
    area: Rect,
    buttons: &[Button<'_>],
    metrics: &mut Metrics,
) {
    let wide: usize = buttons.iter().map(|button| button.columns() + 3).sum();
    let gap = if wide <= usize::from(area.width) { 3 } else { 0 };
    let mut spans = Vec::new();
    let mut at = 0;
    for button in buttons {
        let columns = button.columns();
        if let Some(what) = button.click
            && at + columns <= usize::from(area.width)
            && area.height > 0
        {
            let left = area.x.saturating_add(cells(at + 1));
            metrics.targets.push(Target { area: (left, area.y, cells(columns - 1), 1), what });
        }
        spans.extend(button.spans(theme));
        spans.push(blanks(gap));
        at += columns + gap;
    }
    frame.render_widget(Text::from(Line::from(spans)), Rect { height: area.height.min(1), ..area });
}
