//! The events of a roll, ordered and bounded: phases, nodes, blockers, and causes of regressions.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};

use crate::domain::roll::blocker::cause::ObjectReference;
use crate::domain::roll::progress::RollProgress;
use crate::domain::rotation::Phase;

/// Entries kept; the oldest are dropped first.
pub const MAX_ENTRIES: usize = 400;
/// Maximum causes kept per regression.
const MAX_CAUSES: usize = 6;

/// One line of the timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimelineEntry {
    /// By our clock: the time reported by the cluster, otherwise when it was seen.
    pub at: Timestamp,
    pub what: TimelineEvent,
}

/// An event. Nodes have their short names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TimelineEvent {
    /// The rotation is in this phase; `at` is when it was seen, or the start for PREPARING.
    Phase(Phase),
    /// The first new template of a pool was created: its nodes are replaced next.
    NodesBegan { pool: String },
    /// The configuration of the pool's nodes was changed in place.
    Reconfigured { pool: String },
    /// The pool's nodes are replaced for another reason, or again.
    AnotherRoll { pool: String },
    /// A new node has registered.
    Joining { node: String },
    /// A new node is ready.
    Ready {
        node: String,
        /// Since its creation, if measured.
        took: Option<SignedDuration>,
    },
    /// The drain of an old node began.
    Draining { node: String },
    /// An old node became unschedulable without being removed.
    Cordoned { node: String },
    /// A node is no longer there.
    Gone {
        node: String,
        /// Since the start of its drain, if seen.
        took: Option<SignedDuration>,
    },
    /// A new node is being removed.
    Leaving { node: String },
    /// A new node that was ready is no longer ready.
    NotReady { node: String },
    /// A drain is blocked.
    Blocked { node: String, by: ObjectReference },
    /// A drain is no longer blocked.
    Unblocked { node: String },
    /// The share of replaced nodes decreased.
    ProgressRegressed {
        from: RollProgress,
        to: RollProgress,
        /// The first few causes; at least one.
        causes: Vec<RegressionCause>,
    },
}

/// Why the share of replaced nodes decreased. Nodes have their short names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegressionCause {
    /// The phase went back or is unknown.
    Phase,
    /// The pool is replaced again, or for another reason.
    AnotherRoll(String),
    /// The target generation of the pool was corrected.
    OtherTemplate(String),
    /// The pool no longer exists.
    PoolRemoved(String),
    /// A node of the old generation was added.
    OldNodeAdded(String),
    /// A node of the old generation is no longer preserved and counts again.
    NodeCountsAgain(String),
    /// New nodes are gone, and their replacements not there yet.
    FewerNewNodes,
}

/// Events of a roll, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Timeline(VecDeque<TimelineEntry>);

impl Timeline {
    /// Inserts an entry by time, after existing ones of the same time.
    pub fn add(&mut self, at: Timestamp, what: TimelineEvent) {
        let place = self.0.partition_point(|entry| entry.at <= at);
        self.0.insert(place, TimelineEntry { at, what });
        if self.0.len() > MAX_ENTRIES {
            self.0.pop_front();
        }
    }

    /// Adds a regression of progress, with at most [`MAX_CAUSES`] causes.
    pub fn add_regression(
        &mut self,
        at: Timestamp,
        from: RollProgress,
        to: RollProgress,
        mut causes: Vec<RegressionCause>,
    ) {
        causes.dedup();
        causes.truncate(MAX_CAUSES);
        self.add(at, TimelineEvent::ProgressRegressed { from, to, causes });
    }

    /// All entries, oldest first.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = &TimelineEntry> + ExactSizeIterator {
        self.0.iter()
    }
}
