//! Progress does not run backwards without a named cause: when it does, and why.

use crate::domain::roll::classify::{NodeRoll, NodeStage, Wait};
use crate::domain::roll::progress::{Figure, PoolRoll};
use crate::domain::roll::timeline::Cause;

/// Whether the share of new nodes fell, compared without rounding.
pub fn fell(before: Figure, after: Figure) -> bool {
    match (before.done, after.done) {
        (_, true) => false,
        (true, false) => true,
        (false, false) => {
            let part = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
            let total = |figure: Figure| part(figure.total().max(1));
            part(after.new).saturating_mul(total(before))
                < part(before.new).saturating_mul(total(after))
        }
    }
}

/// Why a node's change lets the share of new nodes fall, if it does.
pub fn cause(
    pool: &PoolRoll,
    node: &NodeRoll,
    before: Option<NodeStage>,
    first: bool,
) -> Option<Cause> {
    let name = || node.short.clone();
    match (before, node.stage) {
        (Some(NodeStage::New), NodeStage::Joining) if node.wait == Some(Wait::Configuring) => {
            Some(Cause::Reconfigured(pool.name.clone()))
        }
        (Some(NodeStage::New), NodeStage::Joining) => Some(Cause::NodeNotReady(name())),
        (Some(NodeStage::New), NodeStage::Leaving) => Some(Cause::NodeLeaving(name())),
        (Some(NodeStage::New), NodeStage::Preserved) => Some(Cause::NodeKept(name())),
        (
            Some(NodeStage::New | NodeStage::Joining | NodeStage::Leaving),
            NodeStage::Old | NodeStage::Cordoned | NodeStage::Draining,
        ) if pool.another => Some(Cause::AnotherRoll(pool.name.clone())),
        (
            Some(NodeStage::New | NodeStage::Joining | NodeStage::Leaving),
            NodeStage::Old | NodeStage::Cordoned | NodeStage::Draining,
        ) => Some(Cause::OtherTemplate(pool.name.clone())),
        (
            Some(NodeStage::Preserved),
            NodeStage::Old | NodeStage::Cordoned | NodeStage::Draining,
        ) => Some(Cause::NodeCountsAgain(name())),
        (None, NodeStage::Old | NodeStage::Cordoned | NodeStage::Draining) if !first => {
            Some(Cause::OldNodeAdded(name()))
        }
        (
            None
            | Some(
                NodeStage::New
                | NodeStage::Leaving
                | NodeStage::Joining
                | NodeStage::Draining
                | NodeStage::Cordoned
                | NodeStage::Old
                | NodeStage::Preserved,
            ),
            _,
        ) => None,
    }
}
