//! Keys of the nodes tab, and watching a cluster.

use crate::app::context::UpdateContext;
use crate::app::keymap::Command;
use crate::app::motion::{moved, next_match};
use crate::app::nodes::state::NodesState;
use crate::app::nodes::text;
use crate::app::screen::Metrics;
use crate::app::search::Search;
use crate::app::settings::ObservationScope;
use crate::domain::cluster::ClusterId;
use crate::domain::roll::Roll;
use crate::domain::rotation::Phase;

/// Moves the cursor among the nodes, or scrolls the node that is shown in full.
pub fn run(nodes: &mut NodesState, id: &ClusterId, command: Command, metrics: &Metrics) {
    if nodes.in_full {
        metrics.scroll(&mut nodes.scroll, command);
        return;
    }
    // Pool by pool and zone by zone, as they are drawn.
    let uids: Vec<&str> =
        nodes.roll(id).into_iter().flat_map(Roll::nodes).map(|node| node.uid.as_str()).collect();
    let Some(last) = uids.len().checked_sub(1) else { return };
    let shown = nodes.node_at_cursor(id).map(|node| node.uid.as_str());
    let at = shown.and_then(|uid| uids.iter().position(|known| *known == uid)).unwrap_or(0);
    let next = moved(command, at, metrics.page(), last).and_then(|next| uids.get(next));
    if let Some(next) = next.map(|uid| (*uid).to_owned()) {
        nodes.cursor = Some(next);
    }
}

/// Nodes as they are drawn, pool by pool and zone by zone, with whether one is searched for.
pub fn matches(nodes: &NodesState, id: &ClusterId, search: &Search) -> Vec<(String, bool)> {
    let all = nodes.roll(id).into_iter().flat_map(Roll::nodes);
    all.map(|node| (node.uid.clone(), search.is_in([&*node.name, &*node.pool, &*node.zone])))
        .collect()
}

/// Moves the cursor to a node that is searched for; says whether there is one.
pub fn find(
    nodes: &mut NodesState,
    id: &ClusterId,
    search: &Search,
    (forward, stay): (bool, bool),
) -> bool {
    let all = matches(nodes, id, search);
    let shown = nodes.node_at_cursor(id).map(|node| node.uid.as_str());
    let at = shown.and_then(|uid| all.iter().position(|(known, _)| known == uid)).unwrap_or(0);
    let holds = |place: usize| all.get(place).is_some_and(|(_, matches)| *matches);
    let Some(next) = next_match((at, all.len()), forward, stay, holds) else { return false };
    nodes.cursor = all.get(next).map(|(uid, _)| uid.clone());
    true
}

/// Shows the node under the cursor alone, or all of them again.
pub fn toggle_in_full(nodes: &mut NodesState, id: &ClusterId) {
    // It stays this node, whatever its stage.
    nodes.cursor = nodes.node_at_cursor(id).map(|node| node.uid.clone());
    nodes.in_full = !nodes.in_full;
    nodes.scroll = 0;
}

/// Turns the notifications about a cluster on or off.
pub fn toggle_watch(nodes: &mut NodesState, id: &ClusterId, cx: &mut UpdateContext<'_>) {
    let label = cx.fleet.label(id);
    if nodes.watched.remove(id) {
        cx.toast(text::notifications_off(label));
        return;
    }
    nodes.watched.insert(id.clone());
    let settings = &cx.shared.settings;
    let nodes = if settings.read_only || settings.watch == ObservationScope::Never {
        text::NOTIFY_NO_NODES
    } else {
        text::NOTIFY_NODES
    };
    let phases = match cx.fleet.cluster(id).map(|cluster| &cluster.rotation.phase) {
        Some(Phase::Prepared | Phase::Completing) => text::NOTIFY_COMPLETED,
        _ => text::NOTIFY_PREPARED,
    };
    cx.toast(text::notifications_on(label, phases, nodes));
}
