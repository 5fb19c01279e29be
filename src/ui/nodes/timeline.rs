//! The timeline of a roll, newest first: time, sign, text.

use jiff::Timestamp;
use ratatui::text::{Line, Span};

use crate::app::cell::Tone;
use crate::app::fleet::columns::phase_glyph;
use crate::app::nodes::text;
use crate::app::state::State;
use crate::domain::roll::timeline::{TimelineEntry, TimelineEvent};
use crate::domain::roll::tracker::RollTracker;
use crate::ui::text::{cut_spans, pad_end};
use crate::ui::theme::Theme;

/// So many lines of it.
pub fn lines(
    tracker: &RollTracker,
    state: &State,
    theme: Theme,
    columns: usize,
    rows: usize,
) -> Vec<Line<'static>> {
    let newest = tracker.timeline().entries().rev().take(rows);
    newest.map(|entry| line(entry, state, theme, columns)).collect()
}

fn line(entry: &TimelineEntry, state: &State, theme: Theme, columns: usize) -> Line<'static> {
    let now: Timestamp = state.shared.now.wall;
    let (sign, tone) = sign(&entry.what);
    let time = state.zone().log(entry.at, now);
    let spans = vec![
        theme.span(pad_end(&time, if columns >= 60 { 13 } else { 9 }), Tone::Dim),
        theme.span(sign, tone),
        Span::raw(" "),
        Span::styled(text::timeline_event(&entry.what), theme.soft(text_tone(&entry.what))),
    ];
    Line::from(cut_spans(spans, columns))
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
