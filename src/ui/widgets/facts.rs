//! Labelled facts below each other: `label   value`, long values wrapped under their beginning.

use ratatui::text::{Line, Span};

use crate::app::cell::Tone;
use crate::ui::text::{cut_spans, indent, pad_end, wrap};
use crate::ui::theme::{Role, Theme};

/// Lines of facts, being put together.
pub struct Facts {
    theme: Theme,
    columns: usize,
    label: usize,
    lines: Vec<Line<'static>>,
}

impl Facts {
    /// An empty sheet of so many columns whose labels take `label` of them.
    pub fn new(theme: Theme, columns: usize, label: usize) -> Self {
        Self { theme, columns, label, lines: Vec::new() }
    }

    /// Columns that a value can take.
    pub fn room(&self) -> usize {
        self.columns.saturating_sub(self.label)
    }

    /// Adds a fact of one line; cut at its end when too long. An empty label continues the fact above.
    pub fn fact(&mut self, label: &str, value: Vec<Span<'static>>) -> &mut Self {
        let mut spans = vec![self.theme.part(pad_end(label, self.label), Role::Label)];
        spans.extend(cut_spans(value, self.room()));
        self.lines.push(Line::from(spans));
        self
    }

    /// Adds a fact in words, wrapped.
    pub fn text(&mut self, label: &str, value: &str, tone: Tone) -> &mut Self {
        for (index, line) in wrap(value, self.room()).into_iter().enumerate() {
            let label = if index == 0 { label } else { "" };
            self.fact(label, vec![Span::styled(line, self.theme.soft(tone))]);
        }
        self
    }

    /// Adds an empty line, unless there is one already.
    pub fn blank(&mut self) -> &mut Self {
        if self.lines.last().is_some_and(|line| !line.spans.is_empty()) {
            self.lines.push(Line::default());
        }
        self
    }

    /// Adds a line over the whole width.
    pub fn line(&mut self, spans: Vec<Span<'static>>) -> &mut Self {
        self.lines.push(Line::from(cut_spans(spans, self.columns)));
        self
    }

    /// Adds a wrapped sentence over the whole width, indented.
    pub fn sentence(&mut self, text: &str, tone: Tone, by: usize) -> &mut Self {
        let text = self.theme.paragraph(text, tone, self.columns.saturating_sub(by));
        self.lines.extend(indent(text, by));
        self
    }

    /// The lines.
    pub fn into_lines(self) -> Vec<Line<'static>> {
        let mut lines = self.lines;
        while lines.last().is_some_and(|line| line.spans.is_empty()) {
            lines.pop();
        }
        lines
    }
}
