//! What became of a credential that was tried.

use crate::domain::credential::verdict::Verdict;

/// What became of a credential that was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trial {
    /// The API server knows it; what it may do does not matter here.
    Accepted,
    /// The API server refuses it, or it does not trust the API server; why.
    Refused(String),
    /// No verdict: the API server is not reached, or is not itself. A refused connection says nothing of a credential.
    NoAnswer(String),
    /// It was not tried, and why.
    NotTried(String),
}

impl Trial {
    /// Whether it shows that a verdict was wrong.
    pub fn contradicts(&self, verdict: Verdict) -> bool {
        match self {
            Self::Accepted => verdict == Verdict::Dead,
            Self::Refused(_) => verdict.works_now(),
            Self::NoAnswer(_) | Self::NotTried(_) => false,
        }
    }
}
