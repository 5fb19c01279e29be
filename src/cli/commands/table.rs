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
    let cells: Vec<String> = cells.iter().map(|text| markdown(text).replace('|', "\\|")).collect();
    format!("| {} |\n", cells.join(" | "))
}

/// A text in Markdown: what servers and files say is no HTML.
pub fn markdown(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use crate::cli::commands::table::markdown_row;

    #[test]
    fn foreign_text_is_neither_html_nor_another_cell() {
        let row = markdown_row(&["<img src=x>".to_owned(), "a | b & c".to_owned()]);
        assert_eq!(row, "| &lt;img src=x> | a \\| b &amp; c |\n");
    }
}
