//! One key of a person, without a screen.
#![expect(clippy::wildcard_enum_match_arm, reason = "other keys do nothing")]

use std::io;

use crossterm::event::{Event, KeyCode, KeyModifiers};
use crossterm::terminal::{disable_raw_mode, enable_raw_mode};
use tokio::sync::mpsc;

use crate::runtime::input::read_until;
use crate::runtime::signals;

/// How it was answered.
#[derive(Debug, PartialEq, Eq)]
pub enum SingleKey {
    Key(char),
    /// Escape, Ctrl-C, Ctrl-D, or the terminal is gone.
    Left,
    /// This signal came.
    Signal(u8),
}

/// The terminal gives each key at once and does not show it.
struct RawMode;

impl Drop for RawMode {
    fn drop(&mut self) {
        // Nothing more can be done for a terminal that is gone.
        drop(disable_raw_mode());
    }
}

/// Waits for one of these keys, and passes over all others.
pub async fn wait_for(keys: &'static str) -> io::Result<SingleKey> {
    enable_raw_mode()?;
    let _raw = RawMode;
    let (sender, mut receiver) = mpsc::channel(1);
    std::thread::Builder::new().name("key".to_owned()).spawn(move || {
        let read = read_until(|event| answer(keys, &event));
        drop(sender.blocking_send(read.unwrap_or(SingleKey::Left)));
    })?;
    Ok(tokio::select! {
        key = receiver.recv() => key.unwrap_or(SingleKey::Left),
        number = signals::wait_for_end() => SingleKey::Signal(number),
    })
}

fn answer(keys: &str, event: &Event) -> Option<SingleKey> {
    let Event::Key(key) = event else { return None };
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Esc => Some(SingleKey::Left),
        KeyCode::Char('c' | 'd') if control => Some(SingleKey::Left),
        KeyCode::Char(c) if !control && keys.contains(c) => Some(SingleKey::Key(c)),
        _ => None,
    }
}
