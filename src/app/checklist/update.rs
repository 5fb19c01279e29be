//! Keys of the checklist tab and its dialog, and the results of writes.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "keys and commands that mean nothing here are ignored"
)]

use crossterm::event::{KeyEvent, KeyEventKind};

use crate::app::checklist::state::{
    ChecklistDialog, ChecklistDialogKind, ChecklistField, ChecklistForm, ChecklistState, write,
};
use crate::app::checklist::text;
use crate::app::context::UpdateContext;
use crate::app::effect::{ChecklistWrite, Request};
use crate::app::keymap::Command;
use crate::app::motion::moved;
use crate::app::requests::{DialogId, RequestId, RequestOwner};
use crate::app::text_field::{paste_into, type_into};
use crate::domain::checklist::{ChecklistChange, ChecklistClient, LocalChecklist, SharedWrite};
use crate::domain::cluster::{Cluster, ClusterId};
use crate::domain::failure::{Failure, FailureKind};
use crate::domain::known_checklist::{ChecklistSource, KnownChecklist};
use crate::domain::record::Outcome;
use crate::domain::snapshot::ClusterSnapshot;

/// Reads the checklist of a cluster on this machine.
pub fn read(id: &ClusterId, cx: &mut UpdateContext<'_>) {
    let owner = RequestOwner::Checklist(id.clone());
    cx.request(owner, Request::ReadChecklist(id.clone()));
}

/// A command in the tab.
pub fn run(
    checklist: &mut ChecklistState,
    (cluster, snapshot): (&Cluster, Option<&ClusterSnapshot>),
    command: Command,
    cx: &mut UpdateContext<'_>,
) {
    let KnownChecklist { list, source, .. } = checklist.known(&cluster.id, snapshot);
    let last = list.clients().len().saturating_sub(1);
    let cursor = checklist.cursor.min(last);
    if let Some(next) = moved(command, cursor, cx.shared.metrics.page(), last) {
        checklist.cursor = next;
        return;
    }
    if !source.is_changeable() {
        return;
    }
    let selected = list.clients().get(cursor).cloned();
    let kind = match (command, selected) {
        (Command::Share, _) => match &source {
            ChecklistSource::Shared { only_here } if only_here.is_empty() => {
                ChecklistDialogKind::Unshare
            }
            _ => ChecklistDialogKind::Share,
        },
        (Command::Add, _) => ChecklistDialogKind::Edit(Box::default()),
        (Command::Open, Some(client)) => {
            ChecklistDialogKind::Edit(Box::new(ChecklistForm::about(Some(client))))
        }
        (Command::Remove, Some(client)) => ChecklistDialogKind::Remove(client),
        (Command::Mark, Some(client)) => {
            toggle(cluster, &source, client, cx);
            return;
        }
        _ => return,
    };
    let focus = match kind {
        ChecklistDialogKind::Edit(_) => ChecklistField::Name,
        _ => ChecklistField::Cancel,
    };
    checklist.dialog = Some(ChecklistDialog {
        id: cx.requests.begin_dialog(),
        cluster: cluster.id.clone(),
        kind,
        focus,
        request: None,
        failure: None,
        guard: cx.shared.guard(),
    });
}

/// Marks a client as done, or as open again.
fn toggle(
    cluster: &Cluster,
    source: &ChecklistSource,
    before: ChecklistClient,
    cx: &mut UpdateContext<'_>,
) {
    let Some(start) = cluster.rotation.start() else {
        cx.toast(text::NOT_STARTED);
        return;
    };
    let done = if before.is_done(&cluster.rotation) { None } else { Some(start) };
    let log =
        if done.is_some() { text::log_done(&before.name) } else { text::log_open(&before.name) };
    let after = ChecklistClient { done, ..before.clone() };
    let change = ChecklistChange { before: Some(before), after: Some(after) };
    let owner = RequestOwner::ChecklistChange { cluster: cluster.id.clone(), dialog: None };
    if let Some(write) = write(source, change) {
        send(&cluster.id, owner, write, log, cx);
    }
}

fn send(
    id: &ClusterId,
    owner: RequestOwner,
    write: ChecklistWrite,
    log: String,
    cx: &mut UpdateContext<'_>,
) -> RequestId {
    let cluster = id.clone();
    cx.request_logged(owner, id, ("checklist", log), |intent| Request::WriteChecklist {
        id: cluster,
        write: Box::new(write),
        intent,
    })
}

