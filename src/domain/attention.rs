//! What needs the user's attention first, and the next step.

use jiff::{SignedDuration, Timestamp};

use crate::domain::action::{Action, Refusal, permits};
use crate::domain::age::since;
use crate::domain::cluster::{Cluster, ClusterState, ReportedError};
use crate::domain::rotation::{Phase, Step};

/// A preparing cluster that is unhealthy for longer counts as stuck: Gardener's default retry duration.
const GIVES_UP_AFTER: SignedDuration = SignedDuration::from_hours(12);

/// During a long roll the state flickers between reconciling and unhealthy, which is harmless; unhealthy without
/// interruption for this long is not.
const MIN_UNHEALTHY: SignedDuration = SignedDuration::from_mins(15);

/// A version that expires within this time needs attention.
const EXPIRES_SOON: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Groups of the fleet by urgency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Attention {
    /// A running step makes no progress, according to the SKE API.
    Stuck,
    /// SKE reports an error, an unhealthy state, or an unknown phase or state.
    ReportedError,
    /// PREPARED: the user must update clients and complete.
    Prepared,
    /// A step is running.
    Running,
    /// Credentials are older than the configured age.
    Overdue,
    /// The Kubernetes version of the cluster or of a node pool expires within 30 days.
    Expiring,
    /// Nothing to do.
    Settled,
}

/// Why a running step counts as stuck, according to the SKE API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stuck<'a> {
    /// SKE reports an error that blocks a roll.
    Reported(&'a ReportedError),
    /// Preparing and unhealthy for this long, longer than the platform retries.
    GaveUp(SignedDuration),
}

/// Whether a running step is stuck, and why.
pub fn stuck(cluster: &Cluster, now: Timestamp) -> Option<Stuck<'_>> {
    if !cluster.rotation.phase.is_running() {
        return None;
    }
    if let Some(problem) = cluster.problems.iter().find(|problem| problem.blocks_roll()) {
        return Some(Stuck::Reported(problem));
    }
    gave_up(cluster, now).map(Stuck::GaveUp)
}

/// How long a start has been running that the platform seems to have given up on; `None` otherwise.
pub fn gave_up(cluster: &Cluster, now: Timestamp) -> Option<SignedDuration> {
    let running = cluster.rotation.start().map(|at| since(at, now))?;
    // By our clock, unlike the others.
    let unhealthy = cluster.unhealthy.map(|(began, last)| since(began, last))?;
    (cluster.rotation.phase == Phase::Preparing
        && running > GIVES_UP_AFTER
        && unhealthy >= MIN_UNHEALTHY)
        .then_some(running)
}

/// The group a cluster belongs to.
pub fn attention(cluster: &Cluster, now: Timestamp, overdue_after: SignedDuration) -> Attention {
    if stuck(cluster, now).is_some() {
        return Attention::Stuck;
    }
    let reported = cluster.problems.iter().any(ReportedError::is_error);
    let odd = matches!(cluster.rotation.phase, Phase::Unknown(_))
        || matches!(cluster.state, ClusterState::Unknown(_));
    // During a long roll the state may flicker between reconciling and unhealthy, which is harmless.
    let unhealthy =
        cluster.state == ClusterState::Unhealthy && !cluster.rotation.phase.is_running();
    if reported || odd || unhealthy {
        Attention::ReportedError
    } else if cluster.rotation.phase == Phase::Prepared {
        Attention::Prepared
    } else if cluster.rotation.phase.is_running() {
        Attention::Running
    } else if is_overdue(cluster, now, overdue_after) {
        Attention::Overdue
    } else if cluster.first_version_expires().is_some_and(|at| expires_soon(at, now)) {
        Attention::Expiring
    } else {
        Attention::Settled
    }
}

/// Whether a version that expires at `at` has expired or will within 30 days.
pub fn expires_soon(at: Timestamp, now: Timestamp) -> bool {
    at.duration_since(now) < EXPIRES_SOON
}

