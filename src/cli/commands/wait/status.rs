//! How things stand in words: the parts that lines, the bar and the last sentence are put together from. Pure.

use jiff::Timestamp;

use crate::app::nodes::blocker_text;
use crate::app::nodes::observed::ObservedCluster;
use crate::app::nodes::text;
use crate::app::now::Now;
use crate::app::outage::Outage;
use crate::app::rotation::step_text;
use crate::app::session::window::Progress;
use crate::cli::args::Goal;
use crate::cli::commands::wait::outage_text::{brief, moment};
use crate::cli::commands::wait::tracker::{GRACE, How};
use crate::domain::age::long;
use crate::domain::attention::{Stuck, stuck};
use crate::domain::cluster::{Cluster, ClusterState, ReportedError};
use crate::domain::roll::Roll;
use crate::domain::rotation::Phase;
use crate::domain::snapshot::{Templates, Unavailable};
use crate::domain::text::{clean, cut_end};

/// Longest foreign text within a line, in columns.
const LONGEST: usize = 300;

/// Whether nodes are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObservationPolicy {
    /// While they are replaced.
    AtNodes,
    /// Asking for a kubeconfig changes something: `--read-only`.
    NotReadOnly,
    /// `kubernetes.watch` is `never`.
    NotConfigured,
}

/// How things stand at one moment.
#[derive(Debug, Clone, Copy)]
pub struct WaitStatus<'a> {
    /// Name of the cluster, safe to draw.
    pub name: &'a str,
    pub goal: Goal,
    pub cluster: Option<&'a Cluster>,
    /// Whether SKE shows that nothing is under way.
    pub at_rest: bool,
    pub observed: &'a ObservedCluster,
    pub looks: ObservationPolicy,
    /// Since when SKE cannot be read.
    pub outage: Option<&'a Outage>,
    pub now: Now,
}

impl<'a> WaitStatus<'a> {
    /// The phase in SKE's own word, safe to draw; a dash while it is not known.
    pub fn phase_word(&self) -> String {
        match self.phase().map(Phase::api_word) {
            None => "-".to_owned(),
            Some("") => "UNSTATED".to_owned(),
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

    /// The roll, once enough was seen of it to tell old nodes from new ones.
    pub fn roll(&self) -> Option<&'a Roll> {
        let snapshot = self.observed.snapshot.as_ref()?;
        let told = snapshot.templates != Templates::Unread
            && !snapshot.is_blind_to("nodes")
            && !snapshot.is_being_read();
        self.observed.roll.as_ref().filter(|_| told)
    }

    /// The moment of which the nodes are known.
    fn seen_at(&self) -> Timestamp {
        self.observed.as_of(self.now.wall)
    }

    /// The roll while it is under way.
    pub fn rolling(&self) -> Option<&'a Roll> {
        self.roll().filter(|_| self.is_rolling())
    }

    /// "9 of 15 nodes new, about 40–60m left".
    pub fn summary(&self) -> Option<String> {
        match self.phase()? {
            Phase::Preparing => self.roll().map(|roll| text::summary(roll, self.seen_at())),
            Phase::Prepared => {
                let progress = self.roll()?.progress().filter(|progress| progress.done)?;
                Some(text::progress(progress))
            }
            Phase::Never | Phase::Completing | Phase::Completed | Phase::Unknown(_) => None,
        }
    }

    /// "PDB payments/api allows 0 · web-7 blocked 47m": the worst that holds the roll up.
    pub fn headline(&self) -> Option<String> {
        Some(blocker_text::headline(self.rolling()?.worst()?, self.seen_at()))
    }

    /// What is special about the phase.
    pub fn phase_remark(&self) -> Option<String> {
        if self.at_rest {
            let grace = long(GRACE.try_into().unwrap_or_default());
            return Some(format!(
                "nothing is under way so far; a start that was accepted may take {grace} to show"
            ));
        }
        match (self.phase()?, self.looks) {
            (Phase::Preparing, ObservationPolicy::NotReadOnly) => {
                Some("nodes are not looked at: read-only".to_owned())
            }
            (Phase::Preparing, ObservationPolicy::NotConfigured) => {
                Some("nodes are not looked at: kubernetes.watch is never".to_owned())
            }
            (Phase::Prepared, _) if self.goal == Goal::Completed => {
                Some("somebody must complete it".to_owned())
            }
            (Phase::Unknown(_), _) => {
                Some("skeys does not know this phase and waits for another".to_owned())
            }
            _ => None,
        }
    }

    /// What keeps the cluster as a whole from going on.
    pub fn state_remark(&self) -> Option<String> {
        halting(&self.cluster?.state).and_then(|_| self.state())
    }

    /// "the cluster is healthy".
    pub fn state(&self) -> Option<String> {
        Some(format!("the cluster is {}", clean(self.cluster?.state.word())))
    }

    /// Why its nodes cannot be seen.
    pub fn trouble_remark(&self) -> Option<String> {
        let (trouble, _) = self.observed.trouble.as_ref().filter(|_| self.is_rolling())?;
        let why = match trouble {
            Unavailable::Connecting => return None,
            Unavailable::NotAcceptedYet { .. } => {
                return Some(
                    "nodes cannot be seen yet: the API server does not take fresh credentials so far"
                        .to_owned(),
                );
            }
            Unavailable::CredentialsRefused(failure)
            | Unavailable::NoAccess(failure)
            | Unavailable::KubeconfigRefused(failure)
            | Unavailable::Unreachable(failure) => failure.message.clone(),
            Unavailable::Hibernated => "the cluster sleeps".to_owned(),
            Unavailable::OneWay => {
                "asking for a kubeconfig would switch static tokens off for ever".to_owned()
            }
        };
        Some(format!("nodes cannot be seen: {}", foreign(&why)))
    }

