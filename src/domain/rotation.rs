//! The credentials rotation of one cluster: phases, steps, and conclusions from its two times.

use std::fmt;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::domain::lenient::or_default;
use crate::domain::text::clean;

/// `status.credentialsRotation.phase` of the SKE API.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Phase {
    /// No rotation so far with the new endpoints.
    Never,
    /// Started: new keys are created, all nodes are replaced.
    Preparing,
    /// Old and new credentials both work; the user must update clients and complete.
    Prepared,
    /// The old credentials are being dropped.
    Completing,
    /// Done; stays until the next start.
    Completed,
    /// Unknown to this program, verbatim; empty if the API sent none.
    #[serde(untagged)]
    Unknown(String),
}

impl Phase {
    /// For tables and sentences; PREPARED is upper case because the user must act.
    pub fn label(&self) -> &str {
        match self {
            Self::Never => "never",
            Self::Preparing => "preparing",
            Self::Prepared => "PREPARED",
            Self::Completing => "completing",
            Self::Completed => "completed",
            Self::Unknown(text) if text.is_empty() => "not stated",
            Self::Unknown(text) => text,
        }
    }

    /// As the API writes it, for programs; unknown phases verbatim.
    pub fn api_word(&self) -> &str {
        match self {
            Self::Never => "NEVER",
            Self::Preparing => "PREPARING",
            Self::Prepared => "PREPARED",
            Self::Completing => "COMPLETING",
            Self::Completed => "COMPLETED",
            Self::Unknown(text) => text,
        }
    }

    /// Parses the API's word; unknown ones are kept.
    pub fn from_api_word(word: &str) -> Self {
        match word {
            "NEVER" => Self::Never,
            "PREPARING" => Self::Preparing,
            "PREPARED" => Self::Prepared,
            "COMPLETING" => Self::Completing,
            "COMPLETED" => Self::Completed,
            other => Self::Unknown(clean(other)),
        }
    }

    /// Sort order.
    pub fn order(&self) -> u8 {
        match self {
            Self::Unknown(_) => 0,
            Self::Never => 1,
            Self::Preparing => 2,
            Self::Prepared => 3,
            Self::Completing => 4,
            Self::Completed => 5,
        }
    }

    /// Whether the platform is working on a step.
    pub fn is_running(&self) -> bool {
        matches!(self, Self::Preparing | Self::Completing)
    }

    /// Whether a rotation is open: old and new credentials exist.
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Preparing | Self::Prepared | Self::Completing)
    }

    /// The next step in this phase; `None` if unknown.
    pub fn due_step(&self) -> Option<Step> {
        match self {
            Self::Never | Self::Completed | Self::Completing => Some(Step::Start),
            Self::Preparing | Self::Prepared => Some(Step::Complete),
            Self::Unknown(_) => None,
        }
    }
}

/// One of the two API calls that advance a rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// `start-credentials-rotation`.
    Start,
    /// `complete-credentials-rotation`.
    Complete,
}

impl Step {
    /// "start" or "complete".
    pub fn verb(self) -> &'static str {
        self.pick("start", "complete")
    }

    /// Last path element of the endpoint.
    pub fn endpoint(self) -> &'static str {
        self.pick("start-credentials-rotation", "complete-credentials-rotation")
    }

    /// Selects the value for this step.
    pub fn pick<T>(self, start: T, complete: T) -> T {
        match self {
            Self::Start => start,
            Self::Complete => complete,
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.verb())
    }
}

/// `status.credentialsRotation` as read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rotation {
    pub phase: Phase,
    /// `lastInitiationTime`, whole seconds.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Option::is_none")]
    pub initiated: Option<Timestamp>,
    /// `lastCompletionTime`; older than `initiated` while a rotation is open.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Option::is_none")]
    pub completed: Option<Timestamp>,
}

