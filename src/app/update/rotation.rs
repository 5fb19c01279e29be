//! Start and complete: the dialog, the sent step, and finding out what became of it.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "keys and commands that mean nothing here are ignored"
)]

use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use jiff::{SignedDuration, Timestamp};
use tui_input::Input;

use crate::app::availability::{can, due_step, pending_reason};
use crate::app::dialog::{Dialog, Focus, RotationDialog, RotationDialogStage};
use crate::app::effect::{Effect, Request};
use crate::app::keymap::Command;
use crate::app::message::RotateOutcome;
use crate::app::observation::{seen_now, unseen};
use crate::app::requests::{DialogId, RequestId, RequestOwner};
use crate::app::state::{Pending, PendingStage, State};
use crate::app::update::navigation::moved;
use crate::app::update::{arrange, guard, may_press, notices, polling};
use crate::domain::action::{Action, permits};
use crate::domain::cluster::{Cluster, ClusterId};
use crate::domain::credential::{Credentials, StaticToken};
use crate::domain::failure::{Failure, FailureKind};
use crate::domain::preflight::{Evidence, findings};
use crate::domain::record::Outcome;
use crate::domain::rotation::Step;

/// How long an unknown outcome is read back.
pub const READ_BACK: Duration = Duration::from_mins(3);
/// Reads come this often at first.
const READ_BACK_QUICK: Duration = Duration::from_secs(2);
/// With this much of the read-back left, reads become slower.
const READ_BACK_SLOW_AT: Duration = Duration::from_secs(150);
/// Reads come this often after half a minute.
const READ_BACK_SLOW: Duration = Duration::from_secs(5);
/// After this long an accepted step that does not show is worth a word.
const GRACE: Duration = Duration::from_mins(3);
/// Lines that a page of findings goes on by.
const PAGE: usize = 5;
/// A reading tells at the end of a read-back that nothing happened if it is not older than this.
const FRESH: Duration = Duration::from_secs(15);
/// Said of an accepted step until a reading shows it.
const WAITING: &str = "Waiting for SKE to show it (usually under 3 minutes).";

/// Opens the dialog of the step that is due, or says why not.
pub fn open(state: &mut State) -> Vec<Effect> {
    if let Err(reason) = can(state, Command::Rotate) {
        notices::toast(state, reason);
        return Vec::new();
    }
    let (Some(step), Some(entry)) = (due_step(state), state.subject()) else { return Vec::new() };
    let shown = entry.cluster.clone();
    let id = shown.id.clone();
    let project = state.fleet.project_name(id.project()).to_owned();
    let evidence = Evidence {
        credentials: state.fleet.credentials.of(&shown),
        skew: state.fleet.skew,
        static_tokens: None,
        snapshot: seen_now(state, &id),
        unseen: unseen(state, &id),
    };
    let wants_name = step == Step::Complete || state.settings.is_protected(&id.name);
    let dialog = state.requests.begin_dialog();
    let opened_at = state.requests.last();
    state.dialog = Some(Dialog::Rotate(Box::new(RotationDialog {
        id: dialog,
        step,
        findings: findings(step, &shown, &evidence, state.now.wall),
        shown,
        project,
        evidence,
        ignore_reads_through: opened_at,
        checked: None,
        wants_name,
        typed: Input::default(),
        typed_note: None,
        focus: Focus::Cancel,
        stage: RotationDialogStage::Checking,
        guard: guard(state),
        scroll: 0,
    })));
    // Another instance may have issued one meanwhile.
    let tokens = Request::FindStaticTokens(id.clone());
    let mut effects = vec![
        notices::request(state, RequestOwner::StaticTokens(dialog), tokens),
        notices::request(state, RequestOwner::PersistedState, Request::LoadCredentials),
    ];
    // A read that began before the dialog does not count as its check.
    effects.extend(polling::read_after(state, &id, opened_at));
    effects
}

/// These are kept, whichever instance of the program issued them: the open dialog looks again.
pub fn recalled(state: &mut State, credentials: Credentials, note: Option<String>) -> Vec<Effect> {
    if let Some(note) = note {
        notices::error(state, Failure::new(FailureKind::File, note));
    }
    state.fleet.credentials.join(credentials);
    arrange(state);
    let now = state.now.wall;
    if let Some(Dialog::Rotate(dialog)) = &mut state.dialog {
        dialog.evidence.credentials = state.fleet.credentials.of(&dialog.shown);
        dialog.evidence.skew = state.fleet.skew;
        dialog.findings = findings(dialog.step, &dialog.shown, &dialog.evidence, now);
    }
    Vec::new()
}

