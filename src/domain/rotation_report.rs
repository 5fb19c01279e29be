//! What the journal records about each rotation of a cluster: who did what, when, and the outcome; limited to what
//! skeys did and saw on this machine.
//!
//! A rotation is identified by its start as reported by SKE. A start that skeys sent, and records of older versions, are
//! without it; they are grouped by their order.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::domain::record::{Outcome, Record};
use crate::domain::rotation::{Phase, Step};

/// Separates the sentence of an intended step from the accepted findings.
const ACCEPTED: &str = "; accepted: ";
/// Separates the phases of a change.
const ARROW: &str = " → ";
/// Suffix if the phase is the same as before, but of a later rotation.
const ANOTHER_ROTATION: &str = " of another rotation";
/// Suffix if the change happened between two runs of skeys.
const MISSED: &str = " while skeys did not run";

/// The sentence of an intended step with the accepted findings, as in the journal.
pub fn with_accepted(intended: &str, findings: &[String]) -> String {
    if findings.is_empty() {
        return intended.to_owned();
    }
    format!("{intended}{ACCEPTED}{}", findings.join("; "))
}

/// The sentence of a phase change, as in the journal.
pub fn phase_change(before: &Phase, after: &Phase) -> String {
    format!("{}{ARROW}{}", before.label(), phase_reached(before, after))
}

/// The sentence of a phase change between two runs, as in the journal.
pub fn missed_change(before: &Phase, after: &Phase) -> String {
    format!("{}{MISSED}", phase_change(before, after))
}

/// The phase after a change; the same as before if another rotation was started unnoticed.
pub fn phase_reached(before: &Phase, after: &Phase) -> String {
    let other = if before == after { ANOTHER_ROTATION } else { "" };
    format!("{}{other}", after.label())
}

/// Two instances of skeys read the same state within this time.
const READ_LATER: SignedDuration = SignedDuration::from_mins(15);

/// Maximum delay with which a suspended instance sees a change; later, it is another change.
const SEEN_LATER: SignedDuration = SignedDuration::from_hours(24);

/// One rotation, or a start that did not happen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RotationReport {
    /// Its start as reported by SKE, by SKE's clock, if recorded.
    pub started: Option<Timestamp>,
    /// Steps that were sent, oldest first.
    pub attempts: Vec<Attempt>,
    /// Observed phase changes, oldest first.
    pub phases: Vec<PhaseChange>,
    /// Kubeconfigs: requested, issued, saved, discarded.
    pub kubeconfigs: Vec<Record>,
    /// Observations of the roll: blockers, and when it resumed.
    pub blockers: Vec<Record>,
    /// Changes to clients on the checklist.
    pub checklist: Vec<Record>,
    /// Results of trying the credentials after completion.
    pub proof: Vec<Record>,
    /// Everything else.
    pub others: Vec<Record>,
    /// A later rotation or cluster followed, so no more records can be added.
    pub is_over: bool,
}

/// A step that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    pub step: Step,
    pub at: Timestamp,
    pub who: String,
    /// Id of the request.
    pub request: Option<String>,
    /// Accepted findings, as one text.
    pub accepted: Option<String>,
    /// Findings before it, each with its mark.
    pub findings: Vec<String>,
    /// Its answers, oldest first. If several attempts share the id, the last one has all of them.
    pub answers: Vec<Record>,
    /// Set if another run used the same id before this was answered, as in older versions: what is known about all.
    pub shared: Option<SharedOutcome>,
}

/// The outcome of attempts whose answers cannot be told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SharedOutcome {
    /// All had this outcome.
    Each(Outcome),
    /// At least one was accepted.
    OneDone,
    /// Neither.
    Unclear,
}

/// An observed phase change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhaseChange {
    /// When a reading showed it, by our clock; it may have happened earlier.
    pub at: Timestamp,
    pub from: String,
    pub to: String,
    /// Whether it happened while skeys did not run, so that `at` is only when it was found.
    pub was_missed: bool,
    /// Observed duration of the new phase; `None` for the last one, and if the next change was not seen.
    pub lasted: Option<SignedDuration>,
}

/// The state of a rotation according to the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportOutcome {
    /// The start was refused or did not happen.
    NotStarted,
    /// Unknown whether the start happened.
    StartUnknown,
    /// Started, and not completed according to skeys.
    Open,
    /// *complete* was accepted; its end was not observed.
    CompleteAccepted,
    Completed,
}

impl ReportOutcome {
    /// A stable identifier, for programs.
    pub fn id(self) -> &'static str {
        match self {
            Self::NotStarted => "not_started",
            Self::StartUnknown => "start_unknown",
            Self::Open => "open",
            Self::CompleteAccepted => "complete_accepted",
            Self::Completed => "completed",
        }
    }
}

impl Attempt {
    fn of(step: Step, record: &Record, accepted: Option<String>, answers: Vec<Record>) -> Self {
        Self {
            step,
            at: record.at,
            who: record.who.clone(),
            request: record.request.clone(),
            accepted,
            findings: record.findings.clone(),
            answers,
            shared: None,
        }
    }

