//! What the journal keeps of an action: who, what cluster, what step, which request, how it ended. Secrets never.

use jiff::Timestamp;

use crate::domain::cluster::ClusterId;

/// One line of the journal and of the activity view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// When, by our clock.
    pub at: Timestamp,
    /// Who acted: the account's name, or "?" when the token does not tell.
    pub who: String,
    /// On which cluster; `None` for what concerns no single one.
    pub cluster: Option<ClusterId>,
    /// What was done ("start", "complete", "kubeconfig", "save", "copy", "wake up", "reconcile", "phase").
    pub step: String,
    /// Id of the request, the same on every line about it.
    pub request: Option<String>,
    /// How it stands.
    pub outcome: Outcome,
    /// One sentence for people.
    pub text: String,
    /// The server's `x-trace-id`.
    pub trace: Option<String>,
}

/// How an action stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// About to be sent; the next line about the same request says how it ended.
    Intended,
    /// Taken by the server, or done.
    Done,
    /// Refused by the server, or failed without effect.
    Refused,
    /// Nobody knows yet.
    Unknown,
    /// Something that was seen, not done.
    Seen,
}

impl Outcome {
    /// The word in the journal.
    pub fn word(self) -> &'static str {
        match self {
            Self::Intended => "intended",
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
            Self::Seen => "seen",
        }
    }

    /// Reads the word back.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Intended, Self::Done, Self::Refused, Self::Unknown, Self::Seen]
            .into_iter()
            .find(|outcome| outcome.word() == word)
    }
}