/// A key while the dialog is open.
pub fn key(state: &mut State, command: Option<Command>, key: KeyEvent) -> Vec<Effect> {
    let now_guard = guard(state);
    let last = state.metrics.scroll_last;
    let Some(Dialog::Rotate(dialog)) = &mut state.dialog else { return Vec::new() };
    let ended =
        matches!(dialog.stage, RotationDialogStage::Failed(_) | RotationDialogStage::Settled(_));
    match command {
        Some(Command::Back) => {
            state.dialog = None;
            Vec::new()
        }
        Some(Command::Next | Command::Right) => {
            dialog.focus = turn(dialog, true);
            Vec::new()
        }
        Some(Command::Previous | Command::Left) => {
            dialog.focus = turn(dialog, false);
            Vec::new()
        }
        Some(Command::Help) => {
            state.help = Some((crate::app::keymap::Context::Dialog, 0));
            Vec::new()
        }
        Some(Command::Copy) => copy(state).into_iter().collect(),
        Some(Command::Open) if key.kind == KeyEventKind::Press => {
            let pressable = may_press(state, dialog_guard(state).unwrap_or(now_guard));
            if pressable { press(state, ended) } else { Vec::new() }
        }
        _ => {
            let at = usize::from(dialog.scroll).min(last);
            match scrolls(key.code).and_then(|command| moved(command, at, PAGE, last)) {
                Some(at) => dialog.scroll = u16::try_from(at).unwrap_or(u16::MAX),
                None => type_name(dialog, key),
            }
            Vec::new()
        }
    }
}

/// Where the name is typed letters are no commands; these keys are.
fn scrolls(key: KeyCode) -> Option<Command> {
    match key {
        KeyCode::Up => Some(Command::Up),
        KeyCode::Down => Some(Command::Down),
        KeyCode::PageUp => Some(Command::PageUp),
        KeyCode::PageDown => Some(Command::PageDown),
        _ => None,
    }
}

fn dialog_guard(state: &State) -> Option<crate::app::dialog::Guard> {
    match &state.dialog {
        Some(Dialog::Rotate(dialog)) => Some(dialog.guard),
        _ => None,
    }
}

fn turn(dialog: &RotationDialog, forward: bool) -> Focus {
    let order: &[Focus] = if dialog.wants_name {
        &[Focus::Name, Focus::Cancel, Focus::Confirm]
    } else {
        &[Focus::Cancel, Focus::Confirm]
    };
    let at = order.iter().position(|focus| *focus == dialog.focus).unwrap_or(0);
    let next = if forward { at + 1 } else { at + order.len() - 1 };
    order.get(next % order.len()).copied().unwrap_or(Focus::Cancel)
}

fn type_name(dialog: &mut RotationDialog, key: KeyEvent) {
    if !dialog.wants_name {
        return;
    }
    dialog.typed_note = None;
    match key.code {
        KeyCode::Char(c)
            if !key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) =>
        {
            dialog.focus = Focus::Name;
            if dialog.typed.value().chars().count() < 64 {
                dialog.typed.handle(tui_input::InputRequest::InsertChar(c));
            }
        }
        KeyCode::Char('u') => dialog.typed = Input::default(),
        KeyCode::Backspace => {
            dialog.typed.handle(tui_input::InputRequest::DeletePrevChar);
        }
        _ => {}
    }
}

/// Why the typed text is not the cluster's name; exact, since look-alike letters exist.
pub fn name_problem(typed: &str, name: &str) -> Option<String> {
    if typed == name {
        None
    } else if typed.is_empty() {
        Some(format!("type {name} to confirm"))
    } else if typed.trim() == name {
        Some("there is a blank before or after the name".to_owned())
    } else if typed.to_lowercase() == name.to_lowercase() {
        Some("the case of the letters differs".to_owned())
    } else {
        Some(format!("that is not {name}"))
    }
}

