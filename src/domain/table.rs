//! A table for export as CSV, JSON or Markdown.

use jiff::Timestamp;
use serde_json::{Map, Value};

/// Characters that a spreadsheet may interpret as the start of a formula.
const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// A column of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableColumn {
    /// Stable name in JSON and CSV.
    pub key: &'static str,
    /// Title for display; empty for columns that only programs need.
    pub title: &'static str,
}

/// A value of a row.
#[derive(Debug, Clone, PartialEq)]
pub struct TableValue {
    value: Value,
    /// Text for display, if different.
    shown: Option<String>,
}

/// Rows of values, one for each column.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Table {
    pub columns: Vec<TableColumn>,
    pub rows: Vec<Vec<TableValue>>,
}

/// File format of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableFormat {
    Csv,
    Json,
    Markdown,
}

/// What is exported.
#[derive(Debug, Clone, PartialEq)]
pub enum Exported {
    Table(Table),
    /// A text that is already in the format of the export.
    Document(String),
}

impl Exported {
    /// The content of the export.
    pub fn text(&self, format: TableFormat) -> String {
        match self {
            Self::Table(table) => table.text(format),
            Self::Document(text) => text.clone(),
        }
    }
}

impl TableFormat {
    /// Name of the format, and its file extension.
    pub fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Csv => ("CSV", "csv"),
            Self::Json => ("JSON", "json"),
            Self::Markdown => ("Markdown", "md"),
        }
    }
}

impl TableValue {
    /// Null.
    pub fn none() -> Self {
        Self { value: Value::Null, shown: None }
    }

    /// A text; null if `None`.
    pub fn text(text: Option<impl Into<String>>) -> Self {
        Self { value: text.map_or(Value::Null, |text| Value::String(text.into())), shown: None }
    }

    /// A time as RFC 3339 in UTC; null if `None`.
    pub fn moment(at: Option<Timestamp>) -> Self {
        Self::text(at.map(|at| at.to_string()))
    }

    /// Sets a different text for display.
    #[must_use]
    pub fn shown_as(self, shown: impl Into<String>) -> Self {
        Self { shown: Some(shown.into()), ..self }
    }

    fn shown(&self) -> String {
        match (&self.shown, &self.value) {
            (Some(shown), _) => shown.clone(),
            (None, Value::Null) => "-".to_owned(),
            (None, value) => plain(value),
        }
    }
}

impl From<&str> for TableValue {
    fn from(text: &str) -> Self {
        Self::text(Some(text))
    }
}

impl From<String> for TableValue {
    fn from(text: String) -> Self {
        Self::text(Some(text))
    }
}

impl From<usize> for TableValue {
    fn from(number: usize) -> Self {
        Self { value: number.into(), shown: None }
    }
}

impl From<bool> for TableValue {
    fn from(flag: bool) -> Self {
        Self { value: flag.into(), shown: None }
    }
}

/// A column of rows of some type: key, title, and value in a row.
pub type ColumnOf<R> = (&'static str, &'static str, fn(&R) -> TableValue);

impl Table {
    /// A table of rows with these columns.
    pub fn of<R>(rows: impl Iterator<Item = R>, columns: &[ColumnOf<R>]) -> Self {
        let values = |row: R| columns.iter().map(|(.., value)| value(&row)).collect();
        let names: Vec<_> = columns.iter().map(|(key, title, _)| (*key, *title)).collect();
        Self::new(&names, rows.map(values).collect())
    }

    /// A table with these columns, each with key and title.
    pub fn new(columns: &[(&'static str, &'static str)], rows: Vec<Vec<TableValue>>) -> Self {
        let columns = columns.iter().map(|(key, title)| TableColumn { key, title }).collect();
        Self { columns, rows }
    }

    /// The table in a format, with a final line end.
    pub fn text(&self, format: TableFormat) -> String {
        match format {
            TableFormat::Csv => self.csv(),
            TableFormat::Json => format!("{:#}\n", self.json()),
            TableFormat::Markdown => self.markdown(),
        }
    }

    /// An array of objects.
    pub fn json(&self) -> Value {
        let keys = || self.columns.iter().map(|column| column.key.to_owned());
        let object = |row: &Vec<TableValue>| {
            let values = row.iter().map(|cell| cell.value.clone());
            Value::Object(keys().zip(values).collect::<Map<_, _>>())
        };
        self.rows.iter().map(object).collect()
    }

