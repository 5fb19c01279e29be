//! When and why the share of new nodes decreases.

use crate::domain::roll::classify::{JoiningReason, NodeRoll, NodeStage};
use crate::domain::roll::progress::{PoolRoll, RollProgress};
use crate::domain::roll::timeline::RegressionCause;

/// Whether the share of new nodes decreased, compared without rounding.
pub fn has_regressed(before: RollProgress, after: RollProgress) -> bool {
    match (before.done, after.done) {
        (_, true) => false,
        (true, false) => true,
        (false, false) => {
            let part = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
            let total = |progress: RollProgress| part(progress.total().max(1));
            part(after.new).saturating_mul(total(before))
                < part(before.new).saturating_mul(total(after))
        }
    }
}

/// Why a node's change decreases the share of new nodes, if it does.
pub fn find_cause(
    pool: &PoolRoll,
    node: &NodeRoll,
    before: Option<NodeStage>,
    first: bool,
) -> Option<RegressionCause> {
    let name = || node.short.clone();
    match (before, node.stage) {
        (Some(NodeStage::New), NodeStage::Joining)
            if node.joining_reason == Some(JoiningReason::Configuring) =>
        {
            Some(RegressionCause::Reconfigured(pool.name.clone()))
        }
        (Some(NodeStage::New), NodeStage::Joining) => Some(RegressionCause::NodeNotReady(name())),
        (Some(NodeStage::New), NodeStage::Leaving) => Some(RegressionCause::NodeLeaving(name())),
        (Some(NodeStage::New), NodeStage::Preserved) => {
            Some(RegressionCause::NodePreserved(name()))
        }
        (
            Some(NodeStage::New | NodeStage::Joining | NodeStage::Leaving),
            NodeStage::Old | NodeStage::Cordoned | NodeStage::Draining,
        ) if pool.another => Some(RegressionCause::AnotherRoll(pool.name.clone())),
        (
            Some(NodeStage::New | NodeStage::Joining | NodeStage::Leaving),
            NodeStage::Old | NodeStage::Cordoned | NodeStage::Draining,
        ) => Some(RegressionCause::OtherTemplate(pool.name.clone())),
        (
            Some(NodeStage::Preserved),
            NodeStage::Old | NodeStage::Cordoned | NodeStage::Draining,
        ) => Some(RegressionCause::NodeCountsAgain(name())),
        (None, NodeStage::Old | NodeStage::Cordoned | NodeStage::Draining) if !first => {
            Some(RegressionCause::OldNodeAdded(name()))
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
