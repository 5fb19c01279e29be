//! One line for each change, for logs and pipes: nothing is printed that was printed before, and nothing while only
//! time passes. Pure.

use std::time::Duration;

use crate::app::nodes::blocker_text;
use crate::app::nodes::text;
use crate::app::now::Now;
use crate::app::outage::Outage;
use crate::cli::commands::wait::outage_text::{begun, over};
use crate::cli::commands::wait::status::{WaitStatus, halting, problems};
use crate::domain::age::since;
use crate::domain::attention::{Stuck, stuck};
use crate::domain::cluster::{ClusterState, ReportedError};
use crate::domain::roll::Roll;
use crate::domain::roll::durations::RollEstimate;
use crate::domain::rotation::Phase;
use crate::domain::snapshot::Unavailable;

/// An API server that renews itself is away for a moment now and then; that its nodes cannot be seen is told after
/// this.
pub const TROUBLE_PATIENCE: Duration = Duration::from_mins(1);

/// What concerns nodes comes in pieces at first and in bursts later; it is told together, no sooner than this after the
/// last line.
pub const TOGETHER: Duration = Duration::from_secs(3);

/// What makes a new line when it changes. How long something lasts is not in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Sign {
    phase: Option<Phase>,
    at_rest: bool,
    /// As it is read: what it does not show is no change.
    progress: Option<String>,
    blocked: usize,
    blocker: Option<(String, String)>,
    stalled: bool,
    state: Option<ClusterState>,
    problems: Vec<String>,
    gave_up: bool,
    trouble: Option<&'static str>,
    outage: bool,
}

impl Sign {
    fn of(standing: &WaitStatus<'_>) -> Self {
        let roll = standing.rolling();
        let worst = roll.and_then(Roll::worst);
        let cluster = standing.cluster;
        Self {
            phase: standing.phase().cloned(),
            at_rest: standing.at_rest,
            progress: roll.and_then(Roll::progress).map(text::progress),
            blocked: roll.map_or(0, |roll| roll.counts.blocked),
            blocker: worst.map(|worst| {
                let node = worst.node.as_ref().map(|node| node.full.clone());
                (node.unwrap_or_default(), blocker_text::brief(worst))
            }),
            stalled: roll.is_some_and(|roll| matches!(roll.estimate, RollEstimate::Stalled { .. })),
            state: cluster.and_then(|cluster| halting(&cluster.state)).cloned(),
            problems: cluster
                .map(|cluster| problems(cluster).map(timeless).collect())
                .unwrap_or_default(),
            gave_up: cluster.is_some_and(|cluster| {
                matches!(stuck(cluster, standing.now.wall), Some(Stuck::GaveUp(_)))
            }),
            trouble: trouble(standing),
            outage: standing.outage.is_some_and(|outage| outage.is_told(standing.now)),
        }
    }

    /// Whether it differs in nothing but what nodes do.
    fn differs_by_nodes(&self, other: &Self) -> bool {
        let Self { progress, blocked, blocker, stalled, .. } = other.clone();
        Self { progress, blocked, blocker, stalled, ..self.clone() } == *other
    }
}

/// What SKE reports without numbers, which may count something that goes on.
fn timeless(problem: &ReportedError) -> String {
    let message: String = problem.message.chars().filter(|c| !c.is_ascii_digit()).collect();
    format!("{} {message}", problem.code)
}

/// The kind of trouble that keeps its nodes from being seen, once it has lasted.
pub fn trouble(standing: &WaitStatus<'_>) -> Option<&'static str> {
    let (trouble, began) = standing.observed.trouble.as_ref().filter(|_| standing.is_rolling())?;
    let lasted = Duration::try_from(since(*began, standing.now.wall)).unwrap_or_default();
    if lasted < TROUBLE_PATIENCE {
        return None;
    }
    match trouble {
        Unavailable::Connecting => None,
        Unavailable::NotAcceptedYet { .. } => Some("not yet"),
        Unavailable::CredentialsRefused(_) => Some("refused"),
        Unavailable::NoAccess(_) => Some("no access"),
        Unavailable::KubeconfigRefused(_) => Some("strange"),
        Unavailable::Unreachable(_) => Some("unreachable"),
        Unavailable::Hibernated => Some("asleep"),
        Unavailable::OneWay => Some("one way"),
    }
}

/// What was printed last.
#[derive(Debug, Default)]
pub struct Lines {
    last: Option<Sign>,
    told: Duration,
    /// What there will be to say once the outage is over.
    outage: Option<Outage>,
}

impl Lines {
    /// The line that is due, if something changed.
    pub fn tell(&mut self, standing: &WaitStatus<'_>) -> Option<String> {
        let mut sign = Sign::of(standing);
        let before = self.last.clone().unwrap_or_default();
        if sign.outage {
            // That nodes cannot be seen either may be the same outage.
            sign.trouble = before.trouble;
        }
        // In a long roll the state flickers, and with it whether SKE goes on trying.
        sign.gave_up |= before.gave_up && sign.phase == before.phase;
        let now = standing.now.monotonic;
        let too_soon = self.last.is_some() && now.saturating_sub(self.told) < TOGETHER;
        if sign == before || too_soon && sign.differs_by_nodes(&before) {
            return None;
        }
        let remarks = self.remarks(standing, &before, &sign);
        self.last = Some(sign);
        self.told = now;
        Some(standing.line(&remarks))
    }

    /// The outage that was told is over without any line since; told with the last one.
    pub fn owed(&mut self, now: Now) -> Option<String> {
        self.outage.take().map(|outage| over(&outage, now))
    }

    fn remarks(&mut self, standing: &WaitStatus<'_>, before: &Sign, sign: &Sign) -> Vec<String> {
        let mut remarks = Vec::new();
        if sign.outage && !before.outage {
            self.outage = standing.outage.cloned();
            remarks.extend(standing.outage.map(begun));
        }
        if !sign.outage {
            remarks.extend(self.owed(standing.now));
        }
        if sign.phase != before.phase || sign.at_rest != before.at_rest {
            remarks.extend(standing.phase_remark());
        }
        if sign.state != before.state {
            remarks.extend(standing.state());
        }
        if sign.problems.is_empty() && !before.problems.is_empty() {
            remarks.push("SKE reports no error any more".to_owned());
        }
        if sign.problems != before.problems || sign.gave_up != before.gave_up {
            remarks.extend(standing.problem_remarks());
        }
        if sign.trouble != before.trouble {
            match sign.trouble {
                Some(_) => remarks.extend(standing.trouble_remark()),
                None if standing.is_rolling() => remarks.push("nodes are seen again".to_owned()),
                None => {}
            }
        }
        remarks
    }
}
