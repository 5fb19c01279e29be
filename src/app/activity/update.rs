//! Navigation among the records, and the view of one in full.

use crate::app::activity::state::Activity;
use crate::app::keymap::Command;
use crate::app::motion::{SearchDirection, keep_visible, moved};
use crate::app::screen::Metrics;
use crate::app::search::Search;
use crate::domain::cluster::ClusterId;

/// Shows the record under the cursor in full, or returns to the list.
pub fn toggle_open(activity: &mut Activity, about: Option<&ClusterId>) {
    // The open record stays the same while new ones arrive.
    let records = activity.list(about);
    let index = activity.index(&records);
    let number = records.get(index).map(|(number, _)| *number);
    activity.open = !activity.open;
    activity.cursor = number.filter(|_| activity.open || index > 0);
    activity.scroll = 0;
}

/// Moves the cursor, or scrolls the open record.
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
    if let Some(next) = moved(command, activity.index(&records), metrics.page(), last) {
        go_to(activity, about, next, metrics);
    }
}

/// Moves the cursor to a row of the list.
fn go_to(activity: &mut Activity, about: Option<&ClusterId>, row: usize, metrics: &Metrics) {
    let records = activity.list(about);
    let scroll = keep_visible(activity.scroll, row, metrics.page(), records.len());
    // At the top the cursor follows the newest record; elsewhere it stays on its record.
    let cursor = records.get(row).map(|(number, _)| *number).filter(|_| row > 0);
    (activity.cursor, activity.scroll) = (cursor, scroll);
}

/// A click on a row of the list; returns whether the cursor was already there.
pub fn click(
    activity: &mut Activity,
    about: Option<&ClusterId>,
    row: usize,
    metrics: &Metrics,
) -> bool {
    let was_there = activity.index(&activity.list(about)) == row;
    if !was_there {
        go_to(activity, about, row, metrics);
    }
    was_there
}

/// Moves the cursor to a record that matches the search; returns whether there is one.
pub fn find(
    activity: &mut Activity,
    about: Option<&ClusterId>,
    search: &Search,
    step: SearchDirection,
    metrics: &Metrics,
) -> bool {
    let records = activity.list(about);
    let index = (activity.index(&records), records.len());
    let holds =
        |at: usize| records.get(at).is_some_and(|(_, record)| search.is_in([&*record.line()]));
    let Some(next) = step.find(index, holds) else { return false };
    go_to(activity, about, next, metrics);
    true
}
