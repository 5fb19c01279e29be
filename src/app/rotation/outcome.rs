//! The outcome of a sent step: its answer, readings that show its effect or not, and the read-back.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::app::context::UpdateContext;
use crate::app::fleet::state::Fleet;
use crate::app::message::RotateOutcome;
use crate::app::requests::RequestId;
use crate::app::rotation::dialog::RotationDialogStage;
use crate::app::rotation::pending::{PendingStage, PendingStep};
use crate::app::rotation::state::RotationState;
use crate::app::rotation::text;
use crate::domain::action::Accepted;
use crate::domain::cluster::{Cluster, ClusterId};
use crate::domain::failure::{Failure, FailureKind};
use crate::domain::record::Outcome;
use crate::domain::rotation::{OLD_ANSWERS, Step};

/// How long an unknown outcome is read back.
const READ_BACK: Duration = Duration::from_mins(3);
/// Initial interval of the read-back.
const READ_BACK_QUICK: Duration = Duration::from_secs(2);
/// Remaining read-back time below which reads become slower.
const READ_BACK_SLOW_AT: Duration = Duration::from_secs(150);
/// Interval of the read-back after the first half minute.
const READ_BACK_SLOW: Duration = Duration::from_secs(5);
/// Time after which an accepted step without visible effect is reported.
const GRACE: Duration = Duration::from_mins(3);
/// Time after which an accepted step without visible effect may be sent again. The server that answered may not have
/// forwarded the request, and nothing else would end the wait. Until then, readings may be old. The dialog and the read
/// before each request prevent sending a step twice that has taken effect by then.
const UNSEEN: Duration = OLD_ANSWERS;
/// Read interval for an accepted step that never showed.
const UNSEEN_READS: Duration = Duration::from_mins(1);
/// Maximum age at the end of a read-back of a reading that proves that nothing happened.
const FRESH: Duration = Duration::from_secs(15);
/// Status of an accepted step until a reading shows it.
const WAITING: &str = text::WAITING;

/// A sent step, for journal records.
struct Sent<'a> {
    id: &'a ClusterId,
    step: Step,
    request: RequestId,
}

impl Sent<'_> {
    fn log(&self, outcome: Outcome, text: &str, trace: Option<String>, cx: &mut UpdateContext<'_>) {
        let verb = self.step.verb();
        let record = cx.record(Some(self.id), verb, outcome, text::log_step(verb, text));
        let record = cx.about(record, self.request, trace);
        cx.journal(record);
    }
}

/// The request was answered, or failed.
pub fn answered(
    rotation: &mut RotationState,
    (id, step, request): (&ClusterId, Step, RequestId),
    outcome: RotateOutcome,
    cx: &mut UpdateContext<'_>,
) {
    let sent = Sent { id, step, request };
    let waits = |pending: &&mut PendingStep| pending.request == request;
    // A recreated or missing cluster has no pending step; the journal records the outcome.
    let pending = rotation.pending.get_mut(id).filter(waits);
    let waited_for = pending.is_some();
    let ignore_reads_through = cx.requests.last();
    let now = cx.shared.now;
    match outcome {
        RotateOutcome::Accepted(Accepted { status, trace }, skew) => {
            sent.log(Outcome::Done, &text::answer_accepted(status), trace, cx);
            let Some(pending) = pending else { return };
            pending.stage = PendingStage::Accepted { at: now.wall, reported: false };
            pending.skew = skew;
            pending.ignore_reads_through = ignore_reads_through;
            pending.due = now.monotonic.saturating_add(Duration::from_secs(1));
            rotation.close_about(id);
            cx.toast(format!("{} {WAITING}", accepted(id, now.wall, cx)));
        }
        RotateOutcome::Unknown(failure, skew) => {
            let text = text::log_unclear(&failure);
            sent.log(Outcome::Unknown, &text, failure.trace, cx);
            let Some(pending) = pending else { return };
            let until = now.monotonic.saturating_add(READ_BACK);
            pending.stage = PendingStage::ReadingBack { until, seen: None };
            pending.skew = skew;
            pending.ignore_reads_through = ignore_reads_through;
            pending.due = now.monotonic;
            if let Some(dialog) = rotation.dialog_about(id) {
                dialog.enter(RotationDialogStage::ReadingBack, cx.shared.guard());
            } else {
                let noun = step.pick("start", "completion");
                cx.toast(text::unclear(cx.fleet.label(id), noun));
            }
        }
        RotateOutcome::Changed(_) if !waited_for => {
            sent.log(Outcome::Refused, text::LOG_NOT_SENT_CHANGED, None, cx);
        }
        RotateOutcome::Changed(cluster) => {
            rotation.pending.remove(id);
            let text = change_text(rotation, cx.fleet, &cluster);
            sent.log(Outcome::Refused, &text::log_not_sent(&text), None, cx);
            show_change(rotation, *cluster, text, cx);
        }
        RotateOutcome::FilesChanged(_) => {
            sent.log(Outcome::Refused, &text::log_not_sent(text::FILES_CHANGED), None, cx);
            if !waited_for {
                return;
            }
            rotation.pending.remove(id);
            match rotation.dialog_about(id) {
                Some(dialog) => dialog.change(text::FILES_CHANGED.to_owned(), cx.shared.guard()),
                None => cx.toast(text::changed_not_sent(cx.fleet.label(id), text::FILES_CHANGED)),
            }
        }
        RotateOutcome::NotSent(failure) => {
            let text = text::log_not_sent(&failure);
            fail(rotation, &sent, (text, failure), waited_for, cx);
        }
        RotateOutcome::Refused(failure) => {
            let text = text::log_refused(&failure);
            fail(rotation, &sent, (text, failure), waited_for, cx);
            rotation.dialog_about(id).into_iter().for_each(|dialog| dialog.was_refused = true);
            // A proxy may have refused what SKE has carried out.
            cx.read_cluster(id, ignore_reads_through);
        }
    }
}

