//! The context for building lines: state, theme and available columns.

use ratatui::text::{Line, Span};

use crate::app::cell::Tone;
use crate::app::keymap::{BINDINGS, Command};
use crate::app::state::State;
use crate::ui::text::{behind, cut_spans, wrap};
use crate::ui::theme::{Role, Theme};

/// The context for building lines: state, theme and available columns.
#[derive(Clone, Copy)]
pub struct LineContext<'a> {
    pub state: &'a State,
    pub theme: Theme,
    pub columns: usize,
}

impl LineContext<'_> {
    /// A copy with another width.
    #[must_use]
    pub fn with_columns(self, columns: usize) -> Self {
        Self { columns, ..self }
    }

    /// A copy that is narrower by `columns`.
    #[must_use]
    pub fn narrower_by(self, columns: usize) -> Self {
        self.with_columns(self.columns.saturating_sub(columns))
    }

    /// A span styled by tone.
    pub fn span(self, text: impl Into<String>, tone: Tone) -> Span<'static> {
        self.theme.span(text, tone)
    }

    /// A span styled by role.
    pub fn part(self, text: impl Into<String>, role: Role) -> Span<'static> {
        self.theme.part(text, role)
    }

    /// A line, truncated at its end if too long.
    pub fn line(self, spans: Vec<Span<'static>>) -> Line<'static> {
        Line::from(cut_spans(spans, self.columns))
    }

    /// A wrapped text, styled by tone.
    pub fn paragraph(self, text: &str, tone: Tone) -> Vec<Line<'static>> {
        let lines = wrap(text, self.columns).into_iter();
        lines.map(|line| self.theme.span(line, tone).into()).collect()
    }

    /// A wrapped text after a sign.
    pub fn marked(self, sign: &'static str, tone: Tone, text: &str) -> Vec<Line<'static>> {
        let text = wrap(text, self.columns.saturating_sub(2));
        behind(self.theme.span(format!("{sign} "), tone), text)
    }

    /// The first key of a command as it is drawn.
    pub fn key_of(self, command: Command) -> String {
        let binding = BINDINGS.iter().find(|binding| binding.command == command);
        let label = binding.map(|binding| self.state.shared.keymap.label(binding));
        self.theme.key(&label.unwrap_or_default())
    }
}
