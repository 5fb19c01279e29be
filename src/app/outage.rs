//! An outage of reads from SKE: start, reason, and the next read. The dashboard and `skeys wait` share these rules.
//! Times and randomness are arguments.

use std::time::Duration;

use crate::app::now::Now;
use crate::domain::backoff::{SIGNED_OUT, retry};
use crate::domain::failure::{Failure, FailureKind};

/// Shorter outages are not reported.
pub const REPORT_AFTER: Duration = Duration::from_secs(20);

/// A period in which reads from SKE fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outage {
    pub since: Now,
    pub failure: Failure,
    failures: u32,
    /// Since when the failures have been non-transient (monotonic clock).
    pub refused: Option<Duration>,
}

impl Outage {
    /// An outage that starts with this failure.
    pub fn new(failure: Failure, now: Now) -> Self {
        let refused = (!failure.is_transient()).then_some(now.monotonic);
        Self { since: now, failure, failures: 1, refused }
    }

    /// The outage after a further failure.
    pub fn after(before: Option<Self>, failure: Failure, now: Now) -> Self {
        let Some(mut outage) = before else { return Self::new(failure, now) };
        outage.failures = outage.failures.saturating_add(1);
        outage.refused =
            if failure.is_transient() { None } else { outage.refused.or(Some(now.monotonic)) };
        outage.failure = failure;
        outage
    }

    /// When it becomes long enough to be reported (monotonic clock).
    pub fn reported_from(&self) -> Duration {
        self.since.monotonic.saturating_add(REPORT_AFTER)
    }

    /// Whether it is long enough to be reported.
    pub fn is_reported(&self, now: Now) -> bool {
        now.monotonic >= self.reported_from()
    }

    /// When the next read is due (monotonic clock), respecting Retry-After. `idle`: the regular interval. `renews`: the
    /// token source can provide another token. `random`: in 0..1.
    pub fn next(&self, now: Now, idle: Duration, renews: bool, random: f64) -> Duration {
        let wait = if renews && self.failure.kind == FailureKind::SignedOut {
            SIGNED_OUT
        } else {
            retry(self.failures, idle, random)
        };
        let allowed = self.failure.retry_at.map(|at| now.monotonic_at(at)).unwrap_or_default();
        now.monotonic.saturating_add(wait).max(allowed)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::SignedDuration;

    use crate::app::now::Now;
    use crate::app::outage::Outage;
    use crate::domain::failure::{Failure, FailureKind};
    use crate::domain::fixtures;

    fn after(seconds: u64) -> Now {
        let passed = SignedDuration::from_secs(i64::try_from(seconds).unwrap());
        Now { wall: fixtures::now() + passed, monotonic: Duration::from_secs(seconds) }
    }

    fn outage(kind: FailureKind) -> Outage {
        Outage::new(Failure::new(kind, "HTTP 503"), after(0))
    }

    #[test]
    fn a_short_outage_is_not_reported() {
        let again = Failure::new(FailureKind::Unreachable, "no route");
        let subject = Outage::after(Some(outage(FailureKind::Server)), again, after(19));
        assert!(!subject.is_reported(after(19)) && subject.is_reported(after(20)));
    }

    #[test]
    fn api_09_retries_back_off_and_respect_retry_after() {
        let idle = Duration::from_secs(30);
        let mut subject = outage(FailureKind::Server);
        assert_eq!(subject.next(after(0), idle, false, 0.0), Duration::from_millis(500));
        assert_eq!(subject.next(after(0), idle, false, 1.0), Duration::from_millis(500));
        for second in 1..=4 {
            let again = Failure::new(FailureKind::Server, "HTTP 503");
            subject = Outage::after(Some(subject), again, after(second));
        }
        assert_eq!(subject.next(after(4), idle, false, 0.5), Duration::from_secs(34));
        let mut limited = Failure::new(FailureKind::RateLimited, "HTTP 429");
        limited.retry_at = Some(after(300).wall);
        let subject = Outage::after(Some(subject), limited, after(5));
        assert_eq!(subject.next(after(5), idle, false, 0.5), Duration::from_mins(5));
        let signed_out = outage(FailureKind::SignedOut);
        assert_eq!(signed_out.next(after(0), idle, true, 0.5), Duration::from_mins(1));
    }
}
