//! What a person must agree to before a step is sent, and what is sent then.

#![expect(clippy::wildcard_enum_match_arm, reason = "effects that are not looked for")]

use std::collections::BTreeSet;
use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent};
use jiff::SignedDuration;

use crate::app::commands;
use crate::app::context::Outbox;
use crate::app::effect::{Effect, Request};
use crate::app::fleet::state::Entry;
use crate::app::keymap::{Command, Keymap};
use crate::app::message::{Answer, Message, RotateOutcome};
use crate::app::now::Now;
use crate::app::requests::{RequestId, RequestOwner};
use crate::app::rotation::dialog::{Focus, RotationDialog, RotationDialogStage};
use crate::app::rotation::outcome::invalidates_confirmation;
use crate::app::rotation::pending::{PendingStage, PendingStep};
use crate::app::rotation::text;
use crate::app::settings::Settings;
use crate::app::state::State;
use crate::app::update::{refresh_rows, update};
use crate::domain::action::Accepted;
use crate::domain::cluster::{Cluster, ClusterState};
use crate::domain::failure::{Failure, FailureKind};
use crate::domain::fixtures::{access, cluster, files_of, now};
use crate::domain::persisted::PersistedState;
use crate::domain::preflight::{Finding, FindingMark, UnreadFiles};
use crate::domain::record::Record;
use crate::domain::rotation::{Phase, Step};
use crate::domain::secret::Secret;

fn dialog(state: &mut State) -> &mut RotationDialog {
    state.rotation.dialog.as_deref_mut().unwrap()
}

/// The dialog of the step that is next for a cluster in a phase, after it was checked; `protected`: names of clusters.
fn asking(phase: Phase, protected: &[&str]) -> State {
    let at = Now { wall: now(), monotonic: Duration::from_secs(100) };
    let mut settings = Settings::defaults();
    settings.protected = protected.iter().map(|name| (*name).to_owned()).collect();
    let mut state = State::new(settings, Keymap::default(), PersistedState::default(), at, 1);
    let shop = cluster("shop", phase);
    state.view.cursor = Some(shop.id.clone());
    state.fleet.put(Entry::new(shop, at, RequestId(1)));
    state.view.outdated = true;
    refresh_rows(&mut state);
    commands::run(&mut state, &mut Outbox::default(), Command::Rotate);
    // What is observed of the cluster is known from here on.
    update(&mut state, at, Message::Ticked);
    dialog(&mut state).stage = RotationDialogStage::Confirming;
    state
}

/// Keys as a person presses them: not held down, not typed ahead.
fn press(state: &mut State, keys: &[KeyCode]) -> Vec<Effect> {
    let mut effects = Vec::new();
    for key in keys {
        let monotonic = state.shared.now.monotonic + Duration::from_secs(1);
        let later = Now { monotonic, ..state.shared.now };
        effects.extend(update(state, later, Message::Key(KeyEvent::from(*key))));
    }
    effects
}

fn typed(text: &str) -> Vec<KeyCode> {
    text.chars().map(KeyCode::Char).collect()
}

/// The steps that are sent, each with its line for the journal.
fn sent(effects: &[Effect]) -> Vec<(Step, Record)> {
    let step = |effect: &Effect| match effect {
        Effect::Request(_, Request::Rotate { step, intent, .. }) => {
            Some((*step, (**intent).clone()))
        }
        _ => None,
    };
    effects.iter().filter_map(step).collect()
}

fn breaking() -> Finding {
    Finding::OpenClients(vec!["ci".to_owned()])
}

/// A complete with everything that it wants: the name is typed, what breaks is accepted, and the button has the focus.
fn agreed() -> State {
    let mut state = asking(Phase::Prepared, &[]);
    dialog(&mut state).findings = vec![breaking(), Finding::Capacity];
    press(&mut state, &typed("shop"));
    let dialog = dialog(&mut state);
    (dialog.accepted, dialog.focus) = (vec![breaking()], Focus::Confirm);
    state
}

