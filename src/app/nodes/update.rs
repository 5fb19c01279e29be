//! Keys of the nodes tab, and the watch toggle.

use crate::app::context::UpdateContext;
use crate::app::keymap::Command;
use crate::app::motion::{SearchDirection, moved};
use crate::app::nodes::state::NodesState;
use crate::app::nodes::text;
use crate::app::screen::Metrics;
use crate::app::search::Search;
use crate::app::settings::ObservationScope;
use crate::domain::cluster::ClusterId;
use crate::domain::roll::Roll;
use crate::domain::rotation::Phase;

/// Moves the cursor among the nodes, or scrolls the node shown in full.
pub fn run(nodes: &mut NodesState, id: &ClusterId, command: Command, metrics: &Metrics) {
    if nodes.in_full {
        metrics.scroll(&mut nodes.scroll, command);
        return;
    }
    let (at, count) = index(nodes, id);
    let Some(last) = count.checked_sub(1) else { return };
    if let Some(next) = moved(command, at, metrics.page(), last) {
        go_to(nodes, id, next);
    }
}

/// Index of the cursor among the nodes in display order (pool by pool, zone by zone), and their number.
fn index(nodes: &NodesState, id: &ClusterId) -> (usize, usize) {
    let all = || nodes.roll(id).into_iter().flat_map(Roll::nodes);
    let chosen = nodes.node_at_cursor(id);
    let at = chosen.and_then(|chosen| all().position(|node| node.uid == chosen.uid));
    (at.unwrap_or(0), all().count())
}

/// Moves the cursor to a node by index.
fn go_to(nodes: &mut NodesState, id: &ClusterId, row: usize) {
    let chosen = nodes.roll(id).into_iter().flat_map(Roll::nodes).nth(row);
    nodes.cursor = chosen.map(|node| node.uid.clone());
}

/// Whether each node, in display order, matches the search.
pub fn matches(nodes: &NodesState, id: &ClusterId, search: &Search) -> Vec<bool> {
    let all = nodes.roll(id).into_iter().flat_map(Roll::nodes);
    all.map(|node| search.is_in([&*node.name, &*node.pool, &*node.zone])).collect()
}

/// Moves the cursor to a matching node; returns whether there is one.
pub fn find(
    nodes: &mut NodesState,
    id: &ClusterId,
    search: &Search,
    step: SearchDirection,
) -> bool {
    let all = matches(nodes, id, search);
    let holds = |index: usize| all.get(index).is_some_and(|matches| *matches);
    let Some(next) = step.find(index(nodes, id), holds) else { return false };
    go_to(nodes, id, next);
    true
}

/// Toggles between the node under the cursor in full and all nodes.
pub fn toggle_in_full(nodes: &mut NodesState, id: &ClusterId) {
    // Pins the node, so that stage changes do not move the cursor.
    nodes.cursor = nodes.node_at_cursor(id).map(|node| node.uid.clone());
    nodes.in_full = !nodes.in_full;
    nodes.scroll = 0;
}

/// Toggles notifications about a cluster.
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