fn accepted(id: &ClusterId, at: Timestamp, cx: &UpdateContext<'_>) -> String {
    text::accepted(cx.shared.zone().clock(at), cx.fleet.label(id))
}

/// The step failed without effect.
fn fail(
    rotation: &mut RotationState,
    sent: &Sent<'_>,
    (text, failure): (String, Failure),
    waited_for: bool,
    cx: &mut UpdateContext<'_>,
) {
    sent.log(Outcome::Refused, &text, failure.trace.clone(), cx);
    if !waited_for {
        return;
    }
    rotation.pending.remove(sent.id);
    match rotation.dialog_about(sent.id) {
        Some(dialog) => dialog.enter(RotationDialogStage::Failed(failure), cx.shared.guard()),
        None => cx.notices.error(failure),
    }
}

/// The outcome is known, or will remain unknown.
fn show_outcome(
    rotation: &mut RotationState,
    id: &ClusterId,
    text: &str,
    cx: &mut UpdateContext<'_>,
) {
    match rotation.dialog_about(id) {
        Some(dialog) => {
            dialog.enter(RotationDialogStage::Done(text.to_owned()), cx.shared.guard());
        }
        None => cx.toast(text::of_cluster(cx.fleet.label(id), text)),
    }
}

fn did_not_happen(rotation: &mut RotationState, sent: &Sent<'_>, cx: &mut UpdateContext<'_>) {
    rotation.pending.remove(sent.id);
    let text = sent.step.pick(text::START_NOT_SEEN, text::COMPLETE_NOT_SEEN);
    show_outcome(rotation, sent.id, text, cx);
    sent.log(Outcome::Refused, text::LOG_NOT_HAPPENED, None, cx);
}

/// A reading: may settle a sent step, and serves as a check for the dialog.
pub fn cluster_read(
    rotation: &mut RotationState,
    (cluster, request): (&Cluster, RequestId),
    skew: Option<SignedDuration>,
    cx: &mut UpdateContext<'_>,
) {
    settle_pending(rotation, (cluster, request), skew, cx);
    check_dialog(rotation, cluster, request, cx);
}

