//! One key press without a screen.
#![expect(clippy::wildcard_enum_match_arm, reason = "other keys do nothing")]

use std::io;

use crossterm::event::{Event, KeyCode, KeyModifiers};
use crossterm::terminal::{disable_raw_mode, enable_raw_mode};

use crate::runtime::user_input::{self, UserInput};
use crate::runtime::{input, signals};

/// Raw mode: keys arrive immediately and are not echoed.
struct RawMode;

impl Drop for RawMode {
    fn drop(&mut self) {
        // Nothing can be done for a terminal that is gone.
        drop(disable_raw_mode());
    }
}

/// Waits for one of these keys, and ignores all others. Escape, Ctrl-C and Ctrl-D leave.
pub async fn wait_for(keys: &'static str) -> io::Result<UserInput<char>> {
    enable_raw_mode()?;
    let _raw = RawMode;
    let read = move || input::read_until(|event| answer(keys, &event));
    user_input::read_until(signals::wait_for_end(), read).await
}

fn answer(keys: &str, event: &Event) -> Option<UserInput<char>> {
    let Event::Key(key) = event else { return None };
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Esc => Some(UserInput::Cancelled),
        KeyCode::Char('c' | 'd') if control => Some(UserInput::Cancelled),
        KeyCode::Char(c) if !control && keys.contains(c) => Some(UserInput::Given(c)),
        _ => None,
    }
}