/// Whether the credentials are, or may be, older than the configured age.
pub fn is_overdue(cluster: &Cluster, now: Timestamp, overdue_after: SignedDuration) -> bool {
    let is_older = |at: Timestamp| since(at, now) > overdue_after;
    match (cluster.credentials_born(), &cluster.rotation.phase) {
        (Some(born), _) => is_older(born),
        (None, Phase::Never) => true,
        // They are at least as old as the completion, and at most as old as the cluster.
        (None, Phase::Completed) => {
            cluster.rotation.completed.or(cluster.created).is_none_or(is_older)
        }
        (None, Phase::Preparing | Phase::Prepared | Phase::Completing | Phase::Unknown(_)) => false,
    }
}

/// Whether SKE does not report the start of the last rotation, so that the age of the credentials is unknown.
pub fn is_of_unknown_age(cluster: &Cluster) -> bool {
    cluster.rotation.phase == Phase::Completed && cluster.credentials_born().is_none()
}

/// The recommended next step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NextStep {
    InspectBlocker,
    UnknownPhase,
    AwaitNodes,
    AwaitCompletion,
    /// Number of known kubeconfigs that stop working on *complete*: new ones must be issued first.
    RenewKubeconfigs(usize),
    UpdateClients,
    /// *complete* is due but currently not possible.
    CompleteLater(Refusal),
    /// The cluster is unhealthy: investigate before a start.
    InspectUnhealthy,
    /// The credentials are overdue.
    Start,
    /// The credentials are of unknown age, possibly overdue.
    StartUnknownAge,
    /// The credentials are or may be overdue, but a start is currently not possible.
    StartLater,
}