fn settle_pending(
    rotation: &mut RotationState,
    (cluster, request): (&Cluster, RequestId),
    skew: Option<SignedDuration>,
    cx: &mut UpdateContext<'_>,
) {
    let id = &cluster.id;
    let is_later = |pending: &&mut PendingStep| pending.ignore_reads_through < request;
    let Some(pending) = rotation.pending.get_mut(id).filter(is_later) else { return };
    // An answer older than the known state proves nothing about later changes.
    if cx.fleet.entries.get(id).is_some_and(|entry| entry.stale_since.is_some()) {
        return;
    }
    pending.skew = pending.skew.or(skew);
    let sent = Sent { id, step: pending.step, request: pending.request };
    let shows = cluster.rotation.shows_effect(
        sent.step,
        &pending.before,
        pending.asked.wall,
        pending.skew.unwrap_or_default(),
    );
    match &mut pending.stage {
        PendingStage::Accepted { at, .. } if shows => {
            let at = *at;
            rotation.pending.remove(id);
            let accepted = accepted(id, at, cx);
            let waiting = text::accepted_waiting(&accepted, WAITING);
            // Replaces the toast if it still shows that the step is awaited.
            if cx.notices.toast.as_ref().is_some_and(|toast| toast.text == waiting) {
                let phase = cluster.rotation.phase.label();
                cx.toast(text::accepted_shown(&accepted, phase));
            }
        }
        // Only once the long wait was reported, together with which a read was requested.
        PendingStage::Accepted { at, reported: true }
            if cx.shared.now.monotonic.saturating_sub(pending.asked.monotonic) > UNSEEN =>
        {
            let at = *at;
            pending.stage = PendingStage::NotShown { at };
            let text = text::unseen(sent.step, cx.shared.zone().clock(at));
            show_outcome(rotation, id, &text, cx);
            sent.log(Outcome::Unknown, text::LOG_UNSEEN, None, cx);
        }
        PendingStage::NotShown { .. } if shows => {
            rotation.pending.remove(id);
            let text = text::unseen_shown(sent.step, cluster.rotation.phase.label());
            cx.toast(text::of_cluster(cx.fleet.label(id), text));
            sent.log(Outcome::Done, text::LOG_HAPPENED, None, cx);
        }
        PendingStage::Sending | PendingStage::Accepted { .. } | PendingStage::NotShown { .. } => {}
        PendingStage::ReadingBack { .. } | PendingStage::Unknown if shows => {
            rotation.pending.remove(id);
            let text = sent.step.pick(text::START_SEEN, text::COMPLETE_SEEN);
            show_outcome(rotation, id, text, cx);
            sent.log(Outcome::Done, text::LOG_HAPPENED, None, cx);
        }
        PendingStage::ReadingBack { seen, .. } => *seen = Some(cx.shared.now.monotonic),
        PendingStage::Unknown => did_not_happen(rotation, &sent, cx),
    }
}

/// Applies a reading to the dialog of its cluster.
fn check_dialog(
    rotation: &mut RotationState,
    cluster: &Cluster,
    request: RequestId,
    cx: &mut UpdateContext<'_>,
) {
    let pending = rotation.pending.get(&cluster.id);
    let is_before_step = pending.is_some_and(|pending| pending.ignore_reads_through >= request);
    let Some(dialog) = rotation.dialog_about(&cluster.id) else { return };
    let is_checking = matches!(dialog.stage, RotationDialogStage::Reading);
    let is_no_check = is_checking && request <= dialog.ignore_reads_through;
    if let RotationDialogStage::Failed(failure) = &mut dialog.stage
        && dialog.was_refused
        && dialog.shown.rotation.phase != cluster.rotation.phase
        && cx.fleet.entries.get(&cluster.id).is_none_or(|entry| entry.stale_since.is_none())
    {
        let phase = cluster.rotation.phase.label();
        failure.message = text::refused_but_shown(&failure.message, phase);
        (dialog.was_refused, dialog.scroll) = (false, 0);
        return;
    }
    if is_before_step || is_no_check || !dialog.stage.is_open() {
        return;
    }
    if invalidates_confirmation(&dialog.shown, cluster) {
        let text = change_text(rotation, cx.fleet, cluster);
        show_change(rotation, cluster.clone(), text, cx);
        return;
    }
    dialog.show(cluster.clone(), cx.shared.now.wall);
    if is_checking {
        dialog.stage = RotationDialogStage::Confirming;
    }
}

/// Whether a reading invalidates a confirmation of the shown state.
pub fn invalidates_confirmation(shown: &Cluster, read: &Cluster) -> bool {
    shown.rotation != read.rotation
        || shown.state != read.state
        || shown.hibernated != read.hibernated
        || !shown.is_same_cluster(read)
}

fn change_text(rotation: &mut RotationState, fleet: &Fleet, read: &Cluster) -> String {
    let shown = match rotation.dialog_about(&read.id) {
        Some(dialog) => &dialog.shown,
        None => fleet.cluster(&read.id).unwrap_or(read),
    };
    let (before, after) = (&shown.rotation, &read.rotation);
    if !shown.is_same_cluster(read) {
        text::RECREATED.to_owned()
    } else if before.phase != after.phase {
        text::phase_changed(before.phase.label(), after.phase.label())
    } else if before != after {
        text::TIMES_CHANGED.to_owned()
    } else {
        text::state_changed(shown.state.label(), read.state.label())
    }
}

