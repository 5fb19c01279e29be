//! Labelled facts below each other: `label   value`, long values wrapped under their beginning.

use ratatui::text::{Line, Span};

use crate::app::cell::Tone;
use crate::ui::line_context::LineContext;
use crate::ui::text::{cut_spans, indent, pad_end, wrap};
use crate::ui::theme::Role;

/// Lines of facts, being put together.
pub struct Facts<'a> {
    pub cx: LineContext<'a>,
    label: usize,
    lines: Vec<Line<'static>>,
}

impl<'a> Facts<'a> {
    /// No facts yet; their labels take `label` of its columns.
    pub fn new(cx: LineContext<'a>, label: usize) -> Self {
        Self { cx, label, lines: Vec::new() }
    }

    /// What values are made from.
    pub fn values(&self) -> LineContext<'a> {
        self.cx.narrower_by(self.label)
    }

    /// Adds a fact of one line; cut at its end when too long. An empty label continues the fact above.
    pub fn fact(&mut self, label: &str, value: impl Into<Line<'static>>) -> &mut Self {
        let mut spans = vec![self.cx.theme.part(pad_end(label, self.label), Role::Label)];
        spans.extend(cut_spans(value.into().spans, self.values().columns));
        self.lines.push(Line::from(spans));
        self
    }

    /// Adds a fact in words, wrapped.
    pub fn text(&mut self, label: &str, value: &str, tone: Tone) -> &mut Self {
        for (index, line) in wrap(value, self.values().columns).into_iter().enumerate() {
            let label = if index == 0 { label } else { "" };
            self.fact(label, Span::styled(line, self.cx.theme.soft(tone)));
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
        self.lines.push(self.cx.line(spans));
        self
    }

    /// Adds a wrapped sentence over the whole width, indented.
    pub fn sentence(&mut self, text: &str, tone: Tone, by: usize) -> &mut Self {
        self.lines.extend(indent(self.cx.narrower_by(by).paragraph(text, tone), by));
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