    /// The last known outcome; [`Outcome::Intended`] without an answer, [`Outcome::Unknown`] if its answer cannot be
    /// identified.
    pub fn outcome(&self) -> Outcome {
        match self.shared {
            Some(SharedOutcome::Each(outcome)) => outcome,
            Some(SharedOutcome::OneDone | SharedOutcome::Unclear) => Outcome::Unknown,
            None => self.answers.last().map_or(Outcome::Intended, |answer| answer.outcome),
        }
    }

    /// Whether this one, or one indistinguishable from it, was accepted.
    fn took(&self) -> bool {
        self.outcome() == Outcome::Done || self.shared == Some(SharedOutcome::OneDone)
    }
}

impl RotationReport {
    /// The attempt that took effect, otherwise the last one.
    pub fn attempt(&self, step: Step) -> Option<&Attempt> {
        let mut of_step = self.attempts.iter().filter(|attempt| attempt.step == step);
        let done = of_step.clone().find(|attempt| attempt.took());
        done.or_else(|| of_step.next_back())
    }

    /// The state of the rotation according to the journal.
    pub fn outcome(&self) -> ReportOutcome {
        let took = |step| {
            let attempt = self.attempt(step)?;
            Some(if attempt.took() { Outcome::Done } else { attempt.outcome() })
        };
        if self.was_seen(&Phase::Completed) {
            ReportOutcome::Completed
        } else if took(Step::Complete) == Some(Outcome::Done) {
            ReportOutcome::CompleteAccepted
        } else if !self.phases.is_empty() {
            ReportOutcome::Open
        } else {
            match took(Step::Start) {
                Some(Outcome::Refused) => ReportOutcome::NotStarted,
                Some(Outcome::Intended | Outcome::Unknown) => ReportOutcome::StartUnknown,
                Some(Outcome::Done | Outcome::Observed) | None => ReportOutcome::Open,
            }
        }
    }

    /// The first and the last time in the journal.
    pub fn span(&self) -> Option<(Timestamp, Timestamp)> {
        let steps = self
            .attempts
            .iter()
            .flat_map(|attempt| attempt.answers.iter().map(|answer| answer.at).chain([attempt.at]));
        let phases = self.phases.iter().map(|change| change.at);
        let records = self.kubeconfigs.iter().chain(&self.blockers).chain(&self.checklist);
        let records = records.chain(&self.proof).chain(&self.others);
        let all = steps.chain(phases).chain(records.map(|record| record.at));
        all.fold(None, |span, at| match span {
            None => Some((at, at)),
            Some((first, last)) => Some((at.min(first), at.max(last))),
        })
    }

    /// Trace ids of its requests, without duplicates, in journal order.
    pub fn traces(&self) -> Vec<&str> {
        let answers = self.attempts.iter().flat_map(|attempt| &attempt.answers);
        let all = answers.chain(&self.kubeconfigs).chain(&self.others);
        let mut traces: Vec<&str> = Vec::new();
        for trace in all.filter_map(|record| record.trace.as_deref()) {
            if !traces.contains(&trace) {
                traces.push(trace);
            }
        }
        traces
    }

    fn was_seen(&self, phase: &Phase) -> bool {
        self.phases.iter().any(|change| change.to == phase.label())
    }

    /// Whether a rotation with this reported start may be this one, whose start is not recorded.
    fn may_have_started(&self, started: Timestamp) -> bool {
        let is_near = |attempt: &Attempt| {
            attempt.outcome() == Outcome::Refused
                || started.duration_since(attempt.at).abs() < SEEN_LATER
        };
        self.started.is_none() && self.attempt(Step::Start).is_none_or(is_near)
    }

    /// Adds a phase that was not recorded yet.
    fn add_phase(&mut self, change: PhaseChange) {
        // If an intermediate phase was missed, or when this one began, its duration is unknown.
        let is_seen = |last: &&mut PhaseChange| {
            last.to == change.from && !last.was_missed && !change.was_missed
        };
        if let Some(last) = self.phases.last_mut().filter(is_seen) {
            last.lasted = Some(change.at.duration_since(last.at).max(SignedDuration::ZERO));
        }
        self.phases.push(change);
    }

    /// Whether subsequent records belong to another rotation.
    fn has_ended(&self) -> bool {
        self.is_over
            || self.was_seen(&Phase::Completed)
            || self.outcome() == ReportOutcome::NotStarted
    }
}

