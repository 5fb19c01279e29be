//! The help overlay: where it was opened, and how far it is scrolled.

use crate::app::keymap::{Command, KeyContext};
use crate::app::motion::moved;
use crate::app::screen::Metrics;

/// The help overlay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Help {
    /// Where it was opened: those keys come first.
    pub context: KeyContext,
    pub scroll: usize,
}

/// Scrolls it; any other command closes it.
pub fn run(help: &mut Option<Help>, command: Command, metrics: &Metrics) {
    let Some(open) = help else { return };
    let last = metrics.scroll_last;
    match moved(command, open.scroll.min(last), metrics.page(), last) {
        Some(next) => open.scroll = next,
        None => *help = None,
    }
}
