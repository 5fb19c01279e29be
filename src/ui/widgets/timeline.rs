//! What happened in a roll, newest first: time, sign, words.

use jiff::Timestamp;
use ratatui::text::{Line, Span};

use crate::app::columns::{Tone, phase_glyph};
use crate::app::state::State;
use crate::domain::roll::history::History;
use crate::domain::roll::timeline::{Entry, Happening};
use crate::domain::roll::words;
use crate::ui::text::{cut_spans, pad_end};
use crate::ui::theme::Theme;

/// So many lines of it.
pub fn lines(
    history: &History,
    state: &State,
    theme: Theme,
    columns: usize,
    rows: usize,
) -> Vec<Line<'static>> {
    let newest = history.timeline().entries().rev().take(rows);
    newest.map(|entry| line(entry, state, theme, columns)).collect()
}

fn line(entry: &Entry, state: &State, theme: Theme, columns: usize) -> Line<'static> {
    let now: Timestamp = state.now.wall;
    let (sign, tone) = sign(&entry.what);
    let time = state.zone().log(entry.at, now);
    let spans = vec![
        theme.span(pad_end(&time, if columns >= 60 { 13 } else { 9 }), Tone::Dim),
        theme.span(sign, tone),
        Span::raw(" "),
        Span::styled(words::happening(&entry.what), theme.soft(words_tone(&entry.what))),
    ];
    Line::from(cut_spans(spans, columns))
}

fn sign(what: &Happening) -> (String, Tone) {
    let (sign, tone) = match what {
        Happening::Phase(phase) => {
            let cell = phase_glyph(phase, false);
            return (cell.text, cell.tone);
        }
        Happening::NodesBegan { .. } => ("▸", Tone::Busy),
        Happening::Reconfigured { .. } | Happening::Joining { .. } => ("▣", Tone::Busy),
        Happening::Ready { .. } => ("■", Tone::Good),
        Happening::Draining { .. } => ("▢", Tone::Busy),
        Happening::Cordoned { .. } => ("▥", Tone::Warn),
        Happening::Gone { .. } => ("·", Tone::Dim),
        Happening::Leaving { .. } => ("▤", Tone::Warn),
        Happening::Blocked { .. } => ("✗", Tone::Bad),
        Happening::Freed { .. } => ("✓", Tone::Good),
        Happening::NotReady { .. } | Happening::AnotherRoll { .. } | Happening::Back { .. } => {
            ("!", Tone::Warn)
        }
    };
    (sign.to_owned(), tone)
}

fn words_tone(what: &Happening) -> Tone {
    match what {
        Happening::Blocked { .. } => Tone::Bad,
        Happening::NotReady { .. } | Happening::AnotherRoll { .. } | Happening::Back { .. } => {
            Tone::Warn
        }
        Happening::Gone { .. } => Tone::Dim,
        Happening::Phase(_)
        | Happening::NodesBegan { .. }
        | Happening::Reconfigured { .. }
        | Happening::Joining { .. }
        | Happening::Ready { .. }
        | Happening::Draining { .. }
        | Happening::Cordoned { .. }
        | Happening::Leaving { .. }
        | Happening::Freed { .. } => Tone::Plain,
    }
}
