//! The only error that the dashboard knows: already in the user's words, comparable, safe to log.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

/// What a caller can do about a failure. Wire details stay below, in `clients` and `store`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// No connection: name resolution, refused, reset before an answer, TLS.
    Unreachable,
    /// No answer in time.
    TimedOut,
    /// The token is missing, expired or refused (HTTP 401), or cannot be renewed.
    SignedOut,
    /// HTTP 403: a permission is missing.
    Forbidden,
    /// HTTP 404: the cluster is gone, or the project is unknown or has SKE not enabled.
    NotFound,
    /// HTTP 501: the region does not exist for this service.
    NotOffered,
    /// HTTP 429; `retry_at` says when to come back.
    RateLimited,
    /// The server understood and refused (other 4xx).
    Refused,
    /// HTTP 5xx, or what a proxy answers in the place of the API.
    Server,
    /// The answer is not what the API describes (not JSON, cut, HTML of a proxy).
    Format,
    /// The answer is larger than the limit.
    TooLarge,
    /// A file of this machine could not be read or written.
    File,
    /// The clipboard could not be reached.
    Clipboard,
    /// What was asked for is not possible as things stand; nothing was sent.
    NotPossible,
    /// A defect of this program.
    Bug,
}

/// The error that another one came from, if any, for the log alone: it is no part of what is said, so that all are equal.
#[derive(Debug, Clone, Default)]
pub struct Cause(Option<Arc<dyn Error + Send + Sync>>);

impl Cause {
    /// Keeps an error whose words hold no secret.
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

/// Something that did not work: what failed, on what, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What the caller can do about it.
    pub kind: FailureKind,
    /// What was tried, on what ("could not list the clusters of project p in eu01"); where a place on the screen
    /// says that already, it is left out.
    pub tried: Option<String>,
    /// Why it failed: one sentence without final full stop. Server text is already cleaned.
    pub message: String,
    /// What to do, if something can be done.
    pub hint: Option<String>,
    /// The server's own code word, verbatim ("`FailedPrecondition`").
    pub code: Option<String>,
    /// The `x-trace-id` of the answer; support asks for it.
    pub trace: Option<String>,
    /// Nothing may be sent to this host earlier (Retry-After).
    pub retry_at: Option<Timestamp>,
    pub cause: Cause,
}

impl Failure {
    /// A failure with a message alone.
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

    /// Adds what was tried.
    #[must_use]
    pub fn tried(mut self, tried: impl Into<String>) -> Self {
        self.tried = Some(tried.into());
        self
    }

    /// Adds what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the error that it came from, whose words hold no secret.
    #[must_use]
    pub fn caused_by(mut self, error: impl Error + Send + Sync + 'static) -> Self {
        self.cause = Cause::new(error);
        self
    }

    /// Whether the request may have taken effect although no clear answer came.
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

    /// Whether asking again later can help without anybody doing something.
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

    /// What was tried and why it failed.
    pub fn sentence(&self) -> String {
        match &self.tried {
            Some(tried) => format!("{tried}: {}", self.message),
            None => self.message.clone(),
        }
    }

    /// What to do, as a sentence of its own without final full stop.
    pub fn advice(&self) -> Option<String> {
        let hint = self.hint.as_ref()?;
        let mut letters = hint.chars();
        let first = letters.next().into_iter().flat_map(char::to_uppercase);
        Some(first.chain(letters.clone()).collect())
    }

    /// What was tried, why it failed, code, trace id and hint in one text, to be copied whole.
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

/// The errors behind an error, the nearest first; empty if there is none.
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
