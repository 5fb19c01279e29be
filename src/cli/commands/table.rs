//! Rows as aligned columns for a terminal.

use crate::domain::text::width;

/// Rows as columns, two blanks apart; the last column is not padded.
pub fn columns(rows: &[impl AsRef<[String]>]) -> String {
    let count = rows.first().map_or(0, |row| row.as_ref().len());
    let widest = |at: usize| {
        let cells = rows.iter().filter_map(|row| row.as_ref().get(at));
        cells.map(|cell| width(cell)).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..count.saturating_sub(1)).map(widest).collect();
    let mut out = String::new();
    for row in rows.iter().map(AsRef::as_ref) {
        for (cell, columns) in row.iter().zip(&widths) {
            out.push_str(cell);
            out.push_str(&" ".repeat(columns.saturating_sub(width(cell)) + 2));
        }
        out.push_str(row.last().map_or("", String::as_str));
        out.push('\n');
    }
    out
}
