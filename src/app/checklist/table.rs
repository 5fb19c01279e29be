//! A checklist as a table for export.

use crate::app::checklist::text;
use crate::domain::checklist::Checklist;
use crate::domain::rotation::Rotation;
use crate::domain::table::{Table, TableValue};

/// The clients, and whether each has credentials of the open rotation.
pub fn table(list: &Checklist, rotation: &Rotation) -> Table {
    Table::of(
        list.clients().iter().map(|client| (client, client.is_done(rotation))),
        &[
            ("client", text::COLUMN_CLIENT, |(client, _)| client.name.as_str().into()),
            ("owner", text::COLUMN_OWNER, |(client, _)| client.owner.as_str().into()),
            ("done", text::COLUMN_DONE, |(_, is_done)| {
                let shown = if *is_done { text::DONE } else { text::OPEN };
                TableValue::from(*is_done).shown_as(shown)
            }),
            ("note", text::COLUMN_NOTE, |(client, _)| client.note.as_str().into()),
        ],
    )
}
