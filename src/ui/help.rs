//! The keys, made from the keymap: those of the place it was opened from first.
//!
//! ```text
//! ╭─ help: Fleet ───────────────────────────────────────────── esc closes ─╮
//! │ FLEET                                                                  │
//! │ ⏎               open or choose                                         │
//! ╰────────────────────────────────────────────────────────────────────────╯
//! ```

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::Clear;

use crate::app::cell::Tone;
use crate::app::fleet::columns::phase_glyph;
use crate::app::help::Help;
use crate::app::keymap::{BINDINGS, Command, KeyContext};
use crate::app::screen::Metrics;
use crate::app::state::State;
use crate::app::text;
use crate::domain::rotation::Phase;
use crate::ui::text::{pad_end, wrap};
use crate::ui::theme::{Role, Theme};
use crate::ui::widgets::footer::key_of;
use crate::ui::widgets::scrollbar;

/// Draws the overlay.
pub fn draw(
    state: &State,
    theme: Theme,
    frame: &mut Frame<'_>,
    area: Rect,
    Help { context, scroll }: Help,
    metrics: &mut Metrics,
) {
    let width = area.width.min(100);
    let place = Rect { x: area.x + (area.width - width) / 2, width, ..area };
    frame.render_widget(Clear, place);
    let block = theme
        .pane()
        .border_style(theme.role(Role::DialogBorder))
        .title(theme.title(vec![theme.part(" help ", Role::Title)]))
        .title(theme.title_right(vec![
            theme.span(text::closes(key_of(state, theme, Command::Back)), Tone::Dim),
        ]));
    let inner = block.inner(place);
    frame.render_widget(block, place);
    let lines = lines(state, theme, context, usize::from(inner.width.saturating_sub(2)));
    let rows = usize::from(inner.height);
    metrics.page_rows = rows;
    let all = lines.len();
    metrics.scroll_last = all.saturating_sub(rows);
    let first = scroll.min(metrics.scroll_last);
    let shown: Vec<Line<'static>> = lines.into_iter().skip(first).take(rows).collect();
    frame.render_widget(Text::from(shown), inner);
    let bar = Rect { x: inner.right().saturating_sub(1), width: 1, ..inner };
    scrollbar::draw(theme, frame, bar, first, all);
}

fn lines(state: &State, theme: Theme, context: KeyContext, columns: usize) -> Vec<Line<'static>> {
    let mut lines = keys_of(state, theme, context, columns);
    lines.push(Line::default());
    lines.extend(signs(theme, columns));
    for other in KeyContext::ALL {
        if other != context {
            lines.push(Line::default());
            lines.extend(keys_of(state, theme, other, columns));
        }
    }
    lines
}

fn keys_of(state: &State, theme: Theme, context: KeyContext, columns: usize) -> Vec<Line<'static>> {
    let label = if columns >= 60 { 18 } else { 11 };
    let mut lines = vec![Line::from(theme.part(format!(" {}", context.title()), Role::Title))];
    for binding in BINDINGS.iter().filter(|binding| binding.contexts.contains(&context)) {
        let keys = theme.key(&state.shared.keymap.labels(binding));
        let help = wrap(binding.help, columns.saturating_sub(label + 1));
        for (index, text) in help.into_iter().enumerate() {
            let keys = if index == 0 { keys.as_str() } else { "" };
            lines.push(Line::from(vec![
                Span::raw(" "),
                theme.part(pad_end(keys, label), Role::Accent),
                Span::raw(text),
            ]));
        }
    }
    lines
}

fn signs(theme: Theme, columns: usize) -> Vec<Line<'static>> {
    let mut lines = vec![Line::from(theme.part(" Signs", Role::Title))];
    let label = if columns >= 60 { 18 } else { 11 };
    let phases = [
        (Phase::Never, text::SIGN_NEVER),
        (Phase::Preparing, text::SIGN_PREPARING),
        (Phase::Prepared, text::SIGN_PREPARED),
        (Phase::Completing, text::SIGN_COMPLETING),
        (Phase::Completed, text::SIGN_COMPLETED),
    ];
    for (phase, text) in phases {
        let sign = phase_glyph(&phase, false);
        lines.push(Line::from(vec![
            Span::raw(" "),
            theme.span(pad_end(&sign.text, label), sign.tone),
            Span::raw(text),
        ]));
    }
    let others = [
        ("✗", Tone::Bad, text::SIGN_STUCK),
        ("○", Tone::Dim, "hibernated"),
        ("~", Tone::Dim, text::SIGN_STALE),
        ("?", Tone::Warn, text::SIGN_UNKNOWN),
    ];
    for (sign, tone, text) in others {
        lines.push(Line::from(vec![
            Span::raw(" "),
            theme.span(pad_end(sign, label), tone),
            Span::raw(text),
        ]));
    }
    lines
}
