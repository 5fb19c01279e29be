//! The checklists of this machine, and the dialog that edits one.

use std::collections::BTreeMap;
use std::sync::Arc;

use tui_input::Input;

use crate::app::checklist::text;
use crate::app::effect::ChecklistWrite;
use crate::app::motion::neighbour;
use crate::app::requests::{DialogId, RequestId};
use crate::app::shared::Guard;
use crate::domain::checklist::{
    Checklist, ChecklistChange, ChecklistClient, LocalChecklist, MOST_CHARACTERS, SharedChecklist,
    SharedWrite,
};
use crate::domain::cluster::ClusterId;
use crate::domain::failure::Failure;
use crate::domain::snapshot::{ClusterSnapshot, Unseen};

/// The checklists of this machine, and the dialog that edits one.
#[derive(Debug, Clone, Default)]
pub struct ChecklistState {
    /// The local copy for each cluster that was opened, or why it is unreadable.
    pub local: BTreeMap<ClusterId, Result<LocalChecklist, Failure>>,
    /// Row under the cursor.
    pub cursor: usize,
    pub dialog: Option<ChecklistDialog>,
}

/// The source of a displayed list; determines whether it can be changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChecklistSource {
    Reading,
    /// Stored on this machine; `seen`: the cluster is known to have no shared one.
    Local {
        seen: bool,
    },
    /// Shared through the cluster. `only_here`: names of clients that exist only on this machine.
    Shared {
        only_here: Vec<String>,
    },
    /// A local copy of the shared list while the cluster is not observed.
    Copy,
    /// The cluster has a `ConfigMap`, but it is unreadable.
    Unreadable(String),
    /// The file on this machine is unreadable.
    Failed(Failure),
}

impl ChecklistSource {
    /// How to write a change; `None` if the list is read-only now.
    pub fn write(&self, change: ChecklistChange) -> Option<ChecklistWrite> {
        match self {
            Self::Local { .. } => Some(ChecklistWrite::Local(change)),
            Self::Shared { .. } => Some(ChecklistWrite::Shared(SharedWrite::Change(change))),
            Self::Reading | Self::Copy | Self::Unreadable(_) | Self::Failed(_) => None,
        }
    }

    /// Why the list is not known, as a sentence.
    pub fn unreadable(&self) -> Option<String> {
        match self {
            Self::Reading => Some(text::READING.to_owned()),
            Self::Unreadable(why) => Some(text::unreadable(why)),
            Self::Failed(failure) => Some(text::failed(failure)),
            Self::Local { .. } | Self::Shared { .. } | Self::Copy => None,
        }
    }

    /// Whether the list can be changed now.
    pub fn is_changeable(&self) -> bool {
        matches!(self, Self::Local { .. } | Self::Shared { .. })
    }
}

impl ChecklistState {
    /// The list of a cluster and its source. A shared list takes precedence.
    pub fn list(
        &self,
        id: &ClusterId,
        snapshot: Option<&ClusterSnapshot>,
    ) -> (Arc<Checklist>, ChecklistSource) {
        let local = self.local.get(id);
        let kept = local.and_then(|local| local.as_ref().ok());
        let own = || kept.map(|kept| Arc::clone(&kept.list)).unwrap_or_default();
        let shared = snapshot.map(|snapshot| &snapshot.checklist);
        let unseen = snapshot.and_then(|snapshot| snapshot.unseen.get("checklist"));
        let is_being_read = unseen == Some(&Unseen::Unread);
        match (shared, local) {
            (Some(SharedChecklist::Known(shared)), _) => {
                let unshared = kept.filter(|kept| !kept.shared);
                let missing = unshared.into_iter().flat_map(|kept| shared.missing(&kept.list));
                let only_here = missing.map(|client| client.name.clone()).collect();
                (Arc::clone(shared), ChecklistSource::Shared { only_here })
            }
            (Some(SharedChecklist::Unreadable(why)), _) => {
                (own(), ChecklistSource::Unreadable(why.clone()))
            }
            (_, None) => (own(), ChecklistSource::Reading),
            (_, Some(Err(failure))) => (own(), ChecklistSource::Failed(failure.clone())),
            (Some(SharedChecklist::Absent), Some(Ok(_))) => {
                (own(), ChecklistSource::Local { seen: true })
            }
            (Some(SharedChecklist::Unread) | None, Some(Ok(kept))) if kept.shared => {
                (own(), ChecklistSource::Copy)
            }
            (Some(SharedChecklist::Unread), _) if is_being_read => {
                (own(), ChecklistSource::Reading)
            }
            (Some(SharedChecklist::Unread) | None, Some(Ok(_))) => {
                (own(), ChecklistSource::Local { seen: false })
            }
        }
    }

