//! The only error type of the dashboard: user-facing text, comparable, safe to log.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

/// How a caller can react to a failure. Wire details stay in `clients` and `store`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// No connection: name resolution, refused, reset before a response, TLS.
    Unreachable,
    /// Timeout.
    TimedOut,
    /// The token is missing, expired or refused (HTTP 401), or cannot be renewed.
    SignedOut,
    /// HTTP 403: a permission is missing.
    Forbidden,
    /// HTTP 404: the cluster is gone, or the project is unknown or has SKE not enabled.
    NotFound,
    /// HTTP 501: the region does not exist for this service.
    NotOffered,
    /// HTTP 429; `retry_at` is the earliest retry.
    RateLimited,
    /// The server understood and refused (other 4xx).
    Refused,
    /// HTTP 5xx, or a proxy's response instead of the API's.
    Server,
    /// The response does not match the API (not JSON, truncated, HTML of a proxy).
    Format,
    /// The response exceeds the size limit.
    TooLarge,
    /// A local file could not be read or written.
    File,
    /// The clipboard could not be reached.
    Clipboard,
    /// The request is not possible in the current state; nothing was sent.
    NotPossible,
    /// A bug in this program.
    Bug,
}

/// The underlying error, if any, only for the log: not part of the message, so all values compare equal.
#[derive(Debug, Clone, Default)]
pub struct Cause(Option<Arc<dyn Error + Send + Sync>>);

impl Cause {
    /// Wraps an error whose message contains no secret.
    pub fn new(error: impl Error + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(error)))
    }

    /// The error, for [`Error::source`].
    pub fn error(&self) -> Option<&(dyn Error + 'static)> {
        self.0.as_deref().map(|error| error as _)
    }
}

impl PartialEq for Cause {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl Eq for Cause {}

/// A failed operation: what failed, on what, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// How the caller can react.
    pub kind: FailureKind,
    /// What was attempted, on what ("could not list the clusters of project p in eu01"); omitted if its place on the
    /// screen makes that clear.
    pub tried: Option<String>,
    /// Why it failed: one sentence without a final full stop. Server text is already cleaned.
    pub message: String,
    /// Remedy, if any.
    pub hint: Option<String>,
    /// The server's error code, verbatim ("`FailedPrecondition`").
    pub code: Option<String>,
    /// The `x-trace-id` of the response; support asks for it.
    pub trace: Option<String>,
    /// Earliest time of the next request to this host (Retry-After).
    pub retry_at: Option<Timestamp>,
    pub cause: Cause,
}

impl Failure {
    /// A failure with only a message.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            tried: None,
            message: message.into(),
            hint: None,
            code: None,
            trace: None,
            retry_at: None,
            cause: Cause::default(),
        }
    }

    /// Adds what was attempted.
    #[must_use]
    pub fn tried(mut self, tried: impl Into<String>) -> Self {
        self.tried = Some(tried.into());
        self
    }

    /// Adds the remedy.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the underlying error, whose message must not contain a secret.
    #[must_use]
    pub fn caused_by(mut self, error: impl Error + Send + Sync + 'static) -> Self {
        self.cause = Cause::new(error);
        self
    }

    /// Whether the request may have taken effect although there was no clear response.
    pub fn leaves_outcome_unknown(&self) -> bool {
        matches!(
            self.kind,
            FailureKind::Unreachable
                | FailureKind::TimedOut
                | FailureKind::Server
                | FailureKind::Format
                | FailureKind::TooLarge
                | FailureKind::Bug
        )
    }

    /// Whether a later retry can succeed without user action.
    pub fn is_transient(&self) -> bool {
        matches!(
            self.kind,
            FailureKind::Unreachable
                | FailureKind::TimedOut
                | FailureKind::RateLimited
                | FailureKind::Server
                | FailureKind::Format
        )
    }

    /// What was attempted and why it failed.
    pub fn sentence(&self) -> String {
        match &self.tried {
            Some(tried) => format!("{tried}: {}", self.message),
            None => self.message.clone(),
        }
    }

    /// The remedy as a sentence of its own without a final full stop.
    pub fn advice(&self) -> Option<String> {
        let hint = self.hint.as_ref()?;
        let mut letters = hint.chars();
        let first = letters.next().into_iter().flat_map(char::to_uppercase);
        Some(first.chain(letters.clone()).collect())
    }

    /// What was attempted, why it failed, code, trace id and remedy in one text, for copying.
    pub fn full_text(&self) -> String {
        let mut text = self.sentence();
        for (label, value) in
            [("code", &self.code), ("trace id", &self.trace), ("what to do", &self.hint)]
        {
            if let Some(value) = value {
                text.push('\n');
                text.push_str(label);
                text.push_str(": ");
                text.push_str(value);
            }
        }
        text
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence())?;
        if let Some(code) = &self.code {
            write!(f, " ({code})")?;
        }
        if let Some(advice) = self.advice() {
            write!(f, ". {advice}")?;
        }
        Ok(())
    }
}

/// The source chain of an error, outermost first; empty if there is none.
pub fn causes(error: &(dyn Error + 'static)) -> String {
    let chain = std::iter::successors(error.source(), |&error| error.source());
    chain.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.0.as_deref().map(|error| error as &(dyn Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use crate::domain::failure::{Failure, FailureKind};

    #[test]
    fn an_outcome_is_unknown_where_the_answer_is_missing_or_cannot_be_used() {
        for (kind, is_unknown) in [
            (FailureKind::Unreachable, true),
            (FailureKind::TimedOut, true),
            (FailureKind::Server, true),
            (FailureKind::Format, true),
            (FailureKind::TooLarge, true),
            (FailureKind::Bug, true),
            (FailureKind::SignedOut, false),
            (FailureKind::Forbidden, false),
            (FailureKind::NotFound, false),
            (FailureKind::NotOffered, false),
            (FailureKind::RateLimited, false),
            (FailureKind::Refused, false),
            (FailureKind::NotPossible, false),
        ] {
            let failure = Failure::new(kind, "it broke");
            assert_eq!(failure.leaves_outcome_unknown(), is_unknown, "{kind:?}");
        }
    }

    #[test]
    fn a_cause_is_logged_and_not_shown() {
        let plain = Failure::new(FailureKind::Server, "it broke");
        let caused = plain.clone().caused_by(std::io::Error::other("the disk"));
        assert_eq!((&caused, caused.full_text()), (&plain, plain.full_text()));
        assert_eq!(caused.source().map(ToString::to_string).as_deref(), Some("the disk"));
        assert!(plain.source().is_none());
    }

    #[test]
    fn what_to_do_is_a_sentence_of_its_own() {
        let failure = |hint| Failure::new(FailureKind::Server, "it broke").hint(hint);
        for (hint, advice) in [
            ("write a new token to FILE", "Write a new token to FILE"),
            ("Wait until it has ended", "Wait until it has ended"),
            ("`stackit auth login` first", "`stackit auth login` first"),
            ("", ""),
        ] {
            assert_eq!(failure(hint).advice().as_deref(), Some(advice));
            assert_eq!(failure(hint).to_string(), format!("it broke. {advice}"));
        }
        assert_eq!(Failure::new(FailureKind::Server, "it broke").advice(), None);
    }
}
