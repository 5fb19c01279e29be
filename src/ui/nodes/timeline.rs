//! The timeline of a roll, newest first: time, sign, text.

use jiff::Timestamp;
use ratatui::text::{Line, Span};

use crate::app::cell::Tone;
use crate::app::fleet::columns::phase_glyph;
use crate::app::nodes::text;
use crate::domain::roll::timeline::{TimelineEntry, TimelineEvent};
use crate::domain::roll::tracker::RollTracker;
use crate::ui::line_context::LineContext;
use crate::ui::text::pad_end;

/// The newest `rows` lines of the timeline.
pub fn lines(tracker: &RollTracker, cx: LineContext<'_>, rows: usize) -> Vec<Line<'static>> {
    let newest = tracker.timeline().entries().rev().take(rows);
    newest.map(|entry| line(entry, cx)).collect()
}

fn line(entry: &TimelineEntry, cx: LineContext<'_>) -> Line<'static> {
    let now: Timestamp = cx.state.shared.now.wall;
    let (sign, tone, is_loud) = sign(&entry.what);
    let text_tone = if is_loud { tone } else { Tone::Plain };
    let time = cx.state.zone().log(entry.at, now);
    let spans = vec![
        cx.span(pad_end(&time, if cx.columns >= 60 { 13 } else { 9 }), Tone::Dim),
        cx.span(sign, tone),
        Span::raw(" "),
        Span::styled(text::timeline_event(&entry.what), cx.theme.soft(text_tone)),
    ];
    cx.line(spans)
}

/// Sign and tone of an event, and whether the tone also applies to its text.
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
