//! What the menus of exports and of the scope have to choose from.

use crate::domain::cluster::Region;
use crate::domain::selection::SelectedProjects;
use crate::domain::table::TableFormat;

/// A part of the scope that was chosen; the other parts stay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScopeChoice {
    /// `None` is the configuration outside of all profiles.
    Profile(Option<String>),
    /// `None` is all.
    Region(Option<Region>),
    Projects(SelectedProjects),
}

/// Where an exported table goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportTarget {
    /// A new file in the folder in which skeys was started.
    File,
    Clipboard,
}

/// What there is to choose, in the order of the menu.
pub const CHOICES: [(TableFormat, ExportTarget); 6] = [
    (TableFormat::Csv, ExportTarget::File),
    (TableFormat::Json, ExportTarget::File),
    (TableFormat::Markdown, ExportTarget::File),
    (TableFormat::Csv, ExportTarget::Clipboard),
    (TableFormat::Json, ExportTarget::Clipboard),
    (TableFormat::Markdown, ExportTarget::Clipboard),
];
