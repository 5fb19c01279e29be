//! The time at which a message is handled, on two clocks.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// The moment at which a message is handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Wall clock, for moments that people see. It may jump.
    pub wall: Timestamp,
    /// Time since the program started, for waiting. It never jumps.
    pub monotonic: Duration,
}

/// A wall clock that moved this much more or less than the monotonic one has jumped.
const JUMP: SignedDuration = SignedDuration::from_secs(30);
/// Waking up later than planned by this much means a suspend.
const SUSPENDED: Duration = Duration::from_secs(30);

impl Now {
    /// Whether the wall clock jumped since then: it was set, or the machine was suspended.
    pub fn has_jumped_since(self, before: Self) -> bool {
        (self.wall.duration_since(before.wall) - self.monotonic_since(before)).abs() > JUMP
    }

    /// Time since then, by the clock that shows more: the monotonic one may stop during a suspend.
    pub fn longest_since(self, before: Self) -> SignedDuration {
        self.monotonic_since(before).max(self.wall.duration_since(before.wall))
    }

    fn monotonic_since(self, before: Self) -> SignedDuration {
        let monotonic = self.monotonic.saturating_sub(before.monotonic);
        SignedDuration::try_from(monotonic).unwrap_or(SignedDuration::MAX)
    }

    /// Whether this is so long after a moment of the monotonic clock that nothing was done in between.
    pub fn overslept(self, meant: Duration) -> bool {
        self.monotonic.saturating_sub(meant) > SUSPENDED
    }

    /// The monotonic time at which the wall clock will show `at`, unless it is set.
    pub fn monotonic_at(self, at: Timestamp) -> Duration {
        let ahead = Duration::try_from(at.duration_since(self.wall)).unwrap_or(Duration::ZERO);
        self.monotonic.saturating_add(ahead)
    }
}