    /// CSV by RFC 4180. A text that a spreadsheet would interpret as a formula is prefixed with an apostrophe.
    fn csv(&self) -> String {
        let mut writer =
            csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
        let heading = self.columns.iter().map(|column| column.key.to_owned()).collect();
        let rows =
            self.rows.iter().map(|row| row.iter().map(|cell| guarded(&cell.value)).collect());
        for row in std::iter::once(heading).chain(rows) {
            let row: Vec<String> = row;
            // Writing to a vector cannot fail.
            drop(writer.write_record(row));
        }
        let bytes = writer.into_inner().unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The displayed texts as a Markdown table.
    pub fn markdown(&self) -> String {
        let [heading, rows @ ..] = &self.shown()[..] else { return String::new() };
        let heading: Vec<String> = heading.iter().map(|title| title.to_lowercase()).collect();
        let mut out = markdown_row(&heading);
        out.push_str(&format!("|{}\n", " --- |".repeat(heading.len())));
        for row in rows {
            out.push_str(&markdown_row(row));
        }
        out
    }

    /// Titles, then rows, as displayed.
    pub fn shown(&self) -> Vec<Vec<String>> {
        let is_shown = || self.columns.iter().map(|column| !column.title.is_empty());
        let titles = self.columns.iter().map(|column| column.title.to_owned());
        let pick = |cells: &mut dyn Iterator<Item = String>| {
            let shown = cells.zip(is_shown()).filter(|(_, is_shown)| *is_shown);
            shown.map(|(cell, _)| cell).collect()
        };
        let rows = self.rows.iter().map(|row| pick(&mut row.iter().map(TableValue::shown)));
        std::iter::once(pick(&mut { titles })).chain(rows).collect()
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

fn guarded(value: &Value) -> String {
    let is_formula = value.as_str().is_some_and(|text| text.starts_with(FORMULA));
    format!("{}{}", if is_formula { "'" } else { "" }, plain(value))
}

/// A row of a Markdown table.
pub fn markdown_row(cells: &[String]) -> String {
    let cell = |text: &String| {
        markdown(text).replace('\\', "\\\\").replace('|', "\\|").replace(['\n', '\r'], " ")
    };
    let cells: Vec<String> = cells.iter().map(cell).collect();
    format!("| {} |\n", cells.join(" | "))
}

/// Escapes text for Markdown: texts from servers and files must not become HTML.
pub fn markdown(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use crate::domain::table::{Table, TableFormat, TableValue, markdown_row};

    fn table() -> Table {
        let row = |name: &str, done: bool| {
            vec![
                name.into(),
                TableValue::moment(Some(Timestamp::UNIX_EPOCH)),
                TableValue::none(),
                TableValue::from(done).shown_as(if done { "done" } else { "open" }),
                3.into(),
            ]
        };
        let columns =
            [("name", "NAME"), ("at", "AT"), ("owner", "OWNER"), ("done", "ACCESS"), ("nodes", "")];
        Table::new(&columns, vec![row("a, \"b\"", true), row("=cmd|' /c calc'!a1", false)])
    }

    #[test]
    fn csv_is_quoted_as_rfc_4180_has_it_and_holds_no_formula() {
        let text = table().text(TableFormat::Csv);
        let rows: Vec<&str> = text.split("\r\n").collect();
        assert_eq!(
            rows,
            [
                "name,at,owner,done,nodes",
                "\"a, \"\"b\"\"\",1970-01-01T00:00:00Z,,true,3",
                "'=cmd|' /c calc'!a1,1970-01-01T00:00:00Z,,false,3",
                ""
            ]
        );
    }

    #[test]
    fn json_has_numbers_flags_and_nulls_and_changes_no_text() {
        let text = table().text(TableFormat::Json);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value[1]["name"], "=cmd|' /c calc'!a1");
        assert_eq!(value[0]["nodes"], 3);
        assert_eq!(value[0]["done"], true);
        assert!(value[0]["owner"].is_null());
    }

    #[test]
    fn markdown_has_what_people_read() {
        let text = table().text(TableFormat::Markdown);
        assert_eq!(
            text,
            "| name | at | owner | access |\n| --- | --- | --- | --- |\n\
             | a, \"b\" | 1970-01-01T00:00:00Z | - | done |\n\
             | =cmd\\|' /c calc'!a1 | 1970-01-01T00:00:00Z | - | open |\n"
        );
        assert_eq!(Table::default().text(TableFormat::Csv), "\"\"\r\n");
    }

    #[test]
    fn foreign_text_is_neither_html_nor_another_cell() {
        let row = markdown_row(&["<img src=x>".to_owned(), "a | b & c\\".to_owned()]);
        assert_eq!(row, "| &lt;img src=x> | a \\| b &amp; c\\\\ |\n");
    }
}
