//! Credentials table: kind, place, end, verdict.

use ratatui::text::{Line, Span};

use crate::app::cell::Tone;
use crate::app::credentials::text;
use crate::app::state::State;
use crate::domain::age::passed;
use crate::domain::credential::{KnownCredential, Verdict};
use crate::domain::text::{cut_middle, width};
use crate::ui::line_context::LineContext;
use crate::ui::text::pad_end;
use crate::ui::theme::Role;

/// Minimum width for the kind and for verdicts in full.
const WIDE: usize = 100;

/// A heading and a line per credential; with a selection, lines start with the cursor and mark columns.
pub fn lines(
    known: &[KnownCredential],
    cx: LineContext<'_>,
    selected: Option<usize>,
) -> Vec<Line<'static>> {
    let LineContext { state, theme, columns } = cx;
    let wide = columns >= WIDE;
    let status = |known: &KnownCredential| {
        let (words, short) = text::verdict(known.verdict);
        if wide { words } else { short }
    };
    let widest = |title: &str, cell: &dyn Fn(&KnownCredential) -> usize| {
        known.iter().map(cell).max().unwrap_or(0).max(width(title))
    };
    let kind = widest(text::COLUMN_CREDENTIAL, &|known| width(known.kind.label()));
    let kind = if wide { kind + 2 } else { 0 };
    let ends_columns = if columns < 60 { 7 } else { 10 };
    let status_columns = widest(text::COLUMN_STATUS, &|known| width(status(known)));
    let room = columns.saturating_sub(kind + ends_columns + status_columns + 6).max(8);
    let location = widest(text::COLUMN_PLACE, &|known| width(&known.location.describe())).min(room);
    let heading = format!(
        "{}{}{}  {}  {}",
        if selected.is_some() { "  " } else { "" },
        pad_end(if wide { text::COLUMN_CREDENTIAL } else { "" }, kind),
        pad_end(text::COLUMN_PLACE, location),
        pad_end(text::COLUMN_ENDS, ends_columns),
        text::COLUMN_STATUS,
    );
    let heading = cx.line(vec![theme.part(heading, Role::Label)]);
    let rows = known.iter().enumerate().map(|(at, known)| {
        let is_selected = selected == Some(at);
        let is_marked = selected.is_some() && state.inventory.is_marked(&known.location);
        let marks = [
            if is_selected { theme.part("▸", Role::Accent) } else { Span::raw(" ") },
            if is_marked { theme.part("+", Role::Accent) } else { Span::raw(" ") },
        ];
        let mut spans: Vec<Span<'static>> =
            if selected.is_some() { marks.into() } else { Vec::new() };
        spans.extend([
            theme.span(pad_end(if wide { known.kind.label() } else { "" }, kind), Tone::Dim),
            Span::raw(pad_end(&cut_middle(&known.location.describe(), location), location)),
            Span::raw(format!("  {}  ", pad_end(&ends(known, state), ends_columns))),
            theme.span(status(known), tone(known.verdict)),
        ]);
        cx.line(spans)
    });
    std::iter::once(heading).chain(rows).collect()
}

fn ends(known: &KnownCredential, state: &State) -> String {
    let now = state.server_now();
    match known.expires {
        None => text::ENDS_NEVER.to_owned(),
        Some(at) if at <= now => text::ended(passed(at, now)),
        Some(at) => text::ends_in(passed(now, at)),
    }
}

/// How loud a verdict is.
pub fn tone(verdict: Verdict) -> Tone {
    match verdict {
        Verdict::Expired => Tone::Dim,
        Verdict::Dead | Verdict::BreaksOnStart | Verdict::BreaksOnComplete => Tone::Bad,
        Verdict::SurvivesComplete => Tone::Good,
        Verdict::Works => Tone::Plain,
        Verdict::CannotTell => Tone::Warn,
    }
}
