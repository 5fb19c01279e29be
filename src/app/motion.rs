//! Cursor movement and scrolling by commands.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "keys and commands that mean nothing here are ignored"
)]

use crate::app::keymap::Command;

/// The position in `0..=last` that a command leads to; `None` if the command does not move.
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

/// The direction of a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SearchDirection {
    /// The first match from the current position on, including it.
    FromHere,
    Next,
    Previous,
}

impl SearchDirection {
    /// The first match among `count` positions, starting at `at`; wraps around.
    pub fn find(
        self,
        (at, count): (usize, usize),
        matches: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        let mut steps = usize::from(self != Self::FromHere)..=count;
        let index = |step| if self == Self::Previous { at + count - step } else { at + step };
        let wrapped = |step| index(step) % count.max(1);
        steps.find_map(|step| Some(wrapped(step)).filter(|index| *index < count && matches(*index)))
    }
}

/// The first visible row of a list after scrolling as little as needed to show `row`.
pub fn keep_visible(first: usize, row: usize, page: usize, all: usize) -> usize {
    let lowest = row.saturating_sub(page.max(1) - 1);
    first.min(all.saturating_sub(page)).clamp(lowest.min(row), row)
}

/// The next or previous item; wraps around.
pub fn neighbour<T: Copy + PartialEq>(all: &[T], present: T, forward: bool) -> T {
    let at = all.iter().position(|item| *item == present).unwrap_or(0);
    let next = if forward { at + 1 } else { at + all.len() - 1 };
    all.get(next % all.len().max(1)).copied().unwrap_or(present)
}
