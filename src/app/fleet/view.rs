//! View state of the fleet: filter, sort order, columns, cursor; and the rows and counts derived from it.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::app::fleet::columns::{COLUMNS, Column, SortValue};
use crate::app::fleet::filter::{Filter, FilterRow};
use crate::app::fleet::row::{Row, RowSource};
use crate::app::fleet::state::Fleet;
use crate::app::motion::keep_visible;
use crate::app::text_field::LineInput;
use crate::domain::attention::Attention;
use crate::domain::cluster::{ClusterId, ProjectId};
use crate::domain::due::due;
use crate::domain::rotation::Phase;

/// View state of the fleet.
#[derive(Debug, Clone, Default)]
pub struct FleetView {
    pub filter: String,
    /// Present while the filter input is active; contains the previous filter and cursor.
    pub filter_input: Option<LineInput<(String, Option<ClusterId>)>>,
    pub sort: &'static Column,
    pub reversed: bool,
    /// Ids of the columns to show; empty means all that fit.
    pub columns: Vec<String>,
    pub marks: BTreeSet<ClusterId>,
    /// Whether the preview is shown if there is room.
    pub preview: bool,
    pub cursor: Option<ClusterId>,
    /// Whether the user moved the cursor; until then it stays at the top while lists arrive.
    pub cursor_moved: bool,
    /// First visible row.
    pub offset: usize,
    /// Clusters that match the filter, in order. A cache, filled by [`FleetView::arrange`].
    pub shown: Vec<ClusterId>,
    /// Clusters that need action. Also a cache, filled by it.
    pub due: BTreeSet<ClusterId>,
    /// Counts over all selected clusters. Also a cache, filled by it.
    pub counts: Counts,
    /// Whether the caches are outdated.
    pub outdated: bool,
}

/// Counts per phase and of stuck clusters, over all selected clusters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub all: usize,
    pub completed: usize,
    pub preparing: usize,
    pub prepared: usize,
    pub completing: usize,
    pub never: usize,
    pub unknown: usize,
    pub stuck: usize,
    pub due: usize,
}

impl Counts {
    fn add(&mut self, row: &Row<'_>) {
        self.all += 1;
        *match row.cluster().rotation.phase {
            Phase::Never => &mut self.never,
            Phase::Preparing => &mut self.preparing,
            Phase::Prepared => &mut self.prepared,
            Phase::Completing => &mut self.completing,
            Phase::Completed => &mut self.completed,
            Phase::Unknown(_) => &mut self.unknown,
        } += 1;
        self.stuck += usize::from(row.attention() == Attention::Stuck);
    }
}

impl FleetView {
    /// Enabled columns, in order, whatever the width.
    pub fn chosen_columns(&self) -> impl Iterator<Item = &'static Column> {
        COLUMNS.iter().filter(|column| {
            self.columns.is_empty()
                || column.is_fixed()
                || self.columns.iter().any(|id| id == column.id)
        })
    }

    /// Sorts by a column; reverses the order if it is already the sort column.
    pub fn sort_by(&mut self, column: &'static Column) {
        self.reversed = self.sort == column && !self.reversed;
        self.sort = column;
    }

    /// Marked clusters that have a selected row; marks of an earlier run may have none.
    pub fn marked<'a>(&'a self, fleet: &'a Fleet) -> impl Iterator<Item = &'a ClusterId> {
        let has_row = |id: &&ClusterId| fleet.entries.contains_key(*id);
        self.marks.iter().filter(has_row).filter(|id| fleet.is_selected(&id.scope))
    }

    /// Index of the cursor among the shown rows.
    pub fn cursor_row(&self) -> Option<usize> {
        let cursor = self.cursor.as_ref()?;
        self.shown.iter().position(|id| id == cursor)
    }

    /// Recomputes counts and rows after data changed. Call `rank_names` first.
    pub fn arrange(&mut self, source: RowSource<'_>) {
        self.outdated = false;
        self.counts = Counts::default();
        self.due = find_due(source);
        for entry in source.fleet.selected() {
            self.counts.add(&source.row(entry));
        }
        self.counts.due = self.due.len();
        self.select(source);
    }

    /// Recomputes the rows after filter, order or marks changed; the cursor stays on its cluster.
    pub fn select(&mut self, source: RowSource<'_>) {
        let row = self.cursor_row();
        self.shown = self.ordered(source);
        if !self.cursor_moved {
            self.cursor = self.shown.first().cloned();
        } else if self.cursor_row().is_none() {
            let last = self.shown.len().saturating_sub(1);
            self.cursor = self.shown.get(row.unwrap_or(0).min(last)).cloned();
        }
        self.keep_cursor_visible(source.shared.metrics.page());
    }

    fn ordered(&self, source: RowSource<'_>) -> Vec<ClusterId> {
        // Neighbours mostly share a project.
        let mut project: Option<(&ProjectId, &str)> = None;
        // Both are sorted by id.
        let mut due = self.due.iter().peekable();
        let candidates = source.fleet.selected().map(|entry| {
            let row = source.row(entry);
            let id = &entry.cluster.id;
            let name = match project {
                Some((known, name)) if known == id.project() => name,
                _ => row.project(),
            };
            project = Some((id.project(), name));
            while due.next_if(|due| *due < id).is_some() {}
            let marked = !self.marks.is_empty() && self.marks.contains(id);
            let cluster = &entry.cluster;
            (
                row,
                FilterRow {
                    cluster,
                    project: name,
                    marked,
                    stuck: row.is_blocked(),
                    due: due.peek() == Some(&id),
                },
            )
        });
        let now = source.now();
        let mut rows: Vec<(u32, SortValue<'_>, Row<'_>)> = Filter::parse(&self.filter)
            .matching(candidates, now)
            .into_iter()
            .map(|(rank, row)| (rank, (self.sort.sort)(&row), row))
            .collect();
        // All sort values of that column are equal.
        let is_name_reversed = self.reversed && self.sort.id == "name";
        rows.sort_unstable_by(|(rank, a, left), (other, b, right)| {
            let order = a.cmp(b);
            let order = if self.reversed { order.reverse() } else { order };
            let by_name = || {
                let order = left.entry.name_rank.cmp(&right.entry.name_rank);
                if is_name_reversed { order.reverse() } else { order }
            };
            rank.cmp(other).then(order).then_with(by_name)
        });
        rows.into_iter().map(|(.., row)| row.entry.cluster.id.clone()).collect()
    }

    /// Scrolls as little as necessary to show the cursor.
    pub fn keep_cursor_visible(&mut self, page: usize) {
        let row = self.cursor_row().unwrap_or(0);
        self.offset = keep_visible(self.offset, row, page, self.shown.len());
    }
}

/// Clusters that need action, as listed by `skeys due`.
fn find_due(source: RowSource<'_>) -> BTreeSet<ClusterId> {
    let now = source.now();
    let warn_before = source.shared.settings.warn_before;
    let soon = now.saturating_add(warn_before).unwrap_or(Timestamp::MAX);
    let files = source.inventory.files.as_deref().unwrap_or_default();
    let entries = || source.fleet.selected();
    let clusters = entries().map(|entry| &entry.cluster);
    let mut found = source.credentials.ending_before(clusters, files, soon);
    found.retain(|id| source.fleet.entries.contains_key(id) && source.fleet.is_selected(&id.scope));
    found.extend(entries().filter_map(|entry| {
        let row = source.row(entry);
        let is_due = row.is_blocked() || !due(row.cluster(), &[], row.due_limits(), now).is_empty();
        is_due.then(|| entry.cluster.id.clone())
    }));
    found
}
