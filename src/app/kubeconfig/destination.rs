//! Destinations of an issued kubeconfig, in the order of the form.

use crate::app::effect::Request;
use crate::app::kubeconfig::text;
use crate::app::settings::Settings;
use crate::domain::kubeconfig::FileTarget;
use crate::domain::secret::Secret;

/// A destination offered by the form.
#[derive(Debug)]
pub struct Destination {
    /// Value in the configuration (`kubeconfig.destination`).
    pub id: &'static str,
    /// Name in the form; the argument is the file to merge into.
    pub label: fn(&str) -> String,
    /// Hint shown in the form.
    pub hint: fn(&Settings) -> String,
    /// Label of the confirm button once a kubeconfig is issued.
    pub confirm: &'static str,
    pub route: Route,
}

/// How a kubeconfig reaches its destination.
#[derive(Debug)]
pub enum Route {
    /// Merge into the user's kubeconfig.
    Merge,
    /// Write a separate file, whose path the form asks for.
    File,
    /// Send a request that is answered with `Copied`.
    Request(fn(Secret) -> Request),
    /// Print to standard output after exit.
    Print,
}

/// All destinations.
pub static DESTINATIONS: [Destination; 4] = [
    Destination {
        id: "merge",
        label: |file| text::merge_into(file),
        hint: |_| String::new(),
        confirm: text::SAVE,
        route: Route::Merge,
    },
    Destination {
        id: "file",
        label: |_| "file".to_owned(),
        hint: |_| String::new(),
        confirm: text::SAVE,
        route: Route::File,
    },
    Destination {
        id: "clipboard",
        label: |_| "clipboard".to_owned(),
        hint: |settings| {
            text::clipboard_hint(&settings.clipboard_route, settings.clipboard_clear.as_secs())
        },
        confirm: text::COPY,
        route: Route::Request(Request::CopySecret),
    },
    Destination {
        id: "stdout",
        label: |_| "print".to_owned(),
        hint: |_| text::STDOUT_HINT.to_owned(),
        confirm: text::PRINT,
        route: Route::Print,
    },
];

/// The valid configuration values.
pub const WORDS: [&str; 4] = {
    let [merge, file, clipboard, stdout] = &DESTINATIONS;
    [merge.id, file.id, clipboard.id, stdout.id]
};

impl Destination {
    /// The destination with this configuration value; the first one if there is none.
    pub fn named(word: &str) -> &'static Self {
        let [first, ..] = &DESTINATIONS;
        DESTINATIONS.iter().find(|destination| destination.id == word).unwrap_or(first)
    }

    /// Whether it merges into the user's kubeconfig.
    pub fn merges(&self) -> bool {
        matches!(self.route, Route::Merge)
    }

    /// Whether the form asks for a path.
    pub fn has_path(&self) -> bool {
        matches!(self.route, Route::File)
    }

    /// The file to write, if any; `path` is as entered.
    pub fn target(&self, path: &str) -> Option<FileTarget> {
        match self.route {
            Route::Merge => Some(FileTarget::Merge),
            Route::File => Some(FileTarget::Own(path.trim().to_owned())),
            Route::Request(_) | Route::Print => None,
        }
    }
}

impl PartialEq for Destination {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}
