//! Labelled facts, one below another: `label   value`, with aligned wrapped values.

use ratatui::text::{Line, Span};

use crate::app::cell::Tone;
use crate::ui::line_context::LineContext;
use crate::ui::text::{cut_spans, indent, pad_end, wrap};
use crate::ui::theme::Role;

/// A builder for lines of facts.
pub struct Facts<'a> {
    pub cx: LineContext<'a>,
    label: usize,
    lines: Vec<Line<'static>>,
}

impl<'a> Facts<'a> {
    /// Empty facts, with labels of `label` columns.
    pub fn new(cx: LineContext<'a>, label: usize) -> Self {
        Self { cx, label, lines: Vec::new() }
    }

    /// The context for building values.
    pub fn values(&self) -> LineContext<'a> {
        self.cx.narrower_by(self.label)
    }

    /// Adds a one-line fact, truncated if too long. An empty label continues the previous fact.
    pub fn fact(&mut self, label: &str, value: impl Into<Line<'static>>) -> &mut Self {
        let mut spans = vec![self.cx.theme.part(pad_end(label, self.label), Role::Label)];
        spans.extend(cut_spans(value.into().spans, self.values().columns));
        self.lines.push(Line::from(spans));
        self
    }

    /// Adds a wrapped text fact.
    pub fn text(&mut self, label: &str, value: &str, tone: Tone) -> &mut Self {
        for (index, line) in wrap(value, self.values().columns).into_iter().enumerate() {
            let label = if index == 0 { label } else { "" };
            self.fact(label, Span::styled(line, self.cx.theme.soft(tone)));
        }
        self
    }

    /// Adds a blank line, unless there is one already.
    pub fn blank(&mut self) -> &mut Self {
        if self.lines.last().is_some_and(|line| !line.spans.is_empty()) {
            self.lines.push(Line::default());
        }
        self
    }

    /// Adds a line of the full width.
    pub fn line(&mut self, spans: Vec<Span<'static>>) -> &mut Self {
        self.lines.push(self.cx.line(spans));
        self
    }

    /// Adds a wrapped sentence of the full width, indented.
    pub fn sentence(&mut self, text: &str, tone: Tone, by: usize) -> &mut Self {
        self.lines.extend(indent(self.cx.narrower_by(by).paragraph(text, tone), by));
        self
    }

    /// The lines, without trailing blank ones.
    pub fn into_lines(self) -> Vec<Line<'static>> {
        let mut lines = self.lines;
        while lines.last().is_some_and(|line| line.spans.is_empty()) {
            lines.pop();
        }
        lines
    }
}
