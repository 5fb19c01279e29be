//! The timeline of a roll, newest first: time, sign, text.

use jiff::Timestamp;
use ratatui::text::{Line, Span};

use crate::app::cell::Tone;
use crate::app::fleet::columns::phase_glyph;
use crate::app::nodes::text;
use crate::domain::roll::timeline::{TimelineEntry, TimelineEvent};
use crate::domain::roll::tracker::RollTracker;
use crate::ui::sheet::Sheet;
use crate::ui::text::pad_end;

/// So many lines of it.
pub fn lines(tracker: &RollTracker, sheet: Sheet<'_>, rows: usize) -> Vec<Line<'static>> {
    let newest = tracker.timeline().entries().rev().take(rows);
    newest.map(|entry| line(entry, sheet)).collect()
}

fn line(entry: &TimelineEntry, sheet: Sheet<'_>) -> Line<'static> {
    let now: Timestamp = sheet.state.shared.now.wall;
    let (sign, tone) = sign(&entry.what);
    let time = sheet.state.zone().log(entry.at, now);
    let spans = vec![
        sheet.span(pad_end(&time, if sheet.columns >= 60 { 13 } else { 9 }), Tone::Dim),
        sheet.span(sign, tone),
        Span::raw(" "),
        Span::styled(text::timeline_event(&entry.what), sheet.theme.soft(text_tone(&entry.what))),
    ];
    sheet.line(spans)
}

fn sign(what: &TimelineEvent) -> (String, Tone) {
    let (sign, tone) = match what {
        TimelineEvent::Phase(phase) => {
            let cell = phase_glyph(phase);
            return (cell.text, cell.tone);
        }
        TimelineEvent::NodesBegan { .. } => ("▸", Tone::Busy),
        TimelineEvent::Reconfigured { .. } | TimelineEvent::Joining { .. } => ("▣", Tone::Busy),
        TimelineEvent::Ready { .. } => ("■", Tone::Good),
        TimelineEvent::Draining { .. } => ("▢", Tone::Busy),
        TimelineEvent::Cordoned { .. } => ("▥", Tone::Warn),
        TimelineEvent::Gone { .. } => ("·", Tone::Dim),
        TimelineEvent::Leaving { .. } => ("▤", Tone::Warn),
        TimelineEvent::Blocked { .. } => ("✗", Tone::Bad),
        TimelineEvent::Unblocked { .. } => ("✓", Tone::Good),
        TimelineEvent::NotReady { .. }
        | TimelineEvent::AnotherRoll { .. }
        | TimelineEvent::ProgressRegressed { .. } => ("!", Tone::Warn),
    };
    (sign.to_owned(), tone)
}

fn text_tone(what: &TimelineEvent) -> Tone {
    match what {
        TimelineEvent::Blocked { .. } => Tone::Bad,
        TimelineEvent::NotReady { .. }
        | TimelineEvent::AnotherRoll { .. }
        | TimelineEvent::ProgressRegressed { .. } => Tone::Warn,
        TimelineEvent::Gone { .. } => Tone::Dim,
        TimelineEvent::Phase(_)
        | TimelineEvent::NodesBegan { .. }
        | TimelineEvent::Reconfigured { .. }
        | TimelineEvent::Joining { .. }
        | TimelineEvent::Ready { .. }
        | TimelineEvent::Draining { .. }
        | TimelineEvent::Cordoned { .. }
        | TimelineEvent::Leaving { .. }
        | TimelineEvent::Unblocked { .. } => Tone::Plain,
    }
}
