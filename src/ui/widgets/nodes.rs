//! The nodes of a cluster, pool by pool.

use ratatui::text::Line;

use crate::app::fleet::Entry;
use crate::app::state::State;
use crate::ui::theme::Theme;

/// Its lines.
pub fn lines(_entry: &Entry, _state: &State, _theme: Theme, _columns: usize) -> Vec<Line<'static>> {
    Vec::new()
}
