//! Everything a drawing needs, in one value: state, theme, frame, and the metrics collected while drawing.

use ratatui::Frame;
use ratatui::layout::{Margin, Rect};
use ratatui::text::{Span, Text};
use ratatui::widgets::Block;

use crate::app::screen::{ClickTarget, Clickable, Metrics};
use crate::app::state::State;
use crate::ui::line_context::LineContext;
use crate::ui::text::cells;
use crate::ui::theme::Theme;

/// One drawing of the state.
pub struct Canvas<'a, 'f> {
    pub state: &'a State,
    pub theme: Theme,
    pub frame: &'a mut Frame<'f>,
    pub metrics: Metrics,
}

/// An area without its first and last column.
pub fn padded(area: Rect) -> Rect {
    area.inner(Margin::new(1, 0))
}

impl<'a> Canvas<'a, '_> {
    /// The context for building the lines of an area.
    pub fn line_context(&self, area: Rect) -> LineContext<'a> {
        LineContext { state: self.state, theme: self.theme, columns: usize::from(area.width) }
    }

    /// Draws lines from the top left of an area.
    pub fn text(&mut self, text: impl Into<Text<'static>>, area: Rect) {
        self.frame.render_widget(text.into(), area);
    }

    /// Draws a frame; returns the inner area.
    pub fn block(&mut self, block: Block<'_>, area: Rect) -> Rect {
        let inner = block.inner(area);
        self.frame.render_widget(block, area);
        inner
    }

    /// Draws a pane with a left title and, unless empty, a right title; returns the inner area.
    pub fn pane(
        &mut self,
        area: Rect,
        title: Vec<Span<'static>>,
        right: Vec<Span<'static>>,
    ) -> Rect {
        let theme = self.theme;
        self.block(theme.pane().title(theme.title(title)).title(theme.title_right(right)), area)
    }

    /// Registers a click target.
    pub fn click(&mut self, area: Rect, what: Clickable) {
        self.metrics.targets.push(ClickTarget { area, what });
    }

    /// Registers each of the top `rows` rows of an area as a click target.
    pub fn click_rows(&mut self, area: Rect, rows: usize, what: impl Fn(usize) -> Clickable) {
        for row in 0..rows {
            let y = area.y.saturating_add(cells(row));
            self.click(Rect { y, height: 1, ..area }, what(row));
        }
    }
}
