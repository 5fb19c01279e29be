//! Which actions a cluster allows and why not: the one function that dialogs, footer, menus
//! and headless commands ask.
//!
//! The rules are Gardener's admission rules, on which SKE stands (domain knowledge: `validateShootOperation`).

use std::fmt;

use crate::domain::cluster::{Cluster, ClusterState};
use crate::domain::rotation::{Phase, Step};

/// Something that can be asked of SKE for one cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    Rotate(Step),
    Issue,
    WakeUp,
    Reconcile,
}

impl Action {
    /// The verb that begins a sentence.
    pub fn word(self) -> &'static str {
        match self {
            Self::Rotate(Step::Start) => "Start",
            Self::Rotate(Step::Complete) => "Complete",
            Self::Issue => "Kubeconfig",
            Self::WakeUp => "Wake up",
            Self::Reconcile => "Reconcile",
        }
    }
}

/// How SKE took a request whose work goes on after the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// HTTP status.
    pub status: u16,
    /// The server's `x-trace-id`.
    pub trace: Option<String>,
}

/// Why an action is not possible now; the text is a clause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    Hibernated,
    Hibernating,
    WakingUp,
    Creating,
    Deleting,
    /// The phase does not allow the step.
    Phase(Step, Phase),
    /// The phase or state is a word that this program does not know.
    Unknown(&'static str, String),
    NotHibernated,
}

impl std::error::Error for Refusal {}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hibernated => f.write_str("the cluster is hibernated; wake it up first"),
            Self::Hibernating => f.write_str("the cluster is hibernating; wake it up first"),
            Self::WakingUp => f.write_str("the cluster is waking up; wait until it is healthy"),
            Self::Creating => f.write_str("the cluster is being created"),
            Self::Deleting => f.write_str("the cluster is being deleted"),
            Self::Phase(Step::Start, Phase::Preparing) => {
                f.write_str("a rotation is running: nodes are being replaced")
            }
            Self::Phase(Step::Start, Phase::Prepared) => {
                f.write_str("a rotation is PREPARED; complete it first")
            }
            Self::Phase(Step::Start, Phase::Completing) => {
                f.write_str("a rotation is being completed")
            }
            Self::Phase(Step::Complete, Phase::Preparing) => {
                f.write_str("nodes are still being replaced; wait for PREPARED")
            }
            Self::Phase(Step::Complete, Phase::Completing) => {
                f.write_str("the rotation is already being completed")
            }
            Self::Phase(Step::Complete, Phase::Never | Phase::Completed) => {
                f.write_str("no rotation is in progress; start one first")
            }
            Self::Phase(step, phase) => write!(f, "cannot {step} in phase {}", phase.word()),
            Self::Unknown(what, text) if text.is_empty() => {
                write!(f, "unknown {what}: SKE does not report it")
            }
            Self::Unknown(what, text) => write!(f, "unknown {what} {text}"),
            Self::NotHibernated => f.write_str("the cluster is not hibernated"),
        }
    }
}

/// Says whether the cluster, as read, allows an action.
///
/// # Errors
/// The reason, to be shown beside the dimmed action.
pub fn permits(cluster: &Cluster, action: Action) -> Result<(), Refusal> {
    match action {
        Action::Rotate(step) => {
            existing(cluster)?;
            awake(cluster)?;
            if let ClusterState::Unknown(text) = &cluster.state {
                return Err(Refusal::Unknown("state", text.clone()));
            }
            match (step, &cluster.rotation.phase) {
                (_, Phase::Unknown(text)) => Err(Refusal::Unknown("phase", text.clone())),
                (Step::Start, Phase::Never | Phase::Completed)
                | (Step::Complete, Phase::Prepared) => Ok(()),
                (step, phase) => Err(Refusal::Phase(step, phase.clone())),
            }
        }
        Action::Issue => existing(cluster),
        Action::WakeUp => match cluster.state {
            ClusterState::WakingUp => Err(Refusal::WakingUp),
            ClusterState::Hibernated | ClusterState::Hibernating => Ok(()),
            ClusterState::Healthy
            | ClusterState::Creating
            | ClusterState::Deleting
            | ClusterState::Unhealthy
            | ClusterState::Reconciling
            | ClusterState::Unknown(_) => {
                if cluster.hibernated {
                    Ok(())
                } else {
                    Err(Refusal::NotHibernated)
                }
            }
        },
        Action::Reconcile => {
            existing(cluster)?;
            awake(cluster)
        }
    }
}