fn show_change(
    rotation: &mut RotationState,
    cluster: Cluster,
    text: String,
    cx: &mut UpdateContext<'_>,
) {
    let Some(dialog) = rotation.dialog_about(&cluster.id) else {
        cx.toast(text::changed_not_sent(cx.fleet.label(&cluster.id), &text));
        return;
    };
    dialog.show(cluster, cx.shared.now.wall);
    dialog.change(text, cx.shared.guard());
}

/// A single read failed: reported by a checking dialog; a read-back continues.
pub fn cluster_not_read(
    rotation: &mut RotationState,
    (id, request): (&ClusterId, RequestId),
    failure: Failure,
    cx: &UpdateContext<'_>,
) {
    if let Some(dialog) = rotation.dialog_about(id)
        && matches!(dialog.stage, RotationDialogStage::Reading)
        && request > dialog.ignore_reads_through
    {
        dialog.enter(RotationDialogStage::Failed(failure), cx.shared.guard());
    }
}

/// The cluster is no longer listed: nothing can be confirmed for it.
pub fn cluster_missing(rotation: &mut RotationState, id: &ClusterId, cx: &UpdateContext<'_>) {
    if let Some(dialog) = rotation.dialog_about(id).filter(|dialog| dialog.stage.is_open()) {
        let text = text::not_listed(&id.name);
        let failure = Failure::new(FailureKind::NotFound, text).hint(text::MAYBE_DELETED);
        dialog.enter(RotationDialogStage::Failed(failure), cx.shared.guard());
    }
}

/// After a clock jump or suspend: makes everything due, and checks the dialog again.
pub fn make_due(rotation: &mut RotationState, cx: &mut UpdateContext<'_>) {
    for pending in rotation.pending.values_mut() {
        pending.due = cx.shared.now.monotonic;
    }
    let last = cx.requests.last();
    let Some(dialog) = rotation.dialog.as_deref_mut() else { return };
    if matches!(dialog.stage, RotationDialogStage::Confirming | RotationDialogStage::Changed(_)) {
        dialog.stage = RotationDialogStage::Reading;
        dialog.checked = None;
        dialog.ignore_reads_through = last;
        // Earlier input may be hours old.
        dialog.reset(cx.shared.guard());
        cx.read_cluster(&dialog.shown.id, last);
    }
}

/// Tracks sent steps: reads those that are due, and handles timeouts.
pub fn advance(rotation: &mut RotationState, cx: &mut UpdateContext<'_>) {
    let now = cx.shared.now.monotonic;
    let is_due = |pending: &PendingStep| pending.next_wake().is_some_and(|at| at <= now);
    let due: Vec<ClusterId> = rotation
        .pending
        .iter()
        .filter(|(_, pending)| is_due(pending))
        .map(|(id, _)| id.clone())
        .collect();
    for id in due {
        follow_one(rotation, &id, cx);
    }
}

fn follow_one(rotation: &mut RotationState, id: &ClusterId, cx: &mut UpdateContext<'_>) {
    let now = cx.shared.now.monotonic;
    let Some(pending) = rotation.pending.get_mut(id) else { return };
    let sent = Sent { id, step: pending.step, request: pending.request };
    match &mut pending.stage {
        PendingStage::Sending | PendingStage::Unknown => return,
        PendingStage::Accepted { at, reported } => {
            let late = now.saturating_sub(pending.asked.monotonic) > GRACE;
            if late && !std::mem::replace(reported, true) {
                cx.toast(text::still_waiting(cx.fleet.label(id), cx.shared.zone().clock(*at)));
            }
            let wait = if late { READ_BACK_SLOW * 3 } else { cx.shared.settings.poll_running };
            pending.due = now.saturating_add(wait);
        }
        PendingStage::NotShown { .. } => pending.due = now.saturating_add(UNSEEN_READS),
        PendingStage::ReadingBack { until, seen } if *until <= now => {
            // Earlier readings may have been older than the step.
            if seen.is_some_and(|seen| until.saturating_sub(seen) <= FRESH) {
                did_not_happen(rotation, &sent, cx);
                return;
            }
            pending.stage = PendingStage::Unknown;
            let text = text::LOST;
            show_outcome(rotation, id, text, cx);
            sent.log(Outcome::Unknown, text::LOG_LOST, None, cx);
            return;
        }
        PendingStage::ReadingBack { until, .. } => {
            let quick = until.saturating_sub(now) > READ_BACK_SLOW_AT;
            let wait = if quick { READ_BACK_QUICK } else { READ_BACK_SLOW };
            pending.due = now.saturating_add(wait);
        }
    }
    cx.read_cluster(id, RequestId::default());
}

