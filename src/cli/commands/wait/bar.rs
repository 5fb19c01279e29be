//! One line redrawn on a terminal: name, phase, bar, progress, blocker, waiting time. Pure.

use crate::app::cell::Tone;
use crate::app::fleet::columns::bar;
use crate::app::nodes::text as nodes_text;
use crate::app::now::Now;
use crate::cli::commands::wait::lines::unavailable;
use crate::cli::commands::wait::status::WaitStatus;
use crate::cli::commands::wait::text;
use crate::domain::roll::Roll;
use crate::domain::roll::progress::RollProgress;
use crate::domain::rotation::Phase;
use crate::domain::text::{clean, cut_end, width};
use crate::runtime::frame_writer::painted;
use crate::ui::theme::{Theme, plain};

/// Cells of the bar.
const CELLS: usize = 10;

/// Separates progress from a more urgent text.
const SEPARATOR: &str = "; ";

type Part = (String, Tone);

/// The line truncated to `columns`, with colours.
pub fn draw(status: &WaitStatus<'_>, began: Now, theme: Theme, columns: usize) -> String {
    let shown = |parts: Vec<Part>| -> Vec<Part> {
        let as_drawn = |text: String| if theme.ascii { plain(&clean(&text)) } else { clean(&text) };
        parts.into_iter().map(|(text, tone)| (as_drawn(text), tone)).collect()
    };
    let mut variants: Vec<_> = variants(status, began).into_iter().map(shown).collect();
    let parts = match variants.iter().position(|parts| columns_of(parts) <= columns) {
        Some(fitting) => variants.swap_remove(fitting),
        None => cut(variants.pop().unwrap_or_default(), columns, theme.ascii),
    };
    parts.into_iter().map(|(text, tone)| painted(&text, theme.tone(tone))).collect()
}

/// Variants of the line, the widest first: waiting time is dropped before the bar, the bar before the words of the
/// progress, and all of that before a blocker.
fn variants(status: &WaitStatus<'_>, began: Now) -> Vec<Vec<Part>> {
    let phase = match status.phase() {
        Some(phase) => (status.phase_word(), tone_of(phase)),
        None => (text::SEARCHING.to_owned(), Tone::Dim),
    };
    let head = vec![(format!("{} ", status.name), Tone::Plain), phase];
    let progress =
        |words: fn(RollProgress) -> String| status.rolling().and_then(Roll::progress).map(words);
    let short = |words| {
        let urgent = status.headline().and(progress(words));
        urgent.map(|summary| [head.clone(), details(status, Some(summary))].concat())
    };
    let short: Vec<Vec<Part>> =
        [short(nodes_text::progress_short), short(nodes_text::progress_narrow)]
            .into_iter()
            .flatten()
            .collect();
    let details = details(status, status.summary());
    let tone = if status.is_blocked() { Tone::Bad } else { Tone::Busy };
    let cells = status.rolling().and_then(Roll::progress).map(|progress| bar(progress, CELLS));
    let cells = cells.map(|cells| vec![blank(), (cells, tone)]).unwrap_or_default();
    let waited = vec![(text::waited_column(status.waited(began)), Tone::Dim)];
    let least = [head.clone(), details.clone()].concat();
    let with_bar = [head, cells, details].concat();
    let full = [with_bar.clone(), waited].concat();
    [vec![full, with_bar, least], short].concat()
}

/// Progress, and the most urgent of: blocker, outage, unavailable nodes, remark about the phase.
fn details(status: &WaitStatus<'_>, summary: Option<String>) -> Vec<Part> {
    let now = status.now;
    if let Some(outage) = status.outage.filter(|outage| outage.is_reported(now)) {
        let summary = summary.map(|summary| (summary, Tone::Dim));
        return joined([Some((text::lasting(outage, now), Tone::Warn)), summary]);
    }
    // A minute without nodes is normal while the API server is renewed.
    let lasts = unavailable(status).is_some();
    let of_nodes = |lasting: bool| status.unavailable_remark().filter(|_| lasts == lasting);
    let urgent = status.headline().map(|headline| (headline, Tone::Bad)).or_else(|| {
        let unseen = || {
            let (_, note) = status.unseen().next()?;
            Some(text::not_visible(nodes_text::note(note)))
        };
        let remark = of_nodes(true).or_else(|| status.state_remark()).or_else(unseen);
        remark
            .or_else(|| status.problem_remarks().into_iter().next())
            .map(|remark| (remark, Tone::Warn))
    });
    let quiet = || {
        let phase = status.phase_remark().or_else(|| of_nodes(false));
        let is_reading = status.is_rolling() && status.roll().is_none();
        phase.or_else(|| is_reading.then(|| text::READING_NODES.to_owned()))
    };
    let remark = urgent.or_else(|| quiet().map(|remark| (remark, Tone::Dim)));
    joined([summary.map(|summary| (summary, Tone::Plain)), remark])
}

fn blank() -> Part {
    (" ".to_owned(), Tone::Plain)
}

fn joined(parts: [Option<Part>; 2]) -> Vec<Part> {
    let mut out = Vec::new();
    for part in parts.into_iter().flatten() {
        out.push(if out.is_empty() { blank() } else { (SEPARATOR.to_owned(), Tone::Plain) });
        out.push(part);
    }
    out
}

fn tone_of(phase: &Phase) -> Tone {
    match phase {
        Phase::Never => Tone::Dim,
        Phase::Preparing | Phase::Completing => Tone::Busy,
        Phase::Prepared => Tone::Attention,
        Phase::Completed => Tone::Good,
        Phase::Unknown(_) => Tone::Warn,
    }
}

fn columns_of(parts: &[Part]) -> usize {
    parts.iter().map(|(text, _)| width(text)).sum()
}

fn cut(parts: Vec<Part>, columns: usize, ascii: bool) -> Vec<Part> {
    let mut left = columns;
    let mut out = Vec::new();
    for (text, tone) in parts {
        let wide = width(&text);
        if wide <= left {
            left -= wide;
            out.push((text, tone));
            continue;
        }
        let text = cut_end(&text, left);
        // Do not end with a separator.
        if width(&text) <= 1 && out.last().is_some_and(|(text, _)| text == SEPARATOR) {
            out.pop();
            break;
        }
        if text.trim_end() == SEPARATOR.trim_end() {
            break;
        }
        out.push((if ascii { plain(&text) } else { text }, tone));
        break;
    }
    out
}
