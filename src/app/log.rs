//! The diagnostic log as an overlay; reread every second while open.

use std::time::Duration;

use crate::app::context::UpdateContext;
use crate::app::effect::Request;
use crate::app::keymap::Command;
use crate::app::motion::moved;
use crate::app::requests::RequestOwner;
use crate::app::screen::Metrics;

const INTERVAL: Duration = Duration::from_secs(1);

/// State of the log overlay.
#[derive(Debug, Clone, Default)]
pub struct LogView {
    /// The latest lines, oldest first; `None` before the first read.
    pub lines: Option<Vec<String>>,
    /// First visible line; `None` follows the end.
    pub first: Option<usize>,
    /// When it is read next (monotonic clock).
    pub due: Duration,
}

/// Scrolls the log; any other command closes it.
pub fn run(log: &mut Option<LogView>, command: Command, metrics: &Metrics) {
    let Some(open) = log else { return };
    let last = metrics.scroll_last;
    match moved(command, open.first.unwrap_or(last), metrics.page(), last) {
        Some(next) => open.first = Some(next).filter(|next| *next < last),
        None => *log = None,
    }
}

/// Reads the log if it is open and due.
pub fn poll(log: &mut Option<LogView>, cx: &mut UpdateContext<'_>) {
    let now = cx.shared.now.monotonic;
    if let Some(open) = log.as_mut().filter(|open| open.due <= now) {
        open.due = now.saturating_add(INTERVAL);
        cx.request(RequestOwner::Log, Request::ReadLog);
    }
}