fn press(state: &mut State, ended: bool) -> Vec<Effect> {
    let Some(Dialog::Rotate(dialog)) = &mut state.dialog else { return Vec::new() };
    if dialog.focus == Focus::Cancel || ended {
        state.dialog = None;
        return Vec::new();
    }
    if dialog.wants_name
        && let Some(problem) = name_problem(dialog.typed.value(), dialog.shown.id.name.as_str())
    {
        dialog.typed_note = Some(problem);
        return Vec::new();
    }
    if dialog.focus == Focus::Name {
        dialog.focus = Focus::Confirm;
        return Vec::new();
    }
    match &dialog.stage {
        RotationDialogStage::Asking => send(state),
        RotationDialogStage::Changed(_) => {
            // The person has seen the change: ask anew on the new snapshot.
            let refused =
                permits(&dialog.shown, Action::Rotate(dialog.step)).err().map(|r| r.to_string());
            match refused {
                Some(reason) => notices::toast(state, reason),
                None => dialog.stage = RotationDialogStage::Asking,
            }
            reset(state);
            Vec::new()
        }
        RotationDialogStage::Checking
        | RotationDialogStage::Sending
        | RotationDialogStage::Unclear
        | RotationDialogStage::Failed(_)
        | RotationDialogStage::Settled(_) => Vec::new(),
    }
}

/// Puts the focus back on Cancel and forgets what was typed: a new decision begins.
fn reset(state: &mut State) {
    let guard = guard(state);
    if let Some(Dialog::Rotate(dialog)) = &mut state.dialog {
        dialog.guard = guard;
        dialog.focus = Focus::Cancel;
        dialog.typed = Input::default();
        dialog.typed_note = None;
    }
}

fn send(state: &mut State) -> Vec<Effect> {
    let Some(Dialog::Rotate(dialog)) = &state.dialog else { return Vec::new() };
    let (step, shown) = (dialog.step, dialog.shown.clone());
    let id = shown.id.clone();
    let refusal = match (state.pending.get(&id), permits(&shown, Action::Rotate(step))) {
        _ if state.settings.read_only => Some("read-only mode".to_owned()),
        (Some(pending), _) => Some(pending_reason(state, pending)),
        (None, Err(refusal)) => Some(refusal.to_string()),
        (None, Ok(())) => None,
    };
    if let Some(reason) = refusal {
        notices::toast(state, format!("{}: {reason}", Action::Rotate(step).word()));
        return Vec::new();
    }
    let request = state.requests.begin(RequestOwner::Rotation { cluster: id.clone(), step });
    let intent = notices::record(
        state,
        Some(&id),
        step.verb(),
        Some(request),
        Outcome::Intended,
        format!("{step} credentials rotation"),
    );
    state.pending.insert(
        id,
        Pending {
            request,
            step,
            asked: state.now,
            before: shown.rotation.clone(),
            created: shown.created,
            skew: SignedDuration::ZERO,
            ignore_reads_through: request,
            stage: PendingStage::Sending,
            due: Duration::MAX,
        },
    );
    if let Some(Dialog::Rotate(dialog)) = &mut state.dialog {
        dialog.stage = RotationDialogStage::Sending;
        dialog.focus = Focus::Cancel;
    }
    let rotate = Request::Rotate { step, shown: Box::new(shown), intent: Box::new(intent) };
    vec![Effect::Request(request, rotate)]
}

fn copy(state: &mut State) -> Option<Effect> {
    let Some(Dialog::Rotate(dialog)) = &state.dialog else { return None };
    let ske = &state.settings.ske;
    let (what, text) = match &dialog.stage {
        RotationDialogStage::Failed(failure) => ("error", failure.full_text()),
        RotationDialogStage::Checking
        | RotationDialogStage::Asking
        | RotationDialogStage::Changed(_)
        | RotationDialogStage::Sending
        | RotationDialogStage::Unclear
        | RotationDialogStage::Settled(_) => {
            ("API call", crate::app::update::menus::api_call(ske, &dialog.shown.id, dialog.step))
        }
    };
    Some(notices::copy(state, what.to_owned(), text))
}

/// Looking for static-token kubeconfigs ended.
pub fn tokens_found(state: &mut State, id: DialogId, found: Vec<StaticToken>) -> Vec<Effect> {
    let now = state.now.wall;
    if let Some(Dialog::Rotate(dialog)) = &mut state.dialog
        && dialog.id == id
    {
        dialog.evidence.static_tokens = Some(found);
        dialog.findings = findings(dialog.step, &dialog.shown, &dialog.evidence, now);
    }
    Vec::new()
}

