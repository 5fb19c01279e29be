//! Commands, their tasks, and the contexts in which keys are bound.

/// A command that a key can be bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Command {
    Up,
    Down,
    PageUp,
    PageDown,
    HalfPageUp,
    HalfPageDown,
    First,
    Last,
    Left,
    Right,
    Open,
    Back,
    Quit,
    Interrupt,
    Help,
    Palette,
    /// Filter the fleet; search on other screens.
    Filter,
    NextMatch,
    PreviousMatch,
    Refresh,
    Copy,
    /// Export the current list.
    Export,
    Utc,
    Mouse,
    Redraw,
    Suspend,
    /// Log in again, in this terminal.
    LogIn,
    Theme,
    /// Mark or unmark a cluster; select an option in a form.
    Mark,
    MarkAll,
    /// Press the confirm button of a form, from any field.
    Submit,
    Sort,
    Columns,
    /// Choose profile, project and region.
    Scope,
    /// Restart the dashboard with the current configuration.
    Reload,
    Rotate,
    Kubeconfig,
    Activity,
    Log,
    Preview,
    WakeUp,
    Reconcile,
    /// Turn notifications about the cluster on or off.
    Watch,
    /// Toggle between all events of the node under the cursor and its summary.
    Events,
    /// Add a client to the checklist.
    Add,
    Remove,
    /// Forget a kubeconfig that is in no file.
    Forget,
    /// Share the checklist through the cluster, or stop sharing it.
    Share,
    Next,
    Previous,
    /// Tab or count filter by number, 1-based.
    Number(u8),
}

impl Command {
    /// Whether it moves the focus between two buttons.
    pub fn is_turn(self) -> bool {
        matches!(self, Self::Next | Self::Previous | Self::Left | Self::Right)
    }
}

/// The purpose of a key, as grouped in the help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HelpSection {
    Act,
    Find,
    Show,
    Move,
    Program,
}

/// The context in which a key is bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyContext {
    Fleet,
    Cluster,
    Activity,
    /// A list menu: sort, columns, copy, commands.
    Menu,
    Help,
    Dialog,
    Form,
    Filter,
}

impl KeyContext {
    /// All contexts, in the order of the help.
    pub const ALL: [Self; 8] = [
        Self::Fleet,
        Self::Cluster,
        Self::Activity,
        Self::Menu,
        Self::Dialog,
        Self::Form,
        Self::Filter,
        Self::Help,
    ];

    /// Title in the help and the README.
    pub fn title(self) -> &'static str {
        match self {
            Self::Fleet => "Fleet",
            Self::Cluster => "Cluster",
            Self::Activity => "Activity",
            Self::Menu => "Menus",
            Self::Help => "Help and log",
            Self::Dialog => "Dialogs",
            Self::Form => "Kubeconfig form",
            Self::Filter => "Filter and search",
        }
    }
}
