//! Single-line text editing.
#![expect(clippy::wildcard_enum_match_arm, reason = "other keys change no text")]

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use tui_input::{Input, InputRequest};

/// Maximum characters in a field.
const FIELD_LIMIT: usize = 256;

/// Pastes text into a field, as far as it fits.
pub fn paste_into(input: &mut Input, text: &str) {
    let room = FIELD_LIMIT.saturating_sub(input.value().chars().count());
    for c in text.chars().take(room) {
        input.handle(InputRequest::InsertChar(c));
    }
}

/// Applies a key to a field; returns whether its text changed.
pub fn type_into(input: &mut Input, key: KeyEvent) -> bool {
    let before = input.value().to_owned();
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    let request = match key.code {
        KeyCode::Char('u') if control => Some(InputRequest::DeleteLine),
        KeyCode::Char('w') if control => Some(InputRequest::DeletePrevWord),
        KeyCode::Char(_) if control => None,
        KeyCode::Char(c) if before.chars().count() < FIELD_LIMIT => {
            Some(InputRequest::InsertChar(c))
        }
        KeyCode::Backspace => Some(InputRequest::DeletePrevChar),
        KeyCode::Delete => Some(InputRequest::DeleteNextChar),
        KeyCode::Left => Some(InputRequest::GoToPrevChar),
        KeyCode::Right => Some(InputRequest::GoToNextChar),
        KeyCode::Home => Some(InputRequest::GoToStart),
        KeyCode::End => Some(InputRequest::GoToEnd),
        _ => None,
    };
    if let Some(request) = request {
        input.handle(request);
    }
    input.value() != before
}
