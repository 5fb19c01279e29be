//! The status of a wait, as text parts of lines, bar and final sentence. Pure.

use jiff::Timestamp;

use crate::app::nodes::blocker_text;
use crate::app::nodes::observed::ObservedCluster;
use crate::app::nodes::text as nodes_text;
use crate::app::now::Now;
use crate::app::outage::Outage;
use crate::app::rotation::step_text;
use crate::app::session::window::Progress;
use crate::cli::args::Goal;
use crate::cli::commands::wait::text;
use crate::cli::commands::wait::tracker::{Reached, grace};
use crate::domain::action::state_refusal;
use crate::domain::age::long;
use crate::domain::attention::{Stuck, stuck};
use crate::domain::cluster::{Cluster, ReportedError};
use crate::domain::roll::{Roll, RollNote};
use crate::domain::rotation::Phase;
use crate::domain::snapshot::{Templates, Unavailable, Unseen};
use crate::domain::text::{clean, cut_end};

/// Longest server text within a line, in columns.
const MAX_SERVER_TEXT: usize = 300;

/// The status at one moment.
#[derive(Debug, Clone, Copy)]
pub struct WaitStatus<'a> {
    /// Name of the cluster, without control characters.
    pub name: &'a str,
    pub goal: Goal,
    pub cluster: Option<&'a Cluster>,
    /// Whether SKE shows no rotation in progress.
    pub is_idle: bool,
    pub observed: &'a ObservedCluster,
    /// Why nodes are not observed, if so.
    pub unobserved: Option<&'static str>,
    pub outage: Option<&'a Outage>,
    pub now: Now,
    /// Now in SKE's time, if known.
    pub server_now: Timestamp,
}

impl<'a> WaitStatus<'a> {
    /// The phase as named by SKE, without control characters; a dash if unknown.
    pub fn phase_word(&self) -> String {
        match self.phase().map(Phase::api_word) {
            None => text::NO_PHASE.to_owned(),
            Some("") => text::UNSTATED.to_owned(),
            Some(word) => clean(word).replace(' ', "_"),
        }
    }