#[test]
fn complete_and_a_protected_cluster_want_the_name() {
    for (phase, protected, wants_name) in [
        (Phase::Completed, vec![], false),
        (Phase::Completed, vec!["other"], false),
        (Phase::Completed, vec!["sh*"], true),
        (Phase::Prepared, vec![], true),
        (Phase::Prepared, vec!["sh*"], true),
    ] {
        let mut state = asking(phase.clone(), &protected);
        assert_eq!(dialog(&mut state).wants_name, wants_name, "{phase:?} {protected:?}");
        dialog(&mut state).findings.clear();
        dialog(&mut state).focus = Focus::Confirm;
        let is_sent = !sent(&press(&mut state, &[KeyCode::Enter])).is_empty();
        assert_eq!(is_sent, !wants_name);
        if wants_name {
            assert!(dialog(&mut state).typed_note.is_some());
            press(&mut state, &typed("shopx"));
            assert!(!dialog(&mut state).is_ready() && dialog(&mut state).typed_note.is_none());
            press(&mut state, &[KeyCode::Backspace]);
            assert!(dialog(&mut state).is_ready());
            // Pasted text is not typed.
            let at = state.shared.now;
            update(&mut state, at, Message::Pasted(Secret::new("shop".to_owned())));
            assert_eq!(dialog(&mut state).typed.value(), "shop");
            assert!(dialog(&mut state).typed_note.is_some());
            dialog(&mut state).focus = Focus::Confirm;
            assert_eq!(sent(&press(&mut state, &[KeyCode::Enter])).len(), 1);
        }
    }
}

#[test]
fn enter_leads_to_what_is_missing_and_never_over_what_breaks() {
    let mut state = asking(Phase::Prepared, &[]);
    dialog(&mut state).findings = vec![breaking(), Finding::Capacity];
    let mut focus = |keys: &[KeyCode]| {
        let effects = press(&mut state, keys);
        assert_eq!(sent(&effects), []);
        let dialog = dialog(&mut state);
        (dialog.focus, dialog.is_accepted(), dialog.is_ready())
    };
    let enter = [KeyCode::Enter];
    assert_eq!(focus(&typed("shop")), (Focus::Name, false, false));
    assert_eq!(focus(&enter), (Focus::Accept, false, false));
    assert_eq!(focus(&enter), (Focus::Accept, true, true));
    assert_eq!(focus(&enter), (Focus::Accept, false, false), "what was accepted is not any more");
    assert_eq!(focus(&[KeyCode::Char(' ')]), (Focus::Accept, true, true));
    assert_eq!(focus(&[KeyCode::Tab]), (Focus::Cancel, true, true));
    assert_eq!(focus(&[KeyCode::Tab]), (Focus::Confirm, true, true));
    assert_eq!(focus(&[KeyCode::Tab]), (Focus::Name, true, true));
    assert_eq!(focus(&enter), (Focus::Confirm, true, true));
    // Without a name to type and without what breaks there are two places.
    let mut state = asking(Phase::Completed, &[]);
    dialog(&mut state).findings = vec![Finding::Capacity];
    press(&mut state, &[KeyCode::Tab]);
    assert_eq!(dialog(&mut state).focus, Focus::Confirm);
    press(&mut state, &[KeyCode::Tab]);
    assert_eq!(dialog(&mut state).focus, Focus::Cancel);
    press(&mut state, &[KeyCode::Enter]);
    assert!(state.rotation.dialog.is_none());
}

type Change<'a> = &'a dyn Fn(&mut State);
type Reading = fn(&mut Cluster);

