//! New nodes that do not join or do not become ready.

use jiff::SignedDuration;

use crate::domain::age::since;
use crate::domain::roll::blocker::cause::{Blocker, BlockerCause};
use crate::domain::roll::blocker::context::{BlockerContext, PATIENCE, RelevantPods};
use crate::domain::roll::blocker::reported::is_about_capacity;
use crate::domain::roll::classify::{NodeRoll, NodeStage, Since};
use crate::domain::roll::progress::{PoolRoll, ZoneRoll};
use crate::domain::snapshot::Pod;

/// Default time that the machine controller waits for a new machine to become healthy.
const NODE_PATIENCE: SignedDuration = SignedDuration::from_mins(10);

/// Finds them. If another blocker prevents nodes from joining, missing nodes are not listed again.
pub fn find(
    context: &BlockerContext<'_>,
    pods: &RelevantPods<'_>,
    kept_away: bool,
    out: &mut Vec<Blocker>,
) {
    for pool in context.pools.iter().filter(|pool| pool.state.is_rolling()) {
        for zone in &pool.zones {
            out.extend(zone.nodes.iter().filter_map(|node| find_failed(context, node)));
            for node in zone.nodes.iter().filter(|node| node.stage == NodeStage::Joining) {
                let starting = pods.starting.get(node.name.as_str());
                let starting = starting.map(Vec::as_slice).unwrap_or_default();
                out.extend(find_not_ready(context, node, starting));
            }
        }
        if !kept_away {
            let missing = pool.zones.iter().filter_map(|zone| find_missing(context, pool, zone));
            out.extend(missing.reduce(joined));
        }
    }
}

/// Merges missing nodes in several zones into one blocker of the pool.
fn joined(one: Blocker, other: Blocker) -> Blocker {
    let (
        BlockerCause::NoNewNode { old_left, missing },
        BlockerCause::NoNewNode { old_left: more_left, missing: more_missing },
    ) = (&one.cause, &other.cause)
    else {
        return one;
    };
    let (old_left, missing) = (old_left + more_left, missing + more_missing);
    let cause = BlockerCause::NoNewNode { old_left, missing };
    let place = one.place.map(|(pool, _)| (pool, String::new()));
    let since = one.since.into_iter().chain(other.since).min();
    Blocker { place, ..Blocker::new(cause, since) }
}

fn find_not_ready(
    context: &BlockerContext<'_>,
    node: &NodeRoll,
    starting: &[&Pod],
) -> Option<Blocker> {
    let began = node.since.filter(|began| context.has_lasted(*began, NODE_PATIENCE))?;
    let system = starting.iter().copied().filter(|pod| pod.namespace == "kube-system");
    let cause = BlockerCause::NodeNotReady {
        why: node.joining_reason,
        reason: node.reason.clone(),
        pods: system.collect(),
    };
    Some(Blocker::of_node(cause, node, Some(began)))
}

/// A failed machine that is preserved, or an old node whose kubelet does not respond: its pods cannot confirm
/// termination.
fn find_failed(context: &BlockerContext<'_>, node: &NodeRoll) -> Option<Blocker> {
    let reason = node.reason.clone();
    if node.stage == NodeStage::Preserved && !node.of_old_generation {
        let began = node.since.filter(|began| context.has_lasted(*began, PATIENCE))?;
        return Some(Blocker::of_node(BlockerCause::PreservedNode { reason }, node, Some(began)));
    }
    let (at, reason) = node.not_ready.clone().filter(|_| node.stage.is_old())?;
    let began = Since::exact(at?);
    context
        .has_lasted(began, NODE_PATIENCE)
        .then(|| Blocker::of_node(BlockerCause::OldNodeNotReady { reason }, node, Some(began)))
}

/// Machines are invisible before they register as nodes: if nothing is in progress for long and nodes are old or
/// missing, none joins.
fn find_missing(context: &BlockerContext<'_>, pool: &PoolRoll, zone: &ZoneRoll) -> Option<Blocker> {
    if !pool.state.has_begun() {
        return None;
    }
    let counts = zone.counts;
    let (old_left, missing) = (counts.old_left(), counts.missing);
    let under_way = counts.joining + counts.draining + counts.leaving;
    if under_way > 0 || (old_left == 0 && missing == 0) {
        return None;
    }
    let watched = context.history.watched_since;
    let began = Since::exact(zone.changed.or(watched)?);
    let now = context.clock.now();
    let long_watched = watched.is_some_and(|at| since(at, now) > NODE_PATIENCE);
    let is_reported = context.cluster.problems.iter().any(is_about_capacity);
    // A node removed before the watch began is not known: then only SKE's report counts.
    if !context.has_lasted(began, NODE_PATIENCE) || !(long_watched || is_reported) {
        return None;
    }
    let cause = BlockerCause::NoNewNode { old_left, missing };
    let place = Some((pool.name.clone(), zone.name.clone()));
    Some(Blocker { place, ..Blocker::new(cause, Some(began)) })
}
