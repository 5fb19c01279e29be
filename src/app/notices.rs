//! Messages at the bottom of the screen: a toast that expires, errors that stay.

use std::collections::VecDeque;
use std::time::Duration;

use crate::app::now::Now;
use crate::domain::cluster::ClusterId;
use crate::domain::failure::Failure;

/// How long a toast stays.
const TOAST: Duration = Duration::from_secs(6);
/// Errors kept until dismissed; older ones go.
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
    /// When it goes, on the monotonic clock.
    pub until: Duration,
    pub about: ToastAbout,
}

/// What a message is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToastAbout {
    /// What became of something that the person did.
    Request,
    /// What was observed of a cluster. A record says the same.
    Cluster(ClusterId),
    /// What was observed of SKE. A record says the same.
    Ske,
}

impl Notices {
    /// Shows what became of something that the person did.
    pub fn answer(&mut self, now: Now, text: String) {
        let until = now.monotonic.saturating_add(TOAST);
        self.toast = Some(Toast { text, until, about: ToastAbout::Request });
    }

    /// Shows something that was observed; never replaces the answer to a user's action.
    pub fn observation(&mut self, now: Now, about: ToastAbout, text: String) {
        if self.toast.as_ref().is_none_or(|toast| toast.about != ToastAbout::Request) {
            let until = now.monotonic.saturating_add(TOAST);
            self.toast = Some(Toast { text, until, about });
        }
    }

    /// Shows an error until it is dismissed.
    pub fn error(&mut self, failure: Failure) {
        if self.errors.back() == Some(&failure) {
            return;
        }
        if self.errors.len() >= ERROR_LIMIT {
            self.errors.pop_front();
        }
        self.errors.push_back(failure);
    }

    /// Drops a toast whose time is over.
    pub fn expire(&mut self, now: Now) {
        self.toast = self.toast.take().filter(|toast| toast.until > now.monotonic);
    }

    /// Dismisses the oldest error; says whether there was one.
    pub fn dismiss_error(&mut self) -> bool {
        self.errors.pop_front().is_some()
    }
}
