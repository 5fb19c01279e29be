//! Destinations of an issued kubeconfig.

use crate::app::kubeconfig::text;
use crate::app::settings::Settings;
use crate::domain::kubeconfig::FileTarget;

/// A destination offered by the form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destination {
    /// The user's kubeconfig, into which it is merged.
    Merge,
    /// A separate file, whose path the form asks for.
    File,
    Clipboard,
    /// Standard output, after exit.
    Print,
}

impl Destination {
    /// All destinations, in the order of the form.
    pub const ALL: [Self; 4] = [Self::Merge, Self::File, Self::Clipboard, Self::Print];

    /// Their values in the configuration (`kubeconfig.destination`), in the same order.
    pub const WORDS: [&str; Self::ALL.len()] = ["merge", "file", "clipboard", "stdout"];

    /// The destination with this configuration value; the first one if there is none.
    pub fn named(word: &str) -> Self {
        let mut named = Self::ALL.into_iter().zip(Self::WORDS);
        named.find(|(_, known)| *known == word).map_or(Self::Merge, |(destination, _)| destination)
    }

    /// Name in the form; `file` is the one to merge into.
    pub fn label(self, file: &str) -> String {
        match self {
            Self::Merge => text::merge_into(file),
            Self::File => "file".to_owned(),
            Self::Clipboard => "clipboard".to_owned(),
            Self::Print => "print".to_owned(),
        }
    }

    /// Hint shown in the form.
    pub fn hint(self, settings: &Settings) -> String {
        match self {
            Self::Merge | Self::File => String::new(),
            Self::Clipboard => {
                text::clipboard_hint(&settings.clipboard_route, settings.clipboard_clear.as_secs())
            }
            Self::Print => text::STDOUT_HINT.to_owned(),
        }
    }

    /// Label of the confirm button once a kubeconfig is issued.
    pub fn confirm(self) -> &'static str {
        match self {
            Self::Merge | Self::File => text::SAVE,
            Self::Clipboard => text::COPY,
            Self::Print => text::PRINT,
        }
    }

    /// The file to write, if any; `path` is as entered.
    pub fn target(self, path: &str) -> Option<FileTarget> {
        match self {
            Self::Merge => Some(FileTarget::Merge),
            Self::File => Some(FileTarget::Own(path.trim().to_owned())),
            Self::Clipboard | Self::Print => None,
        }
    }
}
