//! Converts times of the cluster's clock to ours, so that ages and deadlines are comparable.

use jiff::{SignedDuration, Timestamp};

use crate::domain::age::since;

/// Smaller differences come from rounding in the `Date` header.
const NOISE: SignedDuration = SignedDuration::from_secs(30);
/// Differences from this on are displayed.
const NOTICEABLE: SignedDuration = SignedDuration::from_mins(2);

/// Both clocks at one time: ours, and the offset of the cluster's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClusterClock {
    now: Timestamp,
    skew: SignedDuration,
}

impl ClusterClock {
    /// `now` by our clock; `skew_seconds` is the cluster's clock minus ours.
    pub fn new(now: Timestamp, skew_seconds: i64) -> Self {
        let skew = SignedDuration::from_secs(skew_seconds.clamp(-DECADE, DECADE));
        Self { now, skew: if skew.abs() < NOISE { SignedDuration::ZERO } else { skew } }
    }

    /// The current time by our clock.
    pub fn now(self) -> Timestamp {
        self.now
    }

    /// Converts a past time of the cluster to our clock; never later than now.
    pub fn ours(self, at: Timestamp) -> Timestamp {
        self.planned(at).min(self.now)
    }

    /// Converts a time of the cluster, possibly in the future, to our clock.
    pub fn planned(self, at: Timestamp) -> Timestamp {
        at.checked_sub(self.skew).unwrap_or(at)
    }

    /// Age of a time of the cluster; never negative.
    pub fn age(self, at: Timestamp) -> SignedDuration {
        since(self.planned(at), self.now)
    }

    /// How far the cluster's clock is ahead of ours, negative if behind; `None` if negligible.
    pub fn noticeable_skew(self) -> Option<SignedDuration> {
        Some(self.skew).filter(|skew| skew.abs() >= NOTICEABLE)
    }
}

/// In seconds; a larger difference means a malformed header.
const DECADE: i64 = 10 * 366 * 86_400;

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use crate::domain::roll::clock_skew::ClusterClock;

    #[test]
    fn k8s_14_ages_are_corrected_and_never_negative() {
        let now = Timestamp::from_second(10_000).unwrap();
        let drained = Timestamp::from_second(10_180).unwrap();
        let ahead = ClusterClock::new(now, 300);
        assert_eq!(ahead.age(drained), SignedDuration::from_secs(120));
        assert_eq!(ahead.noticeable_skew(), Some(SignedDuration::from_mins(5)));
        let unknown = ClusterClock::new(now, 0);
        assert_eq!(unknown.age(drained), SignedDuration::ZERO);
        assert_eq!(unknown.ours(drained), now);
        assert_eq!(ClusterClock::new(now, 12).age(drained), SignedDuration::ZERO);
        assert_eq!(ClusterClock::new(now, i64::MIN).ours(drained), now);
    }
}
