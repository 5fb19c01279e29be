//! Moving among the records, and reading one of them in full.

use crate::app::activity::state::Activity;
use crate::app::keymap::Command;
use crate::app::motion::{keep_visible, moved, next_match};
use crate::app::screen::Metrics;
use crate::app::search::Search;
use crate::domain::cluster::ClusterId;
use crate::domain::record::Record;

/// Shows the record under the cursor in full, or the list again.
pub fn toggle_open(activity: &mut Activity, about: Option<&ClusterId>) {
    // It stays this record while it is read, whatever comes.
    let records = activity.list(about);
    let place = activity.place(&records);
    let number = records.get(place).map(|(number, _)| *number);
    activity.open = !activity.open;
    activity.cursor = number.filter(|_| activity.open || place > 0);
    activity.scroll = 0;
}

/// Moves the cursor, or scrolls the record that has the whole pane.
pub fn run(
    activity: &mut Activity,
    about: Option<&ClusterId>,
    command: Command,
    metrics: &Metrics,
) {
    if activity.open {
        metrics.scroll(&mut activity.scroll, command);
        return;
    }
    let records = activity.list(about);
    let Some(last) = records.len().checked_sub(1) else { return };
    let page = metrics.page();
    if let Some(next) = moved(command, activity.place(&records), page, last) {
        (activity.cursor, activity.scroll) = cursor_at(activity, &records, next, page);
    }
}

/// Cursor and scroll with the cursor on a row of the list.
fn cursor_at(
    activity: &Activity,
    records: &[(usize, &Record)],
    row: usize,
    page: usize,
) -> (Option<usize>, usize) {
    // On top it follows what comes; anywhere else it stays on its record.
    let cursor = records.get(row).map(|(number, _)| *number).filter(|_| row > 0);
    (cursor, keep_visible(activity.scroll, row, page, records.len()))
}

/// A click on a row of the list; says whether the cursor was on it.
pub fn click(
    activity: &mut Activity,
    about: Option<&ClusterId>,
    row: usize,
    metrics: &Metrics,
) -> bool {
    let records = activity.list(about);
    if activity.place(&records) == row {
        return true;
    }
    (activity.cursor, activity.scroll) = cursor_at(activity, &records, row, metrics.page());
    false
}

/// Moves the cursor to a record that is searched for; says whether there is one.
pub fn find(
    activity: &mut Activity,
    about: Option<&ClusterId>,
    search: &Search,
    (forward, stay): (bool, bool),
    metrics: &Metrics,
) -> bool {
    let records = activity.list(about);
    let place = (activity.place(&records), records.len());
    let holds = |at: usize| {
        records.get(at).is_some_and(|(_, record)| search.is_in([record.line().as_str()]))
    };
    let Some(next) = next_match(place, forward, stay, holds) else { return false };
    (activity.cursor, activity.scroll) = cursor_at(activity, &records, next, metrics.page());
    true
}
