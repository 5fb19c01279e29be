//! The search line of what is on screen: nodes, activity, help; and how a line of text is edited.
#![expect(clippy::wildcard_enum_match_arm, reason = "other keys do not change a text")]

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::app::keymap::Command;

/// Longest text, in characters.
pub const LIMIT: usize = 200;

/// What is searched for on the screen.
#[derive(Debug, Clone, Default)]
pub struct Search {
    pub text: String,
    /// While the line has the keyboard.
    pub input: Option<LineInput<String>>,
}

/// A line of text while it has the keyboard.
#[derive(Debug, Clone)]
pub struct LineInput<B> {
    /// What Esc goes back to.
    pub before: B,
    /// Whether the whole text is selected: what is typed replaces it.
    pub selected: bool,
}

impl<B> LineInput<B> {
    /// The text after a change of what is not selected.
    pub fn changed(&mut self, text: &str, change: impl FnOnce(&str) -> String) -> String {
        let kept = if std::mem::take(&mut self.selected) { "" } else { text };
        change(kept).chars().take(LIMIT).collect()
    }
}

impl Search {
    /// The line takes the keyboard.
    pub fn begin(&mut self) {
        let selected = !self.text.is_empty();
        self.input = Some(LineInput { before: self.text.clone(), selected });
    }

    /// A key while the line has the keyboard. Says whether the text changed.
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

    /// The text changes while the line has the keyboard.
    pub fn change(&mut self, change: impl FnOnce(&str) -> String) {
        if let Some(input) = &mut self.input {
            self.text = input.changed(&self.text, change);
        }
    }

    /// Whether one of these texts holds what is searched for.
    pub fn is_in<'a>(&self, texts: impl IntoIterator<Item = &'a str>) -> bool {
        let wanted = self.text.trim().to_lowercase();
        !wanted.is_empty() && texts.into_iter().any(|text| text.to_lowercase().contains(&wanted))
    }
}

/// A text after a key; `None` for keys that do not change it.
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