fn existing(cluster: &Cluster) -> Result<(), Refusal> {
    match cluster.state {
        ClusterState::Creating => Err(Refusal::Creating),
        ClusterState::Deleting => Err(Refusal::Deleting),
        ClusterState::Healthy
        | ClusterState::Unhealthy
        | ClusterState::Reconciling
        | ClusterState::Hibernated
        | ClusterState::Hibernating
        | ClusterState::WakingUp
        | ClusterState::Unknown(_) => Ok(()),
    }
}

fn awake(cluster: &Cluster) -> Result<(), Refusal> {
    match cluster.state {
        ClusterState::Hibernated => Err(Refusal::Hibernated),
        ClusterState::Hibernating => Err(Refusal::Hibernating),
        ClusterState::WakingUp => Err(Refusal::WakingUp),
        ClusterState::Healthy
        | ClusterState::Creating
        | ClusterState::Deleting
        | ClusterState::Unhealthy
        | ClusterState::Reconciling
        | ClusterState::Unknown(_) => {
            if cluster.hibernated {
                Err(Refusal::Hibernated)
            } else {
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::domain::action::{Action, Refusal, permits};
    use crate::domain::cluster::ClusterState;
    use crate::domain::fixtures::cluster;
    use crate::domain::rotation::{Phase, Step};

    #[test]
    fn a_start_is_allowed_only_from_a_resting_phase() {
        let start = Action::Rotate(Step::Start);
        for (phase, allowed) in [
            (Phase::Never, true),
            (Phase::Preparing, false),
            (Phase::Prepared, false),
            (Phase::Completing, false),
            (Phase::Completed, true),
            (Phase::Unknown("SOON".into()), false),
        ] {
            assert_eq!(permits(&cluster("a", phase.clone()), start).is_ok(), allowed, "{phase:?}");
        }
    }

    #[test]
    fn complete_is_allowed_only_when_prepared_even_if_unhealthy() {
        let complete = Action::Rotate(Step::Complete);
        let mut prepared = cluster("a", Phase::Prepared);
        prepared.state = ClusterState::Unhealthy;
        assert_eq!(permits(&prepared, complete), Ok(()));
        assert!(permits(&cluster("a", Phase::Preparing), complete).is_err());
    }

    #[test]
    fn sleeping_and_unfinished_clusters_refuse_both_steps() {
        for state in [
            ClusterState::Hibernated,
            ClusterState::Hibernating,
            ClusterState::WakingUp,
            ClusterState::Creating,
            ClusterState::Deleting,
        ] {
            for (step, phase) in [(Step::Start, Phase::Never), (Step::Complete, Phase::Prepared)] {
                let mut subject = cluster("a", phase);
                subject.state = state.clone();
                assert!(permits(&subject, Action::Rotate(step)).is_err(), "{state:?} {step}");
            }
        }
    }

    #[test]
    fn reconciling_and_unhealthy_do_not_forbid_a_start() {
        for state in [ClusterState::Reconciling, ClusterState::Unhealthy] {
            let mut subject = cluster("a", Phase::Completed);
            subject.state = state;
            assert_eq!(permits(&subject, Action::Rotate(Step::Start)), Ok(()));
        }
    }

    #[test]
    fn api_07_an_unknown_phase_switches_actions_off_with_its_own_word() {
        let subject = cluster("a", Phase::Unknown("WAITING_FOR_ROLLOUT".into()));
        let refusal = permits(&subject, Action::Rotate(Step::Start)).unwrap_err();
        assert_eq!(refusal, Refusal::Unknown("phase", "WAITING_FOR_ROLLOUT".into()));
        assert_eq!(refusal.to_string(), "unknown phase WAITING_FOR_ROLLOUT");
    }

    #[test]
    fn only_a_sleeping_cluster_wakes_up() {
        assert_eq!(
            permits(&cluster("a", Phase::Never), Action::WakeUp),
            Err(Refusal::NotHibernated)
        );
        let mut sleeping = cluster("a", Phase::Never);
        sleeping.state = ClusterState::Hibernated;
        assert_eq!(permits(&sleeping, Action::WakeUp), Ok(()));
    }
}