/// The rotations of one cluster. `records`: those of that cluster, oldest first.
pub fn rotations(records: &[Record]) -> Vec<RotationReport> {
    let mut found: Vec<RotationReport> = Vec::new();
    let mut attempts = attempts(records);
    for (place, record) in records.iter().enumerate() {
        match (step_of(record), record.outcome) {
            (Some(step), Outcome::Intended) => {
                let Some(attempt) = attempts.remove(&place) else { continue };
                if step == Step::Start && starts_another(&found, &attempt) {
                    begin(&mut found);
                }
                let started = record.rotation_started.filter(|_| step == Step::Complete);
                open_of(&mut found, started).attempts.push(attempt);
            }
            // Taken in with what was intended, or is with a later attempt of that id; what was cut off stands for itself.
            (Some(step), _) => {
                let is_answer = |attempt: &Attempt| attempt.answers.contains(record);
                let before = found.iter().flat_map(|rotation| &rotation.attempts);
                if !before.chain(attempts.values()).any(is_answer) {
                    let attempt = Attempt::of(step, record, None, vec![record.clone()]);
                    open_of(&mut found, record.rotation_started).attempts.push(attempt);
                }
            }
            (None, _) if record.action == "phase" => phase(&mut found, record),
            // Predictions are verified once the rotation is completed.
            (None, _) if record.action == "credentials" => {
                let tried = match record.rotation_started {
                    Some(started) => found.iter_mut().rfind(|one| {
                        one.started == Some(started)
                            || !one.is_over && one.may_have_started(started)
                    }),
                    None => found.last_mut().filter(|last| !last.is_over),
                };
                if let Some(tried) = tried {
                    tried.proof.push(record.clone());
                }
            }
            (None, _) => {
                let rotation = match record.rotation_started {
                    Some(_) => open_of(&mut found, record.rotation_started),
                    // Records between rotations belong to none.
                    None => match found.last_mut().filter(|rotation| !rotation.has_ended()) {
                        Some(rotation) => rotation,
                        None => continue,
                    },
                };
                match record.action.as_str() {
                    "kubeconfig" | "save" => rotation.kubeconfigs.push(record.clone()),
                    "roll" => rotation.blockers.push(record.clone()),
                    "checklist" => rotation.checklist.push(record.clone()),
                    _ => rotation.others.push(record.clone()),
                }
            }
        }
    }
    found
}

fn step_of(record: &Record) -> Option<Step> {
    [Step::Start, Step::Complete].into_iter().find(|step| step.verb() == record.action)
}

/// When the start of the last rotation was sent, if it was accepted and its end was not observed.
pub fn accepted_start(records: &[Record]) -> Option<Timestamp> {
    let found = rotations(records);
    let starts =
        |rotation: &&RotationReport| rotation.attempt(Step::Start).is_some_and(Attempt::took);
    let last = found.iter().rev().find(starts)?;
    let start = last.attempt(Step::Start)?;
    (!last.is_over && !last.was_seen(&Phase::Completed)).then_some(start.at)
}

/// Attempts by the index of their record, with all of their answers.
fn attempts(records: &[Record]) -> BTreeMap<usize, Attempt> {
    let mut attempts: BTreeMap<usize, Attempt> = BTreeMap::new();
    // Indexes of the attempts per step and id that are not all answered, or of the last answered one.
    let mut of_id: BTreeMap<(&str, Option<&str>), Vec<usize>> = BTreeMap::new();
    for (place, record) in records.iter().enumerate() {
        let Some(step) = step_of(record) else { continue };
        let places = of_id.entry((record.action.as_str(), record.request.as_deref())).or_default();
        if record.outcome == Outcome::Intended {
            let last = places.last().and_then(|last| attempts.get_mut(last));
            let answers = match last {
                Some(last) if settled(&last.answers) < places.len() => {
                    std::mem::take(&mut last.answers)
                }
                _ => {
                    places.clear();
                    Vec::new()
                }
            };
            places.push(place);
            let accepted = record.text.split_once(ACCEPTED).map(|(_, found)| found.to_owned());
            attempts.insert(place, Attempt::of(step, record, accepted, answers));
        } else if let Some(last) = places.last().and_then(|last| attempts.get_mut(last)) {
            last.answers.push(record.clone());
        }
        if places.len() > 1 {
            let answers = places.last().and_then(|last| attempts.get(last));
            let shared = shared_outcome(answers.map_or(&[], |last| &last.answers), places.len());
            for place in places.iter() {
                if let Some(attempt) = attempts.get_mut(place) {
                    attempt.shared = Some(shared);
                }
            }
        }
    }
    attempts
}

/// Number of attempts that these answers settle.
fn settled(answers: &[Record]) -> usize {
    let ends = |answer: &&Record| matches!(answer.outcome, Outcome::Done | Outcome::Refused);
    answers.iter().filter(ends).count()
}

fn shared_outcome(answers: &[Record], attempts: usize) -> SharedOutcome {
    let count = |outcome| answers.iter().filter(|answer| answer.outcome == outcome).count();
    match (count(Outcome::Done), count(Outcome::Refused)) {
        (done, 0) if done >= attempts => SharedOutcome::Each(Outcome::Done),
        (0, refused) if refused >= attempts => SharedOutcome::Each(Outcome::Refused),
        (0, _) => SharedOutcome::Unclear,
        _ => SharedOutcome::OneDone,
    }
}

/// Whether a start that happened is that of another rotation than the last one, which seemed open: its end was not seen.
fn starts_another(found: &[RotationReport], attempt: &Attempt) -> bool {
    let has_begun = |last: &RotationReport| {
        last.attempt(Step::Start).is_some_and(Attempt::took) || !last.phases.is_empty()
    };
    // One of several that cannot be told apart belongs with the others.
    let is_another = attempt.shared.is_none() && attempt.outcome() == Outcome::Done;
    is_another && found.last().is_some_and(has_begun)
}

/// The rotation that subsequent records belong to.
fn open(found: &mut Vec<RotationReport>) -> &mut RotationReport {
    match found.pop_if(|last| !last.has_ended()) {
        Some(last) => found.push_mut(last),
        None => begin(found),
    }
}

