//! The records, and the cursor among them.

use std::collections::VecDeque;

use crate::domain::cluster::ClusterId;
use crate::domain::record::Record;

/// Maximum number of records.
pub const ACTIVITY_LIMIT: usize = 500;

/// The records, and their list on screen.
#[derive(Debug, Clone, Default)]
pub struct Activity {
    /// Newest last.
    pub records: VecDeque<Record>,
    /// Number of dropped records; also the number of the oldest remaining one.
    pub dropped: usize,
    /// Number of the record under the cursor; `None` follows the newest.
    pub cursor: Option<usize>,
    /// Whether that record is shown in full.
    pub open: bool,
    /// First visible line; in the list counted from the newest.
    pub scroll: usize,
}

impl Activity {
    /// Adds a record; drops the oldest one if full.
    pub fn push(&mut self, record: Record) {
        if self.records.len() >= ACTIVITY_LIMIT {
            self.records.pop_front();
            self.dropped = self.dropped.saturating_add(1);
        }
        self.records.push_back(record);
    }

    /// Resets to the top of the list, with the cursor on the newest record.
    pub fn reset_view(&mut self) {
        (self.cursor, self.open, self.scroll) = (None, false, 0);
    }

    /// Records about a cluster, or all of them, newest first, with their numbers.
    pub fn list(&self, about: Option<&ClusterId>) -> Vec<(usize, &Record)> {
        self.records
            .iter()
            .enumerate()
            .rev()
            .filter(|(_, record)| about.is_none() || record.cluster.as_ref() == about)
            .map(|(index, record)| (self.dropped.saturating_add(index), record))
            .collect()
    }

    /// Index of the cursor among these records; the next older one if its record is missing.
    pub fn index(&self, records: &[(usize, &Record)]) -> usize {
        let Some(cursor) = self.cursor else { return 0 };
        let newer = records.partition_point(|(number, _)| *number > cursor);
        newer.min(records.len().saturating_sub(1))
    }
}
