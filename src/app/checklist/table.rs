//! A checklist as a table.

use crate::app::checklist::text;
use crate::domain::checklist::Checklist;
use crate::domain::rotation::Rotation;
use crate::domain::table::{Table, TableValue};

const COLUMNS: [(&str, &str); 4] = [
    ("client", text::COLUMN_CLIENT),
    ("owner", text::COLUMN_OWNER),
    ("done", text::COLUMN_DONE),
    ("note", text::COLUMN_NOTE),
];

/// The clients, and whether each has credentials of the rotation.
pub fn table(list: &Checklist, rotation: &Rotation) -> Table {
    let rows = list.clients().iter().map(|client| {
        let is_done = client.is_done(rotation);
        let done =
            TableValue::from(is_done).shown_as(if is_done { text::DONE } else { text::OPEN });
        vec![
            client.name.clone().into(),
            client.owner.clone().into(),
            done,
            client.note.clone().into(),
        ]
    });
    Table::new(&COLUMNS, rows.collect())
}