/// The rotation with this reported start; the open one if that is not known.
fn open_of(found: &mut Vec<RotationReport>, started: Option<Timestamp>) -> &mut RotationReport {
    let Some(started) = started else { return open(found) };
    if let Some(place) = found.iter().rposition(|one| one.started == Some(started)) {
        // Taken out and put back: a rotation that is looked up cannot be returned from this function otherwise.
        let one = found.remove(place);
        return found.insert_mut(place, one);
    }
    let is_this = |last: &RotationReport| !last.has_ended() && last.may_have_started(started);
    let rotation = if found.last().is_some_and(is_this) { open(found) } else { begin(found) };
    rotation.started = Some(started);
    rotation
}

fn begin(found: &mut Vec<RotationReport>) -> &mut RotationReport {
    if let Some(last) = found.last_mut() {
        last.is_over = true;
    }
    found.push_mut(RotationReport::default())
}

fn phase(found: &mut Vec<RotationReport>, record: &Record) {
    let Some((from, to)) = record.text.split_once(ARROW) else {
        // The cluster was deleted and recreated.
        if let Some(last) = found.last_mut().filter(|last| !last.has_ended()) {
            last.others.push(record.clone());
            last.is_over = true;
        }
        return;
    };
    let (to, was_missed) = to.strip_suffix(MISSED).map_or((to, false), |to| (to, true));
    let (to, is_another) = to.strip_suffix(ANOTHER_ROTATION).map_or((to, false), |to| (to, true));
    let change = PhaseChange {
        at: record.at,
        from: from.to_owned(),
        to: to.to_owned(),
        was_missed,
        lasted: None,
    };
    if let Some(started) = record.rotation_started {
        let is_known = found.iter().any(|one| one.started == Some(started));
        let is_other = |last: &RotationReport| {
            last.started.is_some() || was_missed && !last.may_have_started(started)
        };
        if is_known || found.last().is_some_and(is_other) {
            let rotation = open_of(found, Some(started));
            // Another instance of skeys saw it, too.
            if !rotation.phases.iter().any(|seen| seen.to == to) {
                rotation.add_phase(change);
            }
            return;
        }
    }
    let Some(rotation) = by_order(found, &change, is_another) else { return };
    rotation.started = rotation.started.or(record.rotation_started);
    rotation.add_phase(change);
}

