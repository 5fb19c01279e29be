//! Errors from the SKE API, attached to the blockers that they match, and planned events.

use crate::domain::age::since;
use crate::domain::attention;
use crate::domain::cluster::ReportedError;
use crate::domain::roll::blocker::cause::{Blocker, BlockerCause, PdbBlock, Severity};
use crate::domain::roll::blocker::context::BlockerContext;
use crate::domain::roll::calendar::{PlannedEvent, planned_events};
use crate::domain::roll::classify::Since;
use crate::domain::roll::estimate::longest_remaining;

/// Adds what SKE reports to the blockers found in the cluster.
pub fn find(context: &BlockerContext<'_>, out: &mut Vec<Blocker>) {
    let (cluster, now) = (context.cluster, context.clock.now());
    if attention::gave_up(cluster, now).is_some() {
        let since = cluster.rotation.initiated.map(Since::exact);
        out.push(Blocker::new(BlockerCause::PreparingTooLong, since));
    }
    let is_error = |problem: &&ReportedError| problem.is_error();
    for problem in cluster.problems.iter().filter(is_error) {
        put_beside(context, problem, out);
    }
    let graces = out.iter().filter_map(|blocker| blocker.cause.grace_period());
    let grace = graces.map(|(_, latest)| since(now, latest)).max().unwrap_or_default();
    let within = longest_remaining(context.pools, context.times, now).max(grace);
    for event in planned_events(cluster, now, within) {
        let cause = match event {
            PlannedEvent::Hibernation(at) => {
                BlockerCause::Hibernation { at, rotation_runs: cluster.rotation.phase.is_running() }
            }
            PlannedEvent::Maintenance(at) => {
                BlockerCause::Maintenance { opens: Some(at).filter(|at| *at > now) }
            }
            // Reported by the preflight; irrelevant while nodes roll.
            PlannedEvent::Unreadable(_) => continue,
        };
        out.push(Blocker::new(cause, None));
    }
}

/// Whether SKE reports that no machine can be created.
pub fn is_about_capacity(problem: &ReportedError) -> bool {
    matches!(
        problem.code.as_str(),
        "SKE_NODE_NO_VALID_HOST_FOUND"
            | "SKE_NETWORK_NO_AVAILABLE_IPS"
            | "SKE_QUOTA_EXCEEDED"
            | "SKE_NODE_MACHINE_TYPE_NOT_FOUND"
    )
}

/// Whether a blocker matches a reported error: the rank of the match, lowest first.
fn is_shown_as(problem: &ReportedError, cause: &BlockerCause) -> Option<u8> {
    let is_first = match problem.code.as_str() {
        "SKE_NODE_MISCONFIGURED_PDB" => {
            if let BlockerCause::Pdb(PdbBlock { misconfigured: false, .. }) = cause {
                return Some(1);
            }
            matches!(cause, BlockerCause::Pdb(_) | BlockerCause::SeveralPdbs { .. })
        }
        "SKE_UNREADY_NODES"
        | "SKE_NODE_MEMORY_PRESSURE"
        | "SKE_NODE_DISK_PRESSURE"
        | "SKE_NODE_PID_PRESSURE" => matches!(cause, BlockerCause::NodeNotReady { .. }),
        _ => is_about_capacity(problem) && matches!(cause, BlockerCause::NoNewNode { .. }),
    };
    is_first.then_some(0)
}

fn put_beside(context: &BlockerContext<'_>, problem: &ReportedError, out: &mut Vec<Blocker>) {
    let rank = |blocker: &Blocker| {
        is_shown_as(problem, &blocker.cause).filter(|_| blocker.severity() != Severity::Note)
    };
    let Some(best) = out.iter().filter_map(rank).min() else {
        let since = context.history.reported_since(problem);
        let reported = vec![problem.clone()];
        let cause = BlockerCause::Reported(problem.clone());
        out.push(Blocker { reported, ..Blocker::new(cause, since) });
        return;
    };
    for blocker in out.iter_mut().filter(|blocker| rank(blocker) == Some(best)) {
        blocker.reported.push(problem.clone());
    }
}