/// The request was answered, or broke.
pub fn rotated(
    state: &mut State,
    request: RequestId,
    id: &ClusterId,
    step: Step,
    outcome: RotateOutcome,
) -> Vec<Effect> {
    if state.pending.get(id).is_none_or(|pending| pending.request != request) {
        // Another cluster stands under the name, or none: nobody waits, and the journal still tells.
        let (outcome, text, trace) = outcome_of_forgotten(outcome);
        return vec![told(state, id, step, request, outcome, text, trace)];
    }
    let ignore_reads_through = state.requests.last();
    let now = state.now;
    match outcome {
        RotateOutcome::Accepted { trace, skew } => {
            if let Some(pending) = state.pending.get_mut(id) {
                pending.stage = PendingStage::Accepted { at: now.wall, told: false };
                pending.skew = skew;
                pending.ignore_reads_through = ignore_reads_through;
                pending.due = now.monotonic.saturating_add(Duration::from_secs(1));
            }
            let text = format!("{} {WAITING}", accepted(state, id, now.wall));
            close_about(state, id);
            notices::toast(state, text);
            vec![told(state, id, step, request, Outcome::Done, "accepted (202)".to_owned(), trace)]
        }
        RotateOutcome::Changed(cluster) => {
            state.pending.remove(id);
            let text = change_text(state, id, &cluster);
            let record =
                told(state, id, step, request, Outcome::Refused, format!("not sent: {text}"), None);
            show_change(state, *cluster, text);
            vec![record]
        }
        RotateOutcome::NotSent(failure) => {
            state.pending.remove(id);
            let text = format!("not sent: {failure}");
            let trace = failure.trace.clone();
            fail(state, id, failure);
            vec![told(state, id, step, request, Outcome::Refused, text, trace)]
        }
        RotateOutcome::Refused(failure) => {
            state.pending.remove(id);
            let text = format!("refused: {failure}");
            let trace = failure.trace.clone();
            fail(state, id, failure);
            vec![told(state, id, step, request, Outcome::Refused, text, trace)]
        }
        RotateOutcome::Unknown(failure, skew) => {
            if let Some(pending) = state.pending.get_mut(id) {
                pending.stage = PendingStage::ReadingBack {
                    failure: failure.clone(),
                    until: now.monotonic.saturating_add(READ_BACK),
                    seen: None,
                };
                pending.skew = skew;
                pending.ignore_reads_through = ignore_reads_through;
                pending.due = now.monotonic;
            }
            let trace = failure.trace.clone();
            let text = format!(
                "{}: the connection broke before SKE answered. Checking whether the {} happened.",
                state.fleet.label(id),
                noun(step)
            );
            if let Some(dialog) = dialog_about(state, id) {
                dialog.stage = RotationDialogStage::Unclear;
            } else {
                notices::toast(state, text);
            }
            vec![told(
                state,
                id,
                step,
                request,
                Outcome::Unknown,
                format!("no clear answer: {failure}"),
                trace,
            )]
        }
    }
}

/// What the journal says of a step that nobody waits for any more.
fn outcome_of_forgotten(outcome: RotateOutcome) -> (Outcome, String, Option<String>) {
    match outcome {
        RotateOutcome::Accepted { trace, .. } => {
            (Outcome::Done, "accepted (202)".to_owned(), trace)
        }
        RotateOutcome::Changed(_) => {
            (Outcome::Refused, "not sent: the cluster changed".to_owned(), None)
        }
        RotateOutcome::NotSent(failure) => {
            (Outcome::Refused, format!("not sent: {failure}"), failure.trace)
        }
        RotateOutcome::Refused(failure) => {
            (Outcome::Refused, format!("refused: {failure}"), failure.trace)
        }
        RotateOutcome::Unknown(failure, _) => {
            (Outcome::Unknown, format!("no clear answer: {failure}"), failure.trace)
        }
    }
}

fn noun(step: Step) -> &'static str {
    match step {
        Step::Start => "start",
        Step::Complete => "completion",
    }
}

