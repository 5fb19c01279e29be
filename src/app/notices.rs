//! Messages at the bottom of the screen: a toast that expires, errors that stay.

use std::collections::VecDeque;
use std::time::Duration;

use crate::app::now::Now;
use crate::domain::cluster::ClusterId;
use crate::domain::failure::Failure;

const TOAST: Duration = Duration::from_secs(6);
/// Maximum number of errors; the oldest are dropped.
const ERROR_LIMIT: usize = 20;

/// Messages at the bottom of the screen.
#[derive(Debug, Clone, Default)]
pub struct Notices {
    pub toast: Option<Toast>,
    /// Errors that stay until dismissed, oldest first.
    pub errors: VecDeque<Failure>,
}

/// A message that expires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toast {
    pub text: String,
    /// When it expires (monotonic clock).
    pub until: Duration,
    pub about: ToastAbout,
}

/// The subject of a toast.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToastAbout {
    /// The result of a user action.
    Request,
    /// An observation about a cluster; the activity has the same text.
    Cluster(ClusterId),
    /// An observation about SKE; the activity has the same text.
    Ske,
}

impl Notices {
    /// Shows the result of a user action.
    pub fn answer(&mut self, now: Now, text: String) {
        let until = now.monotonic.saturating_add(TOAST);
        self.toast = Some(Toast { text, until, about: ToastAbout::Request });
    }

    /// Shows an observation; never replaces the result of a user action.
    pub fn toast_about(&mut self, now: Now, about: ToastAbout, text: String) {
        if self.toast.as_ref().is_none_or(|toast| toast.about != ToastAbout::Request) {
            let until = now.monotonic.saturating_add(TOAST);
            self.toast = Some(Toast { text, until, about });
        }
    }

    /// Shows an error until dismissed, unless it repeats the latest one.
    pub fn error(&mut self, failure: Failure) {
        if self.errors.back() == Some(&failure) {
            return;
        }
        if self.errors.len() >= ERROR_LIMIT {
            self.errors.pop_front();
        }
        self.errors.push_back(failure);
    }

    /// Drops an expired toast.
    pub fn expire(&mut self, now: Now) {
        self.toast = self.toast.take().filter(|toast| toast.until > now.monotonic);
    }

    /// Dismisses the oldest error; returns whether there was one.
    pub fn dismiss_error(&mut self) -> bool {
        self.errors.pop_front().is_some()
    }
}
