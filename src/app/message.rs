//! Everything that can happen to the machine. Names are past facts.

use std::time::Duration;

use crossterm::event::{KeyEvent, MouseEvent};
use jiff::{SignedDuration, Timestamp};

use crate::app::settings::Background;
use crate::domain::access::{Access, StaticToken};
use crate::domain::action::Action;
use crate::domain::cluster::{Cluster, ClusterId, ProjectId, Scope};
use crate::domain::failure::Failure;
use crate::domain::identity::Identity;
use crate::domain::kubeconfig::{Fresh, NotSaved, Plan, Saved};
use crate::domain::observed::Sighting;

/// The moment at which a message is handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Wall clock, for moments that people see. It may jump.
    pub wall: Timestamp,
    /// Time since the program started, for waiting. It never jumps.
    pub steady: Duration,
}

/// A wall clock that moved this much more or less than the steady one has jumped.
const JUMP: SignedDuration = SignedDuration::from_secs(30);
/// Whoever wakes this much later than was meant was asleep.
const ASLEEP: Duration = Duration::from_secs(30);

impl Now {
    /// Whether the wall clock jumped since then: somebody set it, or the machine slept.
    pub fn has_jumped_since(self, before: Self) -> bool {
        (self.wall.duration_since(before.wall) - self.steady_since(before)).abs() > JUMP
    }

    /// Time since a moment, by the clock that shows more: the steady one may stand still while the machine sleeps.
    pub fn longest_since(self, before: Self) -> SignedDuration {
        self.steady_since(before).max(self.wall.duration_since(before.wall))
    }

    fn steady_since(self, before: Self) -> SignedDuration {
        let steady = self.steady.saturating_sub(before.steady);
        SignedDuration::try_from(steady).unwrap_or(SignedDuration::MAX)
    }

    /// Whether this is so long after a moment of the steady clock that nothing was done in between.
    pub fn overslept(self, meant: Duration) -> bool {
        self.steady.saturating_sub(meant) > ASLEEP
    }
}

/// Number of a read; of two answers the one asked for later counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Sequence(pub u64);

/// Number of something that changes the world; each must be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// Something that happened.
#[derive(Debug, Clone)]
pub enum Message {
    /// A key was pressed or repeated.
    Key(KeyEvent),
    /// Text was pasted.
    Pasted(String),
    /// The mouse was used.
    Mouse(MouseEvent),
    /// The terminal has this many columns and rows.
    Resized(u16, u16),
    /// A moment asked for by `State::next_wake` has come.
    Ticked,
    /// The program came back from the background (Ctrl-Z, fg).
    Resumed,
    /// The terminal told its background.
    BackgroundKnown(Background),
    /// TERM, INT or HUP was received.
    Terminated,
    /// Answer to `Effect::Identify`.
    Identified {
        /// Who we are.
        identity: Box<Identity>,
        /// What should be said once.
        notes: Vec<String>,
    },
    /// Answer to `Effect::NameProjects`.
    Named(Vec<(ProjectId, String)>),
    /// Answer to `Effect::List`.
    Listed {
        /// Number of the read.
        sequence: Sequence,
        /// What was listed.
        scope: Scope,
        /// Clusters, how many items could not be read, and the server's clock minus ours.
        result: Result<Listing, Failure>,
    },
    /// Answer to `Effect::Read`.
    Read {
        /// Number of the read.
        sequence: Sequence,
        /// What was read.
        id: ClusterId,
        /// The cluster and the server's clock minus ours.
        result: Result<(Box<Cluster>, SignedDuration), Failure>,
    },
    /// Answer to `Effect::Rotate`.
    Rotated {
        /// Number of the request.
        request: RequestId,
        /// Which cluster.
        id: ClusterId,
        /// How it ended.
        outcome: RotateOutcome,
    },
    /// Answer to `Effect::Act`.
    Acted {
        /// Number of the request.
        request: RequestId,
        /// Which cluster.
        id: ClusterId,
        /// What was asked.
        action: Action,
        /// Trace id, or why not.
        result: Result<Option<String>, Failure>,
    },
    /// Answer to `Effect::FindStaticTokens`.
    StaticTokensFound(ClusterId, Vec<StaticToken>),
    /// Answer to `Effect::Observe`, again and again until `Effect::Unobserve`.
    Sighted {
        /// The look that it belongs to.
        number: Sequence,
        /// Which cluster.
        id: ClusterId,
        /// What came of looking.
        sighting: Sighting,
    },
    /// Answer to `Effect::Plan`.
    Planned {
        /// Number of the read.
        sequence: Sequence,
        /// What the destination looks like.
        result: Result<Box<Plan>, Failure>,
    },
    /// Answer to `Effect::Issue`.
    Issued {
        /// Number of the request.
        request: RequestId,
        /// The kubeconfig and its end.
        result: Result<Issued, Failure>,
    },
    /// Answer to `Effect::Save`.
    Saved {
        /// Number of the request.
        request: RequestId,
        /// Where it is.
        result: Result<Saved, NotSaved>,
    },
    /// Answer to `Effect::Copy`.
    Copied {
        /// What was copied, in words.
        what: String,
        /// Whether it is a secret that will be cleared.
        secret: bool,
        /// The way it went in words, and when it will be cleared.
        result: Result<Copied, Failure>,
    },
    /// The clipboard was cleared, or not because it no longer held ours.
    ClipboardCleared {
        /// Whether something of ours was removed.
        cleared: bool,
    },
    /// Answer to `Effect::Remember` and `Effect::Recall`.
    Recalled {
        /// Kubeconfigs that are kept now, whichever instance of the program issued them.
        accesses: Vec<Access>,
        /// What should be said of the file.
        note: Option<String>,
    },
    /// A task failed that nobody waits for (journal, memory), or a task broke.
    TaskFailed(Failure),
}

/// Answer of a list.
#[derive(Debug, Clone)]
pub struct Listing {
    /// The clusters.
    pub clusters: Vec<Cluster>,
    /// Items of the answer that could not be read.
    pub skipped: usize,
    /// The server's clock minus ours.
    pub skew: SignedDuration,
}

/// How a request to start or complete ended.
#[derive(Debug, Clone)]
pub enum RotateOutcome {
    /// 202; the trace id and the server's clock minus ours.
    Accepted {
        /// `x-trace-id`.
        trace: Option<String>,
        /// The server's clock minus ours.
        skew: SignedDuration,
    },
    /// The re-read immediately before showed something else; nothing was sent.
    Changed(Box<Cluster>),
    /// Nothing was sent.
    NotSent(Failure),
    /// The server refused.
    Refused(Failure),
    /// The request was sent and no clear answer came.
    Unknown(Failure, SignedDuration),
}

/// An issued kubeconfig.
#[derive(Debug, Clone)]
pub struct Issued {
    /// The kubeconfig.
    pub fresh: Box<Fresh>,
    /// `expirationTimestamp` as the server returned it; only the admin kind has one.
    pub expires: Option<Timestamp>,
}

/// How something was copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// "Copied" or "Sent to the terminal (tmux)".
    pub how: String,
    /// Whether the clipboard can be read back, so that only ours is cleared.
    pub can_check: bool,
}
