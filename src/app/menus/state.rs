//! A list to choose from as data.

use tui_input::Input;

use crate::app::fleet::columns::{COLUMNS, Column};
use crate::app::fleet::state::Fleet;
use crate::app::menus::choices::CHOICES;
use crate::app::menus::palette::PaletteItem;
use crate::app::menus::scope::{self, ScopeItem};
use crate::app::settings::Settings;

/// A list to choose from.
#[derive(Debug, Clone)]
pub struct Menu {
    pub items: MenuItems,
    pub cursor: usize,
    pub query: Input,
}

/// What there is to choose.
#[derive(Debug, Clone)]
pub enum MenuItems {
    /// The order of the fleet: one of all columns.
    Sort,
    /// The columns that are not always shown.
    Columns,
    Copy(Vec<CopyItem>),
    /// Format and target of what the screen lists, in words.
    Export(String),
    Commands(Vec<PaletteItem>),
    /// Profile, region and projects.
    Scope(Vec<ScopeItem>),
}

/// Something that can be copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyItem {
    /// What it is, in words.
    pub label: String,
    pub text: String,
}

impl CopyItem {
    /// Whether it is a command for the current context of kubectl, which need not be of this cluster.
    pub fn lacks_context(&self) -> bool {
        self.text.starts_with("kubectl ") && !self.text.contains(" --context")
    }
}

/// The columns that can be switched off.
pub fn optional_columns() -> impl Iterator<Item = &'static Column> {
    COLUMNS.iter().filter(|column| !column.is_fixed())
}

impl Menu {
    /// A list with the cursor on one of its lines.
    pub fn new(items: MenuItems, cursor: usize) -> Self {
        Self { items, cursor, query: Input::default() }
    }

    /// The menu of orders, on the present one.
    pub fn sort(present: &Column) -> Self {
        let cursor = COLUMNS.iter().position(|column| column == present).unwrap_or(0);
        Self::new(MenuItems::Sort, cursor)
    }

    /// The menu of the scope, on the selected projects.
    pub fn scope(fleet: &Fleet, settings: &Settings) -> Self {
        let items = scope::items(fleet, settings, "");
        let cursor = scope::present(&items);
        Self::new(MenuItems::Scope(items), cursor)
    }

    /// Whether its lines are narrowed by typing.
    pub fn is_searched(&self) -> bool {
        matches!(self.items, MenuItems::Commands(_) | MenuItems::Scope(_))
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
        }
    }
}
