//! Search within a screen (nodes, activity, help), and editing of its input line.
#![expect(clippy::wildcard_enum_match_arm, reason = "other keys do not change a text")]

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::app::keymap::Command;

/// Maximum length in characters.
pub const LIMIT: usize = 200;

/// The search on the current screen.
#[derive(Debug, Clone, Default)]
pub struct Search {
    pub text: String,
    /// Present while the input line is active.
    pub input: Option<LineInput<String>>,
}

/// An active input line.
#[derive(Debug, Clone)]
pub struct LineInput<B> {
    /// The value that Esc restores.
    pub before: B,
    /// Whether the whole text is selected, so that typing replaces it.
    pub selected: bool,
}

impl<B> LineInput<B> {
    /// The text after an edit; selected text is replaced.
    pub fn changed(&mut self, text: &str, change: impl FnOnce(&str) -> String) -> String {
        let kept = if std::mem::take(&mut self.selected) { "" } else { text };
        change(kept).chars().take(LIMIT).collect()
    }
}

impl Search {
    /// Activates the input line.
    pub fn begin(&mut self) {
        let selected = !self.text.is_empty();
        self.input = Some(LineInput { before: self.text.clone(), selected });
    }

    /// A key while the input line is active. Returns whether the text changed.
    pub fn key(&mut self, command: Option<Command>, key: KeyEvent) -> bool {
        match command {
            Some(Command::Open) => self.input = None,
            Some(Command::Back) => {
                if let Some(input) = self.input.take() {
                    self.text = input.before;
                }
            }
            _ if edited("", key).is_some() => {
                self.change(|text| edited(text, key).unwrap_or_default());
                return true;
            }
            _ => {}
        }
        false
    }

    /// Edits the text of the active input line.
    pub fn change(&mut self, change: impl FnOnce(&str) -> String) {
        if let Some(input) = &mut self.input {
            self.text = input.changed(&self.text, change);
        }
    }

    /// Whether one of these texts matches the search.
    pub fn is_in<'a>(&self, texts: impl IntoIterator<Item = &'a str>) -> bool {
        let wanted = self.text.trim().to_lowercase();
        !wanted.is_empty() && texts.into_iter().any(|text| text.to_lowercase().contains(&wanted))
    }
}

/// The text after a key; `None` if the key does not edit.
pub fn edited(text: &str, key: KeyEvent) -> Option<String> {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Char('u') if control => Some(String::new()),
        KeyCode::Char('w') if control => {
            let words = text.trim_end().rsplit_once(' ');
            Some(words.map_or_else(String::new, |(kept, _)| format!("{kept} ")))
        }
        KeyCode::Char(c) if !control => Some(format!("{text}{c}")),
        KeyCode::Backspace => {
            let mut text = text.to_owned();
            text.pop();
            Some(text)
        }
        _ => None,
    }
}