    /// The checklist of a cluster, if known.
    pub fn known(
        &self,
        id: &ClusterId,
        snapshot: Option<&ClusterSnapshot>,
    ) -> Option<Arc<Checklist>> {
        let (list, source) = self.list(id, snapshot);
        let is_empty = list.clients().is_empty();
        let is_unsure = matches!(source, ChecklistSource::Local { seen: false }) && is_empty;
        let is_known = source.is_changeable() || source == ChecklistSource::Copy;
        Some(list).filter(|_| is_known && !is_unsure)
    }

    /// Drops everything about a cluster.
    pub fn forget(&mut self, id: &ClusterId) {
        self.local.remove(id);
        self.dialog.take_if(|dialog| dialog.cluster == *id);
    }
}

/// The dialog that edits a checklist.
#[derive(Debug, Clone)]
pub struct ChecklistDialog {
    /// Routes answers to the dialog that sent the request.
    pub id: DialogId,
    pub cluster: ClusterId,
    pub kind: ChecklistDialogKind,
    pub focus: ChecklistField,
    /// The write in progress.
    pub request: Option<RequestId>,
    /// The failure of the last write.
    pub failure: Option<Failure>,
    pub guard: Guard,
}

/// The kind of change.
#[derive(Debug, Clone)]
pub enum ChecklistDialogKind {
    /// Edit a client, or add one.
    Edit(Box<ChecklistForm>),
    Remove(ChecklistClient),
    Share,
    Unshare,
}

/// Input for a client.
#[derive(Debug, Clone, Default)]
pub struct ChecklistForm {
    pub before: Option<ChecklistClient>,
    pub name: Input,
    pub owner: Input,
    pub note: Input,
}

/// Fields of the dialog, in Tab order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChecklistField {
    Name,
    Owner,
    Note,
    Confirm,
    Cancel,
}

impl ChecklistForm {
    /// A form for a client, or for a new one.
    pub fn about(before: Option<ChecklistClient>) -> Self {
        let input = |text: fn(&ChecklistClient) -> &String| {
            Input::new(before.as_ref().map(text).cloned().unwrap_or_default())
        };
        Self {
            name: input(|client| &client.name),
            owner: input(|client| &client.owner),
            note: input(|client| &client.note),
            before,
        }
    }

    /// The text input of a field, if it has one.
    pub fn input(&mut self, field: ChecklistField) -> Option<&mut Input> {
        match field {
            ChecklistField::Name => Some(&mut self.name),
            ChecklistField::Owner => Some(&mut self.owner),
            ChecklistField::Note => Some(&mut self.note),
            ChecklistField::Confirm | ChecklistField::Cancel => None,
        }
    }

    /// The change as entered.
    ///
    /// # Errors
    /// The sentence to show.
    pub fn change(&self) -> Result<ChecklistChange, &'static str> {
        let text = |input: &Input| -> String {
            let text = crate::domain::text::clean(input.value());
            text.trim().chars().take(MOST_CHARACTERS).collect()
        };
        let after = ChecklistClient {
            name: text(&self.name),
            owner: text(&self.owner),
            note: text(&self.note),
            done: self.before.as_ref().and_then(|before| before.done),
        };
        if after.name.is_empty() {
            return Err(text::NAME_MISSING);
        }
        Ok(ChecklistChange { before: self.before.clone(), after: Some(after) })
    }
}

impl ChecklistDialog {
    /// Moves the focus to the next or previous field.
    pub fn step_focus(&mut self, forward: bool) {
        use ChecklistField::{Cancel, Confirm, Name, Note, Owner};
        let is_edit = matches!(self.kind, ChecklistDialogKind::Edit(_));
        let fields: &[ChecklistField] =
            if is_edit { &[Name, Owner, Note, Confirm, Cancel] } else { &[Cancel, Confirm] };
        self.focus = neighbour(fields, self.focus, forward);
    }

    /// Label of the confirm button.
    pub fn verb(&self) -> &'static str {
        match self.kind {
            ChecklistDialogKind::Edit(_) => text::SAVE,
            ChecklistDialogKind::Remove(_) => text::REMOVE,
            ChecklistDialogKind::Share => text::SHARE,
            ChecklistDialogKind::Unshare => text::UNSHARE,
        }
    }
}
