//! Duration of node replacements: measured in this roll, typical, and the estimate from both.

use jiff::{SignedDuration, Timestamp};

/// Typical duration of replacing a node, from the creation of the new one to the removal of the old one.
pub const USUAL_NODE: DurationRange =
    DurationRange { low: SignedDuration::from_mins(7), high: SignedDuration::from_mins(10) };
/// The share of evicting pods and removing the machine.
const USUAL_DRAIN: DurationRange =
    DurationRange { low: SignedDuration::from_mins(3), high: SignedDuration::from_mins(5) };
/// Shorter times without a change are normal.
const LEAST_STALL: SignedDuration = SignedDuration::from_mins(10);
/// A node that took longer to become ready was ready before and failed in between.
pub const LONGEST_JOIN: SignedDuration = SignedDuration::from_mins(40);
/// A longer drain must have ended while the cluster was not observed.
pub const LONGEST_DRAIN: SignedDuration = SignedDuration::from_hours(6);

/// A range of time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DurationRange {
    pub low: SignedDuration,
    /// Maximum if nothing blocks.
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

    /// The sum of both ranges.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self { low: self.low.saturating_add(other.low), high: self.high.saturating_add(other.high) }
    }

    /// What remains after an elapsed time. Never zero: a step that exceeds its usual time still takes a while.
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
    /// Expected nodes are not visible, so nothing can be measured.
    NodesMissing,
    Remaining {
        /// If nothing else blocks.
        range: DurationRange,
        /// If every machine and every drain takes Gardener's default timeouts.
        worst_case: SignedDuration,
        /// Part of it is blocked; the range counts from when that is resolved.
        blocked: bool,
        /// Too few replaced nodes to measure: the range is the typical one.
        from_usual: bool,
    },
    /// No node has changed since then (by our clock), longer than is normal in this roll.
    Stalled { since: Timestamp },
    /// All nodes are new; the phase has not changed yet.
    Finishing,
    /// The phase confirms that all nodes are new.
    Done,
}

impl RollEstimate {
    /// The same, marked as blocked if `stops`.
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
    /// Plausible samples: positive, at most `most`.
    pub fn of(all: impl Iterator<Item = SignedDuration>, most: SignedDuration) -> Self {
        let mut all: Vec<_> =
            all.filter(|took| *took > SignedDuration::ZERO && *took <= most).collect();
        all.sort_unstable();
        Self(all)
    }

    /// Without outliers: something held these nodes up.
    #[must_use]
    pub fn without_held(mut self) -> Self {
        let usual = self.quarter(1).unwrap_or_default();
        self.0.retain(|took| *took <= LEAST_STALL.max(usual * 3));
        self
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The quartile with this number; `None` without samples.
    fn quarter(&self, quarters: usize) -> Option<SignedDuration> {
        let last = self.0.len().checked_sub(1)?;
        self.0.get((last * quarters + 2) / 4).copied()
    }
}

/// Durations of node replacements in this roll, derived from existing nodes only, so that every instance sees the same.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReplacementTimes {
    /// From a new node's creation until it was ready.
    pub joins: DurationSamples,
    /// From then until the next batch was created in the same zone: meanwhile an old node drains.
    pub drains: DurationSamples,
}

impl ReplacementTimes {
    /// Median of a complete replacement; the middle of the typical range if nothing was measured.
    pub fn median(&self) -> SignedDuration {
        let usual_drain = (USUAL_DRAIN.low + USUAL_DRAIN.high) / 2;
        let usual_join = (USUAL_NODE.low + USUAL_NODE.high) / 2 - usual_drain;
        self.joins.quarter(2).unwrap_or(usual_join) + self.drains.quarter(2).unwrap_or(usual_drain)
    }

    /// A roll counts as stalled if no node has changed for longer than this.
    pub fn stall_after(&self) -> SignedDuration {
        LEAST_STALL.max(self.median() * 3)
    }

    /// Time until a new node is ready, as part of a batch.
    pub fn join(&self) -> DurationRange {
        let usual = DurationRange {
            low: USUAL_NODE.low - USUAL_DRAIN.low,
            high: USUAL_NODE.high - USUAL_DRAIN.high,
        };
        let measured = self.joins.quarter(1).zip(self.joins.quarter(3));
        measured
            .map_or(usual, |(low, high)| DurationRange { low: low * 9 / 10, high: high * 6 / 5 })
    }

    /// Duration of a batch: the measured interquartile range with a margin; the typical range if nothing was measured.
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

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use crate::domain::roll::durations::{DurationRange, DurationSamples, ReplacementTimes};

    fn samples(minutes: &[i64]) -> DurationSamples {
        let all = minutes.iter().map(|minutes| SignedDuration::from_mins(*minutes));
        DurationSamples::of(all, SignedDuration::from_mins(40))
    }

    fn range(low: i64, high: i64) -> DurationRange {
        let seconds = SignedDuration::from_secs;
        DurationRange { low: seconds(low), high: seconds(high) }
    }

    #[test]
    fn measured_times_are_quartiles_with_a_margin_and_the_usual_ones_fill_in() {
        let spread = [10, 2, 8, 4, 6];
        for (joins, drains, median, join, batch) in [
            (&[][..], &[][..], 510, range(240, 300), range(420, 600)),
            (&spread, &[], 600, range(216, 576), range(378, 936)),
            (&[], &[10], 870, range(240, 300), range(756, 1080)),
            (&[5], &[10], 900, range(270, 360), range(810, 1080)),
        ] {
            let times = ReplacementTimes { joins: samples(joins), drains: samples(drains) };
            let found = (times.median(), times.join(), times.batch());
            assert_eq!(found, (SignedDuration::from_secs(median), join, batch), "{times:?}");
        }
    }

    #[test]
    fn samples_are_plausible_and_none_of_a_node_that_was_held_up() {
        assert_eq!(samples(&[-1, 0, 1, 40, 41]).len(), 2);
        assert_eq!(samples(&[2, 3, 10, 11]).without_held().len(), 3);
        assert_eq!(samples(&[12, 13, 30, 39]).without_held().len(), 4, "all are slow here");
    }
}
