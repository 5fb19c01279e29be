//! The records, and which of them is under the cursor.

use std::collections::VecDeque;

use crate::domain::cluster::ClusterId;
use crate::domain::record::Record;

/// Records that are kept.
pub const ACTIVITY_LIMIT: usize = 500;

/// What happened, and the list of it on screen.
#[derive(Debug, Clone, Default)]
pub struct Activity {
    /// Newest last.
    pub records: VecDeque<Record>,
    /// Records that made room for later ones; the oldest that is kept has this number.
    pub dropped: usize,
    /// Number of the record under the cursor; `None` is the newest, whichever that is.
    pub cursor: Option<usize>,
    /// Whether that record has the whole pane.
    pub open: bool,
    /// First line on screen; in the list counted from the newest.
    pub scroll: usize,
}

impl Activity {
    /// Keeps a record.
    pub fn push(&mut self, record: Record) {
        if self.records.len() >= ACTIVITY_LIMIT {
            self.records.pop_front();
            self.dropped = self.dropped.saturating_add(1);
        }
        self.records.push_back(record);
    }

    /// The list begins at its top, with the newest record under the cursor.
    pub fn rewind(&mut self) {
        (self.cursor, self.open, self.scroll) = (None, false, 0);
    }

    /// Records about a cluster, or all, newest first, each with its number.
    pub fn list(&self, about: Option<&ClusterId>) -> Vec<(usize, &Record)> {
        self.records
            .iter()
            .enumerate()
            .rev()
            .filter(|(_, record)| about.is_none() || record.cluster.as_ref() == about)
            .map(|(place, record)| (self.dropped.saturating_add(place), record))
            .collect()
    }

    /// Index of the cursor among these records; next to a removed one.
    pub fn place(&self, records: &[(usize, &Record)]) -> usize {
        let Some(cursor) = self.cursor else { return 0 };
        let newer = records.partition_point(|(number, _)| *number > cursor);
        newer.min(records.len().saturating_sub(1))
    }
}