#[cfg(test)]
mod tests {
    #![expect(clippy::wildcard_enum_match_arm, reason = "effects that are not looked for")]

    use std::time::Duration;

    use crossterm::event::{KeyCode, KeyEvent};
    use jiff::SignedDuration;

    use crate::app::availability::can;
    use crate::app::cluster::tabs::Tab;
    use crate::app::effect::{Effect, Request};
    use crate::app::fleet::state::Entry;
    use crate::app::keymap::{Command, Keymap};
    use crate::app::message::{Answer, Message, RotateOutcome};
    use crate::app::now::Now;
    use crate::app::requests::{RequestId, RequestOwner};
    use crate::app::rotation::dialog::RotationDialogStage;
    use crate::app::rotation::outcome::READ_BACK;
    use crate::app::rotation::pending::{PendingStage, PendingStep};
    use crate::app::screen::Screen;
    use crate::app::settings::Settings;
    use crate::app::state::State;
    use crate::app::update::update;
    use crate::domain::action::Accepted;
    use crate::domain::cluster::Cluster;
    use crate::domain::failure::{Failure, FailureKind};
    use crate::domain::fixtures::{cluster, now};
    use crate::domain::persisted::PersistedState;
    use crate::domain::record::{Outcome, Record};
    use crate::domain::rotation::{Phase, Step};

    /// The time `seconds` after the start was sent.
    fn at(seconds: u64) -> Now {
        let later = SignedDuration::from_secs(seconds.cast_signed());
        Now {
            wall: now().saturating_add(later).unwrap(),
            monotonic: Duration::from_secs(1_000 + seconds),
        }
    }

    /// A state in which a start of this cluster was sent and is in `stage`.
    fn sent(shown: &Cluster, stage: PendingStage) -> (State, RequestId) {
        let (settings, kept) = (Settings::defaults(), PersistedState::default());
        let mut state = State::new(settings, Keymap::default(), kept, at(0), 1);
        state.fleet.put(Entry::new(shown.clone(), at(0), RequestId(1)));
        let owner = RequestOwner::Rotation { cluster: shown.id.clone(), step: Step::Start };
        let request = state.requests.begin(owner);
        let pending = PendingStep {
            request,
            step: Step::Start,
            asked: at(0),
            before: shown.rotation.clone(),
            skew: None,
            ignore_reads_through: RequestId(1),
            stage,
            due: at(0).monotonic,
        };
        state.rotation.pending.insert(shown.id.clone(), pending);
        (state, request)
    }

