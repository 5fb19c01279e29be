//! The file that a kubeconfig goes into, what is there now, and how saving ended.

use std::collections::BTreeSet;

use crate::domain::credential::KubeconfigLocation;
use crate::domain::failure::Failure;
use crate::domain::kubeconfig::changes::ChangedLine;
use crate::domain::kubeconfig::entry_owner::EntryOwner;

/// The file that a kubeconfig is written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileTarget {
    /// Into the first file of `$KUBECONFIG`, or `~/.kube/config`.
    Merge,
    /// Among the entries of this file; the path as typed, `~` allowed.
    MergeInto(String),
    /// Into a separate file; the path as typed, `~` allowed.
    Own(String),
}

impl FileTarget {
    /// Whether other entries of the file are kept.
    pub fn merges(&self) -> bool {
        matches!(self, Self::Merge | Self::MergeInto(_))
    }
}

/// What a file looks like now and what saving changes; safe to show.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// The file in shown form (`~/…`); empty where no file is written.
    pub path: String,
    /// The resolved target if the path is a symbolic link.
    pub link: Option<String>,
    pub exists: bool,
    /// Permission bits now.
    pub mode: Option<u32>,
    /// Contexts of other names, which stay untouched.
    pub others: usize,
    /// Contexts of other names that change as well, since they use the same entries ("context dev (user prod)").
    pub sharing: Vec<String>,
    /// Contexts that are lost when a separate file is replaced.
    pub lost: Vec<String>,
    /// Fields of replaced entries that are not kept ("token of user shop").
    pub dropped: Vec<String>,
    /// Entries of the wanted name that exist already ("context shop", "user shop").
    pub taken: Vec<String>,
    /// Which cluster those belong to.
    pub owner: EntryOwner,
    /// Every name that an entry of the file has.
    pub names: BTreeSet<String>,
    /// Whether there is no kubeconfig yet: what is merged becomes the current context.
    pub blank: bool,
    /// `current-context` now.
    pub current: Option<String>,
    /// What a renewal in place changes; before the kubeconfig is issued, as far as it can be known.
    pub changes: Vec<ChangedLine>,
    pub notes: Vec<String>,
    /// SHA-256 of what a person agrees to: the link, the mode, and the entries that are replaced, or the whole file.
    /// `None` when the file does not exist.
    pub fingerprint: Option<String>,
}

/// A kubeconfig was saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    pub place: KubeconfigLocation,
    pub notes: Vec<String>,
}

/// A kubeconfig was not saved, and nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotSaved {
    /// The file changed since it was shown; this is how it looks now.
    Changed(Plan),
    /// The name, or the file, exists and replacing was not asked for.
    Taken(Plan),
    Failed(Failure),
}

impl From<Failure> for NotSaved {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}
