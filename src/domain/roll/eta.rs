//! When a roll will be done: a range from the times that this very roll took; while there are too few of them, from
//! what is usual, and said to be an estimate.
//!
//! Zones of a pool roll in parallel, batches within a zone one after the other, so the slowest zone counts.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};

use crate::domain::age::since;
use crate::domain::roll::classify::{CREATION_TIMEOUT, DRAIN_TIMEOUT, NodeStage};
use crate::domain::roll::progress::{PoolRoll, PoolState, ZoneRoll};

/// What a node usually takes, from creation to the old one being gone: said before this roll has shown its own pace.
pub const USUAL_NODE: DurationRange =
    DurationRange { low: SignedDuration::from_mins(7), high: SignedDuration::from_mins(10) };
/// The part of it that evicting pods and removing the machine takes; used until a removal was watched.
const USUAL_DRAIN: DurationRange =
    DurationRange { low: SignedDuration::from_mins(3), high: SignedDuration::from_mins(5) };
/// Below this a standstill is normal.
const LEAST_STALL: SignedDuration = SignedDuration::from_mins(10);
/// Nodes that must have become new before their times make a forecast.
const ENOUGH: usize = 2;
/// Times kept of each kind.
const MAX_SAMPLES: usize = 256;

/// A range of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DurationRange {
    /// At least.
    pub low: SignedDuration,
    /// At most, if nothing blocks.
    pub high: SignedDuration,
}

/// Durations measured in this roll, one for each node, the newest ones.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Samples(VecDeque<(String, SignedDuration)>);

impl Samples {
    /// Takes a node's duration, once.
    pub fn add(&mut self, uid: &str, took: SignedDuration) {
        if self.0.iter().any(|(known, _)| known == uid) {
            return;
        }
        if self.0.len() == MAX_SAMPLES {
            self.0.pop_front();
        }
        self.0.push_back((uid.to_owned(), took));
    }

    /// Forgets a node's duration: it was measured wrongly.
    pub fn forget(&mut self, uid: &str) {
        self.0.retain(|(known, _)| known != uid);
    }

    /// Number of durations.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Durations in the order in which they were measured.
    pub fn durations(&self) -> impl Iterator<Item = SignedDuration> {
        self.0.iter().map(|(_, took)| *took)
    }

    /// The duration that this many quarters of the samples do not exceed; `None` without samples.
    fn quarter(&self, quarters: usize) -> Option<SignedDuration> {
        let mut sorted: Vec<SignedDuration> = self.durations().collect();
        sorted.sort_unstable();
        let last = sorted.len().checked_sub(1)?;
        sorted.get((last * quarters + 2) / 4).copied()
    }
}

/// The pace of this roll.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pace {
    /// From a new node's creation until it was ready.
    pub joins: Samples,
    /// From the begin of an old node's drain until it was gone.
    pub drains: Samples,
}

impl Pace {
    /// Median of a whole replacement; the usual middle while nothing was measured.
    pub fn median(&self) -> SignedDuration {
        let usual = (USUAL_NODE.low + USUAL_NODE.high) / 2;
        let usual_drain = (USUAL_DRAIN.low + USUAL_DRAIN.high) / 2;
        match (self.joins.quarter(2), self.drains.quarter(2)) {
            (Some(join), Some(drain)) => join + drain,
            (Some(join), None) => join + usual_drain,
            (None, Some(drain)) => (usual - usual_drain) + drain,
            (None, None) => usual,
        }
    }

    /// Without any node changing for longer than this, the roll is stalled.
    pub fn stall_after(&self) -> SignedDuration {
        LEAST_STALL.max(self.median() * 3)
    }

    /// What a batch takes, from the middle half of the measured times and a margin; the usual while there are none.
    fn wave(&self) -> DurationRange {
        let part = |samples: &Samples, usual: DurationRange, quarters: usize| {
            samples.quarter(quarters).unwrap_or(if quarters < 2 { usual.low } else { usual.high })
        };
        let usual_join = DurationRange {
            low: USUAL_NODE.low - USUAL_DRAIN.low,
            high: USUAL_NODE.high - USUAL_DRAIN.high,
        };
        let sum = |quarters| {
            part(&self.joins, usual_join, quarters) + part(&self.drains, USUAL_DRAIN, quarters)
        };
        if self.joins.len() + self.drains.len() == 0 {
            return USUAL_NODE;
        }
        DurationRange { low: sum(1) * 9 / 10, high: sum(3) * 6 / 5 }
    }
}

/// When a roll, or a pool's part of it, will be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RollEstimate {
    Idle,
    /// Its nodes cannot be seen.
    Unknown,
    /// The control plane comes first.
    NotBegun,
    /// Nodes that should be there are not seen, and there is nothing else to tell from.
    Early,
    /// About so long.
    Left {
        /// The range, if nothing more blocks.
        span: DurationRange,
        /// If every batch used up Gardener's default time limits.
        worst: SignedDuration,
        /// A part of it is held up, and the range counts from when it moves.
        held: bool,
        /// Too few nodes were replaced to measure: the range counts with what is usual.
        estimate: bool,
    },
    /// Nothing has moved since then (by our clock), longer than is normal here.
    Stalled {
        /// The last change.
        since: Timestamp,
    },
    /// All nodes are new; the phase has not said so yet.
    Finishing,
    /// The phase says that all nodes are new.
    Done,
}

