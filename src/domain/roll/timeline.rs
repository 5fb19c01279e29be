//! What happened in a roll, in order and bounded: phases, nodes, what was held up, and why a figure fell.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};

use crate::domain::roll::progress::Figure;
use crate::domain::rotation::Phase;

/// Entries kept; the oldest go first.
pub const MAX_ENTRIES: usize = 400;
/// Causes named for one fall of a figure.
const MAX_CAUSES: usize = 6;

/// One line of the timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// When, by our clock: the cluster's own moment where it tells one, else when it was seen.
    pub at: Timestamp,
    pub what: TimelineEvent,
}

/// What happened. Nodes go by their short names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TimelineEvent {
    /// The rotation is in this phase; `at` is when it was seen, but for PREPARING, when it started.
    Phase(Phase),
    /// The first new template of a pool was made: its nodes' turn.
    NodesBegan { pool: String },
    /// The configuration of the pool's nodes was changed in place.
    Reconfigured { pool: String },
    /// The pool's nodes are replaced for another reason, or once more.
    AnotherRoll { pool: String },
    /// A new node has registered.
    Joining { node: String },
    /// A new node is ready.
    Ready {
        node: String,
        /// From its creation, where that was measured.
        took: Option<SignedDuration>,
    },
    /// The drain of an old node began.
    Draining { node: String },
    /// An old node became unschedulable without being removed.
    Cordoned { node: String },
    /// A node is no longer there.
    Gone {
        node: String,
        /// From the begin of its drain, where that was seen.
        took: Option<SignedDuration>,
    },
    /// A new node is being removed again.
    Leaving { node: String },
    /// A new node that was ready is not any more.
    NotReady { node: String },
    /// A drain is held up.
    Blocked {
        node: String,
        /// What holds it ("PodDisruptionBudget payments/api").
        by: String,
    },
    /// A drain that was held up goes on.
    Freed { node: String },
    /// The share of new nodes fell.
    Back {
        from: Figure,
        to: Figure,
        /// Why; at least one, the first few.
        causes: Vec<Cause>,
    },
}

/// Why the share of new nodes fell. Nodes go by their short names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// The phase is a word that says less than the one before.
    Phase,
    /// The pool is replaced once more, or for another reason.
    AnotherRoll(String),
    /// Which generation the pool is meant to have is known differently now.
    OtherTemplate(String),
    /// The configuration of the pool's nodes was changed in place; they are to apply it.
    Reconfigured(String),
    /// A new node is gone.
    NodeLost(String),
    /// A new node is not ready any more.
    NodeNotReady(String),
    /// A new node is being removed again.
    NodeLeaving(String),
    /// A new node failed and is kept on purpose.
    NodeKept(String),
    /// A node of the old generation was added.
    OldNodeAdded(String),
    /// A node of the old generation that was kept on purpose counts again.
    NodeCountsAgain(String),
}

/// The list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Timeline(VecDeque<Entry>);

impl Timeline {
    /// Puts an entry where its moment belongs; among equal moments, last.
    pub fn add(&mut self, at: Timestamp, what: TimelineEvent) {
        let place = self.0.partition_point(|entry| entry.at <= at);
        self.0.insert(place, Entry { at, what });
        if self.0.len() > MAX_ENTRIES {
            self.0.pop_front();
        }
    }

    /// Says that a figure fell.
    pub fn add_fall(&mut self, at: Timestamp, from: Figure, to: Figure, mut causes: Vec<Cause>) {
        causes.dedup();
        causes.truncate(MAX_CAUSES);
        self.add(at, TimelineEvent::Back { from, to, causes });
    }

    /// Entries, oldest first.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = &Entry> + ExactSizeIterator {
        self.0.iter()
    }
}
