//! The header of every screen: the current path at the left; mode and freshness at the right.

use ratatui::text::Span;

use crate::app::cell::Tone;
use crate::app::text;
use crate::domain::age::{long, narrow};
use crate::ui::line_context::LineContext;
use crate::ui::theme::{Role, Theme};

/// Read-only mode, demo, and the age of the data.
pub fn status(cx: LineContext<'_>) -> Vec<Span<'static>> {
    let LineContext { state, theme, columns } = cx;
    let mut spans = Vec::new();
    if let Some(speed) = state.shared.settings.demo {
        spans.push(theme.part(text::DEMO, Role::Accent));
        // In the demo, estimates and ages are in simulated time.
        if columns >= 60 && speed.to_bits() != 1.0_f64.to_bits() {
            spans.push(theme.span(text::demo_time(speed), Tone::Dim));
        }
        spans.push(Span::raw("  "));
    }
    if columns >= 60 || state.shared.settings.read_only {
        spans.push(if state.shared.settings.read_only {
            theme.part(text::MODE_READ_ONLY, Role::Title)
        } else {
            theme.span(text::MODE_WRITE, Tone::Dim)
        });
        spans.push(Span::raw("  "));
    }
    spans.extend(freshness(cx));
    spans.push(Span::raw(" "));
    spans
}

fn freshness(cx: LineContext<'_>) -> Vec<Span<'static>> {
    let LineContext { state, theme, columns } = cx;
    let age = state.fleet.oldest_seen().map(|seen| state.shared.now.longest_since(seen));
    let short = columns < 50;
    if state.session.signed_out.is_some() {
        return vec![theme.span(text::SIGNED_OUT, Tone::Bad)];
    }
    let Some(age) = age else {
        return if state.fleet.failing().next().is_some() {
            vec![theme.span(text::NO_DATA, Tone::Bad)]
        } else {
            vec![theme.span(text::LOADING, Tone::Dim)]
        };
    };
    if state.is_live() {
        // Below a minute, the age depends on the poll interval; displayed seconds would freeze between polls.
        let text = match (short, age.as_mins()) {
            (_, 0) => text::LIVE.to_owned(),
            (true, _) => narrow(age),
            (false, _) => text::live(long(age)),
        };
        vec![theme.span("● ", Tone::Good), theme.span(text, Tone::Dim)]
    } else if state.fleet.failing().next().is_none() {
        vec![theme.span(text::LOADING, Tone::Dim)]
    } else {
        let text = if short { narrow(age) } else { text::stale(long(age)) };
        vec![theme.span(format!("~ {text}"), Tone::Warn)]
    }
}

/// The program's name and the path to the current screen.
pub fn path(theme: Theme, parts: &[&str]) -> Vec<Span<'static>> {
    let mut spans = vec![Span::raw(" "), theme.part(text::PROGRAM, Role::Accent), Span::raw("  ")];
    let last = parts.len().saturating_sub(1);
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            spans.push(theme.span(" › ", Tone::Dim));
        }
        spans.push(if index == last {
            theme.part((*part).to_owned(), Role::Title)
        } else {
            theme.span((*part).to_owned(), Tone::Dim)
        });
    }
    spans
}

/// The account, the token it uses, and the token's expiry.
pub fn identity(cx: LineContext<'_>, full: bool) -> Vec<Span<'static>> {
    let Some(identity) = &cx.state.shared.identity else { return Vec::new() };
    let mut spans = vec![
        cx.span(text::SIGNED_IN_AS, Tone::Dim),
        Span::raw(crate::domain::text::cut_middle(&identity.who, 30)),
    ];
    if full {
        let until = match identity.expires {
            _ if identity.renews => text::TOKEN_RENEWS.to_owned(),
            Some(until) => text::token_until(cx.state.zone().short(until)),
            None => String::new(),
        };
        spans.push(cx.span(format!(" ({}{until})", identity.source), Tone::Dim));
    }
    spans
}