impl RollEstimate {
    /// The same, but counted from when it moves, if something is in the way that does not go away by itself.
    #[must_use]
    pub fn held_if(self, stops: bool) -> Self {
        match self {
            Self::Left { span, worst, held, estimate } => {
                Self::Left { span, worst, held: held || stops, estimate }
            }
            Self::Idle
            | Self::Unknown
            | Self::NotBegun
            | Self::Early
            | Self::Stalled { .. }
            | Self::Finishing
            | Self::Done => self,
        }
    }
}

/// Works out when these pools will be done. `watched_since` is when the first snapshot was seen.
pub fn outlook(
    pools: &[PoolRoll],
    pace: &Pace,
    watched_since: Option<Timestamp>,
    now: Timestamp,
) -> RollEstimate {
    let concerned = |pool: &&PoolRoll| match pool.state {
        PoolState::NotBegun | PoolState::Rolling | PoolState::AllNew | PoolState::Missing => true,
        PoolState::Settled | PoolState::Empty => false,
    };
    let pools: Vec<&PoolRoll> = pools.iter().filter(concerned).collect();
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
        return if missing { RollEstimate::Early } else { RollEstimate::Finishing };
    }
    let limit = pace.stall_after();
    let stalled =
        |(begun, zone): &(bool, &ZoneRoll)| *begun && is_stalled(zone, limit, watched_since, now);
    if zones.iter().all(stalled) {
        let last = zones.iter().filter_map(|(_, zone)| zone.changed).max().or(watched_since);
        return RollEstimate::Stalled { since: last.unwrap_or(now) };
    }
    let held = zones.iter().any(|zone| stalled(zone) || zone.1.counts.blocked > 0);
    let new: usize = pools.iter().map(|pool| pool.counts.new).sum();
    let wave = pace.wave();
    let spans = || zones.iter().map(|(_, zone)| left(zone, wave, now));
    RollEstimate::Left {
        span: DurationRange {
            low: spans().map(|span| span.low).max().unwrap_or_default(),
            high: spans().map(|span| span.high).max().unwrap_or_default(),
        },
        worst: zones.iter().map(|(_, zone)| worst(zone)).max().unwrap_or_default(),
        held,
        estimate: pace.joins.len() < ENOUGH || new < ENOUGH,
    }
}

/// Whether nothing changed here for longer than the limit. A gap before the watch began is not held against it:
/// either a node tells that it is in its stage for so long, or it was watched for so long.
fn is_stalled(
    zone: &ZoneRoll,
    limit: SignedDuration,
    watched_since: Option<Timestamp>,
    now: Timestamp,
) -> bool {
    let longer = |at: Option<Timestamp>| at.is_some_and(|at| since(at, now) > limit);
    let told = zone.nodes.iter().any(|node| {
        matches!(node.stage, NodeStage::Draining | NodeStage::Joining)
            && longer(node.since.map(|since| since.at))
    });
    longer(zone.changed.or(watched_since)) && (told || longer(watched_since))
}

fn left(zone: &ZoneRoll, wave: DurationRange, now: Timestamp) -> DurationRange {
    let waves = i32::try_from(zone.waves().max(1)).unwrap_or(i32::MAX);
    let under_way = zone
        .nodes
        .iter()
        .filter(|node| matches!(node.stage, NodeStage::Draining | NodeStage::Joining))
        .filter_map(|node| node.since)
        .map(|began| since(began.at, now))
        .max()
        .unwrap_or_default();
    let credit = under_way.min(wave.low);
    let times = |one: SignedDuration| one.checked_mul(waves).unwrap_or(SignedDuration::MAX);
    DurationRange { low: times(wave.low) - credit, high: times(wave.high) }
}

fn worst(zone: &ZoneRoll) -> SignedDuration {
    match zone.waves() {
        0 => CREATION_TIMEOUT,
        waves => (CREATION_TIMEOUT + DRAIN_TIMEOUT)
            .checked_mul(i32::try_from(waves).unwrap_or(i32::MAX))
            .unwrap_or(SignedDuration::MAX),
    }
}

/// What replacing this many nodes in batches usually takes, before any of it has begun.
pub fn usual(nodes: usize, batch: usize) -> DurationRange {
    let waves = i32::try_from(nodes.div_ceil(batch.max(1))).unwrap_or(i32::MAX);
    let times = |one: SignedDuration| one.checked_mul(waves).unwrap_or(SignedDuration::MAX);
    DurationRange { low: times(USUAL_NODE.low), high: times(USUAL_NODE.high) }
}

/// How long these pools take at most if nothing blocks, by this roll's pace or, before it has one, by the usual time.
/// For asking what else is due within it.
pub fn horizon(pools: &[PoolRoll], pace: &Pace, now: Timestamp) -> SignedDuration {
    let wave = pace.wave();
    pools
        .iter()
        .flat_map(|pool| &pool.zones)
        .filter(|zone| zone.is_unfinished())
        .map(|zone| left(zone, wave, now).high)
        .max()
        .unwrap_or_default()
}
