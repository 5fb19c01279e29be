//! Formats ages and times consistently across the product.

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// The zone in which times are shown: the user's or UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisplayZone(TimeZone);

impl DisplayZone {
    /// Coordinated universal time.
    pub const UTC: Self = Self(TimeZone::UTC);

    /// Any time zone.
    pub fn new(zone: TimeZone) -> Self {
        Self(zone)
    }

    /// "Tue 24 Nov 2026 22:03 +01:00": full date and time.
    pub fn full(&self, at: Timestamp) -> String {
        at.to_zoned(self.0.clone()).strftime("%a %d %b %Y %H:%M %:z").to_string()
    }

    /// "Tue 24 Nov 2026 22:03:11 +01:00": full, with seconds.
    pub fn exact(&self, at: Timestamp) -> String {
        at.to_zoned(self.0.clone()).strftime("%a %d %b %Y %H:%M:%S %:z").to_string()
    }

    /// "24 Nov 22:03": where the year is obvious.
    pub fn short(&self, at: Timestamp) -> String {
        at.to_zoned(self.0.clone()).strftime("%d %b %H:%M").to_string()
    }

    /// "22:03:11": a time today.
    pub fn clock(&self, at: Timestamp) -> String {
        at.to_zoned(self.0.clone()).strftime("%H:%M:%S").to_string()
    }

    /// Time of day if `at` is within the last 20 hours, otherwise day and month.
    pub fn log(&self, at: Timestamp, now: Timestamp) -> String {
        if now.duration_since(at).abs() < SignedDuration::from_hours(20) {
            self.clock(at)
        } else {
            self.short(at)
        }
    }
}

/// "2026-12-01 00:00:00 UTC": for messages about the network or the command line.
pub fn utc(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// "2026-12-01T00:00:00Z": for programs.
pub fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Elapsed time, never negative, since clocks of two machines differ.
pub fn since(at: Timestamp, now: Timestamp) -> SignedDuration {
    now.duration_since(at).max(SignedDuration::ZERO)
}

/// "47m": the elapsed time between two points in time.
pub fn passed(from: Timestamp, to: Timestamp) -> String {
    long(since(from, to))
}

/// "2d 4h", "3h 12m", "47m", "12s": two units at most, seconds only below two minutes.
pub fn long(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().max(0);
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        _ if seconds < 120 => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m"),
        (0, _, 0) => format!("{hours}h"),
        (0, _, _) => format!("{hours}h {minutes}m"),
        (10.., _, _) | (_, 0, _) => format!("{days}d"),
        _ => format!("{days}d {hours}h"),
    }
}

/// "2d04", "3h12", "47m", "12s", "812d": the same in at most five columns.
pub fn narrow(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().max(0);
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours) {
        _ if seconds < 120 => format!("{seconds}s"),
        (0, 0) => format!("{minutes}m"),
        (0, _) => format!("{hours}h{minutes:02}"),
        (1..=9, _) => format!("{days}d{hours:02}"),
        _ => format!("{days}d"),
    }
}

/// A duration in the format of the documentation, which can be parsed back: "180d", "1h 30m".
pub fn format_duration(duration: Duration) -> String {
    let mut rest = duration.as_secs();
    let mut parts = Vec::new();
    for (unit, seconds) in [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)] {
        if rest >= seconds {
            parts.push(format!("{}{unit}", rest / seconds));
        }
        rest %= seconds;
    }
    for (unit, nanoseconds) in [("ms", 1_000_000), ("us", 1_000), ("ns", 1)] {
        let count = duration.subsec_nanos() / nanoseconds % 1_000;
        if count > 0 {
            parts.push(format!("{count}{unit}"));
        }
    }
    if parts.is_empty() { "0s".to_owned() } else { parts.join(" ") }
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use crate::domain::age::{DisplayZone, long, narrow, since};

    #[test]
    fn ages_have_two_units_at_most() {
        let cases = [
            (0, "0s", "0s"),
            (119, "119s", "119s"),
            (120, "2m", "2m"),
            (3_600, "1h", "1h00"),
            (3 * 3_600 + 12 * 60, "3h 12m", "3h12"),
            (2 * 86_400 + 4 * 3_600, "2d 4h", "2d04"),
            (12 * 86_400 + 5 * 3_600, "12d", "12d"),
            (-5, "0s", "0s"),
        ];
        for (seconds, wide, tight) in cases {
            let duration = SignedDuration::from_secs(seconds);
            assert_eq!((long(duration).as_str(), narrow(duration).as_str()), (wide, tight));
        }
    }

    #[test]
    fn api_20_a_moment_in_the_future_has_no_negative_age() {
        let now = Timestamp::from_second(1_000).unwrap();
        assert_eq!(since(Timestamp::from_second(2_000).unwrap(), now), SignedDuration::ZERO);
    }

    #[test]
    fn full_moments_carry_weekday_and_offset() {
        let at: Timestamp = "2026-11-24T21:03:00Z".parse().unwrap();
        assert_eq!(DisplayZone::UTC.full(at), "Tue 24 Nov 2026 21:03 +00:00");
    }
}
