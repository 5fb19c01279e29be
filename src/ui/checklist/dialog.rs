//! The dialog that edits a checklist.

use ratatui::layout::Rect;
use ratatui::text::Line;

use crate::app::cell::Tone;
use crate::app::checklist::state::{ChecklistDialog, ChecklistDialogKind, ChecklistField};
use crate::app::checklist::text;
use crate::ui::canvas::Canvas;
use crate::ui::text::pad_end;
use crate::ui::theme::Role;
use crate::ui::widgets::button::Button;
use crate::ui::widgets::dialog::{columns, failure, field, show};

const MOST: u16 = 72;
/// Label width in columns.
const LABEL: usize = 8;

/// Draws the dialog over `area`.
pub fn draw(canvas: &mut Canvas<'_, '_>, area: Rect, dialog: &ChecklistDialog) {
    let cx = canvas.line_context(area).with_columns(columns(area, MOST));
    let said = |text: &str| cx.paragraph(text, Tone::Plain);
    let (title, mut lines) = match &dialog.kind {
        ChecklistDialogKind::Edit(form) => {
            let title = form.before.as_ref().map(|before| text::edit_title(&before.name));
            let row = |label: &str, input, at| {
                let role = if dialog.focus == at { Role::Accent } else { Role::Label };
                let mut spans = vec![cx.part(pad_end(label, LABEL), role)];
                let room = cx.columns.saturating_sub(LABEL);
                spans.extend(field(cx.theme, input, room, dialog.focus == at));
                Line::from(spans)
            };
            let lines = vec![
                row(text::FIELD_CLIENT, &form.name, ChecklistField::Name),
                row(text::FIELD_OWNER, &form.owner, ChecklistField::Owner),
                row(text::FIELD_NOTE, &form.note, ChecklistField::Note),
            ];
            (title.unwrap_or_else(|| text::ADD_TITLE.to_owned()), lines)
        }
        ChecklistDialogKind::Remove(client) => {
            (text::remove_title(&client.name), said(text::REMOVES))
        }
        ChecklistDialogKind::Share => (text::SHARE_TITLE.to_owned(), said(text::SHARES)),
        ChecklistDialogKind::Unshare => (text::UNSHARE_TITLE.to_owned(), said(text::UNSHARES)),
    };
    let edited = if let ChecklistDialogKind::Edit(form) = &dialog.kind { Some(form) } else { None };
    let problem = edited.and_then(|form| form.change().err());
    let roomy = area.height >= 12;
    if roomy {
        lines.push(Line::default());
    }
    if let Some(refused) = &dialog.failure {
        lines.extend(failure(cx, refused));
    } else if dialog.request.is_some() {
        lines.push(Line::from(cx.span(text::WRITING, Tone::Dim)));
    } else if let Some(problem) = problem {
        lines.push(Line::from(cx.span(problem, Tone::Dim)));
    }
    let ready = dialog.request.is_none() && problem.is_none();
    let is_focused = |field| dialog.focus == field;
    let confirm = Button::confirm(dialog.verb(), is_focused(ChecklistField::Confirm), ready);
    let cancel = Button::cancel(text::CANCEL, is_focused(ChecklistField::Cancel));
    let place = cx.state.fleet.label(&dialog.cluster);
    show(canvas, area, MOST, (&title, &place), lines, &[cancel, confirm]);
}