/// Why the times of a rotation are inconsistent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InconsistentTimes {
    Future,
    StartAfterCompletion,
    CompletionAfterStart,
    StartOfNone,
    StartMissing,
    CompletionMissing,
}

/// Readings that show an earlier rotation or phase than a previous one count as stale for this long; after that they
/// count as the truth.
pub const OLD_ANSWERS: Duration = Duration::from_mins(10);

/// Clock skew between two machines that is tolerated before times count as inconsistent.
pub const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

impl Rotation {
    /// The time that SINCE counts from: the start while a rotation is open, the completion afterwards. The API does not
    /// report when PREPARED began.
    pub fn since(&self) -> Option<Timestamp> {
        match self.phase {
            Phase::Never => None,
            Phase::Completed => self.completed,
            Phase::Preparing | Phase::Prepared | Phase::Completing | Phase::Unknown(_) => {
                self.initiated
            }
        }
    }

    /// Why its times are inconsistent, if they are.
    pub fn inconsistent_times(&self, now: Timestamp) -> Option<InconsistentTimes> {
        let future =
            |at: Option<Timestamp>| at.is_some_and(|at| at.duration_since(now) > CLOCK_TOLERANCE);
        if future(self.initiated) || future(self.completed) {
            return Some(InconsistentTimes::Future);
        }
        match (&self.phase, self.initiated, self.completed) {
            (Phase::Never, Some(_), _) => Some(InconsistentTimes::StartOfNone),
            (Phase::Completed, ..) if self.mixes_rotations() => {
                Some(InconsistentTimes::StartAfterCompletion)
            }
            _ if self.mixes_rotations() => Some(InconsistentTimes::CompletionAfterStart),
            (Phase::Preparing | Phase::Prepared | Phase::Completing, None, _) => {
                Some(InconsistentTimes::StartMissing)
            }
            (Phase::Completed, _, None) => Some(InconsistentTimes::CompletionMissing),
            _ => None,
        }
    }

    /// Whether phase and times cannot belong to one rotation: SKE reports the time of a start before its phase or vice
    /// versa, or the times are wrong.
    pub fn mixes_rotations(&self) -> bool {
        match self.phase {
            Phase::Never => self.initiated.is_some(),
            Phase::Completed => {
                self.completed.is_some_and(|completed| self.initiated > Some(completed))
            }
            Phase::Preparing | Phase::Prepared | Phase::Completing => {
                self.initiated.is_some_and(|initiated| Some(initiated) < self.completed)
            }
            Phase::Unknown(_) => false,
        }
    }

    /// Whether SKE reports a start that its phase does not show yet: no rotation in progress, although the last start is
    /// later than the last completion.
    pub fn is_started_before_phase(&self) -> bool {
        match self.phase {
            Phase::Never => self.initiated > self.completed,
            Phase::Completed => self.mixes_rotations(),
            Phase::Preparing | Phase::Prepared | Phase::Completing | Phase::Unknown(_) => false,
        }
    }

    /// The start of the rotation that the phase is about; `None` if SKE does not report it, or that of another one.
    pub fn start(&self) -> Option<Timestamp> {
        self.initiated.filter(|_| !self.mixes_rotations())
    }

    /// Whether phase and times tell which generation of credentials is in use.
    pub fn is_clear(&self) -> bool {
        match self.phase {
            _ if self.mixes_rotations() => false,
            Phase::Unknown(_) => false,
            Phase::Never => true,
            Phase::Preparing | Phase::Prepared | Phase::Completing | Phase::Completed => {
                self.initiated.is_some()
            }
        }
    }

    /// Whether this reading, of the same phase, belongs to a later rotation: the earlier one was completed, and another
    /// one started, in between readings.
    pub fn is_next_of(&self, known: &Self) -> bool {
        // Both must be consistent; the time of a start may be reported earlier or later than its phase.
        let is_whole = !self.mixes_rotations() && !known.mixes_rotations();
        let completed_since = known.initiated.is_some() && self.completed > known.initiated;
        is_whole && self.phase == known.phase && completed_since && self.initiated > known.initiated
    }

