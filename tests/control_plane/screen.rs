//! The built program in a terminal, from the user's point of view.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::ske::Rotation;
use crate::terminal::Terminal;

/// A button that has just appeared ignores keys for a moment.
const GUARD: Duration = Duration::from_millis(600);

/// A rotation completed long ago.
pub fn completed() -> Rotation {
    let ago = |days: i64| Some(Timestamp::now() - SignedDuration::from_hours(24 * days));
    Rotation { phase: "COMPLETED", initiated: ago(200), completed: ago(199) }
}

/// Types keys one by one.
pub fn press(terminal: &mut Terminal, keys: &[&str]) {
    for key in keys {
        std::thread::sleep(GUARD);
        terminal.send(key.as_bytes());
    }
}

/// The screen as running text, without frames.
fn words(screen: &str) -> String {
    let text = screen.replace(|c: char| ('\u{2500}'..='\u{257f}').contains(&c), " ");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Waits until the running text of the screen contains a text.
#[track_caller]
pub fn until_said(terminal: &Terminal, text: &str) {
    terminal.wait_for(text, |screen| words(&screen.contents()).contains(text));
}

/// Waits until the left one of two panes contains a text.
#[track_caller]
pub fn until_left(terminal: &Terminal, text: &str) {
    until_pane(terminal, text, |(left, _)| left);
}

/// Like `until_left` for the right pane, which shows the node under the cursor.
#[track_caller]
pub fn until_right(terminal: &Terminal, text: &str) {
    until_pane(terminal, text, |(_, right)| right);
}

#[track_caller]
fn until_pane(terminal: &Terminal, text: &str, side: for<'a> fn((&'a str, &'a str)) -> &'a str) {
    terminal.wait_for(text, |screen| {
        let screen = screen.contents();
        let lines = screen.lines().filter_map(|line| line.split_once("││")).map(side);
        words(&lines.collect::<Vec<_>>().join("\n")).contains(text)
    });
}

/// Runs something concurrently with the test, which blocks on a terminal.
pub fn in_background(run: impl AsyncFnOnce() + Send + 'static) -> std::thread::JoinHandle<()> {
    let runtime = tokio::runtime::Handle::current();
    std::thread::spawn(move || runtime.block_on(run()))
}
