//! Lines of the activity: time, sign of the outcome, cluster, sentence, trace id.

use ratatui::text::{Line, Span};

use crate::app::columns::Tone;
use crate::app::state::State;
use crate::domain::record::{Outcome, Record};
use crate::ui::text::{cut_spans, pad_end, spans_width, spread};
use crate::ui::theme::Theme;

/// One record as a line of so many columns. `with_cluster` is off where every line is about the same one.
pub fn line(
    record: &Record,
    state: &State,
    theme: Theme,
    columns: usize,
    with_cluster: bool,
) -> Line<'static> {
    let (sign, tone) = sign(record.outcome);
    let wide = columns >= 60;
    let time = state.zone().log(record.at, state.now.wall);
    // "22 Nov 10:22" is told by its day where there is no room.
    let time = if !wide && time.len() > 8 { time.chars().take(6).collect() } else { time };
    let mut left = vec![
        Span::raw(" "),
        theme.span(pad_end(&time, if wide { 12 } else { 8 }), Tone::Dim),
        Span::raw(" "),
        theme.span(sign, tone),
        Span::raw(" "),
    ];
    if with_cluster {
        let name = record.cluster.as_ref().map_or("", |id| id.name.as_str());
        left.push(Span::raw(pad_end(name, if wide { 14 } else { 11 })));
        left.push(Span::raw(" "));
    }
    left.push(Span::raw(record.text.clone()));
    let mut right = Vec::new();
    if let Some(trace) = &record.trace
        && columns >= 100
    {
        let short = crate::domain::text::cut_middle(trace, 13);
        right.push(theme.span(format!("trace {short} "), Tone::Dim));
        if spans_width(&left) + spans_width(&right) + 1 > columns {
            right = vec![
                theme.span(format!("{} ", crate::domain::text::cut_middle(trace, 9)), Tone::Dim),
            ];
        }
    }
    if right.is_empty() {
        Line::from(cut_spans(left, columns))
    } else {
        spread(left, right, columns)
    }
}

fn sign(outcome: Outcome) -> (&'static str, Tone) {
    match outcome {
        Outcome::Intended => ("→", Tone::Busy),
        Outcome::Done => ("✓", Tone::Good),
        Outcome::Refused => ("✗", Tone::Bad),
        Outcome::Unknown => ("?", Tone::Warn),
        Outcome::Seen => ("·", Tone::Dim),
    }
}
