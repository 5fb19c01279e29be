//! Single-line text editing.
#![expect(clippy::wildcard_enum_match_arm, reason = "other keys change no text")]

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use tui_input::{Input, InputRequest};

/// Maximum characters in a field.
pub const FIELD_LIMIT: usize = 256;

/// A search or filter while it is typed.
#[derive(Debug, Clone)]
pub struct LineInput<B> {
    pub input: Input,
    /// Whether the whole text is selected, so that typing replaces it.
    pub selected: bool,
    /// The value that Esc restores.
    pub before: B,
}

impl<B> LineInput<B> {
    /// A line that starts with a text, selected.
    pub fn new(text: &str, before: B) -> Self {
        Self { input: Input::new(text.to_owned()), selected: !text.is_empty(), before }
    }

    /// Applies a key; returns whether the text changed.
    pub fn key(&mut self, key: KeyEvent) -> bool {
        let Some(request) = request(key) else { return false };
        let replaces = !matches!(
            request,
            InputRequest::GoToPrevChar
                | InputRequest::GoToNextChar
                | InputRequest::GoToStart
                | InputRequest::GoToEnd
        );
        let cleared = std::mem::take(&mut self.selected) && replaces;
        if cleared {
            self.input.reset();
        }
        type_into(&mut self.input, key) || cleared
    }

    /// Pastes text, as far as it fits.
    pub fn paste(&mut self, text: &str) {
        if std::mem::take(&mut self.selected) {
            self.input.reset();
        }
        paste_into(&mut self.input, text);
    }
}

/// Pastes text into a field, as far as it fits.
pub fn paste_into(input: &mut Input, text: &str) {
    let room = FIELD_LIMIT.saturating_sub(input.value().chars().count());
    for c in text.chars().take(room) {
        input.handle(InputRequest::InsertChar(c));
    }
}

/// Applies a key to a field; returns whether its text changed.
pub fn type_into(input: &mut Input, key: KeyEvent) -> bool {
    let is_full = input.value().chars().count() >= FIELD_LIMIT;
    let request =
        request(key).filter(|edit| !is_full || !matches!(edit, InputRequest::InsertChar(_)));
    request.and_then(|request| input.handle(request)).is_some_and(|change| change.value)
}

fn request(key: KeyEvent) -> Option<InputRequest> {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Char('u') if control => Some(InputRequest::DeleteLine),
        KeyCode::Char('w') if control => Some(InputRequest::DeletePrevWord),
        KeyCode::Char(_) if control || key.modifiers.contains(KeyModifiers::ALT) => None,
        KeyCode::Char(c) => Some(InputRequest::InsertChar(c)),
        KeyCode::Backspace => Some(InputRequest::DeletePrevChar),
        KeyCode::Delete => Some(InputRequest::DeleteNextChar),
        KeyCode::Left => Some(InputRequest::GoToPrevChar),
        KeyCode::Right => Some(InputRequest::GoToNextChar),
        KeyCode::Home => Some(InputRequest::GoToStart),
        KeyCode::End => Some(InputRequest::GoToEnd),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

    use crate::app::text_field::{FIELD_LIMIT, LineInput};

    fn plain(code: KeyCode) -> KeyEvent {
        KeyEvent::new(code, KeyModifiers::NONE)
    }

    fn control(letter: char) -> KeyEvent {
        KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL)
    }

    #[test]
    fn typing_replaces_selected_text_and_cursor_keys_keep_it() {
        for (key, text) in [
            (plain(KeyCode::Char('x')), "x"),
            (plain(KeyCode::Backspace), ""),
            (plain(KeyCode::Delete), ""),
            (control('u'), ""),
            (plain(KeyCode::Home), "two words"),
            (plain(KeyCode::Left), "two words"),
            (plain(KeyCode::F(5)), "two words"),
        ] {
            let mut line = LineInput::new("two words", ());
            assert_eq!((line.key(key), line.input.value()), (text != "two words", text), "{key:?}");
            assert_eq!(line.selected, key.code == KeyCode::F(5), "{key:?}");
        }
    }

    #[test]
    fn keys_edit_at_the_cursor() {
        for (key, text) in [
            (plain(KeyCode::Char('x')), "two xwords"),
            (plain(KeyCode::Backspace), "twowords"),
            (plain(KeyCode::Delete), "two ords"),
            (control('w'), "words"),
            (control('u'), ""),
            (control('x'), "two words"),
            (KeyEvent::new(KeyCode::Char('x'), KeyModifiers::ALT), "two words"),
        ] {
            let mut line = LineInput::new("two words", ());
            line.key(plain(KeyCode::Home));
            for _ in 0..4 {
                assert!(!line.key(plain(KeyCode::Right)));
            }
            assert_eq!((line.key(key), line.input.value()), (text != "two words", text), "{key:?}");
        }
    }

    #[test]
    fn a_full_line_takes_no_more() {
        let mut line = LineInput::new("old", ());
        line.paste(&"a".repeat(FIELD_LIMIT + 9));
        assert_eq!(line.input.value(), "a".repeat(FIELD_LIMIT));
        assert!(!line.key(plain(KeyCode::Char('b'))));
        line.paste("b");
        assert_eq!(line.input.value(), "a".repeat(FIELD_LIMIT));
        assert!(line.key(plain(KeyCode::Backspace)));
    }
}
