//! Search within a screen (nodes, activity, help).

use crossterm::event::KeyEvent;

use crate::app::keymap::Command;
use crate::app::text_field::LineInput;

/// The search on the current screen.
#[derive(Debug, Clone, Default)]
pub struct Search {
    pub text: String,
    /// Present while the input line is active.
    pub input: Option<LineInput<String>>,
}

impl Search {
    /// Activates the input line.
    pub fn begin(&mut self) {
        self.input = Some(LineInput::new(&self.text, self.text.clone()));
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
            _ => {
                let changed = self.input.as_mut().is_some_and(|input| input.key(key));
                self.take_over();
                return changed;
            }
        }
        false
    }

    /// Pastes into the active input line.
    pub fn paste(&mut self, text: &str) {
        if let Some(input) = &mut self.input {
            input.paste(text);
        }
        self.take_over();
    }

    fn take_over(&mut self) {
        if let Some(line) = &self.input {
            line.input.value().clone_into(&mut self.text);
        }
    }

    /// Whether one of these texts matches the search.
    pub fn is_in<'a>(&self, texts: impl IntoIterator<Item = &'a str>) -> bool {
        let wanted = self.text.trim().to_lowercase();
        !wanted.is_empty() && texts.into_iter().any(|text| text.to_lowercase().contains(&wanted))
    }
}
