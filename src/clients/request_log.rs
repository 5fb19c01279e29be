//! One span of the log for each request: what for, to whom, how it ended, how long it took. No body, header or query
//! gets in, but for the trace id that support asks for.

use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tracing::field::Empty;
use tracing::{Span, debug, info, info_span, warn};

use crate::clock::Clock;
use crate::domain::failure::causes;

/// A request under way.
pub struct RequestLog<'a> {
    span: Span,
    is_read: bool,
    clock: &'a Clock,
    began: Duration,
}

impl<'a> RequestLog<'a> {
    /// Begins the span; everything that is logged inside of it names the request.
    pub fn begin(clock: &'a Clock, method: &str, host: &str, purpose: &str) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(1);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let span = info_span!(
            "request",
            number,
            method,
            host,
            purpose,
            status = Empty,
            ms = Empty,
            trace = Empty
        );
        Self { span, is_read: method == "GET", clock, began: clock.monotonic() }
    }

    /// The span, for the work on the request.
    pub fn span(&self) -> Span {
        self.span.clone()
    }

    /// Logs the answer; the trace id is free of secrets.
    pub fn answered(&self, status: u16, trace: Option<&str>) {
        self.record_duration();
        self.span.record("status", status);
        self.span.record("trace", trace);
        match status {
            400.. => self.span.in_scope(|| warn!("refused")),
            _ if self.is_read => self.span.in_scope(|| debug!("answered")),
            _ => self.span.in_scope(|| info!("answered")),
        }
    }

    /// Logs that no answer came, or none that can be used.
    pub fn failed(&self, error: &(dyn Error + 'static)) {
        self.record_duration();
        self.span.in_scope(|| warn!(%error, causes = causes(error), "failed"));
    }

    fn record_duration(&self) {
        let took = self.clock.monotonic().saturating_sub(self.began);
        self.span.record("ms", u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
    }
}
