//! Time arithmetic: durations at the speed of the simulation, and saturating timestamps.

use jiff::{SignedDuration, Timestamp};

use crate::simulator::rng::Rng;

/// Speed of processes relative to real time.
#[derive(Debug, Clone, Copy)]
pub struct Speed(f64);

impl Speed {
    /// A speed of at least 0.01.
    pub fn new(factor: f64) -> Self {
        Self(factor.max(0.01))
    }

    /// When a process ends that starts at `at` and takes `duration` in real time.
    pub fn after(self, at: Timestamp, duration: SignedDuration) -> Timestamp {
        SignedDuration::try_from_secs_f64(duration.as_secs_f64() / self.0)
            .map_or(at, |duration| later(at, duration))
    }

    /// Like `after`, 20% sooner to 30% later.
    pub fn roughly_after(
        self,
        at: Timestamp,
        duration: SignedDuration,
        rng: &mut Rng,
    ) -> Timestamp {
        self.after(at, vary(duration, rng))
    }

    /// The real-time duration between two simulated times.
    pub fn real_time(self, from: Timestamp, to: Timestamp) -> SignedDuration {
        scale(to.duration_since(from), self.0)
    }
}

/// A duration multiplied by a factor.
pub fn scale(duration: SignedDuration, factor: f64) -> SignedDuration {
    SignedDuration::try_from_secs_f64(duration.as_secs_f64() * factor).unwrap_or(duration)
}

/// A duration varied by -20% to +30%.
pub fn vary(duration: SignedDuration, rng: &mut Rng) -> SignedDuration {
    scale(duration, 0.8 + 0.5 * rng.fraction())
}

/// `at` plus a duration; `at` on overflow.
pub fn later(at: Timestamp, duration: SignedDuration) -> Timestamp {
    at.saturating_add(duration).unwrap_or(at)
}

/// `at` minus a duration; `at` on overflow.
pub fn earlier(at: Timestamp, duration: SignedDuration) -> Timestamp {
    at.saturating_sub(duration).unwrap_or(at)
}

/// A timestamp truncated to seconds, as in APIs.
pub fn whole_second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

/// A timestamp in the format of APIs.
pub fn rfc3339(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Parses a humantime duration.
pub fn parse_duration(text: &str) -> Option<SignedDuration> {
    SignedDuration::try_from(humantime::parse_duration(text).ok()?).ok()
}
