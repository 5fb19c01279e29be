//! Clusters as a table.

use crate::app::fleet::columns::{COLUMNS, Column};
use crate::app::fleet::row::Row;
use crate::domain::table::{Table, TableValue};

/// Clusters with these columns. What tells a cluster from others comes first, whatever is chosen.
pub fn table<'a>(
    rows: impl Iterator<Item = Row<'a>>,
    chosen: impl Iterator<Item = &'static Column>,
) -> Table {
    let is_identity = |column: &Column| matches!(column.id, "name" | "project" | "region");
    let others = chosen.filter(|column| !is_identity(column));
    let identity = COLUMNS.iter().filter(|column| is_identity(column));
    let exports: Vec<_> = identity.chain(others).flat_map(|column| column.exports).collect();
    let mut columns: Vec<_> = exports.iter().map(|(key, title, _)| (*key, *title)).collect();
    columns.push(("read_at", ""));
    let values = |row: Row<'a>| {
        let read = TableValue::moment(Some(row.entry.seen.wall));
        exports.iter().map(|(.., value)| value(&row)).chain([read]).collect()
    };
    Table::new(&columns, rows.map(values).collect())
}