/// The recommended next step; `None` if there is none. `breaking`: number of known kubeconfigs that stop working on
/// *complete*.
pub fn next_step(
    cluster: &Cluster,
    breaking: usize,
    now: Timestamp,
    overdue_after: SignedDuration,
) -> Option<NextStep> {
    if stuck(cluster, now).is_some() {
        return Some(NextStep::InspectBlocker);
    }
    let permitted = |step| permits(cluster, Action::Rotate(step));
    match &cluster.rotation.phase {
        Phase::Unknown(_) => Some(NextStep::UnknownPhase),
        Phase::Preparing => Some(NextStep::AwaitNodes),
        Phase::Completing => Some(NextStep::AwaitCompletion),
        Phase::Prepared => Some(match permitted(Step::Complete) {
            _ if breaking > 0 => NextStep::RenewKubeconfigs(breaking),
            Ok(()) => NextStep::UpdateClients,
            Err(refusal) => NextStep::CompleteLater(refusal),
        }),
        Phase::Never | Phase::Completed if cluster.state == ClusterState::Unhealthy => {
            Some(NextStep::InspectUnhealthy)
        }
        Phase::Never | Phase::Completed => {
            let start = match permitted(Step::Start) {
                Ok(()) if is_of_unknown_age(cluster) => NextStep::StartUnknownAge,
                Ok(()) => NextStep::Start,
                Err(_) => NextStep::StartLater,
            };
            is_overdue(cluster, now, overdue_after).then_some(start)
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use crate::domain::attention::{Attention, NextStep, Stuck, attention, next_step, stuck};
    use crate::domain::cluster::{ClusterState, ReportedError};
    use crate::domain::fixtures::{cluster, now};
    use crate::domain::rotation::Phase;

    const OVERDUE: SignedDuration = SignedDuration::from_hours(24 * 180);

    #[test]
    fn a_roll_blocker_makes_a_running_cluster_stuck_and_a_resting_one_a_problem() {
        let blocker = ReportedError {
            code: "SKE_NODE_MISCONFIGURED_PDB".into(),
            message: "payments/api".into(),
        };
        let mut running = cluster("a", Phase::Preparing);
        running.problems.push(blocker.clone());
        assert_eq!(attention(&running, now(), OVERDUE), Attention::Stuck);
        assert_eq!(stuck(&running, now()), Some(Stuck::Reported(&blocker)));
        let mut resting = cluster("a", Phase::Completed);
        resting.problems.push(blocker);
        assert_eq!(attention(&resting, now(), OVERDUE), Attention::ReportedError);
    }

    #[test]
    fn what_was_not_read_is_no_error_that_ske_reports() {
        for (phase, expected) in
            [(Phase::Completed, Attention::Settled), (Phase::Prepared, Attention::Prepared)]
        {
            let mut subject = cluster("a", phase);
            subject.state = ClusterState::NotRead;
            let message = "and 400 more node pools, which are not shown".to_owned();
            subject.problems.push(ReportedError { code: String::new(), message });
            assert_eq!(attention(&subject, now(), OVERDUE), expected);
        }
    }

    #[test]
    fn unhealthy_alone_does_not_alarm_while_nodes_roll() {
        let mut subject = cluster("a", Phase::Preparing);
        subject.state = ClusterState::Unhealthy;
        let ago = |minutes| now().saturating_sub(SignedDuration::from_mins(minutes)).unwrap();
        for minutes in [20, 16, 12, 8, 4, 0] {
            let before = subject.clone();
            subject.carry_over(Some(&before), ago(minutes));
        }
        assert_eq!(attention(&subject, now(), OVERDUE), Attention::Running);
        subject.rotation.initiated = Some(ago(13 * 60));
        assert_eq!(attention(&subject, now(), OVERDUE), Attention::Stuck);
        let mut undated = subject.clone();
        undated.rotation.completed = Some(ago(60));
        assert_eq!(attention(&undated, now(), OVERDUE), Attention::Running, "of the one before");
        let mut again = subject.clone();
        for minutes in [16, 12, 8, 4, 0] {
            let before = again.clone();
            again.carry_over(Some(&before), ago(minutes));
        }
        assert_eq!(attention(&again, now(), OVERDUE), Attention::Stuck);
        let mut suspended = subject.clone();
        suspended.carry_over(Some(&subject), ago(-20));
        assert_eq!(attention(&suspended, ago(-20), OVERDUE), Attention::Running, "nobody looked");
        subject.state = ClusterState::Reconciling;
        subject.carry_over(Some(&again), ago(1));
        again.carry_over(Some(&subject), now());
        assert_eq!(attention(&again, now(), OVERDUE), Attention::Running, "it flickers");
    }

    #[test]
    fn old_credentials_are_overdue_and_the_next_step_says_so() {
        let subject = cluster("a", Phase::Never);
        assert_eq!(attention(&subject, now(), OVERDUE), Attention::Overdue);
        assert_eq!(next_step(&subject, 0, now(), OVERDUE), Some(NextStep::Start));
        assert_eq!(next_step(&cluster("a", Phase::Completed), 0, now(), OVERDUE), None);
        let mut young = cluster("a", Phase::Never);
        young.created = Some(now());
        assert_eq!(next_step(&young, 0, now(), OVERDUE), None);
        young.created = None;
        assert_eq!(attention(&young, now(), OVERDUE), Attention::Overdue, "of unknown age");
        assert_eq!(next_step(&young, 0, now(), OVERDUE), Some(NextStep::Start));
    }

    #[test]
    fn api_20_credentials_of_unknown_age_are_not_called_overdue() {
        let mut subject = cluster("a", Phase::Completed);
        (subject.rotation.initiated, subject.rotation.completed) = (None, None);
        assert_eq!(attention(&subject, now(), OVERDUE), Attention::Overdue);
        let next = next_step(&subject, 0, now(), OVERDUE);
        assert_eq!(next, Some(NextStep::StartUnknownAge));
    }

    #[test]
    fn kubeconfigs_come_before_complete_and_an_unhealthy_cluster_before_a_start() {
        let prepared = cluster("a", Phase::Prepared);
        let next = |cluster, breaking| next_step(cluster, breaking, now(), OVERDUE);
        assert_eq!(next(&prepared, 0), Some(NextStep::UpdateClients));
        assert_eq!(next(&prepared, 2), Some(NextStep::RenewKubeconfigs(2)));
        let mut overdue = cluster("a", Phase::Never);
        overdue.state = ClusterState::Unhealthy;
        assert_eq!(next(&overdue, 0), Some(NextStep::InspectUnhealthy));
    }
}
