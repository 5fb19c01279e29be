//! Keys of the rotation dialog, up to sending the step.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "keys and commands that mean nothing here are ignored"
)]

use std::sync::Arc;
use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind};
use tui_input::Input;

use crate::app::context::UpdateContext;
use crate::app::effect::Request;
use crate::app::keymap::Command;
use crate::app::requests::RequestOwner;
use crate::app::rotation::dialog::{Focus, RotationDialog, RotationDialogStage};
use crate::app::rotation::pending::{PendingStage, PendingStep};
use crate::app::rotation::state::RotationState;
use crate::app::rotation::{findings_text, text};
use crate::app::shared::{LEAST_TO_ROTATE, Shared};
use crate::app::text_field::type_into;
use crate::domain::action::{Action, permits};
use crate::domain::age::{long, passed};
use crate::domain::api_call::api_call;
use crate::domain::cluster::Cluster;
use crate::domain::preflight::{Evidence, SeenFiles};
use crate::domain::rotation::Step;
use crate::domain::rotation_report::with_accepted;

/// Opens the dialog for a step, and requests a check.
pub fn open(rotation: &mut RotationState, step: Step, shown: Cluster, cx: &mut UpdateContext<'_>) {
    let id = shown.id.clone();
    let opened_at = cx.requests.last();
    let wants_name = step == Step::Complete || cx.shared.settings.is_protected(&id.name);
    rotation.dialog = Some(Box::new(RotationDialog {
        step,
        findings: Vec::new(),
        shown,
        evidence: Evidence::default(),
        evaluated: None,
        was_refused: false,
        ignore_reads_through: opened_at,
        checked: None,
        wants_name,
        typed: Input::default(),
        typed_note: None,
        accepted: Vec::new(),
        focus: Focus::Cancel,
        stage: RotationDialogStage::Reading,
        guard: cx.shared.guard(),
        scroll: 0,
    }));
    // Another instance may have issued one since.
    cx.request(RequestOwner::PersistedState, Request::LoadCredentials);
    // Reads that started before the dialog do not count as its check.
    cx.read_cluster(&id, opened_at);
}

/// The protected clusters may have changed: an open dialog may now require the name, but never stops requiring it.
pub fn protection_changed(rotation: &mut RotationState, shared: &Shared) {
    let Some(dialog) = rotation.dialog.as_deref_mut() else { return };
    let is_protected = shared.settings.is_protected(&dialog.shown.id.name);
    if is_protected && !dialog.wants_name && dialog.stage.is_open() {
        dialog.wants_name = true;
        dialog.reset(shared.guard());
    }
}

/// A key while the dialog is open.
pub fn key(
    rotation: &mut RotationState,
    command: Option<Command>,
    key: KeyEvent,
    cx: &mut UpdateContext<'_>,
) {
    let Some(dialog) = rotation.dialog.as_deref_mut() else { return };
    match command {
        Some(Command::Back) => rotation.dialog = None,
        Some(Command::Next | Command::Right) => dialog.step_focus(true),
        Some(Command::Previous | Command::Left) => dialog.step_focus(false),
        Some(Command::Copy) => copy(dialog, cx),
        // Cluster names contain no spaces.
        None if key.code == KeyCode::Char(' ') && dialog.focus == Focus::Accept => {
            press(rotation, cx);
        }
        Some(Command::Open) if key.kind == KeyEventKind::Press => {
            if cx.shared.may_press(dialog.guard) {
                press(rotation, cx);
            }
        }
        _ => {
            let scrolls = |command| cx.shared.metrics.scroll(&mut dialog.scroll, command);
            if !scroll_command(key.code).is_some_and(scrolls) {
                type_name(dialog, key);
            }
        }
    }
}

/// In the name field, letters are not commands; these keys are.
fn scroll_command(key: KeyCode) -> Option<Command> {
    match key {
        KeyCode::Up => Some(Command::Up),
        KeyCode::Down => Some(Command::Down),
        KeyCode::PageUp => Some(Command::PageUp),
        KeyCode::PageDown => Some(Command::PageDown),
        _ => None,
    }
}

fn type_name(dialog: &mut RotationDialog, key: KeyEvent) {
    if !dialog.wants_name {
        return;
    }
    dialog.typed_note = None;
    // The other editing keys scroll, or move the focus.
    if matches!(key.code, KeyCode::Char(_) | KeyCode::Backspace)
        && type_into(&mut dialog.typed, key)
    {
        dialog.focus = Focus::Name;
    }
}

/// Why the typed text is not the name; compared exactly, since look-alike letters exist.
fn name_problem(typed: &str, name: &str) -> Option<String> {
    if typed == name {
        None
    } else if typed.is_empty() {
        Some(text::name_missing(name))
    } else if typed.trim() == name {
        Some(text::NAME_BLANK.to_owned())
    } else if typed.to_lowercase() == name.to_lowercase() {
        Some(text::NAME_CASE.to_owned())
    } else {
        Some(text::name_differs(name))
    }
}

/// Rejects pasted text if the name is required: the user should read it while typing.
pub fn paste(dialog: &mut RotationDialog) {
    if dialog.wants_name {
        dialog.typed_note = Some(text::NAME_PASTED.to_owned());
    }
}

