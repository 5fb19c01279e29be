//! Moving among the records, and reading one of them in full.

use crate::app::activity::state::Activity;
use crate::app::keymap::Command;
use crate::app::motion::{keep_visible, moved};
use crate::app::screen::Metrics;
use crate::domain::cluster::ClusterId;

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
    let Some(next) = moved(command, activity.place(&records), page, last) else { return };
    // On top it follows what comes; anywhere else it stays on its record.
    let cursor = records.get(next).map(|(number, _)| *number).filter(|_| next > 0);
    let scroll = keep_visible(activity.scroll, next, page, records.len());
    (activity.cursor, activity.scroll) = (cursor, scroll);
}
