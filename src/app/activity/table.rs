//! Records as a table.

use crate::app::activity::text;
use crate::domain::record::Record;
use crate::domain::table::{Table, TableValue};

const COLUMNS: [(&str, &str); 12] = [
    ("at", text::COLUMN_AT),
    ("outcome", text::COLUMN_OUTCOME),
    ("step", text::COLUMN_STEP),
    ("cluster", text::COLUMN_CLUSTER),
    ("region", text::COLUMN_REGION),
    ("project_id", text::COLUMN_PROJECT),
    ("by", text::COLUMN_BY),
    ("text", text::COLUMN_TEXT),
    ("expires", text::COLUMN_EXPIRES),
    ("request", ""),
    ("trace_id", text::COLUMN_TRACE),
    ("findings", ""),
];

/// Records in their order.
pub fn table<'a>(records: impl Iterator<Item = &'a Record>) -> Table {
    Table::new(&COLUMNS, records.map(row).collect())
}

fn row(record: &Record) -> Vec<TableValue> {
    let id = record.cluster.as_ref();
    vec![
        TableValue::moment(Some(record.at)),
        record.outcome.word().into(),
        record.step.as_str().into(),
        TableValue::text(id.map(|id| id.name.as_str())),
        TableValue::text(id.map(|id| id.region().as_str())),
        TableValue::text(id.map(|id| id.project().as_str())),
        record.who.as_str().into(),
        record.text.as_str().into(),
        TableValue::moment(record.expires),
        TableValue::text(record.request.as_ref()),
        TableValue::text(record.trace.as_ref()),
        TableValue::text((!record.findings.is_empty()).then(|| record.findings.join("\n"))),
    ]
}
