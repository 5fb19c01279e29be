//! How long nodes take: as measured in this roll, as usual, and the estimate from both.

use jiff::{SignedDuration, Timestamp};

/// What replacing a node usually takes, from creation to removal of the old one.
pub const USUAL_NODE: DurationRange =
    DurationRange { low: SignedDuration::from_mins(7), high: SignedDuration::from_mins(10) };
/// The part of it that evicting pods and removing the machine takes.
const USUAL_DRAIN: DurationRange =
    DurationRange { low: SignedDuration::from_mins(3), high: SignedDuration::from_mins(5) };
/// A shorter time without a change is normal.
const LEAST_STALL: SignedDuration = SignedDuration::from_mins(10);
/// A node that took longer to become ready was ready before and failed in between.
pub const LONGEST_JOIN: SignedDuration = SignedDuration::from_mins(40);
/// A drain that seems to have taken longer ended while the cluster was not observed.
pub const LONGEST_DRAIN: SignedDuration = SignedDuration::from_hours(6);

/// A range of time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DurationRange {
    pub low: SignedDuration,
    /// The most it takes if nothing blocks.
    pub high: SignedDuration,
}

impl DurationRange {
    /// This range times `count`.
    #[must_use]
    pub fn times(self, count: usize) -> Self {
        let count = i32::try_from(count).unwrap_or(i32::MAX);
        let times = |one: SignedDuration| one.checked_mul(count).unwrap_or(SignedDuration::MAX);
        Self { low: times(self.low), high: times(self.high) }
    }

    /// This range followed by the other.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self { low: self.low.saturating_add(other.low), high: self.high.saturating_add(other.high) }
    }

    /// What is left after some time. Never zero: a step that takes longer than usual still takes some time.
    #[must_use]
    pub fn after(self, passed: SignedDuration) -> Self {
        let left = |all: SignedDuration, least| all.saturating_sub(passed).max(least);
        Self {
            low: left(self.low, SignedDuration::ZERO),
            high: left(self.high, SignedDuration::from_mins(1)),
        }
    }
}

/// When a roll, or a pool's part of it, will be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RollEstimate {
    /// Nothing rolls.
    Idle,
    /// Its nodes are not visible.
    Unknown,
    /// The control plane comes first.
    NotBegun,
    /// Nodes that should exist are not visible, so that nothing can be measured.
    NodesMissing,
    Remaining {
        /// If nothing more blocks.
        range: DurationRange,
        /// If every machine and every drain takes as long as Gardener's default timeouts allow.
        worst_case: SignedDuration,
        /// A part of it is blocked; the range counts from when that ends.
        blocked: bool,
        /// Too few nodes were replaced to measure: the range is the usual one.
        from_usual: bool,
    },
    /// No node has changed since then (by our clock), longer than is normal in this roll.
    Stalled { since: Timestamp },
    /// All nodes are new; the phase has not said so yet.
    Finishing,
    /// The phase says that all nodes are new.
    Done,
}

impl RollEstimate {
    /// The same, blocked if something is that does not end by itself.
    #[must_use]
    pub fn blocked_if(mut self, stops: bool) -> Self {
        if let Self::Remaining { blocked, .. } = &mut self {
            *blocked |= stops;
        }
        self
    }
}

/// Durations measured in this roll.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DurationSamples(Vec<SignedDuration>);

impl DurationSamples {
    /// Those that are plausible: longer than nothing, at most so long.
    pub fn of(all: impl Iterator<Item = SignedDuration>, most: SignedDuration) -> Self {
        let mut all: Vec<_> =
            all.filter(|took| *took > SignedDuration::ZERO && *took <= most).collect();
        all.sort_unstable();
        Self(all)
    }

    /// Without those that are much longer than the shorter ones: something held these nodes.
    #[must_use]
    pub fn without_held(mut self) -> Self {
        let usual = self.quarter(1).unwrap_or_default();
        self.0.retain(|took| *took <= LEAST_STALL.max(usual * 3));
        self
    }

    /// Number of durations.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The duration that this many quarters of the samples do not exceed; `None` without samples.
    fn quarter(&self, quarters: usize) -> Option<SignedDuration> {
        let last = self.0.len().checked_sub(1)?;
        self.0.get((last * quarters + 2) / 4).copied()
    }
}

/// How long replaced nodes took in this roll, from the nodes that there are: whoever looks sees the same.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReplacementTimes {
    /// From a new node's creation until it was ready.
    pub joins: DurationSamples,
    /// From then until the node of the next batch was created in the same zone: in between an old node drains.
    pub drains: DurationSamples,
}

impl ReplacementTimes {
    /// Median of a whole replacement; the usual middle while nothing was measured.
    pub fn median(&self) -> SignedDuration {
        let usual_drain = (USUAL_DRAIN.low + USUAL_DRAIN.high) / 2;
        let usual_join = (USUAL_NODE.low + USUAL_NODE.high) / 2 - usual_drain;
        self.joins.quarter(2).unwrap_or(usual_join) + self.drains.quarter(2).unwrap_or(usual_drain)
    }

    /// A roll is stalled when no node has changed for longer than this.
    pub fn stall_after(&self) -> SignedDuration {
        LEAST_STALL.max(self.median() * 3)
    }

    /// What a new node takes until it is ready, as a part of a batch.
    pub fn join(&self) -> DurationRange {
        let usual = DurationRange {
            low: USUAL_NODE.low - USUAL_DRAIN.low,
            high: USUAL_NODE.high - USUAL_DRAIN.high,
        };
        let measured = self.joins.quarter(1).zip(self.joins.quarter(3));
        measured
            .map_or(usual, |(low, high)| DurationRange { low: low * 9 / 10, high: high * 6 / 5 })
    }

    /// What a batch takes, from the middle half of the measured times and a margin; the usual while there are none.
    pub fn batch(&self) -> DurationRange {
        if self.joins.len() + self.drains.len() == 0 {
            return USUAL_NODE;
        }
        let sum = |quarters: usize, usual_node: SignedDuration, usual_drain: SignedDuration| {
            self.joins.quarter(quarters).unwrap_or(usual_node - usual_drain)
                + self.drains.quarter(quarters).unwrap_or(usual_drain)
        };
        DurationRange {
            low: sum(1, USUAL_NODE.low, USUAL_DRAIN.low) * 9 / 10,
            high: sum(3, USUAL_NODE.high, USUAL_DRAIN.high) * 6 / 5,
        }
    }
}
