//! Records as a table for export.

use crate::app::activity::text;
use crate::domain::cluster::ClusterId;
use crate::domain::record::Record;
use crate::domain::table::{Table, TableValue};

/// One row per record, in the given order.
pub fn table<'a>(records: impl Iterator<Item = &'a Record>) -> Table {
    fn of(record: &Record, part: fn(&ClusterId) -> &str) -> TableValue {
        TableValue::text(record.cluster.as_ref().map(part))
    }
    Table::of(
        records,
        &[
            ("at", text::COLUMN_AT, |record| TableValue::moment(Some(record.at))),
            ("outcome", text::COLUMN_OUTCOME, |record| record.outcome.label().into()),
            ("step", text::COLUMN_STEP, |record| record.action.as_str().into()),
            ("cluster", text::COLUMN_CLUSTER, |record| of(record, |id| id.name.as_str())),
            ("region", text::COLUMN_REGION, |record| of(record, |id| id.region().as_str())),
            ("project_id", text::COLUMN_PROJECT, |record| of(record, |id| id.project().as_str())),
            ("by", text::COLUMN_BY, |record| record.who.as_str().into()),
            ("text", text::COLUMN_TEXT, |record| record.text.as_str().into()),
            ("expires", text::COLUMN_EXPIRES, |record| TableValue::moment(record.expires)),
            ("request", "", |record| TableValue::text(record.request.as_ref())),
            ("trace_id", text::COLUMN_TRACE, |record| TableValue::text(record.trace.as_ref())),
            ("findings", "", |record| {
                let findings = &record.findings;
                TableValue::text((!findings.is_empty()).then(|| findings.join("\n")))
            }),
        ],
    )
}