/// A key while the dialog is open.
pub fn key(
    checklist: &mut ChecklistState,
    snapshot: Option<&ClusterSnapshot>,
    (command, key): (Option<Command>, KeyEvent),
    cx: &mut UpdateContext<'_>,
) {
    let Some(dialog) = &mut checklist.dialog else { return };
    // A write in progress cannot be cancelled; its result is still applied.
    if command == Some(Command::Back) {
        checklist.dialog = None;
        return;
    }
    if dialog.request.is_some() {
        return;
    }
    let is_text = !matches!(dialog.focus, ChecklistField::Confirm | ChecklistField::Cancel);
    match command {
        Some(Command::Open) if key.kind != KeyEventKind::Press => {}
        // From the last text field to the confirm button, past cancel.
        Some(Command::Open) if dialog.focus == ChecklistField::Note => {
            dialog.focus = ChecklistField::Confirm;
        }
        Some(Command::Open) if is_text => dialog.step_focus(true),
        Some(Command::Open) if !cx.shared.may_press(dialog.guard) => {}
        Some(Command::Open) if dialog.focus == ChecklistField::Cancel => checklist.dialog = None,
        Some(Command::Open) => confirm(checklist, snapshot, cx),
        Some(Command::Next | Command::Down) => dialog.step_focus(true),
        Some(Command::Previous | Command::Up) => dialog.step_focus(false),
        Some(Command::Left | Command::Right) if !is_text => {
            dialog.focus = match dialog.focus {
                ChecklistField::Confirm => ChecklistField::Cancel,
                _ => ChecklistField::Confirm,
            };
        }
        _ => {
            let focus = dialog.focus;
            if let ChecklistDialogKind::Edit(form) = &mut dialog.kind
                && let Some(input) = form.input(focus)
                && type_into(input, key)
            {
                dialog.failure = None;
            }
        }
    }
}

/// Pastes into the focused field.
pub fn paste(checklist: &mut ChecklistState, pasted: &str) {
    let Some(dialog) = &mut checklist.dialog else { return };
    let focus = dialog.focus;
    if let (None, ChecklistDialogKind::Edit(form)) = (&dialog.request, &mut dialog.kind)
        && let Some(input) = form.input(focus)
    {
        paste_into(input, pasted);
    }
}

/// A click on the confirm button: focuses it, or presses it if already focused.
pub fn click(
    checklist: &mut ChecklistState,
    snapshot: Option<&ClusterSnapshot>,
    cx: &mut UpdateContext<'_>,
) {
    let Some(dialog) = &mut checklist.dialog else { return };
    let before = std::mem::replace(&mut dialog.focus, ChecklistField::Confirm);
    if before == ChecklistField::Confirm {
        confirm(checklist, snapshot, cx);
    }
}

/// Performs the dialog's action, unless a request is already in progress.
fn confirm(
    checklist: &mut ChecklistState,
    snapshot: Option<&ClusterSnapshot>,
    cx: &mut UpdateContext<'_>,
) {
    let idle = checklist.dialog.as_ref().filter(|dialog| dialog.request.is_none());
    let Some(id) = idle.map(|dialog| dialog.cluster.clone()) else { return };
    let source = checklist.known(&id, snapshot).source;
    let kept = checklist.local.get(&id).and_then(|local| local.as_ref().ok());
    let own = kept.map(|kept| (*kept.list).clone()).unwrap_or_default();
    let Some(dialog) = &mut checklist.dialog else { return };
    let (prepared, log) = match &dialog.kind {
        ChecklistDialogKind::Edit(form) => match form.change() {
            Ok(change) => {
                let name =
                    change.after.as_ref().map(|after| after.name.clone()).unwrap_or_default();
                let is_new = change.before.is_none();
                let log = if is_new { text::log_added(name) } else { text::log_changed(name) };
                (write(&source, change), log)
            }
            Err(_missing) => {
                dialog.focus = ChecklistField::Name;
                return;
            }
        },
        ChecklistDialogKind::Remove(client) => {
            let change = ChecklistChange { before: Some(client.clone()), after: None };
            (write(&source, change), text::log_removed(&client.name))
        }
        ChecklistDialogKind::Share => {
            (Some(ChecklistWrite::Shared(SharedWrite::Share(own))), text::LOG_SHARE.to_owned())
        }
        ChecklistDialogKind::Unshare => {
            (Some(ChecklistWrite::Shared(SharedWrite::Unshare)), text::LOG_UNSHARE.to_owned())
        }
    };
    // The list may have become read-only since the dialog opened.
    let Some(prepared) = prepared.filter(|_| source.is_changeable()) else {
        dialog.failure = Some(Failure::new(FailureKind::NotPossible, text::NOT_NOW));
        return;
    };
    let owner = RequestOwner::ChecklistChange { cluster: id.clone(), dialog: Some(dialog.id) };
    dialog.failure = None;
    dialog.request = Some(send(&id, owner, prepared, log, cx));
}

/// The result of a write. Closes the dialog only if it sent the request.
pub fn written(
    checklist: &mut ChecklistState,
    (id, dialog): (ClusterId, Option<DialogId>),
    result: Result<LocalChecklist, Failure>,
    cx: &mut UpdateContext<'_>,
) {
    let open = checklist.dialog.as_mut().filter(|open| Some(open.id) == dialog);
    match result {
        Ok(local) => {
            if open.is_some() {
                checklist.dialog = None;
            }
            checklist.local.insert(id, Ok(local));
        }
        Err(failure) => {
            let failed = text::log_failed(&failure);
            cx.journal(cx.record(Some(&id), "checklist", Outcome::Refused, failed));
            // The refusal may be due to a concurrent change: read the list again.
            read(&id, cx);
            match open {
                Some(open) => (open.request, open.failure) = (None, Some(failure)),
                None => cx.notices.error(failure),
            }
        }
    }
}
