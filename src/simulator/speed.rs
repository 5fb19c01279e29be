//! Arithmetic of time: how long processes last at the speed of the simulation, and moments that never overflow.

use jiff::{SignedDuration, Timestamp};

use crate::simulator::rng::Rng;

/// How many times faster than in reality processes run.
#[derive(Debug, Clone, Copy)]
pub struct Speed(f64);

impl Speed {
    /// A speed of at least 0.01.
    pub fn new(factor: f64) -> Self {
        Self(factor.max(0.01))
    }

    /// When a process ends that begins at a moment and lasts so long in reality.
    pub fn after(self, at: Timestamp, duration: SignedDuration) -> Timestamp {
        SignedDuration::try_from_secs_f64(duration.as_secs_f64() / self.0)
            .map_or(at, |duration| later(at, duration))
    }

    /// As `after`, 20% sooner to 30% later.
    pub fn roughly_after(
        self,
        at: Timestamp,
        duration: SignedDuration,
        rng: &mut Rng,
    ) -> Timestamp {
        self.after(at, vary(duration, rng))
    }

    /// How long the time between two moments would last in reality.
    pub fn real_time(self, from: Timestamp, to: Timestamp) -> SignedDuration {
        scale(to.duration_since(from), self.0)
    }
}

/// A fraction, or a multiple, of a duration.
pub fn scale(duration: SignedDuration, factor: f64) -> SignedDuration {
    SignedDuration::try_from_secs_f64(duration.as_secs_f64() * factor).unwrap_or(duration)
}

/// A duration that is up to 20% shorter or 30% longer.
pub fn vary(duration: SignedDuration, rng: &mut Rng) -> SignedDuration {
    scale(duration, 0.8 + 0.5 * rng.fraction())
}

/// A later moment.
pub fn later(at: Timestamp, duration: SignedDuration) -> Timestamp {
    at.saturating_add(duration).unwrap_or(at)
}

/// An earlier moment.
pub fn earlier(at: Timestamp, duration: SignedDuration) -> Timestamp {
    at.saturating_sub(duration).unwrap_or(at)
}

/// A moment without fractions of a second, as APIs write it.
pub fn whole_second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

/// A moment as APIs write it.
pub fn rfc3339(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The length of a duration in humantime text.
pub fn parse_duration(text: &str) -> Option<SignedDuration> {
    SignedDuration::try_from(humantime::parse_duration(text).ok()?).ok()
}