/// The rotation of a phase change, by the changes before it; `None` if it is recorded.
fn by_order<'a>(
    found: &'a mut Vec<RotationReport>,
    change: &PhaseChange,
    is_another: bool,
) -> Option<&'a mut RotationReport> {
    let PhaseChange { at, from, to, .. } = change;
    if let Some(last) = found.last().filter(|last| !last.is_over)
        && let Some(latest) = last.phases.last()
        && is_another
    {
        // Another instance of skeys observed the transition to this phase, or the same state.
        if latest.to == *to && at.duration_since(latest.at).abs() < READ_LATER {
            return None;
        }
        begin(found);
    }
    if let Some(last) = found.last().filter(|last| !last.is_over)
        && let Some(latest) = last.phases.last()
    {
        let seen = last.phases.iter().rev().find(|seen| seen.to == *to);
        // Another instance of skeys saw it later, possibly without the phases in between.
        let is_same = |seen: &PhaseChange| {
            latest.to != *from && at.duration_since(seen.at).abs() < SEEN_LATER
        };
        if seen.is_some_and(is_same) {
            return None;
        }
        // A rotation reaches each phase only once, and never returns to its start.
        if seen.is_some() || to == Phase::Preparing.label() {
            begin(found);
        }
    }
    Some(open(found))
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use crate::domain::cluster::ClusterId;
    use crate::domain::fixtures::now;
    use crate::domain::record::{Outcome, Record};
    use crate::domain::rotation::Step;
    use crate::domain::rotation_report::{
        Attempt, ReportOutcome, RotationReport, SharedOutcome, accepted_start, rotations,
    };

    fn record(minutes: i64, step: &str, outcome: Outcome, text: &str) -> Record {
        Record {
            at: now() + SignedDuration::from_mins(minutes),
            who: "ops@acme".into(),
            cluster: Some(ClusterId::new("p-1", "eu01", "shop")),
            action: step.into(),
            request: None,
            outcome,
            text: text.into(),
            expires: None,
            trace: None,
            findings: Vec::new(),
            rotation_started: None,
        }
    }

    fn sent(minutes: i64, step: &str, request: u64, answer: Outcome) -> [Record; 2] {
        let about = |record: Record, trace: Option<&str>| {
            record.about(format!("r{request}"), trace.map(Into::into))
        };
        [
            about(record(minutes, step, Outcome::Intended, step), None),
            about(record(minutes + 1, step, answer, "answer"), Some("t-1")),
        ]
    }

    fn seen(minutes: i64, text: &str) -> Record {
        record(minutes, "phase", Outcome::Observed, text)
    }

    fn outcomes(found: &[RotationReport]) -> Vec<ReportOutcome> {
        found.iter().map(RotationReport::outcome).collect()
    }

    #[test]
    fn a_whole_rotation_is_told_from_start_to_completed() {
        let mut records = sent(0, "start", 1, Outcome::Done).to_vec();
        records.extend([
            seen(2, "never → preparing"),
            record(10, "roll", Outcome::Observed, "PDB payments/api allows no evictions"),
            seen(62, "preparing → PREPARED"),
            record(70, "kubeconfig", Outcome::Intended, "admin kubeconfig"),
            record(71, "kubeconfig", Outcome::Done, "issued"),
        ]);
        let mut complete = sent(80, "complete", 2, Outcome::Done);
        complete[0].text = "complete credentials rotation; accepted: one breaks; two break".into();
        records.extend(complete);
        records.extend([seen(82, "PREPARED → completing"), seen(90, "completing → completed")]);
        records[0].findings = vec!["! one finding".to_owned()];
        records.insert(9, record(79, "checklist", Outcome::Intended, "checklist: ci done"));
        records.push(record(
            91,
            "credentials",
            Outcome::Observed,
            "1 predicted to break: 1 refused",
        ));
        records.push(record(500, "kubeconfig", Outcome::Done, "issued after it ended"));
        let found = rotations(&records);
        assert_eq!(outcomes(&found), [ReportOutcome::Completed]);
        let one = &found[0];
        let start = one.attempt(Step::Start).unwrap();
        assert_eq!((start.who.as_str(), start.outcome()), ("ops@acme", Outcome::Done));
        let complete = one.attempt(Step::Complete).unwrap();
        assert_eq!(complete.accepted.as_deref(), Some("one breaks; two break"));
        let lasted: Vec<_> = one.phases.iter().map(|change| change.lasted).collect();
        let minutes = |minutes| Some(SignedDuration::from_mins(minutes));
        assert_eq!(lasted, [minutes(60), minutes(20), minutes(8), None]);
        assert_eq!((one.kubeconfigs.len(), one.blockers.len()), (2, 1));
        assert_eq!(one.traces(), ["t-1"]);
        assert_eq!(start.findings, ["! one finding"]);
        assert_eq!((one.checklist.len(), one.proof.len(), one.others.len()), (1, 1, 0));
    }

    #[test]
    fn api_40_the_next_rotation_in_the_same_phase_is_another_one() {
        let records = [
            seen(0, "never → preparing"),
            seen(60, "preparing → PREPARED"),
            seen(300, "PREPARED → PREPARED of another rotation"),
            // Another instance saw it, too.
            seen(301, "PREPARED → PREPARED of another rotation"),
            seen(400, "PREPARED → completing"),
        ];
        let found = rotations(&records);
        assert_eq!(outcomes(&found), [ReportOutcome::Open, ReportOutcome::Open]);
        let phases = found[1].phases.iter().map(|change| change.to.as_str());
        assert_eq!(phases.collect::<Vec<_>>(), ["PREPARED", "completing"]);
        // One instance saw all of it, the other only its end.
        let records = [
            seen(0, "PREPARED → completing"),
            seen(9, "completing → completed"),
            seen(10, "completed → preparing"),
            seen(60, "preparing → PREPARED"),
            seen(61, "PREPARED → PREPARED of another rotation"),
        ];
        let found = rotations(&records);
        assert_eq!(outcomes(&found), [ReportOutcome::Completed, ReportOutcome::Open]);
    }

    /// A record about the rotation whose start SKE reports at this minute.
    fn of(minutes: i64, record: Record) -> Record {
        record.of_rotation(Some(now() + SignedDuration::from_mins(minutes)))
    }

    #[test]
    fn a_rotation_is_identified_by_its_reported_start() {
        let start = sent(0, "start", 1, Outcome::Done).to_vec();
        let own = [of(1, seen(2, "completed → preparing")), of(1, seen(3, "preparing → PREPARED"))];
        let issued = |minutes| record(minutes, "kubeconfig", Outcome::Done, "issued");
        let complete = sent(60, "complete", 2, Outcome::Done).map(|record| of(50, record));
        let end =
            [of(50, seen(61, "PREPARED → completing")), of(50, seen(62, "completing → completed"))];
        let missed = "PREPARED → PREPARED of another rotation while skeys did not run";
        let tried = of(50, record(63, "credentials", Outcome::Observed, "2 refused"));
        // The colleague's rotation is known by the first reading of the next run, by a kubeconfig, or only by the step.
        for first in [Some(of(50, seen(55, missed))), Some(of(50, issued(56))), None] {
            let is_missed = first.as_ref().is_some_and(|first| first.action == "phase");
            let mut records = [start.clone(), own.to_vec()].concat();
            records.extend(first);
            records.extend(complete.clone());
            records.extend(end.clone());
            records.push(tried.clone());
            let found = rotations(&records);
            assert_eq!(outcomes(&found), [ReportOutcome::Open, ReportOutcome::Completed]);
            let [one, two] = &found[..] else { panic!("{found:?}") };
            assert!(one.is_over && one.attempt(Step::Start).is_some());
            assert!(one.attempt(Step::Complete).is_none() && one.proof.is_empty());
            assert_eq!(one.phases.last().unwrap().lasted, None, "when it ended is not known");
            assert!(two.attempt(Step::Start).is_none() && two.attempt(Step::Complete).is_some());
            assert_eq!(
                (one.started, two.started),
                (own[0].rotation_started, tried.rotation_started)
            );
            let lasted: Vec<_> = two.phases.iter().map(|change| change.lasted.is_some()).collect();
            let expected = if is_missed { &[false, true, false][..] } else { &[true, false] };
            assert_eq!((two.phases.len(), lasted.as_slice()), (expected.len(), expected));
            assert_eq!(two.proof.len(), 1);
            assert_eq!(accepted_start(&records), None, "that one was completed by somebody");
        }
    }

    #[test]
    fn records_of_older_versions_continue_with_a_reported_start() {
        let mut records = sent(0, "start", 1, Outcome::Done).to_vec();
        records.push(seen(2, "completed → preparing"));
        records.push(of(1, seen(60, "preparing → PREPARED")));
        records.push(of(1, record(70, "kubeconfig", Outcome::Done, "issued")));
        // An older version that runs, too.
        records.push(seen(61, "preparing → PREPARED"));
        records.push(of(1, seen(90, "PREPARED → completing")));
        let found = rotations(&records);
        let [one] = &found[..] else { panic!("{found:?}") };
        assert_eq!((one.phases.len(), one.kubeconfigs.len()), (3, 1));
        assert_eq!(one.started, Some(now() + SignedDuration::from_mins(1)));
        // Another one was started since.
        records.push(of(500, seen(600, "completing → preparing")));
        // A late record of the first.
        records.push(of(1, seen(601, "completing → completed")));
        let found = rotations(&records);
        assert_eq!(outcomes(&found), [ReportOutcome::Completed, ReportOutcome::Open]);
        // A start that nothing was seen of is not that of a rotation days later.
        let days = 3 * 24 * 60;
        let mut records = sent(0, "start", 1, Outcome::Done).to_vec();
        records.push(of(days, seen(days + 9, "completed → PREPARED while skeys did not run")));
        assert_eq!(rotations(&records).len(), 2);
        let mut records = sent(0, "start", 1, Outcome::Done).to_vec();
        records.push(of(1, seen(days, "completed → PREPARED while skeys did not run")));
        assert_eq!(rotations(&records).len(), 1);
    }

    #[test]
    fn two_instances_that_saw_one_rotation_record_it_once() {
        let records = [
            of(0, seen(1, "completed → preparing")),
            of(0, seen(60, "preparing → PREPARED")),
            // Another instance starts, whose last reading is older.
            of(0, seen(300, "completed → PREPARED while skeys did not run")),
            of(0, seen(400, "PREPARED → completing")),
            of(0, seen(900, "PREPARED → completing")),
        ];
        let found = rotations(&records);
        let [one] = &found[..] else { panic!("{found:?}") };
        let lasted: Vec<_> = one.phases.iter().map(|change| change.lasted).collect();
        let minutes = |minutes| Some(SignedDuration::from_mins(minutes));
        assert_eq!(lasted, [minutes(59), minutes(340), None]);
    }

    #[test]
    fn a_refused_start_is_told_apart_from_the_one_that_happened() {
        let mut records = sent(0, "start", 1, Outcome::Refused).to_vec();
        records.extend(sent(5, "start", 2, Outcome::Done));
        records.push(seen(6, "never → preparing"));
        let found = rotations(&records);
        assert_eq!(outcomes(&found), [ReportOutcome::NotStarted, ReportOutcome::Open]);
    }

    #[test]
    fn a_refused_or_repeated_complete_stays_in_its_rotation() {
        let mut records = sent(0, "start", 1, Outcome::Done).to_vec();
        records.extend(sent(5, "complete", 2, Outcome::Refused));
        // The next run of skeys restarts its request counter.
        records.extend(sent(9, "complete", 2, Outcome::Done));
        let found = rotations(&records);
        assert_eq!(outcomes(&found), [ReportOutcome::CompleteAccepted]);
        let answers: Vec<_> = found[0].attempts.iter().map(|one| one.answers.len()).collect();
        assert_eq!(answers, [1, 1, 1], "an answer belongs to one request");
    }

    /// The lines of two runs with the same request counter that sent a step at the same time.
    fn interleaved(answers: [(&str, Outcome); 2], names: [&str; 2]) -> Vec<Record> {
        let mut records: Vec<Record> = (0..)
            .zip(names)
            .map(|(at, name)| record(at, "start", Outcome::Intended, "start").about(name, None))
            .collect();
        let answered = (2..)
            .zip(answers)
            .map(|(at, (name, answer))| record(at, "start", answer, "answer").about(name, None));
        records.extend(answered);
        records
    }

    #[test]
    fn two_runs_at_the_same_time_are_told_apart_by_their_ids() {
        let answers = [("b-r13", Outcome::Refused), ("a-r13", Outcome::Done)];
        let found = rotations(&interleaved(answers, ["a-r13", "b-r13"]));
        assert_eq!(outcomes(&found), [ReportOutcome::Open]);
        let attempts: Vec<_> = found[0].attempts.iter().map(Attempt::outcome).collect();
        assert_eq!(attempts, [Outcome::Done, Outcome::Refused]);
    }

    #[test]
    fn interleaved_lines_of_two_runs_with_one_id_are_not_attributed() {
        use Outcome::{Done, Refused, Unknown};
        use ReportOutcome::{NotStarted, Open, StartUnknown};
        for (answers, expected, each) in [
            ([Done, Refused], &[Open][..], Unknown),
            ([Refused, Done], &[Open], Unknown),
            ([Refused, Refused], &[NotStarted, NotStarted], Refused),
            ([Refused, Unknown], &[StartUnknown], Unknown),
            ([Done, Done], &[Open], Done),
        ] {
            let mut records = interleaved(answers.map(|answer| ("r13", answer)), ["r13", "r13"]);
            let found = rotations(&records);
            assert_eq!(outcomes(&found), expected, "{answers:?}");
            let attempts: Vec<&Attempt> = found.iter().flat_map(|one| &one.attempts).collect();
            assert!(attempts.iter().all(|one| one.shared.is_some() && one.outcome() == each));
            assert_eq!(attempts.iter().map(|one| one.answers.len()).sum::<usize>(), 2);
            records.pop();
            assert_ne!(outcomes(&rotations(&records))[0], NotStarted, "one is not answered");
        }
        let mut records = interleaved([("r13", Done), ("r13", Refused)], ["r13", "r13"]);
        records.push(seen(5, "never → preparing"));
        records.extend(sent(9_000, "start", 13, Refused));
        let last = rotations(&records).pop().unwrap().attempts.pop().unwrap();
        assert_eq!((last.outcome(), last.shared), (Refused, None), "all before it are answered");
    }

    #[test]
    fn an_answer_that_was_lost_and_read_back_counts_as_it_turned_out() {
        let mut records = sent(0, "start", 1, Outcome::Unknown).to_vec();
        assert_eq!(outcomes(&rotations(&records)), [ReportOutcome::StartUnknown]);
        records.push(record(3, "start", Outcome::Done, "read back").about("r1", None));
        assert_eq!(outcomes(&rotations(&records)), [ReportOutcome::Open]);
        assert_eq!(rotations(&records)[0].attempts.len(), 1);
        assert_eq!(
            outcomes(&rotations(&records[..1])),
            [ReportOutcome::StartUnknown],
            "it crashed"
        );
    }

    #[test]
    fn the_start_that_is_waited_for_is_the_last_one_that_was_accepted() {
        assert_eq!(accepted_start(&[]), None);
        let mut records = sent(0, "start", 1, Outcome::Done).to_vec();
        assert_eq!(accepted_start(&records), Some(now()));
        records.extend(sent(5, "start", 2, Outcome::Refused));
        assert_eq!(accepted_start(&records), Some(now()), "the other one changed nothing");
        records.push(seen(6, "never → preparing"));
        assert_eq!(accepted_start(&records), Some(now()));
        records.push(seen(90, "completing → completed"));
        assert_eq!(accepted_start(&records), None);
        records.extend(sent(100, "start", 3, Outcome::Unknown));
        assert_eq!(accepted_start(&records), None, "nobody knows");
        records.push(record(103, "start", Outcome::Done, "read back").about("r3", None));
        let later = now() + SignedDuration::from_mins(100);
        assert_eq!(accepted_start(&records), Some(later));
    }

    #[test]
    fn a_later_start_ends_a_rotation_whose_end_nobody_saw() {
        let mut records = sent(0, "start", 1, Outcome::Done).to_vec();
        records.push(seen(2, "never → preparing"));
        records.extend(sent(9_000, "start", 1, Outcome::Done));
        let found = rotations(&records);
        assert_eq!(outcomes(&found), [ReportOutcome::Open, ReportOutcome::Open]);
        assert!(found[0].is_over && !found[1].is_over);
    }

    #[test]
    fn a_rotation_of_others_and_a_recreated_cluster_are_told_as_they_were_seen() {
        let records = [
            seen(0, "never → preparing"),
            seen(60, "preparing → PREPARED"),
            seen(70, "the cluster was deleted and recreated"),
            seen(80, "never → preparing"),
        ];
        let found = rotations(&records);
        assert_eq!(outcomes(&found), [ReportOutcome::Open, ReportOutcome::Open]);
        assert!(found[0].is_over && found[0].attempts.is_empty());
        assert_eq!(found[1].phases.len(), 1);
    }

    #[test]
    fn a_phase_whose_end_was_not_seen_has_no_length_and_a_change_seen_twice_counts_once() {
        let found = rotations(&[
            seen(0, "never → preparing"),
            seen(60, "preparing → PREPARED"),
            seen(500, "completing → completed"),
            seen(530, "completing → completed"),
        ]);
        assert_eq!(outcomes(&found), [ReportOutcome::Completed]);
        let lasted: Vec<_> = found[0].phases.iter().map(|change| change.lasted).collect();
        assert_eq!(lasted, [Some(SignedDuration::from_mins(60)), None, None]);
    }

    #[test]
    fn a_rotation_of_others_is_another_one_although_not_all_of_its_phases_were_seen() {
        let half_a_year = 180 * 24 * 60;
        for (before, after) in [
            ("completed → preparing", "completed → preparing"),
            ("preparing → PREPARED", "preparing → PREPARED"),
            ("PREPARED → completed", "PREPARED → completed"),
            ("preparing → PREPARED", "PREPARED → preparing"),
        ] {
            let found = rotations(&[seen(0, before), seen(half_a_year, after)]);
            assert_eq!(found.len(), 2, "{before}, {after}");
            assert!(found[0].is_over && !found[1].is_over);
        }
        // The one that was started has ended, too.
        let mut records = sent(0, "start", 1, Outcome::Done).to_vec();
        records.push(seen(2, "never → preparing"));
        records.push(seen(half_a_year, "completed → preparing"));
        assert_eq!(accepted_start(&records), None);
        // Another instance, suspended meanwhile, saw less of it.
        let found = rotations(&[
            seen(0, "PREPARED → completing"),
            seen(9, "completing → completed"),
            seen(60, "PREPARED → completed"),
        ]);
        assert_eq!((outcomes(&found), found[0].phases.len()), (vec![ReportOutcome::Completed], 2));
    }

    #[test]
    fn what_a_cut_journal_still_has_of_a_step_is_kept() {
        let answer = record(0, "complete", Outcome::Done, "complete: accepted (202)");
        let found = rotations(&[answer, seen(5, "completing → completed")]);
        assert_eq!(outcomes(&found), [ReportOutcome::Completed]);
        assert_eq!(found[0].attempt(Step::Complete).unwrap().outcome(), Outcome::Done);
        assert!(rotations(&[]).is_empty());
    }

    #[test]
    fn what_belongs_together_is_told_by_what_happened_before() {
        use Outcome::{Done, Refused, Unknown};
        use ReportOutcome::{Completed, NotStarted, Open, StartUnknown};
        let half_a_year = 180 * 24 * 60;
        let whole = |from: i64| {
            [
                seen(from, "completed → preparing"),
                seen(from + 60, "preparing → PREPARED"),
                seen(from + 90, "PREPARED → completed"),
            ]
        };
        let start = |minutes, request, answer| sent(minutes, "start", request, answer).to_vec();
        for (why, parts, expected) in [
            (
                "a start of which nobody knows, and that shows",
                vec![start(0, 1, Unknown), vec![seen(2, "never → preparing")]],
                vec![Open],
            ),
            (
                "a start of which nobody knows is repeated",
                vec![start(0, 1, Unknown), start(5, 2, Done)],
                vec![Open],
            ),
            (
                "two starts that happened, and nothing was seen of the first",
                vec![start(0, 1, Done), start(half_a_year, 2, Done)],
                vec![Open, Open],
            ),
            (
                "a rotation of others, and a start of ours",
                vec![vec![seen(0, "never → preparing")], start(half_a_year, 1, Done)],
                vec![Open, Open],
            ),
            (
                "a refused start between two",
                vec![whole(0).to_vec(), start(200, 1, Refused), start(210, 2, Done)],
                vec![Completed, NotStarted, Open],
            ),
            (
                "the last one counts",
                vec![whole(0).to_vec(), start(200, 1, Unknown), start(210, 2, Unknown)],
                vec![Completed, StartUnknown],
            ),
            (
                "the last one counts for what was done",
                vec![start(0, 1, Done), start(9_000, 2, Done), start(18_000, 3, Unknown)],
                vec![Open, Open],
            ),
            (
                "a rotation whose end was not seen, and the next one of others",
                vec![
                    whole(0).to_vec(),
                    vec![
                        seen(200, "completed → preparing"),
                        seen(half_a_year, "completed → preparing"),
                    ],
                ],
                vec![Completed, Open, Open],
            ),
            (
                "a phase of another rotation that is not the last one seen",
                vec![vec![
                    seen(0, "preparing → PREPARED"),
                    seen(1, "preparing → preparing of another rotation"),
                ]],
                vec![Open, Open],
            ),
            (
                "the same after the cluster was recreated",
                vec![vec![
                    seen(0, "completed → preparing"),
                    seen(1, "the cluster was deleted and recreated"),
                    seen(2, "preparing → preparing of another rotation"),
                ]],
                vec![Open, Open],
            ),
        ] {
            assert_eq!(outcomes(&rotations(&parts.concat())), expected, "{why}");
        }
        // Of two runs with one id it is not told which of them an unclear answer and a later one belong to.
        let mut records = start(0, 1, Unknown);
        records.extend(start(5, 1, Done));
        let found = rotations(&records);
        let told: Vec<_> =
            found[0].attempts.iter().map(|one| (one.outcome(), one.shared)).collect();
        assert_eq!(told, [(Unknown, Some(SharedOutcome::OneDone)); 2]);
        let both = interleaved([("r13", Done), ("r13", Done)], ["r13", "r13"]);
        assert_eq!(accepted_start(&both), Some(now()), "the first of them");
    }

    #[test]
    fn records_go_to_the_rotation_and_the_list_that_they_belong_to() {
        let other = |minutes, step| record(minutes, step, Outcome::Done, "done");
        let mut records = sent(0, "start", 1, Outcome::Done).to_vec();
        records.extend([
            seen(2, "never → preparing"),
            other(3, "save"),
            other(4, "wake up"),
            // The line of the intention was cut off.
            record(5, "complete", Outcome::Refused, "refused").about("r9", None),
            seen(6, "the cluster was deleted and recreated"),
            other(7, "credentials"),
            other(8, "wake up"),
            seen(9, "the cluster was deleted and recreated"),
        ]);
        let found = rotations(&records);
        let [one] = &found[..] else { panic!("one rotation: {found:?}") };
        assert_eq!((one.kubeconfigs.len(), one.proof.len()), (1, 0));
        let others: Vec<_> = one.others.iter().map(|record| record.at).collect();
        assert_eq!(others, [4, 6].map(|minutes| now() + SignedDuration::from_mins(minutes)));
        let complete = one.attempt(Step::Complete).unwrap();
        assert_eq!((complete.outcome(), complete.answers.len()), (Outcome::Refused, 1));
    }
}