fn told(
    state: &mut State,
    id: &ClusterId,
    step: Step,
    request: RequestId,
    outcome: Outcome,
    text: String,
    trace: Option<String>,
) -> Effect {
    let verb = step.verb();
    let text = format!("{verb}: {text}");
    let mut record = notices::record(state, Some(id), verb, Some(request), outcome, text);
    record.trace = trace;
    notices::journal(state, record)
}

fn dialog_about<'a>(state: &'a mut State, id: &ClusterId) -> Option<&'a mut RotationDialog> {
    match &mut state.dialog {
        Some(Dialog::Rotate(dialog)) if dialog.shown.id == *id => Some(dialog),
        _ => None,
    }
}

fn close_about(state: &mut State, id: &ClusterId) {
    if dialog_about(state, id).is_some() {
        state.dialog = None;
    }
}

fn fail(state: &mut State, id: &ClusterId, failure: Failure) {
    let guard = guard(state);
    if let Some(dialog) = dialog_about(state, id) {
        dialog.stage = RotationDialogStage::Failed(failure);
        dialog.focus = Focus::Cancel;
        dialog.guard = guard;
    } else {
        notices::error(state, failure);
    }
}

fn settle(state: &mut State, id: &ClusterId, text: String) {
    let guard = guard(state);
    if let Some(dialog) = dialog_about(state, id) {
        dialog.stage = RotationDialogStage::Settled(text);
        dialog.focus = Focus::Cancel;
        dialog.guard = guard;
    } else {
        notices::toast(state, format!("{}: {text}", state.fleet.label(id)));
    }
}

/// A reading came: it may settle a sent step, and the dialog looks at it.
pub fn seen(
    state: &mut State,
    cluster: &Cluster,
    sequence: RequestId,
    skew: SignedDuration,
) -> Vec<Effect> {
    let effects = settle_pending(state, cluster, sequence, skew);
    look(state, cluster, sequence);
    effects
}

fn settle_pending(
    state: &mut State,
    cluster: &Cluster,
    sequence: RequestId,
    skew: SignedDuration,
) -> Vec<Effect> {
    let id = &cluster.id;
    let Some(pending) = state.pending.get_mut(id).filter(|p| p.ignore_reads_through < sequence)
    else {
        return Vec::new();
    };
    if pending.skew.is_zero() {
        pending.skew = skew;
    }
    let (step, request) = (pending.step, pending.request);
    let shows =
        cluster.rotation.shows_effect(step, &pending.before, pending.asked.wall, pending.skew);
    match &mut pending.stage {
        PendingStage::Accepted { at, .. } if shows => {
            let at = *at;
            state.pending.remove(id);
            now_shown(state, at, cluster);
            Vec::new()
        }
        PendingStage::Sending | PendingStage::Accepted { .. } => Vec::new(),
        PendingStage::ReadingBack { .. } | PendingStage::Lost { .. } if shows => {
            state.pending.remove(id);
            let text = match step {
                Step::Start => "It started: SKE shows it, though its answer was lost.",
                Step::Complete => {
                    "It is being completed: SKE shows it, though its answer was lost."
                }
            };
            settle(state, id, text.to_owned());
            vec![told(
                state,
                id,
                step,
                request,
                Outcome::Done,
                "read back: it happened".to_owned(),
                None,
            )]
        }
        PendingStage::ReadingBack { seen, .. } => {
            *seen = Some(state.now.monotonic);
            Vec::new()
        }
        PendingStage::Lost { .. } => did_not_happen(state, id, step, request),
    }
}

/// What was waited for is there: a line that still says so gives way.
fn now_shown(state: &mut State, at: Timestamp, cluster: &Cluster) {
    let accepted = accepted(state, &cluster.id, at);
    let waiting = format!("{accepted} {WAITING}");
    if state.toast.as_ref().is_some_and(|toast| toast.text == waiting) {
        let phase = cluster.rotation.phase.word();
        notices::toast(state, format!("{accepted} SKE shows it: {phase}."));
    }
}

fn accepted(state: &State, id: &ClusterId, at: Timestamp) -> String {
    format!("Accepted at {} for {}.", state.zone().clock(at), state.fleet.label(id))
}

