//! New nodes that do not come, or do not become ready.

use crate::domain::age::{long, since};
use crate::domain::kubectl::Kubectl;
use crate::domain::roll::blocker::{
    Blocker, BlockerDraft, BlockerKind, LAST_RESORT, NODE_PATIENCE, Object, Scene, lasting, place,
    where_it_is,
};
use crate::domain::roll::classify::{NodeRoll, NodeStage, Since, Wait};
use crate::domain::roll::format::list;
use crate::domain::roll::progress::{PoolRoll, PoolState, ZoneRoll};
use crate::domain::snapshot::Pod;
use crate::domain::text::plural;

/// Finds them. Where something else is known to keep nodes away, it is not said once more that none comes.
pub fn find(
    scene: &Scene<'_>,
    gathered: &BlockerDraft<'_>,
    kept_away: bool,
    out: &mut Vec<Blocker>,
) {
    for pool in scene.pools {
        for zone in &pool.zones {
            for node in zone.nodes.iter().filter(|node| node.stage == NodeStage::Joining) {
                let starting = gathered.starting.get(node.name.as_str());
                let starting = starting.map(Vec::as_slice).unwrap_or_default();
                out.extend(not_ready(scene, node, starting));
            }
            if !kept_away {
                out.extend(does_not_come(scene, pool, zone));
            }
        }
    }
}

fn not_ready(scene: &Scene<'_>, node: &NodeRoll, starting: &[&Pod]) -> Option<Blocker> {
    let began = node.since?;
    if since(began.at, scene.clock.now()) <= NODE_PATIENCE {
        return None;
    }
    let system: Vec<String> = starting
        .iter()
        .filter(|pod| pod.namespace == "kube-system")
        .map(|pod| place(&pod.namespace, &pod.name))
        .collect();
    let lasts = lasting(began, scene.clock);
    let (brief, mut why, frees) = if node.wait == Some(Wait::Configuring) {
        (
            "the new node has not applied its configuration",
            format!("{} has not applied its pool's configuration for {lasts}", node.short),
            "It moves when the node has applied it; the node does that by itself.",
        )
    } else {
        (
            "the new node is not ready",
            format!("{} is not ready for {lasts}", node.short),
            "It moves when the node is ready; the platform replaces a machine that stays away.",
        )
    };
    match (&node.wait, &node.reason) {
        (Some(Wait::Configuring), _) | (Some(Wait::NotReady) | None, None) => {}
        (Some(Wait::Starting), _) => why.push_str(": its system pods are not ready"),
        (Some(Wait::NotReady) | None, Some(reason)) => {
            why.push_str(&format!(": {}", reason.trim_end_matches('.')));
        }
    }
    if !system.is_empty() {
        why.push_str(&format!(" ({})", list(system, 3)));
    }
    why.push('.');
    let frees = format!("{frees} {LAST_RESORT}");
    let mut blocker = Blocker::new(BlockerKind::NodeNotReady, brief, why, frees);
    blocker.command = Kubectl::about(None, "describe node", &node.name, "");
    blocker.object = Some(Object::new("Node", "", &node.name));
    blocker.node = Some(node.name.clone());
    blocker.place = Some((node.pool.clone(), node.zone.clone()));
    blocker.since = Some(began);
    Some(blocker)
}

/// Machines cannot be seen before they register as nodes: where nothing is under way for long and nodes are still to
/// be replaced, or missing, none comes.
fn does_not_come(scene: &Scene<'_>, pool: &PoolRoll, zone: &ZoneRoll) -> Option<Blocker> {
    match pool.state {
        PoolState::Rolling | PoolState::AllNew | PoolState::Missing => {}
        PoolState::Settled | PoolState::NotBegun | PoolState::Empty => return None,
    }
    let counts = zone.counts;
    let wanted = zone.limits.map_or(0, |limits| usize::try_from(limits.minimum).unwrap_or(0));
    let missing = wanted.saturating_sub(counts.seen());
    let under_way = counts.joining + counts.draining + counts.leaving;
    if under_way > 0 || (counts.old_left() == 0 && missing == 0) {
        return None;
    }
    let watched = scene.history.memory().watched_since;
    let began = zone.changed.or(watched)?;
    let now = scene.clock.now();
    let long_watched = watched.is_some_and(|at| since(at, now) > NODE_PATIENCE);
    let is_reported = scene.cluster.problems.iter().any(super::reported::is_about_capacity);
    // A node that went before the watch began left no trace: then only SKE's word counts.
    if since(began, now) <= NODE_PATIENCE || !(long_watched || is_reported) {
        return None;
    }
    let left = match counts.old_left() {
        0 => format!("{} missing", plural(missing, "node is", "nodes are")),
        old => format!("{} left", plural(old, "old node is", "old nodes are")),
    };
    let mut blocker = Blocker::new(
        BlockerKind::NoNewNode,
        format!("no new node comes in {}", where_it_is(&pool.name, &zone.name)),
        format!(
            "{} waits {}: {left} and no new one comes.",
            where_it_is(&pool.name, &zone.name),
            long(since(began, now))
        ),
        "It moves when a new machine can be made there.",
    );
    blocker.command = Kubectl::nodes_of(&pool.name, &zone.name);
    blocker.object = Some(Object::new("node pool", "", &pool.name)).filter(|_| pool.known_to_ske);
    blocker.place = Some((pool.name.clone(), zone.name.clone()));
    blocker.since = Some(Since::told(began));
    Some(blocker)
}
