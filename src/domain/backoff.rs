//! Delays between retries of a read.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// Upper bound of the first delay.
const FIRST: Duration = Duration::from_millis(500);
/// Upper bound of our own delays.
const LONGEST: Duration = Duration::from_secs(30);
/// Consecutive failures that are retried quickly.
const QUICK_RETRIES: u32 = 4;
/// Minimum time between two attempts.
const LEAST: Duration = Duration::from_millis(500);
/// Retry interval for a refused token whose source may provide another.
pub const SIGNED_OUT: Duration = Duration::from_mins(1);
/// Pause after HTTP 429 without `Retry-After`.
pub const RATE_LIMIT_PAUSE: SignedDuration = SignedDuration::from_secs(10);
/// Upper bound for `Retry-After`.
pub const LONGEST_RETRY_AFTER: Duration = Duration::from_mins(5);

/// Full jitter: a random share of a delay that doubles with each consecutive failure. `random` is in 0..1 and passed in
/// to keep the function pure.
pub fn delay(failures_in_a_row: u32, random: f64) -> Duration {
    let doublings = failures_in_a_row.saturating_sub(1).min(10);
    let ceiling = FIRST.saturating_mul(1 << doublings).min(LONGEST);
    ceiling.mul_f64(random.clamp(0.0, 1.0))
}

/// Delay before retrying a failing server: short at first, then the `idle` interval.
pub fn retry(failures_in_a_row: u32, idle: Duration, random: f64) -> Duration {
    if failures_in_a_row > QUICK_RETRIES {
        idle
    } else {
        delay(failures_in_a_row, random).max(LEAST)
    }
}

/// The time before which a server that sent `Retry-After` must not be called; bounded, never in the past.
pub fn retry_after(now: Timestamp, wait: SignedDuration) -> Timestamp {
    let longest = SignedDuration::try_from(LONGEST_RETRY_AFTER).unwrap_or(SignedDuration::ZERO);
    now.saturating_add(wait.clamp(SignedDuration::ZERO, longest)).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::{SignedDuration, Timestamp};
    use proptest::prelude::*;

    use crate::domain::backoff::{delay, retry, retry_after};

    #[test]
    fn waiting_doubles_up_to_half_a_minute() {
        assert_eq!(delay(1, 1.0), Duration::from_millis(500));
        assert_eq!(delay(3, 1.0), Duration::from_secs(2));
        assert_eq!(delay(60, 1.0), Duration::from_secs(30));
    }

    #[test]
    fn a_failing_server_is_retried_at_the_idle_interval_at_most() {
        let idle = Duration::from_secs(45);
        assert_eq!(retry(1, idle, 0.0), Duration::from_millis(500));
        assert_eq!(retry(4, idle, 1.0), Duration::from_secs(4));
        assert_eq!(retry(5, idle, 0.0), idle);
    }

    #[test]
    fn api_09_retry_after_is_honoured_up_to_five_minutes() {
        let now = Timestamp::UNIX_EPOCH;
        let after = |seconds| retry_after(now, SignedDuration::from_secs(seconds)).as_second();
        assert_eq!((after(30), after(9_999), after(-4)), (30, 300, 0));
    }

    proptest! {
        #![proptest_config(crate::property_cases(256))]

        #[test]
        fn waiting_is_bounded(failures in any::<u32>(), random in any::<f64>()) {
            let random = if random.is_nan() { 0.0 } else { random };
            prop_assert!(delay(failures, random) <= Duration::from_secs(30));
        }
    }
}
