//! The target file of a kubeconfig, its current state, and the result of saving.

use std::collections::BTreeSet;

use crate::domain::credential::KubeconfigLocation;
use crate::domain::failure::Failure;
use crate::domain::kubeconfig::changes::ChangedLine;
use crate::domain::kubeconfig::entry_owner::EntryOwner;

/// The file that a kubeconfig is written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileTarget {
    /// Merge into the first file of `$KUBECONFIG`, or `~/.kube/config`.
    Merge,
    /// Merge into this file; the path as typed, `~` allowed.
    MergeInto(String),
    /// A separate file; the path as typed, `~` allowed.
    Own(String),
}

impl FileTarget {
    /// Whether other entries of the file are kept.
    pub fn merges(&self) -> bool {
        matches!(self, Self::Merge | Self::MergeInto(_))
    }
}

/// The current state of a file and the effect of saving; safe to display.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// The file in shown form (`~/…`); empty if no file is written.
    pub path: String,
    /// The resolved target if the path is a symbolic link.
    pub link: Option<String>,
    pub exists: bool,
    /// Current permission bits.
    pub mode: Option<u32>,
    /// Number of contexts with other names, which are unchanged.
    pub others: usize,
    /// Contexts with other names that change as well, since they share entries ("context dev (user prod)"); also those
    /// of other files of `$KUBECONFIG`.
    pub sharing: Vec<String>,
    /// Contexts that are lost if a separate file is replaced.
    pub lost: Vec<String>,
    /// Lost fields of replaced entries ("token of user shop").
    pub dropped: Vec<String>,
    /// The fields lost if the issued kubeconfig shows that the entries belong to another cluster.
    pub dropped_from_another: Vec<String>,
    /// Existing entries with the requested name ("context shop", "user shop").
    pub taken: Vec<String>,
    /// The cluster that those belong to.
    pub owner: EntryOwner,
    /// Names of all entries in the file.
    pub names: BTreeSet<String>,
    /// Whether there is no kubeconfig yet: the merged one becomes the current context.
    pub blank: bool,
    /// The existing `current-context`; of several files, the one that kubectl reads.
    pub current: Option<String>,
    /// Changes by a renewal in place; before issuing, as far as known.
    pub changes: Vec<ChangedLine>,
    pub notes: Vec<String>,
    /// SHA-256 of what the user agrees to: the link, the mode, and the entries to replace, or the whole file. `None` if
    /// the file does not exist.
    pub fingerprint: Option<String>,
}

/// A kubeconfig was saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    pub location: KubeconfigLocation,
    pub notes: Vec<String>,
}

/// A kubeconfig was not saved; nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotSaved {
    /// The file changed since it was shown; with its current state.
    Changed(Plan),
    /// The name or file exists, and replacing was not requested.
    Taken(Plan),
    Failed(Failure),
}

impl From<Failure> for NotSaved {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}
