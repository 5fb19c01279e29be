//! One line that is drawn again and again, for people at a terminal: name, phase, bar, progress, what holds it up, and
//! how long it has been waited. Pure; it takes at most the columns that it is given.

use ratatui::style::{Color, Modifier, Style};

use crate::app::cell::Tone;
use crate::app::fleet::columns::bar;
use crate::app::now::Now;
use crate::cli::commands::wait::lines::trouble;
use crate::cli::commands::wait::outage_text::brief;
use crate::cli::commands::wait::status::WaitStatus;
use crate::domain::roll::Roll;
use crate::domain::rotation::Phase;
use crate::domain::text::{clean, cut_end, width};
use crate::ui::theme::{Theme, plain};

/// Cells of the bar.
const CELLS: usize = 10;

/// A piece of text and what it means.
type Part = (String, Tone);

/// The line for so many columns, with its colours.
pub fn draw(standing: &WaitStatus<'_>, began: Now, theme: Theme, columns: usize) -> String {
    let shown = |parts: Vec<Part>| -> Vec<Part> {
        let as_drawn = |text: String| if theme.ascii { plain(&clean(&text)) } else { clean(&text) };
        parts.into_iter().map(|(text, tone)| (as_drawn(text), tone)).collect()
    };
    let mut forms = forms(standing, began).into_iter().map(shown);
    let mut last = Vec::new();
    let fitting = forms.by_ref().find(|parts| {
        let fits = columns_of(parts) <= columns;
        if !fits {
            last.clone_from(parts);
        }
        fits
    });
    let parts = fitting.unwrap_or_else(|| cut(last, columns, theme.ascii));
    parts.into_iter().map(|(text, tone)| painted(&text, theme.tone(tone))).collect()
}

/// The line in its forms, the widest first: waiting time goes before the bar, the bar before what holds the roll up.
fn forms(standing: &WaitStatus<'_>, began: Now) -> Vec<Vec<Part>> {
    let phase = match standing.phase() {
        Some(phase) => (standing.phase_word(), tone_of(phase)),
        None => ("looking for it".to_owned(), Tone::Dim),
    };
    let head = vec![(format!("{} ", standing.name), Tone::Plain), phase];
    let said = said(standing);
    let tone = if standing.is_held() { Tone::Bad } else { Tone::Busy };
    let cells = standing.rolling().and_then(Roll::progress).map(|progress| bar(progress, CELLS));
    let cells = cells.map(|cells| vec![blank(), (cells, tone)]).unwrap_or_default();
    let waited = vec![(format!("  waited {}", standing.waited(began)), Tone::Dim)];
    let least = [head.clone(), said.clone()].concat();
    let with_bar = [head, cells, said].concat();
    let full = [with_bar.clone(), waited].concat();
    vec![full, with_bar, least]
}

/// Progress, and the most urgent of what holds it up, what keeps from seeing more, and what is special about the phase.
fn said(standing: &WaitStatus<'_>) -> Vec<Part> {
    let now = standing.now;
    let summary = standing.summary();
    if let Some(outage) = standing.outage.filter(|outage| outage.is_told(now)) {
        let summary = summary.map(|summary| (summary, Tone::Dim));
        return joined([Some((brief(outage, now), Tone::Warn)), summary]);
    }
    // A minute of trouble is normal while the API server renews itself.
    let lasts = trouble(standing).is_some();
    let of_trouble = |wanted: bool| standing.trouble_remark().filter(|_| lasts == wanted);
    let urgent = standing.headline().map(|headline| (headline, Tone::Bad)).or_else(|| {
        let remark = of_trouble(true).or_else(|| standing.state_remark());
        remark
            .or_else(|| standing.problem_remarks().into_iter().next())
            .map(|remark| (remark, Tone::Warn))
    });
    let quiet = || {
        let phase = standing.phase_remark().or_else(|| of_trouble(false));
        let looks = standing.is_rolling() && standing.roll().is_none();
        phase.or_else(|| looks.then(|| "looking at the nodes".to_owned()))
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
        out.push(if out.is_empty() { blank() } else { ("; ".to_owned(), Tone::Plain) });
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
        out.push((if ascii { plain(&text) } else { text }, tone));
        break;
    }
    out
}

/// A text in a style, for a terminal that is not drawn cell by cell.
fn painted(text: &str, style: Style) -> String {
    let mut codes: Vec<String> = Vec::new();
    for (modifier, code) in [
        (Modifier::BOLD, "1"),
        (Modifier::DIM, "2"),
        (Modifier::UNDERLINED, "4"),
        (Modifier::REVERSED, "7"),
    ] {
        if style.add_modifier.contains(modifier) {
            codes.push(code.to_owned());
        }
    }
    codes.extend(style.fg.and_then(code));
    if codes.is_empty() || text.is_empty() {
        return text.to_owned();
    }
    format!("\u{1b}[{}m{text}\u{1b}[0m", codes.join(";"))
}

fn code(color: Color) -> Option<String> {
    let number = match color {
        Color::Reset => return None,
        Color::Rgb(r, g, b) => return Some(format!("38;2;{r};{g};{b}")),
        Color::Indexed(number) => return Some(format!("38;5;{number}")),
        Color::Black => 30,
        Color::Red => 31,
        Color::Green => 32,
        Color::Yellow => 33,
        Color::Blue => 34,
        Color::Magenta => 35,
        Color::Cyan => 36,
        Color::Gray => 37,
        Color::DarkGray => 90,
        Color::LightRed => 91,
        Color::LightGreen => 92,
        Color::LightYellow => 93,
        Color::LightBlue => 94,
        Color::LightMagenta => 95,
        Color::LightCyan => 96,
        Color::White => 97,
    };
    Some(number.to_string())
}