    /// The phase.
    pub fn phase(&self) -> Option<&'a Phase> {
        self.cluster.map(|cluster| &cluster.rotation.phase)
    }

    /// Whether nodes are being replaced.
    pub fn is_rolling(&self) -> bool {
        self.phase() == Some(&Phase::Preparing)
    }

    /// The roll, once old and new nodes can be distinguished.
    pub fn roll(&self) -> Option<&'a Roll> {
        let snapshot = self.observed.snapshot.as_ref()?;
        let is_known = snapshot.templates != Templates::Unread
            && !snapshot.is_blind_to("nodes")
            && !snapshot.is_being_read();
        self.observed.roll.as_ref().filter(|_| is_known)
    }

    /// When the nodes were last observed.
    fn seen_at(&self) -> Timestamp {
        self.observed.as_of(self.now.wall)
    }

    /// The roll while the phase is PREPARING.
    pub fn rolling(&self) -> Option<&'a Roll> {
        self.roll().filter(|_| self.is_rolling())
    }

    /// "6 of 15 nodes left to replace, about 40–60m left".
    pub fn summary(&self) -> Option<String> {
        match self.phase()? {
            Phase::Preparing => self.roll().map(|roll| nodes_text::summary(roll, self.seen_at())),
            Phase::Prepared => {
                let progress = self.roll()?.progress().filter(|progress| progress.done)?;
                Some(nodes_text::progress(progress))
            }
            Phase::Never | Phase::Completing | Phase::Completed | Phase::Unknown(_) => None,
        }
    }

    /// "PDB payments/api allows no evictions · web-7 blocked 47m": the most severe blocker.
    pub fn headline(&self) -> Option<String> {
        Some(blocker_text::headline(self.rolling()?.worst()?, self.seen_at()))
    }

    /// The reported start that the phase does not show yet.
    pub fn start_before_phase(&self) -> Option<Timestamp> {
        let rotation = &self.cluster?.rotation;
        rotation.initiated.filter(|_| rotation.is_started_before_phase())
    }

    /// A remark about the phase.
    pub fn phase_remark(&self) -> Option<String> {
        if let Some(start) = self.start_before_phase() {
            return Some(text::start_without_phase(text::moment(start)));
        }
        if self.is_idle {
            return Some(text::no_rotation_yet(grace()));
        }
        let remark = match self.phase()? {
            Phase::Preparing => self.unobserved?,
            Phase::Prepared if self.goal == Goal::Completed => text::AWAITS_COMPLETE,
            Phase::Unknown(text) if text.is_empty() => text::NO_PHASE_REPORTED,
            Phase::Unknown(_) => text::UNKNOWN_PHASE,
            Phase::Never | Phase::Prepared | Phase::Completing | Phase::Completed => return None,
        };
        Some(remark.to_owned())
    }

    /// A cluster state in which rotations do not proceed.
    pub fn state_remark(&self) -> Option<String> {
        state_refusal(&self.cluster?.state).and_then(|_| self.state())
    }

    /// "cluster is healthy".
    pub fn state(&self) -> Option<String> {
        Some(text::cluster_state(clean(self.cluster?.state.label())))
    }

    /// Why nodes cannot be read.
    pub fn unavailable_remark(&self) -> Option<String> {
        let (trouble, _) = self.observed.trouble.as_ref().filter(|_| self.is_rolling())?;
        let why = match trouble {
            Unavailable::Connecting => return None,
            Unavailable::NotAcceptedYet { .. } => text::NOT_ACCEPTED_YET,
            Unavailable::CredentialsRefused(failure)
            | Unavailable::NoAccess(failure)
            | Unavailable::KubeconfigRefused(failure)
            | Unavailable::Unreachable(failure) => &failure.message,
            Unavailable::Hibernated => text::HIBERNATED,
            Unavailable::WouldDisableStaticTokens => text::WOULD_DISABLE_STATIC_TOKENS,
        };
        Some(text::nodes_unavailable(server_text(why)))
    }

    /// Kinds that cannot be read, or only in part, although roll or blockers depend on them, each with its note.
    pub fn unseen(&self) -> impl Iterator<Item = (&'static str, &'a RollNote)> {
        let roll = self.observed.roll.as_ref().filter(|_| self.is_rolling() && self.observed.live);
        roll.into_iter().flat_map(|roll| &roll.notes).filter_map(|note| {
            let RollNote::Unseen { kind, why: Unseen::Failing(_) | Unseen::Partly(_), .. } = note
            else {
                return None;
            };
            let is_needed = matches!(*kind, "nodes" | "pods" | "poddisruptionbudgets");
            is_needed.then_some((*kind, note))
        })
    }

    /// Errors reported by SKE, and whether SKE seems to have given up.
    pub fn problem_remarks(&self) -> Vec<String> {
        let Some(cluster) = self.cluster else { return Vec::new() };
        let gave_up = stuck(cluster, self.now.wall).filter(|why| matches!(why, Stuck::GaveUp(_)));
        let problems = problems(cluster).map(|problem| server_text(&reported(problem)));
        problems.chain(gave_up.map(step_text::stuck)).collect()
    }

    /// "shop-prod is PREPARING, 6 of 15 nodes left to replace, about 40–60m left": for the final sentence.
    pub fn sentence(&self) -> String {
        let lasting = |outage: Option<&Outage>| {
            outage.map_or_else(String::new, |outage| text::and(text::lasting(outage, self.now)))
        };
        let Some(phase) = self.phase() else {
            // Any outage explains why nothing was found, however short.
            return text::not_found_yet(self.name) + &lasting(self.outage);
        };
        let summary = self.summary().map_or_else(String::new, text::comma);
        let continues = if phase.is_running() { text::CONTINUES } else { "" };
        let outage = lasting(self.outage.filter(|outage| outage.is_reported(self.now)));
        let start = self.start_before_phase().map(text::moment).map(text::start_without_phase);
        let start = start.map_or_else(String::new, text::and);
        text::status(self.name, self.phase_word()) + &start + &summary + continues + &outage
    }

    /// "2026-11-24T15:03:00Z shop-prod PREPARED all 15 nodes replaced (started 2026-11-24T14:02:11Z, waited 58m)".
    /// `recovery`: the end of an outage that is not printed yet.
    pub fn reached(&self, how: Reached, began: Now, recovery: Option<String>) -> String {
        let mut remarks = Vec::new();
        match how {
            Reached::DuringWait => {}
            Reached::BeforeWait => remarks.push(text::ALREADY_REACHED.to_owned()),
            Reached::Passed => remarks.push(self.reached_word(how)),
        }
        if let Some(cluster) = self.cluster {
            let rotation = &cluster.rotation;
            let completed = rotation.completed.filter(|_| rotation.phase == Phase::Completed);
            let inconsistent = rotation.inconsistent_times(self.server_now);
            remarks.extend(rotation.initiated.map(text::moment).map(text::started));
            remarks.extend(completed.map(text::moment).map(text::completed));
            remarks.extend(
                inconsistent.map(step_text::inconsistent_times).map(text::inconsistent_times),
            );
        }
        if how != Reached::BeforeWait {
            remarks.push(text::waited(self.waited(began)));
        }
        remarks.extend(recovery);
        self.line(&remarks)
    }

    /// The reached phase for a notification, or that it was passed.
    pub fn reached_word(&self, how: Reached) -> String {
        match (how, self.goal) {
            (Reached::DuringWait | Reached::BeforeWait, _) => self.phase_word(),
            (Reached::Passed, Goal::Prepared) => text::passed(Phase::Prepared.api_word()),
            (Reached::Passed, Goal::Completed) => text::passed(Phase::Completed.api_word()),
        }
    }

    /// A line with time, phase, progress, and remarks in brackets.
    pub fn line(&self, remarks: &[String]) -> String {
        let mut line = text::line(text::moment(self.now.wall), self.name, self.phase_word());
        if let Some(summary) = self.summary() {
            line.push(' ');
            line.push_str(&summary);
        }
        if let Some(headline) = self.headline() {
            line.push_str(&text::and(headline));
        }
        if !remarks.is_empty() {
            line.push_str(&text::remarks(remarks.join("; ")));
        }
        clean(&line)
    }

    /// "12m": elapsed waiting time.
    pub fn waited(&self, began: Now) -> String {
        let lasted = self.now.monotonic.saturating_sub(began.monotonic);
        long(lasted.try_into().unwrap_or_default())
    }

    /// Progress for the terminal's progress indicator.
    pub fn progress(&self) -> Progress {
        self.phase().map_or(Progress::None, |phase| {
            Progress::of(phase, self.rolling().and_then(Roll::progress), self.is_blocked())
        })
    }

    /// Whether a blocker or a stall holds up an observed roll.
    pub fn is_blocked(&self) -> bool {
        self.observed.live && self.rolling().is_some() && self.observed.is_blocked()
    }
}

/// Errors reported by SKE, except the one that only marks the list as incomplete.
pub fn problems(cluster: &Cluster) -> impl Iterator<Item = &ReportedError> {
    cluster.problems.iter().filter(|problem| !problem.is_only_incomplete())
}

fn reported(problem: &ReportedError) -> String {
    match (problem.code.as_str(), problem.message.as_str()) {
        (_, message) if problem.is_rest() => message.to_owned(),
        ("", what) | (what, "") => text::reported_alone(what),
        (code, message) => text::reported(code, message),
    }
}

fn server_text(text: &str) -> String {
    cut_end(clean(text).trim_end_matches('.'), MAX_SERVER_TEXT)
}
