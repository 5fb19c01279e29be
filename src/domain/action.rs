//! Which actions a cluster allows and why not: the single function used by dialogs, footer, menus and headless
//! commands.
//!
//! The rules are Gardener's admission rules, which SKE is built on (`validateShootOperation`).

use crate::domain::cluster::{Cluster, ClusterState};
use crate::domain::rotation::{Phase, Step};

/// A request to SKE about one cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    Rotate(Step),
    Issue,
    Trigger(Trigger),
}

/// A request to SKE that needs only a confirmation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Trigger {
    WakeUp,
    Reconcile,
}

impl Trigger {
    /// The verb, capitalized.
    pub fn label(self) -> &'static str {
        match self {
            Self::WakeUp => "Wake up",
            Self::Reconcile => "Reconcile",
        }
    }
}

impl Action {
    /// The verb, capitalized.
    pub fn label(self) -> &'static str {
        match self {
            Self::Rotate(Step::Start) => "Start",
            Self::Rotate(Step::Complete) => "Complete",
            Self::Issue => "Kubeconfig",
            Self::Trigger(trigger) => trigger.label(),
        }
    }
}

/// How SKE accepted an asynchronous request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// HTTP status.
    pub status: u16,
    /// The server's `x-trace-id`.
    pub trace: Option<String>,
}

/// Why an action is not possible now; `Display` is a clause.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the cluster is hibernated; wake it up first")]
    Hibernated,
    #[error("the cluster is hibernating; wake it up first")]
    Hibernating,
    #[error("the cluster is waking up; wait until it is healthy")]
    WakingUp,
    #[error("the cluster is being created")]
    Creating,
    #[error("the cluster is being deleted")]
    Deleting,
    /// The phase does not allow the step.
    #[error("{}", phase_refusal(*.0, .1))]
    Phase(Step, Phase),
    /// The phase or state is unknown to this program; empty if SKE does not report it.
    #[error("{}", unknown(.0, .1))]
    Unknown(&'static str, String),
    #[error("the cluster is not hibernated")]
    NotHibernated,
}

fn unknown(what: &str, text: &str) -> String {
    match text {
        "" => format!("unknown {what}: SKE does not report it"),
        text => format!("unknown {what} {text}"),
    }
}

fn phase_refusal(step: Step, phase: &Phase) -> String {
    let text = match (step, phase) {
        (Step::Start, Phase::Preparing) => "a rotation is running: nodes are being replaced",
        (Step::Start, Phase::Prepared) => "a rotation is PREPARED; complete it first",
        (Step::Start, Phase::Completing) => "a rotation is being completed",
        (Step::Complete, Phase::Preparing) => "nodes are still being replaced; wait for PREPARED",
        (Step::Complete, Phase::Completing) => "the rotation is already being completed",
        (Step::Complete, Phase::Never | Phase::Completed) => {
            "no rotation is in progress; start one first"
        }
        (step, phase) => return format!("cannot {step} in phase {}", phase.label()),
    };
    text.to_owned()
}

/// Whether the cluster, as last read, allows an action.
///
/// # Errors
/// The reason, shown next to the dimmed action.
pub fn permits(cluster: &Cluster, action: Action) -> Result<(), Refusal> {
    let hibernated = cluster.hibernated.then_some(Refusal::Hibernated);
    let refusal = state_refusal(&cluster.state).or(hibernated);
    match action {
        Action::Rotate(step) => refusal.map_or_else(|| permits_step(cluster, step), Err),
        Action::Issue => match refusal {
            Some(refusal @ (Refusal::Creating | Refusal::Deleting)) => Err(refusal),
            Some(_) | None => Ok(()),
        },
        Action::Trigger(Trigger::WakeUp) => match refusal {
            Some(Refusal::Hibernated | Refusal::Hibernating) => Ok(()),
            Some(refusal) => Err(refusal),
            None => Err(Refusal::NotHibernated),
        },
        Action::Trigger(Trigger::Reconcile) => refusal.map_or(Ok(()), Err),
    }
}

/// Why neither rotations nor reconciling proceed in a state; other states occur during a normal roll.
pub fn state_refusal(state: &ClusterState) -> Option<Refusal> {
    match state {
        ClusterState::Creating => Some(Refusal::Creating),
        ClusterState::Deleting => Some(Refusal::Deleting),
        ClusterState::Hibernated => Some(Refusal::Hibernated),
        ClusterState::Hibernating => Some(Refusal::Hibernating),
        ClusterState::WakingUp => Some(Refusal::WakingUp),
        ClusterState::Healthy
        | ClusterState::Unhealthy
        | ClusterState::Reconciling
        | ClusterState::Unknown(_)
        | ClusterState::NotRead => None,
    }
}

fn permits_step(cluster: &Cluster, step: Step) -> Result<(), Refusal> {
    match (&cluster.state, step, &cluster.rotation.phase) {
        (ClusterState::Unknown(text), ..) => Err(Refusal::Unknown("state", text.clone())),
        (ClusterState::NotRead, ..) => {
            Err(Refusal::Unknown("state", cluster.state.label().to_owned()))
        }
        (_, _, Phase::Unknown(text)) => Err(Refusal::Unknown("phase", text.clone())),
        (_, Step::Start, Phase::Never | Phase::Completed)
        | (_, Step::Complete, Phase::Prepared) => Ok(()),
        (_, step, phase) => Err(Refusal::Phase(step, phase.clone())),
    }
}

#[cfg(test)]
mod tests {
    use crate::domain::action::{Action, Refusal, Trigger, permits};
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
        let wake_up = Action::Trigger(Trigger::WakeUp);
        assert_eq!(permits(&cluster("a", Phase::Never), wake_up), Err(Refusal::NotHibernated));
        let mut sleeping = cluster("a", Phase::Never);
        sleeping.state = ClusterState::Hibernated;
        assert_eq!(permits(&sleeping, wake_up), Ok(()));
        (sleeping.state, sleeping.hibernated) = (ClusterState::Deleting, true);
        assert_eq!(permits(&sleeping, wake_up), Err(Refusal::Deleting));
    }
}
