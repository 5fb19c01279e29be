//! Rows as columns of a terminal, and as a table of Markdown.

use crate::domain::text::width;

/// Rows in columns, two blanks apart; the last column is not filled up.
pub fn columns<const COLUMNS: usize>(rows: &[[String; COLUMNS]]) -> String {
    let widest = |at: usize| {
        rows.iter().filter_map(|row| row.get(at)).map(|cell| width(cell)).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..COLUMNS.saturating_sub(1)).map(widest).collect();
    let mut out = String::new();
    for row in rows {
        for (cell, columns) in row.iter().zip(&widths) {
            out.push_str(cell);
            out.push_str(&" ".repeat(columns.saturating_sub(width(cell)) + 2));
        }
        out.push_str(row.last().map_or("", String::as_str));
        out.push('\n');
    }
    out
}

/// A row of a Markdown table.
pub fn markdown_row(cells: &[String]) -> String {
    let cells: Vec<String> = cells.iter().map(|text| text.replace('|', "\\|")).collect();
    format!("| {} |\n", cells.join(" | "))
}
