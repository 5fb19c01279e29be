//! When a roll will be done: a range from durations measured in this roll, or the typical ones while there are too few.
//!
//! Zones of a pool roll in parallel, batches within a zone sequentially, so the slowest zone determines the result.

use jiff::{SignedDuration, Timestamp};

use crate::domain::age::since;
use crate::domain::roll::classify::{CREATION_TIMEOUT, DRAIN_TIMEOUT, NodeRoll, NodeStage, Since};
use crate::domain::roll::durations::{
    DurationRange, DurationSamples, LONGEST_JOIN, ReplacementTimes, RollEstimate,
};
use crate::domain::roll::limits::Limits;
use crate::domain::roll::progress::{PoolRoll, PoolState, ZoneRoll};

/// Minimum number of measured joins and drains for an estimate based on them.
const ENOUGH: usize = 2;

/// Estimates when these pools will be done. `watched_since`: when the first snapshot arrived.
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
    let is_any = |states: &[PoolState]| pools.iter().any(|pool| states.contains(&pool.state));
    if is_any(&[PoolState::NotBegun]) && !is_any(&[PoolState::Rolling, PoolState::AllNew]) {
        return RollEstimate::NotBegun;
    }
    let begun = |pool: &PoolRoll| pool.state != PoolState::NotBegun;
    let zones: Vec<(bool, &ZoneRoll)> = pools
        .iter()
        .filter(|pool| pool.state != PoolState::Missing)
        .flat_map(|pool| pool.zones.iter().map(|zone| (begun(pool), zone)))
        .filter(|(_, zone)| zone.is_unfinished())
        .collect();
    if zones.is_empty() {
        return if is_any(&[PoolState::Missing]) {
            RollEstimate::NodesMissing
        } else {
            RollEstimate::Finishing
        };
    }
    let limit = times.stall_after();
    let stalled =
        |(begun, zone): &(bool, &ZoneRoll)| *begun && is_stalled(zone, limit, watched_since, now);
    if zones.iter().all(stalled) {
        let last = zones.iter().filter_map(|(_, zone)| zone.changed).max().or(watched_since);
        return RollEstimate::Stalled { since: last.unwrap_or(now) };
    }
    // The end of a grace period is part of the range.
    let is_held = |node: &NodeRoll| node.blocked && node.leaves.is_none();
    let ranges = || zones.iter().map(|(_, zone)| remaining(zone, times, now));
    RollEstimate::Remaining {
        range: DurationRange {
            low: ranges().map(|range| range.low).max().unwrap_or_default(),
            high: ranges().map(|range| range.high).max().unwrap_or_default(),
        },
        worst_case: zones.iter().map(|(_, zone)| worst_case(zone)).max().unwrap_or_default(),
        blocked: zones.iter().any(|zone| stalled(zone) || zone.1.nodes.iter().any(is_held)),
        from_usual: times.joins.len() < ENOUGH || times.drains.len() < ENOUGH,
    }
}

/// Measures how long the new nodes of rolling pools took, and the time between two of a zone. Uses only the nodes
/// themselves, so that every instance gets the same result regardless of when it started to observe.
pub fn measure(pools: &[PoolRoll]) -> ReplacementTimes {
    let zones = || {
        let rolling = pools.iter().filter(|pool| pool.state.is_rolling());
        rolling.flat_map(|pool| &pool.zones)
    };
    let ready = |node: &NodeRoll| {
        node.since.filter(|_| node.stage == NodeStage::New).and_then(Since::known)
    };
    let joins = zones().flat_map(|zone| &zone.nodes);
    let joins = joins.filter_map(|node| Some(ready(node)?.duration_since(node.created?)));
    let drains = zones().flat_map(|zone| {
        let mut joined: Vec<Timestamp> = zone.nodes.iter().filter_map(ready).collect();
        let is_new = |node: &&NodeRoll| matches!(node.stage, NodeStage::New | NodeStage::Joining);
        let new = zone.nodes.iter().filter(is_new);
        let mut created: Vec<Timestamp> = new.filter_map(|node| node.created).collect();
        joined.sort_unstable();
        created.sort_unstable();
        // A node drains between the end of a batch and the start of the next one.
        let next = created.into_iter().skip(zone.limits.map_or(1, Limits::batch));
        joined.into_iter().zip(next).map(|(ready, next)| next.duration_since(ready))
    });
    ReplacementTimes {
        joins: DurationSamples::of(joins, LONGEST_JOIN),
        drains: DurationSamples::of(drains, DRAIN_TIMEOUT).without_held(),
    }
}

