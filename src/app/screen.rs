//! The current screen, and what was measured when it was last drawn.

use ratatui::layout::Rect;

use crate::app::cluster::tabs::Tab;
use crate::app::keymap::Command;
use crate::app::motion::moved;
use crate::domain::cluster::ClusterId;

/// Where the user is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Screen {
    Fleet,
    Cluster {
        id: ClusterId,
        tab: Tab,
    },
    /// What happened. Boxed: where to go back to.
    Activity(Box<Self>),
}

impl Screen {
    /// The cluster that it is about.
    pub fn cluster(&self) -> Option<&ClusterId> {
        match self {
            Self::Cluster { id, .. } => Some(id),
            Self::Fleet | Self::Activity(_) => None,
        }
    }

    /// The tab of the cluster that is open.
    pub fn tab(&self) -> Option<Tab> {
        match self {
            Self::Cluster { tab, .. } => Some(*tab),
            Self::Fleet | Self::Activity(_) => None,
        }
    }
}

/// What a drawing measured, for paging and the mouse.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metrics {
    /// Rows of the main list that fit.
    pub page_rows: usize,
    /// Largest useful scroll of what is scrolled.
    pub scroll_last: usize,
    pub targets: Vec<ClickTarget>,
}

impl Metrics {
    /// Rows that a page goes on by; at least one.
    pub fn page(&self) -> usize {
        self.page_rows.max(1)
    }

    /// Scrolls a text, at most as far as the last drawing measured. Returns whether the command scrolls.
    pub fn scroll(&self, offset: &mut usize, command: Command) -> bool {
        let last = self.scroll_last;
        let next = moved(command, (*offset).min(last), self.page(), last);
        *offset = next.unwrap_or(*offset);
        next.is_some()
    }
}

/// A place that can be clicked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClickTarget {
    pub area: Rect,
    pub what: Clickable,
}

/// What can be clicked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clickable {
    /// Row of the fleet, counted from the first shown.
    Row(usize),
    Tab(Tab),
    /// Count in the header, from 1 on.
    Count(u8),
    /// Title of a column of the fleet, by its place in `COLUMNS`.
    Column(usize),
    /// Row of the activity, counted from the newest.
    Record(usize),
    /// Line of an open list, counted from the first.
    Line(usize),
    /// Answer to the question of a form, the harmless one first.
    Answer(usize),
    Cancel,
    Confirm,
}
