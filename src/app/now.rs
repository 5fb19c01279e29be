//! The time at which a message is handled, on two clocks.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// The time at which a message is handled, on two clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Wall clock, for displayed times. It may jump.
    pub wall: Timestamp,
    /// Time since the program started, for timeouts. It never jumps.
    pub monotonic: Duration,
}

/// Minimum deviation from the monotonic clock that counts as a jump of the wall clock.
const JUMP: SignedDuration = SignedDuration::from_secs(30);
/// Minimum delay of a wake-up that counts as a suspend.
const SUSPENDED: Duration = Duration::from_secs(30);

impl Now {
    /// Whether the wall clock has jumped since `before`: it was set, or the machine was suspended.
    pub fn has_jumped_since(self, before: Self) -> bool {
        (self.wall.duration_since(before.wall) - self.monotonic_since(before)).abs() > JUMP
    }

    /// Time since `before`, by the clock that shows more: the monotonic one may stop during a suspend.
    pub fn longest_since(self, before: Self) -> SignedDuration {
        self.monotonic_since(before).max(self.wall.duration_since(before.wall))
    }

    fn monotonic_since(self, before: Self) -> SignedDuration {
        let monotonic = self.monotonic.saturating_sub(before.monotonic);
        SignedDuration::try_from(monotonic).unwrap_or(SignedDuration::MAX)
    }

    /// Whether `meant` was missed by so much that the program must have been suspended.
    pub fn was_suspended(self, meant: Duration) -> bool {
        self.monotonic.saturating_sub(meant) > SUSPENDED
    }

    /// The monotonic time at which the wall clock will show `at`, unless the clock is set.
    pub fn monotonic_at(self, at: Timestamp) -> Duration {
        let ahead = Duration::try_from(at.duration_since(self.wall)).unwrap_or(Duration::ZERO);
        self.monotonic.saturating_add(ahead)
    }
}
