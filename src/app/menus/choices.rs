//! The choices of the export menu and the scope menu.

use crate::domain::cluster::Region;
use crate::domain::selection::SelectedProjects;
use crate::domain::table::TableFormat;

/// A chosen part of the scope; the other parts stay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScopeChoice {
    /// `None`: the configuration outside of all profiles.
    Profile(Option<String>),
    /// `None`: all regions.
    Region(Option<Region>),
    Projects(SelectedProjects),
}

/// The target of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportTarget {
    /// A new file in the current directory.
    File,
    Clipboard,
}

/// The choices in menu order.
pub const CHOICES: [(TableFormat, ExportTarget); 6] = [
    (TableFormat::Csv, ExportTarget::File),
    (TableFormat::Json, ExportTarget::File),
    (TableFormat::Markdown, ExportTarget::File),
    (TableFormat::Csv, ExportTarget::Clipboard),
    (TableFormat::Json, ExportTarget::Clipboard),
    (TableFormat::Markdown, ExportTarget::Clipboard),
];