fn press(rotation: &mut RotationState, cx: &mut UpdateContext<'_>) {
    let Some(dialog) = rotation.dialog.as_deref_mut() else { return };
    if dialog.focus == Focus::Cancel || dialog.stage.is_ended() {
        rotation.dialog = None;
        return;
    }
    if dialog.wants_name
        && let Some(problem) = name_problem(dialog.typed.value(), dialog.shown.id.name.as_str())
    {
        dialog.typed_note = Some(problem);
        return;
    }
    if dialog.focus == Focus::Accept && !dialog.breaking().is_empty() {
        // The focus stays: repeated Enter must not lead from accepting breakage to the confirm button.
        dialog.accepted = if dialog.is_accepted() { Vec::new() } else { dialog.breaking() };
        return;
    }
    if !dialog.is_accepted() {
        dialog.focus = Focus::Accept;
        return;
    }
    if dialog.focus != Focus::Confirm {
        dialog.focus = Focus::Confirm;
        return;
    }
    match &dialog.stage {
        RotationDialogStage::Confirming => send(rotation, cx),
        RotationDialogStage::Changed(_) => {
            // The user has seen the change: ask again for the current state.
            match permits(&dialog.shown, Action::Rotate(dialog.step)) {
                Err(refusal) => cx.toast(refusal.to_string()),
                Ok(()) => dialog.stage = RotationDialogStage::Confirming,
            }
            dialog.reset(cx.shared.guard());
        }
        RotationDialogStage::Reading
        | RotationDialogStage::Sending
        | RotationDialogStage::ReadingBack
        | RotationDialogStage::Failed(_)
        | RotationDialogStage::Done(_) => {}
    }
}

fn send(rotation: &mut RotationState, cx: &mut UpdateContext<'_>) {
    let Some(dialog) = rotation.dialog.as_deref_mut() else { return };
    let (step, shown) = (dialog.step, &dialog.shown);
    let pending = rotation.pending.get(&shown.id).filter(|pending| pending.blocks());
    let refusal = match (pending, permits(shown, Action::Rotate(step))) {
        _ if cx.shared.settings.read_only => Some(text::READ_ONLY.to_owned()),
        _ if !cx.shared.fits_rotation_dialog() => {
            let (columns, rows) = LEAST_TO_ROTATE;
            Some(text::terminal_too_small(columns, rows))
        }
        (Some(pending), _) => Some(pending_reason(pending, cx.shared)),
        (None, Err(refusal)) => Some(refusal.to_string()),
        (None, Ok(())) => None,
    };
    if let Some(reason) = refusal {
        cx.toast(text::refused(Action::Rotate(step).label(), &reason));
        return;
    }
    let id = shown.id.clone();
    let (before, shown) = (shown.rotation.clone(), Box::new(shown.clone()));
    let Evidence { files, not_read, more_files, credentials, .. } = &dialog.evidence;
    // If they cannot be read, the dialog says so.
    let seen = files.as_ref().filter(|_| not_read.is_none()).map(|files| {
        let (more, credentials) = (more_files.clone(), credentials.clone());
        Box::new(SeenFiles { files: Arc::clone(files), more, credentials })
    });
    let owner = RequestOwner::Rotation { cluster: id.clone(), step };
    let accepted: Vec<String> = dialog.breaking().iter().map(findings_text::finding).collect();
    let log = with_accepted(&text::log_request(step), &accepted);
    let findings = dialog.findings.iter().map(findings_text::marked).collect();
    let started = before.start().filter(|_| step == Step::Complete);
    let request = cx.request_logged(owner, &id, (step.verb(), log), |mut intent| {
        intent.findings = findings;
        intent.rotation_started = started;
        Request::Rotate { step, shown, seen, intent }
    });
    let pending = PendingStep {
        request,
        step,
        asked: cx.shared.now,
        before,
        skew: None,
        ignore_reads_through: request,
        stage: PendingStage::Sending,
        due: Duration::MAX,
    };
    rotation.pending.insert(id, pending);
    dialog.enter(RotationDialogStage::Sending, cx.shared.guard());
}

fn copy(dialog: &RotationDialog, cx: &mut UpdateContext<'_>) {
    if let RotationDialogStage::Failed(failure) = &dialog.stage {
        cx.copy("error", failure.full_text());
    } else {
        let call = api_call(&cx.shared.settings.ske, &dialog.shown.id, dialog.step);
        cx.copy(text::API_CALL, call);
    }
}

/// Why a sent step blocks another one.
pub fn pending_reason(pending: &PendingStep, shared: &Shared) -> String {
    let step = pending.step;
    match &pending.stage {
        PendingStage::Sending => text::pending_sending(step),
        PendingStage::Accepted { at, .. } | PendingStage::NotShown { at } => {
            let waited = passed(*at, shared.now.wall);
            let at = shared.zone().clock(*at);
            text::pending_accepted(&at, &waited)
        }
        PendingStage::ReadingBack { until, .. } => {
            let left = until.saturating_sub(shared.now.monotonic).try_into().unwrap_or_default();
            text::pending_read_back(step, long(left))
        }
        PendingStage::Unknown => text::pending_lost(step),
    }
}

#[cfg(test)]
mod tests {
    use crate::app::rotation::update::name_problem;

    #[test]
    fn host_05_only_the_exact_name_is_accepted_with_a_reason_otherwise() {
        assert_eq!(name_problem("shop-prod", "shop-prod"), None);
        assert!(name_problem("Shop-prod", "shop-prod").unwrap().contains("case"));
        assert!(name_problem("shop-prod ", "shop-prod").unwrap().contains("space"));
        assert!(name_problem("shop-dev", "shop-prod").unwrap().contains("not shop-prod"));
        assert!(name_problem("", "shop-prod").is_some());
    }

    #[test]
    fn host_02_a_look_alike_letter_is_another_name() {
        assert!(name_problem("sh\u{43e}p", "shop").is_some());
    }
}
