//! State of list menus.

use tui_input::Input;

use crate::app::credentials::state::ForgetQuestion;
use crate::app::fleet::columns::{COLUMNS, Column};
use crate::app::fleet::state::Fleet;
use crate::app::keymap::Command;
use crate::app::menus::choices::CHOICES;
use crate::app::menus::palette::PaletteItem;
use crate::app::menus::scope::{self, ScopeItem};
use crate::app::motion::moved;
use crate::app::settings::Settings;

/// An open list menu.
#[derive(Debug, Clone)]
pub struct Menu {
    pub items: MenuItems,
    pub cursor: usize,
    pub query: Input,
}

/// The items of a menu.
#[derive(Debug, Clone)]
pub enum MenuItems {
    /// Sort order: one item per column.
    Sort,
    /// Columns that can be hidden.
    Columns,
    Copy(Vec<CopyItem>),
    /// Formats and targets; contains a description of the list to export.
    Export(String),
    Commands(Vec<PaletteItem>),
    /// Profile, region and projects.
    Scope(Vec<ScopeItem>),
    /// Whether to forget a credential: no, then yes.
    Forget(Box<ForgetQuestion>),
}

impl MenuItems {
    /// The question whether to forget a credential.
    pub fn forget(question: ForgetQuestion) -> Self {
        Self::Forget(Box::new(question))
    }
}

/// An item that can be copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyItem {
    /// Description.
    pub label: String,
    pub text: String,
}

impl CopyItem {
    /// Whether it is a command for kubectl's current context, which may be another cluster's.
    pub fn lacks_context(&self) -> bool {
        self.text.starts_with("kubectl ") && !self.text.contains(" --context")
    }
}

/// The columns that can be hidden.
pub fn optional_columns() -> impl Iterator<Item = &'static Column> {
    COLUMNS.iter().filter(|column| !column.is_fixed())
}

impl Menu {
    /// A menu with the cursor on one of its lines.
    pub fn new(items: MenuItems, cursor: usize) -> Self {
        Self { items, cursor, query: Input::default() }
    }

    /// The sort menu, with the cursor on the current column.
    pub fn sort(present: &Column) -> Self {
        let cursor = COLUMNS.iter().position(|column| column == present).unwrap_or(0);
        Self::new(MenuItems::Sort, cursor)
    }

    /// The scope menu, with the cursor on the selected projects.
    pub fn scope(fleet: &Fleet, settings: &Settings) -> Self {
        let items = scope::items(fleet, settings, "");
        let cursor = scope::present(&items);
        Self::new(MenuItems::Scope(items), cursor)
    }

    /// Whether typing filters its lines.
    pub fn is_searched(&self) -> bool {
        matches!(self.items, MenuItems::Commands(_) | MenuItems::Scope(_))
    }

    /// Moves the cursor.
    pub fn step(&mut self, command: Command, page: usize) {
        let last = self.lines().saturating_sub(1);
        self.cursor = moved(command, self.cursor, page, last).unwrap_or(self.cursor);
    }

    /// Number of lines.
    pub fn lines(&self) -> usize {
        match &self.items {
            MenuItems::Sort => COLUMNS.len(),
            MenuItems::Columns => optional_columns().count(),
            MenuItems::Copy(items) => items.len(),
            MenuItems::Export(_) => CHOICES.len(),
            MenuItems::Commands(items) => items.len(),
            MenuItems::Scope(items) => items.len(),
            MenuItems::Forget(_) => 2,
        }
    }
}
