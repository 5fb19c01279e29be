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
    let (sign, tone, is_loud) = sign(&entry.what);
    let text_tone = if is_loud { tone } else { Tone::Plain };
    let time = sheet.state.zone().log(entry.at, now);
    let spans = vec![
        sheet.span(pad_end(&time, if sheet.columns >= 60 { 13 } else { 9 }), Tone::Dim),
        sheet.span(sign, tone),
        Span::raw(" "),
        Span::styled(text::timeline_event(&entry.what), sheet.theme.soft(text_tone)),
    ];
    sheet.line(spans)
}

/// Its sign, what that means, and whether its text means the same.
fn sign(what: &TimelineEvent) -> (String, Tone, bool) {
    let (sign, tone, is_loud) = match what {
        TimelineEvent::Phase(phase) => {
            let cell = phase_glyph(phase);
            return (cell.text, cell.tone, false);
        }
        TimelineEvent::NodesBegan { .. } => ("▸", Tone::Busy, false),
        TimelineEvent::Reconfigured { .. } | TimelineEvent::Joining { .. } => {
            ("▣", Tone::Busy, false)
        }
        TimelineEvent::Ready { .. } => ("■", Tone::Good, false),
        TimelineEvent::Draining { .. } => ("▢", Tone::Busy, false),
        TimelineEvent::Cordoned { .. } => ("▥", Tone::Warn, false),
        TimelineEvent::Gone { .. } => ("·", Tone::Dim, true),
        TimelineEvent::Leaving { .. } => ("▤", Tone::Warn, false),
        TimelineEvent::Blocked { .. } => ("✗", Tone::Bad, true),
        TimelineEvent::Unblocked { .. } => ("✓", Tone::Good, false),
        TimelineEvent::NotReady { .. }
        | TimelineEvent::AnotherRoll { .. }
        | TimelineEvent::ProgressRegressed { .. } => ("!", Tone::Warn, true),
    };
    (sign.to_owned(), tone, is_loud)
}
