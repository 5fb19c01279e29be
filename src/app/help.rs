//! The help overlay: where it was opened, and how far it is scrolled.

use crate::app::keymap::{Command, KeyContext};
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
    if help.as_mut().is_some_and(|open| !metrics.scroll(&mut open.scroll, command)) {
        *help = None;
    }
}
