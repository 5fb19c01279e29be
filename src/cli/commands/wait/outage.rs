//! A stretch of time in which SKE could not be asked: since when, why, when it is asked again, and whether it is worth
//! a word. Pure; moments and chance are handed in.

use std::time::Duration;

use jiff::Timestamp;

use crate::app::now::Now;
use crate::domain::age::{long, since};
use crate::domain::backoff::{SIGNED_OUT, retry};
use crate::domain::failure::{Failure, FailureKind};

/// Shorter outages are not worth a line, as in the dashboard.
const WORTH_TELLING: Duration = Duration::from_secs(20);
/// A refusal that nobody can do anything about is taken for a passing one for this long: gateways err, too.
const PATIENCE: Duration = Duration::from_secs(30);
/// A token that is refused may be replaced for this long, where its source can bring another.
const RENEWAL: Duration = Duration::from_mins(10);

/// SKE could not be asked since then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outage {
    since: Now,
    failure: Failure,
    failures: u32,
    /// Since when it fails in a way that does not pass by itself, on the monotonic clock.
    refused: Option<Duration>,
}

impl Outage {
    /// An outage that begins.
    pub fn new(failure: Failure, now: Now) -> Self {
        let refused = (!failure.is_transient()).then_some(now.monotonic);
        Self { since: now, failure, failures: 1, refused }
    }

    /// It failed once more.
    pub fn again(&mut self, failure: Failure, now: Now) {
        self.failures = self.failures.saturating_add(1);
        self.refused =
            if failure.is_transient() { None } else { self.refused.or(Some(now.monotonic)) };
        self.failure = failure;
    }

    /// The newest reason.
    pub fn failure(&self) -> &Failure {
        &self.failure
    }

    /// The moment from which it is worth a word, on the monotonic clock.
    pub fn told_from(&self) -> Duration {
        self.since.monotonic.saturating_add(WORTH_TELLING)
    }

    /// Whether it is worth a word.
    pub fn is_told(&self, now: Now) -> bool {
        now.monotonic >= self.told_from()
    }

    /// Whether going on asking cannot help any more. `renews`: the source of the token can bring another one.
    pub fn is_final(&self, now: Now, renews: bool) -> bool {
        let signs_in = matches!(self.failure.kind, FailureKind::SignedOut | FailureKind::File);
        let patience = if signs_in && renews { RENEWAL } else { PATIENCE };
        self.refused.is_some_and(|began| now.monotonic.saturating_sub(began) >= patience)
    }

    /// When SKE is asked again, on the monotonic clock, and not before a server's Retry-After.
    /// `random` lies in 0..1.
    pub fn next(&self, now: Now, idle: Duration, renews: bool, random: f64) -> Duration {
        let wait = if renews && self.failure.kind == FailureKind::SignedOut {
            SIGNED_OUT
        } else {
            retry(self.failures, idle, random)
        };
        let asked = self.failure.retry_at.map(|at| at.duration_since(now.wall));
        let asked = asked.and_then(|wait| Duration::try_from(wait).ok()).unwrap_or_default();
        now.monotonic.saturating_add(wait.max(asked))
    }

    /// "SKE cannot be asked since 2026-11-24T14:03:00Z: …; asking goes on".
    pub fn begun(&self) -> String {
        let why = self.failure.message.trim_end_matches('.');
        format!("SKE cannot be asked since {}: {why}; asking goes on", moment(self.since.wall))
    }

    /// "SKE answers again after 20m".
    pub fn over(&self, now: Now) -> String {
        format!("SKE answers again after {}", long(since(self.since.wall, now.wall)))
    }

    /// "no answer from SKE for 12m: …", for a line that is drawn again and again.
    pub fn brief(&self, now: Now) -> String {
        let lasts = long(since(self.since.wall, now.wall));
        format!("SKE cannot be asked for {lasts}: {}", self.failure.message)
    }
}

/// A moment as programs read it: RFC 3339 in UTC, whole seconds.
pub fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::SignedDuration;

    use crate::app::now::Now;
    use crate::cli::commands::wait::outage::Outage;
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
    fn a_hiccup_is_not_told_and_an_outage_is_with_its_begin() {
        let mut subject = outage(FailureKind::Server);
        subject.again(Failure::new(FailureKind::Unreachable, "no route"), after(19));
        assert!(!subject.is_told(after(19)) && subject.is_told(after(20)));
        assert_eq!(
            subject.begun(),
            "SKE cannot be asked since 2026-11-24T14:02:11Z: no route; asking goes on"
        );
        assert_eq!(subject.over(after(1_260)), "SKE answers again after 21m");
    }

    #[test]
    fn what_passes_is_never_final_and_what_does_not_has_its_time() {
        let day = after(86_400);
        assert!(!outage(FailureKind::Server).is_final(day, false));
        assert!(!outage(FailureKind::Forbidden).is_final(after(29), true));
        assert!(outage(FailureKind::Forbidden).is_final(after(30), true));
        assert!(outage(FailureKind::SignedOut).is_final(after(30), false));
        assert!(!outage(FailureKind::SignedOut).is_final(after(599), true));
        assert!(outage(FailureKind::SignedOut).is_final(after(600), true));
        let mut mixed = outage(FailureKind::Forbidden);
        mixed.again(Failure::new(FailureKind::Server, "HTTP 500"), after(10));
        mixed.again(Failure::new(FailureKind::Forbidden, "HTTP 403"), after(20));
        assert!(!mixed.is_final(after(49), false) && mixed.is_final(after(50), false));
    }

    #[test]
    fn api_09_asking_backs_off_and_keeps_to_what_the_server_asks_for() {
        let idle = Duration::from_secs(30);
        let mut subject = outage(FailureKind::Server);
        assert_eq!(subject.next(after(0), idle, false, 0.0), Duration::from_millis(500));
        assert_eq!(subject.next(after(0), idle, false, 1.0), Duration::from_millis(500));
        for second in 1..=4 {
            subject.again(Failure::new(FailureKind::Server, "HTTP 503"), after(second));
        }
        assert_eq!(subject.next(after(4), idle, false, 0.5), Duration::from_secs(34));
        let mut limited = Failure::new(FailureKind::RateLimited, "HTTP 429");
        limited.retry_at = Some(after(300).wall);
        subject.again(limited, after(5));
        assert_eq!(subject.next(after(5), idle, false, 0.5), Duration::from_mins(5));
        let signed_out = outage(FailureKind::SignedOut);
        assert_eq!(signed_out.next(after(0), idle, true, 0.5), Duration::from_mins(1));
    }
}