    /// Journal outcomes of a start whose answer was lost, if SKE last showed no effect `last_read` seconds after it.
    fn read_back(last_read: u64, answered: &Cluster) -> Vec<Outcome> {
        let shown = cluster("shop", Phase::Completed);
        let until = at(READ_BACK.as_secs()).monotonic;
        let (mut state, _) = sent(&shown, PendingStage::ReadingBack { until, seen: None });
        let mut texts = Vec::new();
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
                    Ok(Answer::Cluster(Box::new(answered.clone()), None))
                } else {
                    Err(Failure::new(FailureKind::Unreachable, "no route"))
                };
                let read = Message::Answered(request, answer);
                effects.extend(update(&mut state, at(second), read));
            }
            texts.extend(effects.into_iter().filter_map(|effect| match effect {
                Effect::Journal(record) => Some(Record::clone(&record).outcome),
                _ => None,
            }));
        }
        texts
    }

    /// An accepted start that SKE does not show: whether it may be sent again after `minutes`, and the journal
    /// outcomes. `reads`: whether reads succeed.
    fn accepted_and_not_shown(minutes: u64, reads: bool) -> (State, bool, Vec<Outcome>) {
        let shown = cluster("shop", Phase::Completed);
        let (mut state, request) = sent(&shown, PendingStage::Sending);
        state.screen = Screen::Cluster { id: shown.id.clone(), tab: Tab::Rotation };
        let accepted = Accepted { status: 200, trace: None };
        let outcome = RotateOutcome::Accepted(accepted, None);
        let mut effects =
            update(&mut state, at(0), Message::Answered(request, Ok(Answer::Rotation(outcome))));
        let mut outcomes = Vec::new();
        for second in 1..=minutes * 60 {
            let ticked = update(&mut state, at(second), Message::Ticked);
            for effect in std::mem::take(&mut effects).into_iter().chain(ticked) {
                match effect {
                    Effect::Request(request, Request::Read(_)) if reads => {
                        let answer = Answer::Cluster(Box::new(shown.clone()), None);
                        let read = Message::Answered(request, Ok(answer));
                        effects.extend(update(&mut state, at(second), read));
                    }
                    Effect::Journal(record) => outcomes.push(record.outcome),
                    _ => {}
                }
            }
        }
        let may_repeat = can(&state, Command::Rotate).is_ok();
        (state, may_repeat, outcomes)
    }

    #[test]
    fn api_32_an_accepted_step_that_is_never_shown_may_be_sent_again_after_ten_minutes() {
        use Outcome::{Done, Unknown};
        let (_, may_repeat, outcomes) = accepted_and_not_shown(9, true);
        assert_eq!((may_repeat, outcomes), (false, vec![Done]));
        let (_, may_repeat, outcomes) = accepted_and_not_shown(20, false);
        assert_eq!((may_repeat, outcomes), (false, vec![Done]), "nothing was read");
        let (mut state, may_repeat, outcomes) = accepted_and_not_shown(11, true);
        assert_eq!((may_repeat, outcomes), (true, vec![Done, Unknown]));
        // The effect shows after all.
        let mut started = cluster("shop", Phase::Preparing);
        let later = at(20 * 60);
        started.rotation.initiated = Some(now());
        let request = state.requests.begin(RequestOwner::Cluster(started.id.clone()));
        let read = Answer::Cluster(Box::new(started), None);
        let effects = update(&mut state, later, Message::Answered(request, Ok(read)));
        let is_done = |effect: &Effect| matches!(effect, Effect::Journal(record) if record.action == "start" && record.outcome == Done);
        assert!(effects.iter().any(is_done), "{effects:?}");
        assert!(state.rotation.pending.is_empty());
    }

    #[test]
    fn only_a_read_sent_after_opening_confirms_a_dialog() {
        let shown = cluster("shop", Phase::Completed);
        let at = Now { wall: now(), monotonic: Duration::from_secs(1_000) };
        let mut state =
            State::new(Settings::defaults(), Keymap::default(), PersistedState::default(), at, 1);
        state.fleet.put(Entry::new(shown.clone(), at, RequestId(1)));
        state.screen = Screen::Cluster { id: shown.id.clone(), tab: Tab::Rotation };
        let owner = || RequestOwner::Cluster(shown.id.clone());
        let earlier = [state.requests.begin(owner()), state.requests.begin(owner())];
        let key = Message::Key(KeyEvent::from(KeyCode::Char('R')));
        let opened = update(&mut state, at, key);
        let later = opened.iter().find_map(|effect| match effect {
            Effect::Request(request, Request::Read(_)) => Some(*request),
            _ => None,
        });
        let mut checked_after = |request, works| {
            let reset = Failure::new(FailureKind::Unreachable, "connection reset");
            let answer = Answer::Cluster(Box::new(shown.clone()), None);
            let result = if works { Ok(answer) } else { Err(reset) };
            update(&mut state, at, Message::Answered(request, result));
            let Some(dialog) = &state.rotation.dialog else { panic!("the dialog") };
            assert!(!matches!(dialog.stage, RotationDialogStage::Failed(_)));
            matches!(dialog.stage, RotationDialogStage::Confirming) && dialog.checked.is_some()
        };
        assert!(!checked_after(earlier[0], true));
        assert!(!checked_after(earlier[1], false));
        assert!(checked_after(later.unwrap(), true));
    }

    #[test]
    fn a_step_did_not_happen_only_if_ske_says_so_late_enough() {
        let shown = cluster("shop", Phase::Completed);
        assert_eq!(read_back(READ_BACK.as_secs(), &shown), [Outcome::Refused]);
        assert_eq!(read_back(0, &shown), [Outcome::Unknown], "an early answer may be an old one");
        let mut old = shown;
        old.rotation.phase = Phase::Prepared;
        assert_eq!(read_back(READ_BACK.as_secs(), &old), [Outcome::Unknown], "these are old ones");
    }
}
