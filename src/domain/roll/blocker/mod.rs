//! What blocks a roll: the object, since when, and what was detected.
//!
//! Based only on snapshots and the SKE API. An error that SKE reports is attached to the corresponding blocker seen in
//! the cluster, to avoid duplicates. A new blocker consists of a function that finds it, a variant of [`BlockerCause`]
//! with its severity, and its texts in `app::nodes`.

pub mod budgets;
pub mod cause;
pub mod context;
mod nodes;
pub mod pods;
mod reported;
pub mod webhooks;

pub use crate::domain::roll::blocker::cause::{Blocker, BlockerCause, Severity};

use jiff::Timestamp;

use crate::domain::roll::blocker::budgets::PdbIndex;
use crate::domain::roll::blocker::context::{BlockerContext, RelevantPods};
use crate::domain::roll::generation::{RollStage, rollout_stage};

/// Maximum number of blockers listed.
pub const MAX_BLOCKERS: usize = 100;

/// Finds everything that blocks the roll, by severity and duration, unbounded. Empty if nothing rolls.
pub fn find_blockers(context: &BlockerContext<'_>) -> Vec<Blocker> {
    if rollout_stage(&context.cluster.rotation) != RollStage::Rolling
        && !context.pools.iter().any(|pool| pool.state.is_rolling())
    {
        return Vec::new();
    }
    let pods = RelevantPods::of(context);
    let index = PdbIndex::of(&context.snapshot.budgets);
    let mut out = Vec::new();
    let explained = budgets::find(context, &pods, &index, &mut out);
    pods::find(context, &pods, (&index, &explained), &mut out);
    let kept_away = webhooks::find(&context.while_known("endpointslices"), &mut out);
    nodes::find(&context.while_known("nodes"), &pods, kept_away, &mut out);
    reported::find(context, &mut out);
    out.sort_by(|a, b| order(a).cmp(&order(b)));
    out
}

/// Blockers of a drain precede others of the same severity.
fn order(blocker: &Blocker) -> (Severity, bool, Timestamp, &BlockerCause) {
    let since = blocker.since.map_or(Timestamp::MAX, |since| since.at);
    (blocker.severity(), !blocker.blocks_drain(), since, &blocker.cause)
}