#[test]
fn a_step_is_sent_only_as_it_was_agreed_to() {
    let pending = |state: &mut State, stage| {
        let (shown, request) = (dialog(state).shown.clone(), RequestId(1));
        let pending = PendingStep {
            request,
            step: Step::Complete,
            asked: state.shared.now,
            before: shown.rotation,
            skew: None,
            ignore_reads_through: request,
            stage,
            due: Duration::MAX,
        };
        state.rotation.pending.insert(shown.id, pending);
    };
    let failure = || Failure::new(FailureKind::Refused, "no");
    let changes: [(&str, Change<'_>, bool); 15] = [
        ("as agreed", &|_| {}, true),
        ("the button to cancel", &|state| dialog(state).focus = Focus::Cancel, false),
        (
            "another name",
            &|state| dialog(state).shown.id = cluster("shop2", Phase::Prepared).id,
            false,
        ),
        ("not accepted", &|state| dialog(state).accepted.clear(), false),
        (
            "something else breaks now",
            &|state| dialog(state).findings.push(Finding::OpenClients(vec!["backup".to_owned()])),
            false,
        ),
        ("less breaks now", &|state| dialog(state).findings.clear(), true),
        (
            "something else is known",
            &|state| dialog(state).findings.push(Finding::FilesUnread(UnreadFiles::NotYet)),
            true,
        ),
        ("read-only", &|state| state.shared.settings.read_only = true, false),
        ("under way", &|state| pending(state, PendingStage::Unknown), false),
        ("never shown", &|state| pending(state, PendingStage::NotShown { at: now() }), true),
        ("another phase", &|state| dialog(state).shown.rotation.phase = Phase::Completing, false),
        ("checking", &|state| dialog(state).stage = RotationDialogStage::Reading, false),
        ("sent already", &|state| dialog(state).stage = RotationDialogStage::Sending, false),
        ("unclear", &|state| dialog(state).stage = RotationDialogStage::ReadingBack, false),
        ("failed", &|state| dialog(state).stage = RotationDialogStage::Failed(failure()), false),
    ];
    for (why, change, is_sent) in changes {
        let mut state = agreed();
        change(&mut state);
        let effects = press(&mut state, &[KeyCode::Enter]);
        assert_eq!(sent(&effects).len(), usize::from(is_sent), "{why}");
        let is_under_way = |pending: &PendingStep| matches!(pending.stage, PendingStage::Sending);
        assert_eq!(state.rotation.pending.values().any(is_under_way), is_sent, "{why}");
    }
    for stage in
        [RotationDialogStage::Failed(failure()), RotationDialogStage::Done("done".to_owned())]
    {
        let mut state = agreed();
        dialog(&mut state).stage = stage;
        press(&mut state, &[KeyCode::Enter]);
        assert!(state.rotation.dialog.is_none(), "there is nothing left to do");
    }
}

#[test]
fn the_journal_has_what_was_accepted_and_what_was_known() {
    let mut state = agreed();
    let effects = press(&mut state, &[KeyCode::Enter]);
    let [(Step::Complete, intent)] = &sent(&effects)[..] else { panic!("one complete") };
    let (text, accepted) = intent.text.split_once("; accepted: ").unwrap();
    assert_eq!((text, intent.action.as_str()), ("complete credentials rotation", "complete"));
    assert!(accepted.contains("ci"), "{accepted}");
    let marks: Vec<_> = intent.findings.iter().filter_map(|found| found.chars().next()).collect();
    assert_eq!(marks, ['!', '?']);
    let dialog = dialog(&mut state);
    assert!(matches!(dialog.stage, RotationDialogStage::Sending) && dialog.focus == Focus::Cancel);
    // Nothing breaks: nothing is said to have been accepted.
    let mut state = asking(Phase::Completed, &[]);
    dialog_of_start(&mut state);
    let effects = press(&mut state, &[KeyCode::Enter]);
    let [(Step::Start, intent)] = &sent(&effects)[..] else { panic!("one start") };
    assert_eq!(intent.text, "start credentials rotation");
    let marks: Vec<_> = intent.findings.iter().filter_map(|found| found.chars().next()).collect();
    assert_eq!(marks, ['✓', '✗']);
}

fn dialog_of_start(state: &mut State) {
    let refusal = crate::domain::action::Refusal::Creating;
    let found = vec![Finding::NoPdbBlocks, Finding::Refused(refusal)];
    assert_eq!(
        found.iter().map(Finding::mark).collect::<Vec<_>>(),
        [FindingMark::Fine, FindingMark::Refused]
    );
    (dialog(state).findings, dialog(state).focus) = (found, Focus::Confirm);
}

#[test]
fn a_reading_that_differs_from_what_was_shown_takes_the_agreement_back() {
    let changes: [(&str, Reading, bool); 7] = [
        ("the same", |_| {}, false),
        ("labels", |read| read.labels.insert("a".into(), "b".into()).map_or((), drop), false),
        ("phase", |read| read.rotation.phase = Phase::Completing, true),
        ("times", |read| read.rotation.completed = Some(now()), true),
        ("state", |read| read.state = ClusterState::Reconciling, true),
        ("hibernated", |read| read.hibernated = true, true),
        ("created", |read| read.created = Some(now()), true),
    ];
    let mut texts = BTreeSet::new();
    for (why, change, is_taken_back) in changes {
        let mut state = agreed();
        let shown = dialog(&mut state).shown.clone();
        let mut read = shown.clone();
        change(&mut read);
        assert_eq!(invalidates_confirmation(&shown, &read), is_taken_back, "{why}");
        let request = state.requests.begin(RequestOwner::Cluster(shown.id));
        let answer = Answer::Cluster(Box::new(read.clone()), None);
        let at = state.shared.now;
        update(&mut state, at, Message::Answered(request, Ok(answer)));
        let Some(dialog) = state.rotation.dialog.as_deref_mut() else {
            assert_eq!(why, "created", "that is another cluster");
            continue;
        };
        assert_eq!(dialog.shown, read, "{why}");
        let is_changed = matches!(dialog.stage, RotationDialogStage::Changed(_));
        if let RotationDialogStage::Changed(text) = &dialog.stage {
            texts.insert(text.clone());
        }
        assert_eq!(is_changed, is_taken_back, "{why}");
        let kept = (dialog.typed.value() == "shop", !dialog.accepted.is_empty());
        assert_eq!(kept, (!is_taken_back, !is_taken_back), "{why}");
        if is_taken_back {
            assert_eq!(dialog.focus, Focus::Cancel);
            assert_eq!(dialog.guard, state.shared.guard(), "no key that was pressed before counts");
        }
    }
    let phase = text::phase_changed(Phase::Prepared.label(), Phase::Completing.label());
    assert!(texts.contains(&phase) && texts.contains(text::TIMES_CHANGED), "{texts:?}");
    let state =
        text::state_changed(ClusterState::Healthy.label(), ClusterState::Reconciling.label());
    assert!(texts.contains(&state), "{texts:?}");
}

#[test]
fn only_what_was_asked_after_a_step_was_sent_tells_what_became_of_it() {
    let mut state = agreed();
    let shown = dialog(&mut state).shown.clone();
    let earlier = state.requests.begin(RequestOwner::Cluster(shown.id.clone()));
    press(&mut state, &[KeyCode::Enter]);
    let at = state.shared.now;
    let request = state.rotation.pending[&shown.id].request;
    let mut completing = shown.clone();
    completing.rotation.phase = Phase::Completing;
    let read = |state: &mut State, request| {
        let answer = Answer::Cluster(Box::new(completing.clone()), None);
        update(state, at, Message::Answered(request, Ok(answer)));
        state.rotation.pending.contains_key(&completing.id)
    };
    let before = state.requests.begin(RequestOwner::Cluster(shown.id.clone()));
    let accepted = Accepted { status: 202, trace: None };
    let outcome = RotateOutcome::Accepted(accepted, None);
    update(&mut state, at, Message::Answered(request, Ok(Answer::Rotation(outcome))));
    let stage = &state.rotation.pending[&shown.id].stage;
    assert!(matches!(stage, PendingStage::Accepted { .. }), "{stage:?}");
    assert!(state.rotation.dialog.is_none(), "it was accepted");
    assert!(read(&mut state, earlier), "asked before the step");
    assert!(read(&mut state, before), "asked before the answer");
    let after = state.requests.begin(RequestOwner::Cluster(shown.id));
    assert!(!read(&mut state, after));
}

#[test]
fn what_changed_is_seen_before_it_is_confirmed() {
    let mut state = agreed();
    dialog(&mut state).stage = RotationDialogStage::Changed("it changed".to_owned());
    assert_eq!(sent(&press(&mut state, &[KeyCode::Enter])), []);
    let is_asked_again = |dialog: &RotationDialog| {
        matches!(dialog.stage, RotationDialogStage::Confirming)
            && dialog.typed.value().is_empty()
            && dialog.accepted.is_empty()
            && dialog.focus == Focus::Cancel
    };
    assert!(is_asked_again(dialog(&mut state)));
    // Where the step is not possible any more, nothing is asked.
    let mut state = agreed();
    let dialog_ = dialog(&mut state);
    dialog_.stage = RotationDialogStage::Changed("it changed".to_owned());
    dialog_.shown.rotation.phase = Phase::Completing;
    press(&mut state, &[KeyCode::Enter]);
    assert!(matches!(dialog(&mut state).stage, RotationDialogStage::Changed(_)));
    assert!(state.notices.toast.is_some());
}

#[test]
fn each_stage_of_a_sent_step_has_its_word_and_says_whether_another_may_follow() {
    let (at, until) = (now(), Duration::from_mins(1));
    let due = Duration::from_secs(7);
    for (stage, word, blocks, is_under_way, wake) in [
        (PendingStage::Sending, "sending", true, true, None),
        (PendingStage::Accepted { at, reported: false }, "accepted", true, false, Some(due)),
        (PendingStage::NotShown { at }, "not shown", false, false, Some(due)),
        (PendingStage::ReadingBack { until, seen: None }, "checking", true, true, Some(due)),
        (
            PendingStage::ReadingBack { until: due / 2, seen: None },
            "checking",
            true,
            true,
            Some(due / 2),
        ),
        (PendingStage::Unknown, "unclear", true, false, None),
    ] {
        let pending = PendingStep {
            request: RequestId(1),
            step: Step::Start,
            asked: Now { wall: at, monotonic: Duration::ZERO },
            before: cluster("shop", Phase::Completed).rotation,
            skew: None,
            ignore_reads_through: RequestId(1),
            stage,
            due,
        };
        let told = (pending.label(), pending.blocks(), pending.is_under_way(), pending.next_wake());
        assert_eq!(told, (word, blocks, is_under_way, wake));
    }
}

#[test]
fn an_access_that_expires_while_the_dialog_is_open_is_no_longer_ticked() {
    let mut state = asking(Phase::Completed, &[]);
    let shop = dialog(&mut state).shown.clone();
    state.credentials.put(access(&shop, true, "~/.kube/config"));
    state.inventory.files = Some(files_of(&state.credentials).into());
    let mut after = |hours: i64| {
        let wall = now() + SignedDuration::from_hours(hours);
        let later = Now { wall, ..state.shared.now };
        update(&mut state, later, Message::Ticked);
        dialog(&mut state).findings.clone()
    };
    let held = |findings: &[Finding]| {
        findings.iter().find_map(|finding| match finding {
            Finding::AccessHeld { left, .. } => Some(*left),
            _ => None,
        })
    };
    assert_eq!(held(&after(0)), Some(Some(SignedDuration::from_hours(9))));
    assert_eq!(held(&after(8)), Some(Some(SignedDuration::from_hours(1))));
    let findings = after(10);
    assert_eq!(held(&findings), None, "{findings:?}");
    assert!(findings.iter().any(|finding| matches!(finding, Finding::NoAccess { .. })));
}