/// Whether nothing changed here for longer than the limit. A gap before the watch does not count: either a node reports
/// being in its stage for that long, or the zone was watched for that long.
fn is_stalled(
    zone: &ZoneRoll,
    limit: SignedDuration,
    watched_since: Option<Timestamp>,
    now: Timestamp,
) -> bool {
    let longer = |at: Option<Timestamp>| at.is_some_and(|at| since(at, now) > limit);
    if zone.nodes.iter().any(|node| node.leaves.is_some()) {
        return false;
    }
    let reported = zone.nodes.iter().any(|node| {
        matches!(node.stage, NodeStage::Draining | NodeStage::Joining)
            && longer(node.since.map(|since| since.at))
    });
    longer(zone.changed.or(watched_since)) && (reported || longer(watched_since))
}

fn remaining(zone: &ZoneRoll, times: &ReplacementTimes, now: Timestamp) -> DurationRange {
    let (counts, batch) = (zone.counts, times.batch());
    // A blocked drain does not progress.
    let under_way = |node: &NodeRoll| {
        let until = node.blocked_since.map_or(now, |blocked| blocked.at);
        node.since.map(|began| since(began.at, until))
    };
    let of_stage = |stage| zone.nodes.iter().filter(move |node| node.stage == stage);
    // A joining node is part of the batch whose old node still has to go, or the end of a finished one.
    let drains_first = zone.limits.is_some_and(Limits::drains_first);
    let ends = counts.old_left() == 0 || drains_first;
    let joining = || of_stage(NodeStage::Joining).filter_map(under_way);
    let latest = joining().min().filter(|_| ends);
    let join = match latest.filter(|_| counts.missing == 0) {
        Some(began) => times.join().after(began),
        None if counts.missing > 0 => times.join(),
        None => DurationRange::default(),
    };
    // A new node that is removed is also drained and replaced.
    let again = usize::from(counts.old_left() == 0 && counts.leaving > 0);
    let batches = zone.batches() + again;
    let draining = of_stage(NodeStage::Draining).filter_map(under_way);
    let begun = draining.chain(joining().filter(|_| !ends)).max().unwrap_or_default();
    let begun = if batches > 0 { begun.min(batch.low) } else { SignedDuration::ZERO };
    let all = batch.times(batches).plus(join);
    let rest = batch.times(batches.saturating_sub(1));
    let leaving = zone.nodes.iter().filter_map(|node| node.leaves);
    leaving.fold(DurationRange { low: all.low - begun, ..all }, |range, (earliest, latest)| {
        DurationRange {
            low: range.low.max(since(now, earliest).saturating_add(rest.low)),
            high: range.high.max(since(now, latest).saturating_add(all.high)),
        }
    })
}

fn worst_case(zone: &ZoneRoll) -> SignedDuration {
    let batch = CREATION_TIMEOUT + DRAIN_TIMEOUT;
    let batches = zone.batches();
    let all = DurationRange { low: batch, high: batch }.times(batches).high;
    if batches == 0 || zone.counts.missing > 0 { all.saturating_add(CREATION_TIMEOUT) } else { all }
}

/// Maximum time until these pools are done if nothing blocks: events planned within it are relevant.
pub fn longest_remaining(
    pools: &[PoolRoll],
    times: &ReplacementTimes,
    now: Timestamp,
) -> SignedDuration {
    pools
        .iter()
        .flat_map(|pool| &pool.zones)
        .filter(|zone| zone.is_unfinished())
        .map(|zone| remaining(zone, times, now).high)
        .max()
        .unwrap_or_default()
}
