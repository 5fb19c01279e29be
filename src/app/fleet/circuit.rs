//! A region that brings no answers: after some failures in a row, whatever the project, one list at a time is tried until
//! one is answered. Times and randomness are arguments.

use std::time::Duration;

use crate::domain::backoff::retry;
use crate::domain::failure::{Failure, FailureKind};

/// Failures in a row, without any answer of the region in between, after which it counts as unreachable.
const OPEN_AFTER: u32 = 5;

/// Lists of a region that brought no answer, in a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Circuit {
    failures: u32,
    /// When the next list is tried, on the monotonic clock.
    pub probe: Duration,
}

impl Circuit {
    /// One more list brought no answer.
    pub fn after(before: Option<Self>, now: Duration, idle: Duration, random: f64) -> Self {
        let failures = before.map_or(0, |circuit| circuit.failures).saturating_add(1);
        Self { failures, probe: now.saturating_add(retry(failures, idle, random)) }
    }

    /// Whether one list at a time is tried.
    pub fn is_open(&self) -> bool {
        self.failures >= OPEN_AFTER
    }
}

/// Whether the region answered, with a failure; `None` if it was not asked.
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
