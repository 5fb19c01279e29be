//! Texts about next steps, stuck steps and inconsistent times.

use crate::app::texts::texts;
use crate::domain::age::long;
use crate::domain::attention::{NextStep, Stuck};
use crate::domain::due::Due;
use crate::domain::rotation::InconsistentTimes;

texts! {
    INSPECT_BLOCKER = "inspect the blocker";
    UNKNOWN_PHASE = "check: unknown phase";
    AWAIT_NODES = "wait for the nodes";
    wait_for(time) = "wait, {time} left";
    AWAIT_COMPLETION = "wait";
    RENEW_KUBECONFIGS = "renew kubeconfig first";
    UPDATE_CLIENTS = "update clients, complete";
    UNHEALTHY = "unhealthy: see SKE error";
    OVERDUE = "overdue";
    AGE_UNKNOWN = "age unknown";
    START_OVERDUE = "start: overdue";
    START_UNKNOWN_AGE = "start: age unknown";
    OVERDUE_LATER = "overdue, not possible now";
    RENEW_KUBECONFIG = "renew kubeconfig";
    UPGRADE_KUBERNETES = "upgrade Kubernetes";
    UPGRADE_POOL = "upgrade node pool";
    UPDATE_IMAGE = "update node image";

    gave_up(time) = "preparing for {time} and unhealthy; reconcile the cluster";

    TIME_IN_FUTURE = "a time is in the future";
    START_AFTER_COMPLETION = "the start is later than the completion";
    COMPLETION_AFTER_START = "the completion is later than the start of the open rotation";
    START_OF_NONE = "a start is reported, but the phase is NEVER";
    START_MISSING = "the start time is missing";
    COMPLETION_MISSING = "the completion time is missing";
}

/// The next step in a few words.
pub fn next_step(step: &NextStep) -> String {
    match step {
        NextStep::InspectBlocker => INSPECT_BLOCKER.to_owned(),
        NextStep::UnknownPhase => UNKNOWN_PHASE.to_owned(),
        NextStep::AwaitNodes => AWAIT_NODES.to_owned(),
        NextStep::AwaitCompletion => AWAIT_COMPLETION.to_owned(),
        NextStep::RenewKubeconfigs(_) => RENEW_KUBECONFIGS.to_owned(),
        NextStep::UpdateClients => UPDATE_CLIENTS.to_owned(),
        NextStep::CompleteLater(refusal) => refusal.to_string(),
        NextStep::InspectUnhealthy => UNHEALTHY.to_owned(),
        NextStep::Start => START_OVERDUE.to_owned(),
        NextStep::StartUnknownAge => START_UNKNOWN_AGE.to_owned(),
        NextStep::StartLater => OVERDUE_LATER.to_owned(),
    }
}

/// The remedy for something that expires, in a few words; `None` if a rotation step is the remedy.
pub fn expiring(due: &Due) -> Option<&'static str> {
    match due {
        Due::Kubeconfig { .. } => Some(RENEW_KUBECONFIG),
        Due::KubernetesVersion { pool: None, .. } => Some(UPGRADE_KUBERNETES),
        Due::KubernetesVersion { pool: Some(_), .. } => Some(UPGRADE_POOL),
        Due::Image { .. } => Some(UPDATE_IMAGE),
        Due::Stuck { .. }
        | Due::Prepared { .. }
        | Due::UnknownPhase { .. }
        | Due::Overdue { .. }
        | Due::NeverRotated { .. }
        | Due::UnknownAge { .. } => None,
    }
}

/// Why a step is stuck, as a clause.
pub fn stuck(stuck: Stuck<'_>) -> String {
    match stuck {
        Stuck::Reported(problem) => problem.to_string(),
        Stuck::GaveUp(running) => gave_up(long(running)),
    }
}

/// Why the times of a rotation are contradictory, as a clause.
pub fn inconsistent_times(why: InconsistentTimes) -> &'static str {
    match why {
        InconsistentTimes::Future => TIME_IN_FUTURE,
        InconsistentTimes::StartAfterCompletion => START_AFTER_COMPLETION,
        InconsistentTimes::CompletionAfterStart => COMPLETION_AFTER_START,
        InconsistentTimes::StartOfNone => START_OF_NONE,
        InconsistentTimes::StartMissing => START_MISSING,
        InconsistentTimes::CompletionMissing => COMPLETION_MISSING,
    }
}
