//! State of the help overlay.

use crate::app::keymap::{Command, KeyContext};
use crate::app::screen::Metrics;

/// The help overlay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Help {
    /// The context it was opened from; its keys come first.
    pub context: KeyContext,
    pub scroll: usize,
}

/// Scrolls the help; any other command closes it.
pub fn run(help: &mut Option<Help>, command: Command, metrics: &Metrics) {
    if help.as_mut().is_some_and(|open| !metrics.scroll(&mut open.scroll, command)) {
        *help = None;
    }
}
