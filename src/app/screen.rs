//! The current screen, and the metrics of the last draw.

use ratatui::layout::Rect;

use crate::app::cluster::tabs::Tab;
use crate::app::keymap::Command;
use crate::app::motion::moved;
use crate::domain::cluster::ClusterId;

/// What covers the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overlay {
    Quit,
    Help,
    Log,
    Rotation,
    /// Wake up or reconcile.
    Action,
    /// The kubeconfig form.
    Kubeconfig,
    Renewal,
    /// The checklist's dialog.
    Checklist,
    Menu,
}

/// The current screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Screen {
    Fleet,
    Cluster {
        id: ClusterId,
        tab: Tab,
    },
    /// The activity. Boxed: the screen to return to.
    Activity(Box<Self>),
}

impl Screen {
    /// The cluster of the screen.
    pub fn cluster(&self) -> Option<&ClusterId> {
        match self {
            Self::Cluster { id, .. } => Some(id),
            Self::Fleet | Self::Activity(_) => None,
        }
    }

    /// The open tab of the cluster screen.
    pub fn tab(&self) -> Option<Tab> {
        match self {
            Self::Cluster { tab, .. } => Some(*tab),
            Self::Fleet | Self::Activity(_) => None,
        }
    }
}

/// Metrics of a draw, for paging and the mouse.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metrics {
    /// Visible rows of the main list.
    pub page_rows: usize,
    /// Maximum scroll offset.
    pub scroll_last: usize,
    pub targets: Vec<ClickTarget>,
}

impl Metrics {
    /// Rows per page; at least one.
    pub fn page(&self) -> usize {
        self.page_rows.max(1)
    }

    /// Scrolls a text within the limits of the last draw. Returns whether the command scrolls.
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

/// The action of a click target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clickable {
    /// Row of the fleet, by its index among the shown rows.
    Row(usize),
    Tab(Tab),
    /// Count in the header, 1-based.
    Count(u8),
    /// Column title in the fleet, by its index in `COLUMNS`.
    Column(usize),
    /// Row of the activity, counted from the newest.
    Record(usize),
    /// Line of an open menu, by index.
    Line(usize),
    /// Answer to the question of a form, the harmless one first.
    Answer(usize),
    Cancel,
    Confirm,
}
