//! Circuit breaker for a region without answers: after some failures in a row, in any project, lists are tried one at a
//! time until one is answered. Times and randomness are arguments.

use std::time::Duration;

use crate::domain::backoff::retry;
use crate::domain::failure::{Failure, FailureKind};

/// Consecutive failures without any answer of the region after which it counts as unreachable.
const OPEN_AFTER: u32 = 5;

/// Consecutive unanswered lists of a region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Circuit {
    failures: u32,
    /// When the next list is tried (monotonic clock).
    pub probe: Duration,
}

impl Circuit {
    /// The circuit after another unanswered list.
    pub fn after(before: Option<Self>, now: Duration, idle: Duration, random: f64) -> Self {
        let failures = before.map_or(0, |circuit| circuit.failures).saturating_add(1);
        Self { failures, probe: now.saturating_add(retry(failures, idle, random)) }
    }

    /// Whether lists are tried one at a time.
    pub fn is_open(&self) -> bool {
        self.failures >= OPEN_AFTER
    }
}

/// Whether the region answered, even if with a failure; `None` if no request reached it.
pub fn answered(failure: &Failure) -> Option<bool> {
    match failure.kind {
        FailureKind::Unreachable | FailureKind::TimedOut => Some(false),
        FailureKind::Forbidden
        | FailureKind::NotFound
        | FailureKind::NotOffered
        | FailureKind::Refused
        | FailureKind::Server
        | FailureKind::Format
        | FailureKind::TooLarge => Some(true),
        FailureKind::SignedOut
        | FailureKind::RateLimited
        | FailureKind::File
        | FailureKind::Clipboard
        | FailureKind::NotPossible
        | FailureKind::Bug => None,
    }
}
