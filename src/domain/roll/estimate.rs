//! When a roll will be done: a range from the times that this roll took; while there are too few of them, from what is
//! usual.
//!
//! Zones of a pool roll in parallel, batches within a zone one after the other, so the slowest zone counts.

use jiff::{SignedDuration, Timestamp};

use crate::domain::age::since;
use crate::domain::roll::classify::{CREATION_TIMEOUT, DRAIN_TIMEOUT, NodeStage};
use crate::domain::roll::durations::{DurationRange, ReplacementTimes, RollEstimate};
use crate::domain::roll::progress::{PoolRoll, PoolState, ZoneRoll};

/// Nodes that must have become new before their times make an estimate.
const ENOUGH: usize = 2;

/// Estimates when these pools will be done. `watched_since` is when the first snapshot arrived.
pub fn estimate(
    pools: &[PoolRoll],
    times: &ReplacementTimes,
    watched_since: Option<Timestamp>,
    now: Timestamp,
) -> RollEstimate {
    let pools: Vec<&PoolRoll> = pools.iter().filter(|pool| pool.state.is_rolling()).collect();
    if pools.is_empty() {
        return RollEstimate::Idle;
    }
    if pools.iter().all(|pool| pool.state == PoolState::NotBegun) {
        return RollEstimate::NotBegun;
    }
    let begun = |pool: &PoolRoll| pool.state != PoolState::NotBegun;
    let zones: Vec<(bool, &ZoneRoll)> = pools
        .iter()
        .flat_map(|pool| pool.zones.iter().map(|zone| (begun(pool), zone)))
        .filter(|(_, zone)| zone.is_unfinished())
        .collect();
    if zones.is_empty() {
        let missing = pools.iter().any(|pool| pool.state == PoolState::Missing);
        return if missing { RollEstimate::NodesMissing } else { RollEstimate::Finishing };
    }
    let limit = times.stall_after();
    let stalled =
        |(begun, zone): &(bool, &ZoneRoll)| *begun && is_stalled(zone, limit, watched_since, now);
    if zones.iter().all(stalled) {
        let last = zones.iter().filter_map(|(_, zone)| zone.changed).max().or(watched_since);
        return RollEstimate::Stalled { since: last.unwrap_or(now) };
    }
    let new: usize = pools.iter().map(|pool| pool.counts.new).sum();
    let batch = times.batch();
    let ranges = || zones.iter().map(|(_, zone)| remaining(zone, batch, now));
    RollEstimate::Remaining {
        range: DurationRange {
            low: ranges().map(|range| range.low).max().unwrap_or_default(),
            high: ranges().map(|range| range.high).max().unwrap_or_default(),
        },
        worst_case: zones.iter().map(|(_, zone)| worst_case(zone)).max().unwrap_or_default(),
        blocked: zones.iter().any(|zone| stalled(zone) || zone.1.counts.blocked > 0),
        from_usual: times.joins.len() < ENOUGH || new < ENOUGH,
    }
}

/// Whether nothing changed here for longer than the limit. A gap before the watch began does not count: either a node
/// reports that it is in its stage for so long, or it was watched for so long.
fn is_stalled(
    zone: &ZoneRoll,
    limit: SignedDuration,
    watched_since: Option<Timestamp>,
    now: Timestamp,
) -> bool {
    let longer = |at: Option<Timestamp>| at.is_some_and(|at| since(at, now) > limit);
    let reported = zone.nodes.iter().any(|node| {
        matches!(node.stage, NodeStage::Draining | NodeStage::Joining)
            && longer(node.since.map(|since| since.at))
    });
    longer(zone.changed.or(watched_since)) && (reported || longer(watched_since))
}

fn remaining(zone: &ZoneRoll, batch: DurationRange, now: Timestamp) -> DurationRange {
    let under_way = zone
        .nodes
        .iter()
        .filter(|node| matches!(node.stage, NodeStage::Draining | NodeStage::Joining))
        .filter_map(|node| node.since)
        .map(|began| since(began.at, now))
        .max()
        .unwrap_or_default();
    let all = batch.times(zone.batches().max(1));
    DurationRange { low: all.low - under_way.min(batch.low), ..all }
}

fn worst_case(zone: &ZoneRoll) -> SignedDuration {
    let batch = CREATION_TIMEOUT + DRAIN_TIMEOUT;
    match zone.batches() {
        0 => CREATION_TIMEOUT,
        batches => DurationRange { low: batch, high: batch }.times(batches).high,
    }
}

/// How long these pools take at most if nothing blocks: what else is planned within it concerns them.
pub fn longest_remaining(
    pools: &[PoolRoll],
    times: &ReplacementTimes,
    now: Timestamp,
) -> SignedDuration {
    let batch = times.batch();
    pools
        .iter()
        .flat_map(|pool| &pool.zones)
        .filter(|zone| zone.is_unfinished())
        .map(|zone| remaining(zone, batch, now).high)
        .max()
        .unwrap_or_default()
}
