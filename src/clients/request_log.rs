//! One log span per request: purpose, host, outcome and duration. Contains no body, header or query, except for the
//! trace id that support asks for.

use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tracing::field::Empty;
use tracing::{Span, debug, info, info_span, warn};

use crate::clock::Clock;
use crate::domain::failure::causes;

/// A request in progress.
pub struct RequestLog<'a> {
    span: Span,
    is_read: bool,
    clock: &'a Clock,
    began: Duration,
}

impl<'a> RequestLog<'a> {
    /// Opens the span; everything logged inside it names the request.
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

    /// The span to run the request in.
    pub fn span(&self) -> Span {
        self.span.clone()
    }

    /// Logs the response; the trace id is not secret.
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

    /// Logs that no usable response arrived.
    pub fn failed(&self, error: &(dyn Error + 'static)) {
        self.record_duration();
        self.span.in_scope(|| warn!(%error, causes = causes(error), "failed"));
    }

    fn record_duration(&self) {
        let took = self.clock.monotonic().saturating_sub(self.began);
        self.span.record("ms", u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
    }
}