    /// Whether this later reading shows an earlier state than a known one: SKE answers from caches.
    pub fn is_older_than(&self, known: &Self) -> bool {
        if self.initiated != known.initiated {
            return self.initiated < known.initiated;
        }
        let unsure = |rotation: &Self| matches!(rotation.phase, Phase::Unknown(_));
        if unsure(known) || unsure(self) {
            return false;
        }
        let rests = |rotation: &Self| matches!(rotation.phase, Phase::Never | Phase::Completed);
        // The moment of a start may come later than its phase, or earlier.
        let is_over = |rotation: &Self| !rotation.mixes_rotations();
        match (rests(known), rests(self)) {
            // A start may be reported by phase before its time, but later phases are not.
            (true, false) => {
                let later = matches!(self.phase, Phase::Prepared | Phase::Completing);
                let earlier = self.completed.is_some() && self.completed < known.completed;
                known.phase == Phase::Completed && (later || earlier)
            }
            (true, true) => is_over(known) && !is_over(self),
            (false, false) => self.phase.order() < known.phase.order(),
            (false, true) => {
                self.phase == Phase::Never
                    || !is_over(self)
                    || self.completed.is_some() && self.completed == known.completed
            }
        }
    }

    /// Whether this reading shows that a step requested at `requested` took effect, compared with the rotation
    /// `before`. `skew` is the server's clock minus ours.
    pub fn shows_effect(
        &self,
        step: Step,
        before: &Self,
        requested: Timestamp,
        skew: SignedDuration,
    ) -> bool {
        // The API rounds to seconds.
        let requested = requested
            .saturating_add(skew)
            .and_then(|at| at.saturating_sub(SignedDuration::from_secs(2)))
            .unwrap_or(requested);
        let since_request = |at: Option<Timestamp>| at.is_some_and(|at| at >= requested);
        // If no time was reported before, a time alone is not a change.
        let later = |before: Option<Timestamp>, at: Option<Timestamp>| {
            at > before && (before.is_some() || since_request(at))
        };
        match step {
            Step::Start => {
                since_request(self.initiated) && self.initiated != before.initiated
                    || self.phase != before.phase && self.phase.is_open()
            }
            // The next rotation may have been started before this reading.
            Step::Complete => {
                matches!(self.phase, Phase::Completing | Phase::Completed)
                    || later(before.initiated, self.initiated)
                    || later(before.completed, self.completed)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use crate::domain::rotation::{InconsistentTimes, Phase, Rotation, Step};

    fn at(second: i64) -> Option<Timestamp> {
        Timestamp::from_second(second).ok()
    }

    #[test]
    fn an_earlier_answer_is_distinguished_from_a_later_one() {
        let rotation =
            |phase: Phase, initiated, completed| Rotation { phase, initiated, completed };
        let (one, two, three) = (at(100), at(200), at(300));
        let done = rotation(Phase::Completed, one, two);
        // Earlier phases of the same rotation.
        assert!(rotation(Phase::Completing, one, at(50)).is_older_than(&done));
        assert!(rotation(Phase::Prepared, one, None).is_older_than(&done));
        assert!(rotation(Phase::Preparing, one, at(50)).is_older_than(&done));
        // A start may report its phase before its time, or its time before its phase.
        assert!(!rotation(Phase::Preparing, one, two).is_older_than(&done));
        assert!(!rotation(Phase::Completed, three, two).is_older_than(&done));
        let started = rotation(Phase::Preparing, three, two);
        assert!(done.is_older_than(&started));
        assert!(!rotation(Phase::Prepared, three, two).is_older_than(&started));
        assert!(rotation(Phase::Never, None, None).is_older_than(&started));
        // A completion without a time counts.
        let first = rotation(Phase::Completing, one, None);
        assert!(!rotation(Phase::Completed, one, None).is_older_than(&first));
        let unknown = rotation(Phase::Unknown("X".into()), one, two);
        assert!(!unknown.is_older_than(&done) && !done.is_older_than(&unknown));
        let unknown = rotation(Phase::Unknown("X".into()), one, None);
        assert!(!unknown.is_older_than(&first) && !first.is_older_than(&unknown));
    }

    /// Readings that may be of one life, each later than the one before, and what an answer from a cache may be.
    #[test]
    fn of_two_answers_about_one_rotation_only_the_later_one_is_not_old() {
        let rotation =
            |phase: Phase, initiated, completed| Rotation { phase, initiated, completed };
        let life = [
            rotation(Phase::Never, None, None),
            rotation(Phase::Preparing, at(100), None),
            rotation(Phase::Prepared, at(100), None),
            rotation(Phase::Completing, at(100), None),
            rotation(Phase::Completed, at(100), at(150)),
            rotation(Phase::Preparing, at(200), at(150)),
            rotation(Phase::Prepared, at(200), at(150)),
            rotation(Phase::Completing, at(200), at(150)),
            rotation(Phase::Completed, at(200), at(250)),
        ];
        for (n, earlier) in life.iter().enumerate() {
            for later in &life[n..] {
                assert!(!later.is_older_than(earlier), "{later:?} after {earlier:?}");
                // This one shows like the next start, whose moment is not there yet.
                let may_be_a_start = earlier.phase == Phase::Preparing
                    && earlier.completed.is_none()
                    && later.phase == Phase::Completed
                    && later.initiated == earlier.initiated;
                let is_old = later != earlier && !may_be_a_start;
                assert_eq!(earlier.is_older_than(later), is_old, "{earlier:?} {later:?}");
            }
        }
        for (answer, known, is_old) in [
            // A start that shows its moment before its phase was shown, and is not any more.
            (
                rotation(Phase::Never, at(100), None),
                rotation(Phase::Preparing, at(100), None),
                true,
            ),
            (
                rotation(Phase::Completed, at(200), at(150)),
                rotation(Phase::Preparing, at(200), at(150)),
                true,
            ),
            (
                rotation(Phase::Completed, at(200), at(150)),
                rotation(Phase::Completed, at(200), at(250)),
                true,
            ),
            (
                rotation(Phase::Completed, at(200), at(150)),
                rotation(Phase::Prepared, at(200), None),
                true,
            ),
            (rotation(Phase::Never, None, None), rotation(Phase::Preparing, None, None), true),
            // A phase before its moment is that of a start; no later phase shows like that.
            (
                rotation(Phase::Completing, at(100), at(150)),
                rotation(Phase::Completed, at(100), at(150)),
                true,
            ),
            (
                rotation(Phase::Preparing, at(100), None),
                rotation(Phase::Completed, at(100), at(150)),
                false,
            ),
        ] {
            assert_eq!(answer.is_older_than(&known), is_old, "{answer:?} after {known:?}");
        }
    }

    #[test]
    fn api_40_the_next_rotation_is_known_by_its_moments_when_the_phase_is_the_same() {
        let rotation =
            |phase: Phase, initiated, completed| Rotation { phase, initiated, completed };
        let next = |before: &Rotation, after: &Rotation| after.is_next_of(before);
        for phase in [Phase::Preparing, Phase::Prepared, Phase::Completing] {
            let before = rotation(phase.clone(), at(100), at(50));
            assert!(next(&before, &rotation(phase.clone(), at(300), at(200))), "{phase:?}");
            assert!(!next(&before, &before), "{phase:?}");
            // The first rotation ended without a time, or none was reported.
            assert!(!next(&rotation(phase.clone(), None, None), &before), "{phase:?}");
        }
        let done = rotation(Phase::Completed, at(100), at(200));
        assert!(next(&done, &rotation(Phase::Completed, at(300), at(400))));
        // A start that reports its time before its phase, or its phase before its time.
        assert!(!next(&done, &rotation(Phase::Completed, at(300), at(200))));
        let phase_first = rotation(Phase::Preparing, at(100), at(200));
        assert!(!next(&phase_first, &rotation(Phase::Preparing, at(300), at(200))));
        // A corrected time.
        let corrected = rotation(Phase::Prepared, at(101), at(50));
        assert!(!next(&rotation(Phase::Prepared, at(100), at(50)), &corrected));
        // Of one phase: what comes later in the rotation is not the next one.
        let prepared = rotation(Phase::Prepared, at(300), at(200));
        assert!(!next(&rotation(Phase::Preparing, at(100), at(50)), &prepared));
        // Completed at the very second of its start, or started again in none.
        let same = |initiated, completed| rotation(Phase::Completed, at(initiated), at(completed));
        assert!(!next(&same(100, 100), &same(100, 150)) && !next(&same(100, 150), &same(150, 100)));
    }

    #[test]
    fn each_phase_has_its_word_its_place_and_the_step_that_is_next() {
        let table = [
            ("NEVER", false, false, Some(Step::Start)),
            ("PREPARING", true, true, Some(Step::Complete)),
            ("PREPARED", false, true, Some(Step::Complete)),
            ("COMPLETING", true, true, Some(Step::Start)),
            ("COMPLETED", false, false, Some(Step::Start)),
        ];
        let later = Phase::Unknown("LATER".into());
        assert_eq!(Phase::from_api_word("LATER"), later);
        assert_eq!((later.is_running(), later.is_open(), later.due_step()), (false, false, None));
        let mut before = later.order();
        for (word, is_running, is_open, step) in table {
            let phase = Phase::from_api_word(word);
            assert_eq!(phase.api_word(), word);
            let told = (phase.is_running(), phase.is_open(), phase.due_step());
            assert_eq!(told, (is_running, is_open, step), "{word}");
            assert!(phase.order() > before, "{word}");
            before = phase.order();
        }
    }

    #[test]
    fn api_20_inconsistent_times_are_named() {
        let now = Timestamp::from_second(10_000).unwrap();
        let soon = 10_000 + 5 * 60;
        let named = InconsistentTimes::Future;
        for (phase, initiated, completed, why) in [
            // A start shows its moment before its phase, and the end of the rotation before, too.
            (Phase::Never, at(500), None, Some(InconsistentTimes::StartOfNone)),
            (Phase::Never, None, None, None),
            (Phase::Completed, at(500), at(400), Some(InconsistentTimes::StartAfterCompletion)),
            (Phase::Completed, at(400), at(400), None),
            (Phase::Completed, None, at(400), None),
            (Phase::Completed, at(400), None, Some(InconsistentTimes::CompletionMissing)),
            (Phase::Preparing, at(400), at(500), Some(InconsistentTimes::CompletionAfterStart)),
            (Phase::Completing, at(400), at(500), Some(InconsistentTimes::CompletionAfterStart)),
            (Phase::Prepared, at(400), at(400), None),
            (Phase::Prepared, at(500), at(400), None),
            (Phase::Prepared, at(500), None, None),
            (Phase::Prepared, None, None, Some(InconsistentTimes::StartMissing)),
            (Phase::Completing, None, at(400), Some(InconsistentTimes::StartMissing)),
            (Phase::Unknown("X".into()), at(400), at(500), None),
            // Moments of two machines.
            (Phase::Prepared, at(soon), None, None),
            (Phase::Prepared, at(soon + 1), None, Some(named)),
            (Phase::Prepared, at(500), at(soon + 1), Some(named)),
        ] {
            let rotation = Rotation { phase, initiated, completed };
            assert_eq!(rotation.inconsistent_times(now), why, "{rotation:?}");
            let is_mixed = matches!(
                why,
                Some(
                    InconsistentTimes::StartOfNone
                        | InconsistentTimes::StartAfterCompletion
                        | InconsistentTimes::CompletionAfterStart
                )
            );
            assert_eq!(rotation.mixes_rotations(), is_mixed || completed == at(soon + 1));
        }
    }

    #[test]
    fn a_start_shows_by_its_moment_or_its_phase() {
        let before = Rotation { phase: Phase::Completed, initiated: at(100), completed: at(200) };
        let requested = Timestamp::from_second(1_000).unwrap();
        let shows = |rotation: &Rotation, skew| {
            rotation.shows_effect(Step::Start, &before, requested, SignedDuration::from_secs(skew))
        };
        assert!(!shows(&before, 0));
        assert!(shows(
            &Rotation { phase: Phase::Preparing, initiated: at(100), completed: None },
            0
        ));
        let moment_first =
            Rotation { phase: Phase::Completed, initiated: at(1_000), completed: at(200) };
        assert!(shows(&moment_first, 0));
        assert!(!shows(&moment_first, 600));
        // The API rounds; nothing that was there before counts.
        let at_moment = |second| Rotation { initiated: at(second), ..before.clone() };
        assert!(shows(&at_moment(998), 0) && !shows(&at_moment(997), 0));
        assert!(!shows(&Rotation { initiated: None, ..before.clone() }, 0));
        assert!(!shows(&Rotation { phase: Phase::Never, ..before.clone() }, 0), "no start");
        let known = Rotation { phase: Phase::Preparing, initiated: at(1_000), completed: at(200) };
        assert!(!known.shows_effect(Step::Start, &known, requested, SignedDuration::ZERO));
    }

    #[test]
    fn a_completion_shows_even_when_the_next_start_came_first() {
        let before = Rotation { phase: Phase::Prepared, initiated: at(100), completed: at(50) };
        let requested = Timestamp::from_second(1_000).unwrap();
        let shows = |rotation: &Rotation| {
            rotation.shows_effect(Step::Complete, &before, requested, SignedDuration::ZERO)
        };
        assert!(!shows(&before));
        assert!(shows(&Rotation { phase: Phase::Completing, ..before.clone() }));
        assert!(shows(&Rotation { phase: Phase::Completed, ..before.clone() }));
        // The next rotation was prepared already; either of its moments tells.
        assert!(shows(&Rotation { initiated: at(2_000), ..before.clone() }));
        assert!(shows(&Rotation { completed: at(60), ..before.clone() }));
        let next = Rotation { phase: Phase::Preparing, initiated: at(2_000), completed: at(1_100) };
        assert!(shows(&next));
    }

    #[test]
    fn api_20_a_moment_that_was_not_stated_before_shows_no_completion() {
        let requested = Timestamp::from_second(1_000).unwrap();
        let shows = |before: &Rotation, after: &Rotation| {
            after.shows_effect(Step::Complete, before, requested, SignedDuration::ZERO)
        };
        let prepared =
            |initiated, completed| Rotation { phase: Phase::Prepared, initiated, completed };
        let stated = prepared(at(100), at(50));
        for before in [prepared(None, at(50)), prepared(at(100), None), prepared(None, None)] {
            assert!(!shows(&before, &stated), "{before:?}");
            let next =
                Rotation { phase: Phase::Preparing, initiated: at(2_000), completed: at(1_100) };
            assert!(shows(&before, &next), "{before:?}");
        }
    }

    #[test]
    fn since_counts_from_the_start_while_open_and_from_the_end_afterwards() {
        let mut rotation =
            Rotation { phase: Phase::Prepared, initiated: at(300), completed: at(200) };
        assert_eq!(rotation.since(), at(300));
        rotation.phase = Phase::Completed;
        rotation.completed = at(400);
        assert_eq!(rotation.since(), at(400));
        rotation.phase = Phase::Never;
        assert_eq!(rotation.since(), None);
    }
}
