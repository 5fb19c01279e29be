//! Clusters as a table for export.

use crate::app::fleet::columns::{COLUMNS, Column, ExportedColumn};
use crate::app::fleet::row::Row;
use crate::domain::table::{ColumnOf, Table, TableValue};

/// Clusters with these columns. Identifying columns always come first.
pub fn table<'a>(
    rows: impl Iterator<Item = Row<'a>>,
    chosen: impl Iterator<Item = &'static Column>,
) -> Table {
    let is_identity = |column: &Column| matches!(column.id, "name" | "project" | "region");
    let others = chosen.filter(|column| !is_identity(column));
    let identity = COLUMNS.iter().filter(|column| is_identity(column));
    let exports = identity.chain(others).flat_map(|column| column.exports);
    let read: ExportedColumn = ("read_at", "", |row| TableValue::moment(Some(row.entry.seen.wall)));
    let columns: Vec<ColumnOf<Row<'_>>> =
        exports.chain([&read]).map(|(key, title, value)| (*key, *title, *value as _)).collect();
    Table::of(rows, &columns)
}