fn did_not_happen(
    state: &mut State,
    id: &ClusterId,
    step: Step,
    request: RequestId,
) -> Vec<Effect> {
    state.pending.remove(id);
    let text = match step {
        Step::Start => "It did not start, as far as SKE shows. You may start it again.",
        Step::Complete => "It was not completed, as far as SKE shows. You may complete it again.",
    };
    settle(state, id, text.to_owned());
    vec![told(
        state,
        id,
        step,
        request,
        Outcome::Refused,
        "read back: it did not happen".to_owned(),
        None,
    )]
}

/// What the dialog does with a reading of its cluster.
fn look(state: &mut State, cluster: &Cluster, sequence: RequestId) {
    let now = state.now.wall;
    let text = change_text(state, &cluster.id, cluster);
    let sent_after =
        state.pending.get(&cluster.id).is_some_and(|p| p.ignore_reads_through >= sequence);
    let Some(dialog) = dialog_about(state, &cluster.id) else { return };
    if sent_after {
        return;
    }
    match dialog.stage {
        RotationDialogStage::Checking
        | RotationDialogStage::Asking
        | RotationDialogStage::Changed(_) => {}
        RotationDialogStage::Sending
        | RotationDialogStage::Unclear
        | RotationDialogStage::Failed(_)
        | RotationDialogStage::Settled(_) => return,
    }
    let was_checking = matches!(dialog.stage, RotationDialogStage::Checking);
    if was_checking && sequence <= dialog.ignore_reads_through {
        return;
    }
    if invalidates_confirmation(&dialog.shown, cluster) {
        show_change(state, cluster.clone(), text);
        return;
    }
    dialog.shown = cluster.clone();
    dialog.checked = Some(now);
    dialog.findings = findings(dialog.step, &dialog.shown, &dialog.evidence, now);
    if was_checking {
        dialog.stage = RotationDialogStage::Asking;
    }
}

/// Whether a confirmation on the old snapshot would not hold for the new one.
pub fn invalidates_confirmation(shown: &Cluster, read: &Cluster) -> bool {
    shown.rotation != read.rotation
        || shown.state != read.state
        || shown.hibernated != read.hibernated
        || !State::is_same(shown, read)
}

fn change_text(state: &State, id: &ClusterId, read: &Cluster) -> String {
    let shown = match &state.dialog {
        Some(Dialog::Rotate(dialog)) if dialog.shown.id == *id => &dialog.shown,
        _ => match state.fleet.cluster(id) {
            Some(cluster) => cluster,
            None => read,
        },
    };
    if !State::is_same(shown, read) {
        "the cluster was deleted and created anew".to_owned()
    } else if shown.rotation.phase != read.rotation.phase {
        format!(
            "the phase changed from {} to {}",
            shown.rotation.phase.word(),
            read.rotation.phase.word()
        )
    } else if shown.rotation != read.rotation {
        "the times of the rotation changed: somebody else acted".to_owned()
    } else {
        format!("the state changed from {} to {}", shown.state.word(), read.state.word())
    }
}

fn show_change(state: &mut State, cluster: Cluster, text: String) {
    let now = state.now.wall;
    let Some(dialog) = dialog_about(state, &cluster.id) else {
        let label = state.fleet.label(&cluster.id);
        notices::toast(state, format!("{label}: {text}; nothing was sent"));
        return;
    };
    dialog.findings = findings(dialog.step, &cluster, &dialog.evidence, now);
    dialog.shown = cluster;
    dialog.checked = Some(now);
    dialog.stage = RotationDialogStage::Changed(text);
    reset(state);
}

/// A single read failed: a checking dialog says so, a read-back goes on.
pub fn read_failed(
    state: &mut State,
    id: &ClusterId,
    sequence: RequestId,
    failure: Failure,
) -> Vec<Effect> {
    if let Some(dialog) = dialog_about(state, id)
        && matches!(dialog.stage, RotationDialogStage::Checking)
        && sequence > dialog.ignore_reads_through
    {
        fail(state, id, failure);
    }
    Vec::new()
}

/// The cluster is no longer listed: nothing can be confirmed about it.
pub fn cluster_gone(state: &mut State, id: &ClusterId) {
    let asking = dialog_about(state, id).is_some_and(|dialog| {
        matches!(
            dialog.stage,
            RotationDialogStage::Checking
                | RotationDialogStage::Asking
                | RotationDialogStage::Changed(_)
        )
    });
    if asking {
        fail(
            state,
            id,
            Failure::new(FailureKind::NotFound, format!("{} is no longer listed", id.name))
                .hint("It may have been deleted"),
        );
    }
}

