//! Lines of the activity: time, outcome sign, cluster, sentence, trace id.

use ratatui::text::{Line, Span};

use crate::app::activity::text;
use crate::app::cell::Tone;
use crate::domain::record::{Outcome, Record};
use crate::domain::text::{cut_middle, width};
use crate::ui::line_context::LineContext;
use crate::ui::text::{behind, indent, pad_end, spans_width, spread, wrap};
use crate::ui::theme::Role;
use crate::ui::widgets::facts::Facts;

/// Minimum columns for the day and for longer names.
const WIDE: usize = 60;
/// Minimum and maximum width of a distinguishable name, on narrow and on wide screens.
const NAMES: [(usize, usize); 2] = [(11, 17), (14, 30)];

/// One line per record, `cx.columns` wide. `with_cluster` is off if all records are about the same cluster.
pub fn lines<'a>(
    records: impl IntoIterator<Item = &'a Record>,
    cx: LineContext<'_>,
    with_cluster: bool,
) -> Vec<Line<'static>> {
    let labelled: Vec<(&Record, String)> = records
        .into_iter()
        .map(|record| {
            let id = record.cluster.as_ref().filter(|_| with_cluster);
            (record, id.map_or_else(String::new, |id| cx.state.fleet.label(id)))
        })
        .collect();
    let [narrow, wide] = NAMES;
    let (least, most) = if cx.columns >= WIDE { wide } else { narrow };
    let longest = labelled.iter().map(|(_, label)| width(label)).max().unwrap_or(0);
    let room = longest.clamp(least, most);
    labelled
        .into_iter()
        .map(|(record, label)| {
            let label = with_cluster.then(|| pad_end(&cut_middle(&label, room), room));
            line(record, label, cx)
        })
        .collect()
}

fn line(record: &Record, label: Option<String>, cx: LineContext<'_>) -> Line<'static> {
    let LineContext { state, theme, columns } = cx;
    let (sign, tone) = sign(record.outcome);
    let wide = columns >= WIDE;
    let time = state.zone().log(record.at, state.shared.now.wall);
    // Narrow: "22 Nov 10:22" is cut to its day.
    let time = if !wide && time.len() > 8 { time.chars().take(6).collect() } else { time };
    let mut left = vec![
        Span::raw(" "),
        theme.span(pad_end(&time, if wide { 12 } else { 8 }), Tone::Dim),
        Span::raw(" "),
        theme.span(sign, tone),
        Span::raw(" "),
    ];
    if let Some(label) = label {
        left.push(Span::raw(label));
        left.push(Span::raw(" "));
    }
    left.push(Span::raw(record.sentence(&state.zone())));
    let mut right = Vec::new();
    if let Some(trace) = &record.trace
        && columns >= 100
    {
        let short = cut_middle(trace, 13);
        right.push(theme.span(text::trace(short), Tone::Dim));
        if spans_width(&left) + spans_width(&right) + 1 > columns {
            right = vec![theme.span(format!("{} ", cut_middle(trace, 9)), Tone::Dim)];
        }
    }
    if right.is_empty() { cx.line(left) } else { spread(left, right, columns) }
}

/// A line of the list, styled as the one under the cursor.
pub fn chosen(line: Line<'static>, cx: LineContext<'_>) -> Line<'static> {
    let mut spans = line.spans;
    // Every line starts with a blank; the cursor mark replaces it.
    if let Some(first) = spans.first_mut() {
        *first = cx.part("▌", Role::Accent);
    }
    spread(spans, Vec::new(), cx.columns).patch_style(cx.theme.role(Role::Selected))
}

/// All details of a record, most important first.
pub fn whole(record: &Record, cx: LineContext<'_>) -> Vec<Line<'static>> {
    let (sign, tone) = sign(record.outcome);
    let mark = vec![Span::raw(" "), cx.span(sign, tone), Span::raw(" ")];
    let sentence = wrap(&record.sentence(&cx.state.zone()), cx.columns.saturating_sub(4));
    let mut lines = behind(mark, sentence);
    let mut facts = Facts::new(cx.narrower_by(4), 9);
    facts.text(text::LABEL_WHEN, &cx.state.zone().exact(record.at), Tone::Plain);
    let observed = (record.outcome == Outcome::Observed).then(|| text::observed_as(&record.who));
    facts.text(text::LABEL_WHO, observed.as_ref().unwrap_or(&record.who), Tone::Plain);
    if let Some(id) = &record.cluster {
        let project = cx.state.fleet.project_name(id.project());
        let text = text::cluster(&id.name, id.region(), project);
        facts.text(text::LABEL_CLUSTER, &text, Tone::Plain);
    }
    let action = text::action(&record.action, record.outcome.label());
    facts.text(text::LABEL_ACTION, &action, Tone::Plain);
    for (label, value) in
        [(text::LABEL_REQUEST, &record.request), (text::LABEL_TRACE, &record.trace)]
    {
        if let Some(value) = value {
            facts.text(label, value, Tone::Plain);
        }
    }
    lines.extend(indent(facts.into_lines(), 3));
    lines
}

fn sign(outcome: Outcome) -> (&'static str, Tone) {
    match outcome {
        Outcome::Intended => ("→", Tone::Busy),
        Outcome::Done => ("✓", Tone::Good),
        Outcome::Refused => ("✗", Tone::Bad),
        Outcome::Unknown => ("?", Tone::Warn),
        Outcome::Observed => ("·", Tone::Dim),
    }
}
