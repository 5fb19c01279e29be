//! The renewal of entries: the changes to each file before it is written, then the result for each.

use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::app::cell::Tone;
use crate::app::kubeconfig::renewal::{
    Renewal, RenewalField, RenewalItem, RenewalItemStage, RenewalStage,
};
use crate::app::kubeconfig::text;
use crate::domain::kubeconfig::{ChangedLine, Plan};
use crate::domain::text::{clean, width};
use crate::ui::canvas::Canvas;
use crate::ui::line_context::LineContext;
use crate::ui::text::{blanks, indent, spans_width, wrap};
use crate::ui::theme::Role;
use crate::ui::widgets::button::Button;
use crate::ui::widgets::dialog::{columns, failure, field, place, room, shorten, show};

/// Maximum width of the dialog.
const MOST: u16 = 100;

/// Draws the dialog over `area`.
pub fn draw(canvas: &mut Canvas<'_, '_>, area: Rect, renewal: &Renewal) {
    let cx = canvas.line_context(area).with_columns(columns(area, MOST));
    let LineContext { theme, columns, .. } = cx;
    let buttons = buttons(renewal);
    let room = room(area, MOST, &buttons);
    let mut top = lifetime(cx, renewal);
    let mut bottom = bottom(cx, renewal);
    let middle: Vec<Line<'static>> =
        renewal.items.iter().flat_map(|item| lines_of(cx, item, renewal)).collect();
    let with_gaps = top.len() + middle.len() + bottom.len() + 2;
    if with_gaps <= room {
        if !top.is_empty() {
            top.push(Line::default());
        }
        bottom.insert(0, Line::default());
    } else if with_gaps > room + 2
        && renewal.problem().is_none()
        && !renewal.disables_static_tokens()
    {
        // Changes take precedence over routine text.
        top.truncate(1);
        bottom.truncate(usize::from(renewal.stage != RenewalStage::Reviewing));
    }
    // Some of the changes are visible at any size.
    bottom.truncate(room.saturating_sub(top.len() + 2));
    let middle_room = room.saturating_sub(top.len() + bottom.len());
    canvas.metrics.scroll_last = middle.len().saturating_sub(middle_room);
    let middle = shorten(theme, middle, middle_room, renewal.scroll);
    let lines: Vec<Line<'static>> = top.into_iter().chain(middle).chain(bottom).collect();
    let id = &renewal.cluster.id;
    let place = format!("{}{}", id.name, place(id, canvas.state, columns));
    show(canvas, area, MOST, (text::RENEWAL_TITLE, &place), lines, &buttons);
}

