//! When and why the share of replaced nodes decreases.

use crate::domain::roll::classify::{NodeRoll, NodeStage};
use crate::domain::roll::progress::{PoolRoll, RollProgress};
use crate::domain::roll::timeline::RegressionCause;

/// Whether the share of replaced nodes decreased, compared without rounding.
pub fn has_regressed(before: RollProgress, after: RollProgress) -> bool {
    match (before.done, after.done) {
        (_, true) => false,
        (true, false) => true,
        (false, false) => {
            let part = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
            let goal = |progress: RollProgress| part(progress.goal.nodes.max(1));
            part(after.replaced()).saturating_mul(goal(before))
                < part(before.replaced()).saturating_mul(goal(after))
        }
    }
}

/// Why a node's change decreases the share of replaced nodes, if it does.
pub fn find_cause(
    pool: &PoolRoll,
    node: &NodeRoll,
    before: Option<NodeStage>,
    first: bool,
) -> Option<RegressionCause> {
    if !node.stage.is_old() {
        return None;
    }
    let name = || node.short.clone();
    match before {
        Some(NodeStage::New | NodeStage::Joining | NodeStage::Leaving) if pool.another => {
            Some(RegressionCause::AnotherRoll(pool.name.clone()))
        }
        Some(NodeStage::New | NodeStage::Joining | NodeStage::Leaving) => {
            Some(RegressionCause::OtherTemplate(pool.name.clone()))
        }
        Some(NodeStage::Preserved) => Some(RegressionCause::NodeCountsAgain(name())),
        None if !first => Some(RegressionCause::OldNodeAdded(name())),
        None | Some(NodeStage::Draining | NodeStage::Cordoned | NodeStage::Old) => None,
    }
}