/// Follows sent steps: reads what is due, and ends what has waited long enough.
pub fn follow(state: &mut State) -> Vec<Effect> {
    let now = state.now;
    let mut effects = Vec::new();
    let ids: Vec<ClusterId> = state
        .pending
        .iter()
        .filter(|(_, pending)| pending.due <= now.monotonic || is_over(pending, now.monotonic))
        .map(|(id, _)| id.clone())
        .collect();
    for id in ids {
        effects.extend(follow_one(state, &id));
    }
    effects
}

fn is_over(pending: &Pending, monotonic: Duration) -> bool {
    matches!(pending.stage, PendingStage::ReadingBack { until, .. } if until <= monotonic)
}

fn follow_one(state: &mut State, id: &ClusterId) -> Vec<Effect> {
    let now = state.now;
    let poll_running = state.settings.poll_running;
    let Some(pending) = state.pending.get_mut(id) else { return Vec::new() };
    let (step, request) = (pending.step, pending.request);
    let mut slow_to_show = None;
    match &mut pending.stage {
        PendingStage::Sending | PendingStage::Lost { .. } => {
            pending.due = Duration::MAX;
            return Vec::new();
        }
        PendingStage::Accepted { at, told } => {
            let late = now.monotonic.saturating_sub(pending.asked.monotonic) > GRACE;
            if late && !*told {
                *told = true;
                slow_to_show = Some(*at);
            }
            pending.due =
                now.monotonic.saturating_add(if late { READ_BACK_SLOW * 3 } else { poll_running });
        }
        PendingStage::ReadingBack { until, seen, failure } if *until <= now.monotonic => {
            // What SKE showed earlier may have been older than the step.
            if seen.is_some_and(|seen| until.saturating_sub(seen) <= FRESH) {
                return did_not_happen(state, id, step, request);
            }
            let failure = failure.clone();
            pending.stage = PendingStage::Lost { failure };
            pending.due = Duration::MAX;
            settle(
                state,
                id,
                "Cannot tell: SKE does not answer. Nothing will be sent again on its own."
                    .to_owned(),
            );
            return vec![told(
                state,
                id,
                step,
                request,
                Outcome::Unknown,
                "read back: SKE does not answer".to_owned(),
                None,
            )];
        }
        PendingStage::ReadingBack { until, .. } => {
            let quick = until.saturating_sub(now.monotonic) > READ_BACK_SLOW_AT;
            let wait = if quick { READ_BACK_QUICK } else { READ_BACK_SLOW };
            pending.due = now.monotonic.saturating_add(wait);
        }
    }
    if let Some(at) = slow_to_show {
        let text = format!(
            "{}: accepted at {}, and SKE still does not show it; skeys keeps looking",
            state.fleet.label(id),
            state.zone().clock(at)
        );
        notices::toast(state, text);
    }
    polling::read(state, id).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::SignedDuration;

    use crate::app::dialog::{Dialog, RotationDialogStage};
    use crate::app::effect::{Effect, Request};
    use crate::app::fleet::Entry;
    use crate::app::keymap::Keymap;
    use crate::app::message::{Answer, Message, Now};
    use crate::app::requests::{RequestId, RequestOwner};
    use crate::app::settings::Settings;
    use crate::app::state::{Pending, PendingStage, Screen, State, Tab};
    use crate::app::update::rotation::{READ_BACK, name_problem};
    use crate::app::update::update;
    use crate::domain::failure::{Failure, FailureKind};
    use crate::domain::fixtures::{cluster, now};
    use crate::domain::persisted::PersistedState;
    use crate::domain::record::{Outcome, Record};
    use crate::domain::rotation::{Phase, Step};

    /// What the journal tells of a start whose answer was lost, when SKE last showed nothing of it so many seconds
    /// after that.
    fn read_back(last_read: u64) -> Vec<Outcome> {
        let shown = cluster("shop", Phase::Completed);
        let at = |seconds: u64| Now {
            wall: now().saturating_add(SignedDuration::from_secs(seconds.cast_signed())).unwrap(),
            monotonic: Duration::from_secs(1_000 + seconds),
        };
        let mut state = State::new(
            Settings::defaults(),
            Keymap::default(),
            PersistedState::default(),
            at(0),
            1,
        );
        state.fleet.put(Entry::new(shown.clone(), at(0), RequestId(1)));
        let failure = Failure::new(FailureKind::TimedOut, "no answer");
        let until = at(READ_BACK.as_secs()).monotonic;
        let owner = RequestOwner::Rotation { cluster: shown.id.clone(), step: Step::Start };
        let pending = Pending {
            request: state.requests.begin(owner),
            step: Step::Start,
            asked: at(0),
            before: shown.rotation.clone(),
            created: shown.created,
            skew: SignedDuration::ZERO,
            ignore_reads_through: RequestId(1),
            stage: PendingStage::ReadingBack { failure, until, seen: None },
            due: at(0).monotonic,
        };
        state.pending.insert(shown.id.clone(), pending);
        let mut told = Vec::new();
        for second in 0..=READ_BACK.as_secs() {
            let mut effects = update(&mut state, at(second), Message::Ticked);
            let reads: Vec<RequestId> = effects
                .iter()
                .filter_map(|effect| match effect {
                    Effect::Request(request, Request::Read(_)) => Some(*request),
                    _ => None,
                })
                .collect();
            for request in reads {
                let answer = if second <= last_read {
                    Ok((Box::new(shown.clone()), SignedDuration::ZERO))
                } else {
                    Err(Failure::new(FailureKind::Unreachable, "no route"))
                };
                let read = Message::Answered(request, Answer::Cluster(answer));
                effects.extend(update(&mut state, at(second), read));
            }
            told.extend(effects.into_iter().filter_map(|effect| match effect {
                Effect::Journal(record) => Some(Record::clone(&record).outcome),
                _ => None,
            }));
        }
        told
    }

    #[test]
    fn a_dialog_is_checked_by_what_was_asked_after_it_was_opened() {
        let shown = cluster("shop", Phase::Completed);
        let at = Now { wall: now(), monotonic: Duration::from_secs(1_000) };
        let mut state =
            State::new(Settings::defaults(), Keymap::default(), PersistedState::default(), at, 1);
        state.fleet.put(Entry::new(shown.clone(), at, RequestId(1)));
        state.screen = Screen::Cluster { id: shown.id.clone(), created: None, tab: Tab::Rotation };
        let owner = || RequestOwner::Cluster(shown.id.clone());
        let earlier = [state.requests.begin(owner()), state.requests.begin(owner())];
        let opened = super::open(&mut state);
        let later = opened.iter().find_map(|effect| match effect {
            Effect::Request(request, Request::Read(_)) => Some(*request),
            _ => None,
        });
        let mut checked_after = |request, works| {
            let reset = Failure::new(FailureKind::Unreachable, "connection reset");
            let answer = (Box::new(shown.clone()), SignedDuration::ZERO);
            let result = if works { Ok(answer) } else { Err(reset) };
            update(&mut state, at, Message::Answered(request, Answer::Cluster(result)));
            let Some(Dialog::Rotate(dialog)) = &state.dialog else { panic!("the dialog") };
            assert!(!matches!(dialog.stage, RotationDialogStage::Failed(_)));
            matches!(dialog.stage, RotationDialogStage::Asking) && dialog.checked.is_some()
        };
        assert!(!checked_after(earlier[0], true));
        assert!(!checked_after(earlier[1], false));
        assert!(checked_after(later.unwrap(), true));
    }

    #[test]
    fn a_step_did_not_happen_only_if_ske_says_so_late_enough() {
        assert_eq!(read_back(READ_BACK.as_secs()), [Outcome::Refused]);
        assert_eq!(read_back(0), [Outcome::Unknown], "an early answer may be an old one");
    }

    #[test]
    fn host_05_only_the_exact_name_is_taken_and_the_reason_is_said() {
        assert_eq!(name_problem("shop-prod", "shop-prod"), None);
        assert!(name_problem("Shop-prod", "shop-prod").unwrap().contains("case"));
        assert!(name_problem("shop-prod ", "shop-prod").unwrap().contains("blank"));
        assert!(name_problem("shop-dev", "shop-prod").unwrap().contains("not shop-prod"));
        assert!(name_problem("", "shop-prod").is_some());
    }

    #[test]
    fn host_02_a_look_alike_letter_is_another_name() {
        assert!(name_problem("sh\u{43e}p", "shop").is_some());
    }
}
