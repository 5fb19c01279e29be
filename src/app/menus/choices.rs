//! The lines of the menu of exports.

use crate::domain::table::TableFormat;

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
