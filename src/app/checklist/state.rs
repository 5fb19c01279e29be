//! The checklists of this machine, and the dialog that edits one.

use std::collections::BTreeMap;

use tui_input::Input;

use crate::app::checklist::text;
use crate::app::effect::ChecklistWrite;
use crate::app::motion::neighbour;
use crate::app::requests::{DialogId, RequestId};
use crate::app::shared::Guard;
use crate::domain::checklist::{
    ChecklistChange, ChecklistClient, LocalChecklist, MOST_CHARACTERS, SharedWrite,
};
use crate::domain::cluster::ClusterId;
use crate::domain::failure::Failure;
use crate::domain::known_checklist::{ChecklistSource, KnownChecklist};
use crate::domain::snapshot::ClusterSnapshot;

/// The checklists of this machine, and the dialog that edits one.
#[derive(Debug, Clone, Default)]
pub struct ChecklistState {
    /// The local copy for each cluster that was opened, or why it is unreadable.
    pub local: BTreeMap<ClusterId, Result<LocalChecklist, Failure>>,
    /// Row under the cursor.
    pub cursor: usize,
    pub dialog: Option<ChecklistDialog>,
}

/// How to write a change to a list; `None` if it is read-only now.
pub fn write(source: &ChecklistSource, change: ChecklistChange) -> Option<ChecklistWrite> {
    let write = if matches!(source, ChecklistSource::Shared { .. }) {
        ChecklistWrite::Shared(SharedWrite::Change(change))
    } else {
        ChecklistWrite::Local(change)
    };
    source.is_changeable().then_some(write)
}

impl ChecklistState {
    /// The list of a cluster.
    pub fn known(&self, id: &ClusterId, snapshot: Option<&ClusterSnapshot>) -> KnownChecklist {
        KnownChecklist::of(snapshot, self.local.get(id))
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
            if is_edit { &[Name, Owner, Note, Cancel, Confirm] } else { &[Cancel, Confirm] };
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
