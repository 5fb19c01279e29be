//! Moving a cursor or a scrolled text by commands.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "keys and commands that mean nothing here are ignored"
)]

use crate::app::keymap::Command;

/// Where a command leads from a place among `0..=last`; `None` when it is not about moving.
pub fn moved(command: Command, at: usize, page: usize, last: usize) -> Option<usize> {
    Some(match command {
        Command::Up => at.saturating_sub(1),
        Command::Down => (at + 1).min(last),
        Command::PageUp => at.saturating_sub(page),
        Command::PageDown => (at + page).min(last),
        Command::HalfPageUp => at.saturating_sub((page / 2).max(1)),
        Command::HalfPageDown => (at + (page / 2).max(1)).min(last),
        Command::First => 0,
        Command::Last => last,
        _ => return None,
    })
}

/// The next of `count` places round and round for which something holds, from `at` on; that itself comes first if it
/// may stay.
pub fn next_match(
    (at, count): (usize, usize),
    forward: bool,
    stay: bool,
    holds: impl Fn(usize) -> bool,
) -> Option<usize> {
    let steps = usize::from(!stay)..=count;
    let place = |step| if forward { at + step } else { at + count - step };
    steps.map(|step| place(step) % count.max(1)).find(|place| *place < count && holds(*place))
}

/// The first row of a list so that a row is seen, scrolled as little as is needed.
pub fn keep_visible(first: usize, row: usize, page: usize, all: usize) -> usize {
    let lowest = row.saturating_sub(page.max(1) - 1);
    first.min(all.saturating_sub(page)).clamp(lowest.min(row), row)
}

/// The one after or before the present one, round and round.
pub fn neighbour<T: Copy + PartialEq>(all: &[T], present: T, forward: bool) -> T {
    let at = all.iter().position(|item| *item == present).unwrap_or(0);
    let next = if forward { at + 1 } else { at + all.len() - 1 };
    all.get(next % all.len().max(1)).copied().unwrap_or(present)
}
