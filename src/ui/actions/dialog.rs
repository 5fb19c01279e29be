//! Confirmation dialog for waking up or reconciling a cluster.

use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::app::actions::dialog::ActionDialog;
use crate::app::actions::text;
use crate::app::cell::Tone;
use crate::domain::action::Trigger;
use crate::ui::canvas::Canvas;
use crate::ui::theme::Role;
use crate::ui::widgets::button::Button;
use crate::ui::widgets::dialog::{columns, place, show};

const MOST: u16 = 66;

/// Draws the question over `area`.
pub fn draw(canvas: &mut Canvas<'_, '_>, area: Rect, dialog: &ActionDialog) {
    let cx = canvas.line_context(area).with_columns(columns(area, MOST));
    let id = &dialog.cluster;
    let text = match dialog.action {
        Trigger::WakeUp => text::WAKE_UP,
        Trigger::Reconcile => text::RECONCILE,
    };
    let subject = vec![
        cx.part(id.name.as_str().to_owned(), Role::Title),
        Span::raw(place(id, cx.state, cx.columns)),
    ];
    let mut lines = vec![cx.line(subject)];
    let roomy = area.height >= 12;
    if roomy {
        lines.push(Line::default());
    }
    lines.extend(cx.paragraph(text, Tone::Plain));
    if roomy {
        lines.push(Line::default());
    }
    let verb = dialog.action.label();
    let confirms = dialog.confirmation.confirms;
    let buttons = [Button::cancel(text::CANCEL, !confirms), Button::confirm(verb, confirms, true)];
    show(canvas, area, MOST, (&format!("{verb} {}", id.name), ""), lines, &buttons);
}
