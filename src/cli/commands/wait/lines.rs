//! One line for each change, for logs and pipes. Time alone prints nothing, and nothing is printed twice. Pure.

use std::mem::{Discriminant, discriminant};
use std::time::Duration;

use jiff::Timestamp;

use crate::app::nodes::blocker_text;
use crate::app::nodes::text::{self as nodes_text, progress};
use crate::app::now::Now;
use crate::app::outage::Outage;
use crate::cli::commands::wait::status::{WaitStatus, problems};
use crate::cli::commands::wait::text;
use crate::domain::action::{Refusal, state_refusal};
use crate::domain::age::since;
use crate::domain::attention::{Stuck, stuck};
use crate::domain::cluster::ReportedError;
use crate::domain::roll::Roll;
use crate::domain::roll::durations::RollEstimate;
use crate::domain::rotation::Phase;
use crate::domain::snapshot::Unavailable;

/// The API server is briefly unreachable during its rollout; unavailable nodes are printed after this delay.
const UNAVAILABLE_DELAY: Duration = Duration::from_mins(1);

/// Node changes come in bursts; they are grouped and printed at least this long after the last line.
const NODE_CHANGE_INTERVAL: Duration = Duration::from_secs(3);

/// A change of this prints a new line. Durations are not part of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct LineState {
    phase: Option<Phase>,
    is_idle: bool,
    /// A reported start that the phase does not show yet.
    start: Option<Timestamp>,
    /// As printed, so that only visible changes count.
    progress: Option<String>,
    blocked: usize,
    blocker: Option<(String, String)>,
    stalled: bool,
    stopped: Option<Refusal>,
    problems: Vec<String>,
    gave_up: bool,
    unavailable: Option<Discriminant<Unavailable>>,
    /// Kinds that cannot be read.
    unseen: Vec<&'static str>,
    outage: bool,
}

impl LineState {
    fn of(status: &WaitStatus<'_>) -> Self {
        let roll = status.rolling();
        let worst = roll.and_then(Roll::worst);
        let cluster = status.cluster;
        Self {
            phase: status.phase().cloned(),
            is_idle: status.is_idle,
            start: status.start_before_phase(),
            progress: roll.and_then(Roll::progress).map(progress),
            blocked: roll.map_or(0, |roll| roll.counts.blocked),
            blocker: worst.map(|worst| {
                let node = worst.node.as_ref().map(|node| node.full.clone());
                (node.unwrap_or_default(), blocker_text::brief(worst))
            }),
            stalled: roll.is_some_and(|roll| matches!(roll.estimate, RollEstimate::Stalled { .. })),
            stopped: cluster.and_then(|cluster| state_refusal(&cluster.state)),
            problems: cluster
                .map(|cluster| problems(cluster).map(without_digits).collect())
                .unwrap_or_default(),
            gave_up: cluster.is_some_and(|cluster| {
                matches!(stuck(cluster, status.now.wall), Some(Stuck::GaveUp(_)))
            }),
            unavailable: unavailable(status),
            unseen: status.unseen().map(|(kind, _)| kind).collect(),
            outage: status.outage.is_some_and(|outage| outage.is_reported(status.now)),
        }
    }

    /// Whether they differ only in nodes.
    fn differs_by_nodes(&self, other: &Self) -> bool {
        let Self { progress, blocked, blocker, stalled, .. } = other.clone();
        Self { progress, blocked, blocker, stalled, ..self.clone() } == *other
    }
}

/// A reported error without digits, which may be a changing duration.
fn without_digits(problem: &ReportedError) -> String {
    let message: String = problem.message.chars().filter(|c| !c.is_ascii_digit()).collect();
    format!("{} {message}", problem.code)
}

/// Why nodes cannot be read, once that has lasted for a minute.
pub fn unavailable(status: &WaitStatus<'_>) -> Option<Discriminant<Unavailable>> {
    let (why, began) = status.observed.trouble.as_ref().filter(|_| status.is_rolling())?;
    let lasted = Duration::try_from(since(*began, status.now.wall)).unwrap_or_default();
    let is_shown = lasted >= UNAVAILABLE_DELAY && *why != Unavailable::Connecting;
    is_shown.then(|| discriminant(why))
}

/// The last printed state.
#[derive(Debug, Default)]
pub struct Lines {
    last: Option<LineState>,
    printed_at: Duration,
    /// The printed outage whose end is not printed yet.
    outage: Option<Outage>,
}

impl Lines {
    /// The line to print, if something changed.
    pub fn next_line(&mut self, status: &WaitStatus<'_>) -> Option<String> {
        let mut state = LineState::of(status);
        let before = self.last.clone().unwrap_or_default();
        if state.outage {
            // Unavailable nodes may be part of the same outage.
            state.unavailable = before.unavailable;
            state.unseen.clone_from(&before.unseen);
        }
        // In a long roll the state alternates, and with it whether SKE seems to have given up.
        state.gave_up |= before.gave_up && state.phase == before.phase;
        let now = status.now.monotonic;
        let too_soon =
            self.last.is_some() && now.saturating_sub(self.printed_at) < NODE_CHANGE_INTERVAL;
        if state == before || too_soon && state.differs_by_nodes(&before) {
            return None;
        }
        let remarks = self.remarks(status, &before, &state);
        self.last = Some(state);
        self.printed_at = now;
        Some(status.line(&remarks))
    }

    /// The end of the printed outage, for the last line.
    pub fn recovery(&mut self, now: Now) -> Option<String> {
        self.outage.take().map(|outage| text::over(&outage, now))
    }

    fn remarks(
        &mut self,
        status: &WaitStatus<'_>,
        before: &LineState,
        state: &LineState,
    ) -> Vec<String> {
        let mut remarks = Vec::new();
        if state.outage && !before.outage {
            self.outage = status.outage.cloned();
            remarks.extend(status.outage.map(text::begun));
        }
        if !state.outage {
            remarks.extend(self.recovery(status.now));
        }
        let of_phase = |state: &LineState| (state.phase.clone(), state.is_idle, state.start);
        if of_phase(state) != of_phase(before) {
            remarks.extend(status.phase_remark());
        }
        if state.stopped != before.stopped {
            remarks.extend(status.state());
        }
        if state.problems.is_empty() && !before.problems.is_empty() {
            remarks.push(text::NO_MORE_ERRORS.to_owned());
        }
        if state.problems != before.problems || state.gave_up != before.gave_up {
            remarks.extend(status.problem_remarks());
        }
        if state.unavailable != before.unavailable {
            match state.unavailable {
                Some(_) => remarks.extend(status.unavailable_remark()),
                None if status.is_rolling() => remarks.push(text::NODES_AVAILABLE.to_owned()),
                None => {}
            }
        }
        if state.unseen != before.unseen {
            remarks
                .extend(status.unseen().map(|(_, note)| text::not_visible(nodes_text::note(note))));
        }
        remarks
    }
}