/// The lifetime and its end.
fn lifetime(cx: LineContext<'_>, renewal: &Renewal) -> Vec<Line<'static>> {
    let LineContext { state, theme, columns } = cx;
    if renewal.stage != RenewalStage::Reviewing || !renewal.has_lifetime() {
        return Vec::new();
    }
    let focused = renewal.focus == RenewalField::Lifetime;
    let role = if focused { Role::Accent } else { Role::Label };
    let label = if columns >= 56 { text::LABEL_VALID_FOR } else { text::LABEL_VALID };
    let mut spans = vec![
        theme.part(if focused { "▸" } else { " " }, Role::Accent),
        theme.part(format!("{label}  "), role),
    ];
    spans.extend(field(theme, &renewal.lifetime, 14, focused));
    let (note, tone) = match renewal.lifetime() {
        // SKE may grant less; afterwards, the returned expiry is shown.
        Ok(lifetime) => {
            let until = lifetime.until(state.shared.now.wall);
            (text::valid_until(state.zone().full(until)), Tone::Plain)
        }
        Err(error) => (error.to_string(), Tone::Bad),
    };
    if spans_width(&spans) + 3 + width(&note) <= columns {
        spans.push(Span::raw("   "));
        spans.push(theme.span(note, tone));
        return vec![Line::from(spans)];
    }
    let mut lines = vec![Line::from(spans)];
    lines.extend(indent(cx.narrower_by(1).paragraph(&note, tone), 1));
    lines
}

/// An entry: its place, its status, and the changes to its file.
fn lines_of(cx: LineContext<'_>, item: &RenewalItem, renewal: &Renewal) -> Vec<Line<'static>> {
    let words = clean(&item.entry.describe());
    let (sign, tone, status) = match &item.stage {
        RenewalItemStage::Checking(_) => ("→", Tone::Dim, text::CHECKING_FILE.to_owned()),
        RenewalItemStage::Ready | RenewalItemStage::Changed
            if renewal.stage == RenewalStage::Reviewing =>
        {
            let mut lines = cx.marked("·", Tone::Dim, &words);
            let plan = item.plan.iter();
            lines.extend(plan.flat_map(|plan| changes(cx, plan)));
            return lines;
        }
        RenewalItemStage::Ready if item.issued.is_some() => {
            ("!", Tone::Warn, text::RENEWED_NOT_SAVED.to_owned())
        }
        RenewalItemStage::Ready => ("·", Tone::Dim, text::WAITING.to_owned()),
        RenewalItemStage::Issuing(_) => ("→", Tone::Busy, text::IS_REQUESTED.to_owned()),
        RenewalItemStage::Saving(_) => ("→", Tone::Busy, text::SAVING.to_owned()),
        RenewalItemStage::Changed => ("!", Tone::Warn, text::RENEWED_NOT_SAVED.to_owned()),
        RenewalItemStage::Done(None) => ("✓", Tone::Good, text::IS_RENEWED.to_owned()),
        RenewalItemStage::Done(Some(at)) => {
            ("✓", Tone::Good, text::renewed_until(cx.state.zone().full(*at)))
        }
        RenewalItemStage::Failed(problem) => {
            let mut lines = cx.marked("·", Tone::Dim, &words);
            let why = failure(cx.narrower_by(2), problem);
            lines.extend(indent(why, 2));
            return lines;
        }
    };
    cx.marked(sign, tone, &format!("{words}: {status}"))
}

/// The changed lines of a file, with remarks.
fn changes(cx: LineContext<'_>, plan: &Plan) -> Vec<Line<'static>> {
    let LineContext { .. } = cx;
    let mut lines = Vec::new();
    let digits = plan.changes.iter().map(|change| change.number.to_string().len()).max();
    for change in &plan.changes {
        lines.extend(changed(cx, change, digits.unwrap_or_default()));
    }
    let sharing = Some(&plan.sharing).filter(|sharing| !sharing.is_empty());
    let sharing = sharing.map(|sharing| text::also_changes(sharing.join(", ")));
    let link = plan.link.as_ref().map(|link| text::link_to(clean(link)));
    let notes = plan.notes.iter().filter(|_| plan.link.is_none()).map(|note| clean(note));
    for note in sharing.into_iter().chain(link).chain(notes) {
        lines.extend(indent(cx.narrower_by(4).paragraph(&note, Tone::Warn), 4));
    }
    lines
}

/// A changed line: its number, whether it is added or removed, and its text.
fn changed(cx: LineContext<'_>, change: &ChangedLine, digits: usize) -> Vec<Line<'static>> {
    let (sign, tone) = if change.is_added { ("+", Tone::Good) } else { ("-", Tone::Bad) };
    let lead = format!("  {:>digits$} ", change.number);
    let text = change.text.trim_start();
    let indent = (change.text.len() - text.len()).min(if cx.columns < 60 { 2 } else { 8 });
    let source = if change.is_added && change.is_masked { text::FROM_SKE } else { "" };
    let room = cx.columns.saturating_sub(lead.len() + 2 + indent);
    let wrapped = wrap(&format!("{text}{source}"), room).into_iter().enumerate();
    let line = |(at, text): (usize, String)| {
        let lead = if at == 0 { cx.span(lead.clone(), Tone::Dim) } else { blanks(lead.len()) };
        let sign = if at == 0 { sign } else { " " };
        Line::from(vec![lead, cx.span(format!("{sign} {}{text}", " ".repeat(indent)), tone)])
    };
    wrapped.map(line).collect()
}

/// The lines above the buttons.
fn bottom(cx: LineContext<'_>, renewal: &Renewal) -> Vec<Line<'static>> {
    match renewal.stage {
        RenewalStage::Reviewing if renewal.disables_static_tokens() => {
            cx.marked("!", Tone::Warn, text::DISABLES_STATIC_TOKENS)
        }
        RenewalStage::Reviewing => match renewal.problem() {
            Some(problem) if renewal.lifetime().is_ok() => cx.marked("→", Tone::Dim, &problem),
            Some(_) => Vec::new(),
            None => cx.marked("=", Tone::Dim, text::RENEWAL_KEEPS),
        },
        RenewalStage::Running | RenewalStage::Ended => {
            let is_done = |item: &&RenewalItem| matches!(item.stage, RenewalItemStage::Done(_));
            let (done, all) = (renewal.items.iter().filter(is_done).count(), renewal.items.len());
            let (sign, tone) = if renewal.stage == RenewalStage::Running {
                ("→", Tone::Busy)
            } else if done == all {
                ("✓", Tone::Good)
            } else {
                ("!", Tone::Warn)
            };
            cx.marked(sign, tone, &text::renewal_result(done, all))
        }
    }
}

fn buttons(renewal: &Renewal) -> Vec<Button<'static>> {
    let cancel = |label| Button::cancel(label, renewal.focus == RenewalField::Cancel);
    match renewal.stage {
        RenewalStage::Reviewing => {
            let disables_static_tokens = renewal.disables_static_tokens();
            let label = if disables_static_tokens {
                text::RENEW_DISABLING_STATIC_TOKENS
            } else {
                text::RENEW
            };
            let focused = renewal.focus == RenewalField::Confirm;
            let confirm = Button::confirm(label, focused, renewal.problem().is_none());
            vec![cancel(text::CANCEL), confirm]
        }
        // An accidental extra Enter must not cancel the renewal: that needs Esc.
        RenewalStage::Running => vec![Button::cancel(text::STOP_WAITING, false)],
        RenewalStage::Ended => vec![cancel(text::CLOSE)],
    }
}