    /// What SKE reports, and that it seems to have given up.
    pub fn problem_remarks(&self) -> Vec<String> {
        let Some(cluster) = self.cluster else { return Vec::new() };
        let gave_up = stuck(cluster, self.now.wall).filter(|why| matches!(why, Stuck::GaveUp(_)));
        let problems = problems(cluster)
            .map(|problem| foreign(&format!("SKE reports {}: {}", problem.code, problem.message)));
        problems.chain(gave_up.map(step_text::stuck)).collect()
    }

    /// "shop-prod is PREPARING, 9 of 15 nodes new, about 40–60m left": for the last sentence.
    pub fn sentence(&self) -> String {
        let Some(phase) = self.phase() else {
            // However short it is, it is why nothing was found.
            let out = self
                .outage
                .map_or_else(String::new, |outage| format!("; {}", brief(outage, self.now)));
            return format!("{} was not found so far{out}", self.name);
        };
        let summary = self.summary().map_or_else(String::new, |summary| format!(", {summary}"));
        let runs = if phase.is_running() { "; the rotation goes on without skeys" } else { "" };
        let out = match self.outage.filter(|outage| outage.is_told(self.now)) {
            Some(outage) => format!("; {}", brief(outage, self.now)),
            None => String::new(),
        };
        format!("{} is {}{summary}{runs}{out}", self.name, self.phase_word())
    }

    /// "2026-11-24T15:03:00Z shop-prod PREPARED all 15 nodes new (started 2026-11-24T14:02:11Z, waited 58m)".
    /// `owed` is what there still was to say.
    pub fn reached(&self, how: How, began: Now, owed: Option<String>) -> String {
        let mut remarks = Vec::new();
        match how {
            How::Seen => {}
            How::Already => remarks.push("so already at the first look".to_owned()),
            How::Past => remarks.push("went past PREPARED".to_owned()),
        }
        if let Some(cluster) = self.cluster {
            let rotation = &cluster.rotation;
            remarks.extend(rotation.initiated.map(|at| format!("started {}", moment(at))));
            let ended = rotation.completed.filter(|_| rotation.phase == Phase::Completed);
            remarks.extend(ended.map(|at| format!("completed {}", moment(at))));
            let why = rotation.inconsistent_times(self.now.wall);
            remarks
                .extend(why.map(|why| format!("doubtful: {}", step_text::inconsistent_times(why))));
        }
        if how != How::Already {
            remarks.push(format!("waited {}", self.waited(began)));
        }
        remarks.extend(owed);
        self.line(&remarks)
    }

    /// A line with a moment, the phase, what rolls, and remarks in brackets.
    pub fn line(&self, remarks: &[String]) -> String {
        let mut line = format!("{} {} {}", moment(self.now.wall), self.name, self.phase_word());
        if let Some(summary) = self.summary() {
            line.push(' ');
            line.push_str(&summary);
        }
        if let Some(headline) = self.headline() {
            line.push_str("; ");
            line.push_str(&headline);
        }
        if !remarks.is_empty() {
            line.push_str(&format!(" ({})", remarks.join("; ")));
        }
        clean(&line)
    }

    /// "12m": how long the wait has lasted.
    pub fn waited(&self, began: Now) -> String {
        let lasted = self.now.monotonic.saturating_sub(began.monotonic);
        long(lasted.try_into().unwrap_or_default())
    }

    /// Progress for the terminal.
    pub fn progress(&self) -> Progress {
        let percent = self
            .rolling()
            .and_then(Roll::progress)
            .map(crate::domain::roll::progress::RollProgress::percent);
        let percent = percent.map(|percent| u8::try_from(percent).unwrap_or(99));
        match (self.phase().is_some_and(Phase::is_running), percent, self.is_held()) {
            (false, ..) => Progress::None,
            (true, None, _) => Progress::Unknown,
            (true, Some(percent), false) => Progress::Percent(percent),
            (true, Some(percent), true) => Progress::Held(percent),
        }
    }

    /// Whether something holds the roll up.
    pub fn is_held(&self) -> bool {
        self.observed.live && self.rolling().is_some() && self.observed.is_held()
    }
}

/// Errors that SKE reports, without the one that only says that the list of them is incomplete.
pub fn problems(cluster: &Cluster) -> impl Iterator<Item = &ReportedError> {
    cluster.problems.iter().filter(|problem| !problem.is_only_incomplete())
}

/// A state in which no step goes on. Others flicker in a long roll without anything being wrong.
pub fn halting(state: &ClusterState) -> Option<&ClusterState> {
    match state {
        ClusterState::Creating
        | ClusterState::Deleting
        | ClusterState::Hibernated
        | ClusterState::Hibernating
        | ClusterState::WakingUp => Some(state),
        ClusterState::Healthy
        | ClusterState::Unhealthy
        | ClusterState::Reconciling
        | ClusterState::Unknown(_) => None,
    }
}

fn foreign(text: &str) -> String {
    cut_end(clean(text).trim_end_matches('.'), LONGEST)
}
