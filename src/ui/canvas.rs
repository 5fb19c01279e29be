//! What a drawing needs, in one value: what is drawn, how, where to, and what is measured on the way.

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
    /// What the lines of an area are made from.
    pub fn line_context(&self, area: Rect) -> LineContext<'a> {
        LineContext { state: self.state, theme: self.theme, columns: usize::from(area.width) }
    }

    /// Draws lines from the top left of an area.
    pub fn text(&mut self, text: impl Into<Text<'static>>, area: Rect) {
        self.frame.render_widget(text.into(), area);
    }

    /// Draws a frame; hands back the room inside.
    pub fn block(&mut self, block: Block<'_>, area: Rect) -> Rect {
        let inner = block.inner(area);
        self.frame.render_widget(block, area);
        inner
    }

    /// Draws a pane with titles at the left and, unless empty, at the right of its border; hands back the room inside.
    pub fn pane(
        &mut self,
        area: Rect,
        title: Vec<Span<'static>>,
        right: Vec<Span<'static>>,
    ) -> Rect {
        let theme = self.theme;
        self.block(theme.pane().title(theme.title(title)).title(theme.title_right(right)), area)
    }

    /// Notes what a click on an area means.
    pub fn click(&mut self, area: Rect, what: Clickable) {
        self.metrics.targets.push(ClickTarget { area, what });
    }

    /// The same for so many rows from the top of an area, one by one.
    pub fn click_rows(&mut self, area: Rect, rows: usize, what: impl Fn(usize) -> Clickable) {
        for row in 0..rows {
            let y = area.y.saturating_add(cells(row));
            self.click(Rect { y, height: 1, ..area }, what(row));
        }
    }
}
