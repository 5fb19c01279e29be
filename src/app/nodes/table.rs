//! The nodes of a cluster and its blockers, as a table for export.

use jiff::Timestamp;

use crate::app::nodes::{blocker_text, text};
use crate::domain::roll::Roll;
use crate::domain::roll::blocker::{Blocker, Severity};
use crate::domain::roll::classify::{NodeRoll, Since};
use crate::domain::table::{Table, TableValue};

const COLUMNS: [(&str, &str); 14] = [
    ("kind", text::COLUMN_KIND),
    ("node", text::COLUMN_NODE),
    ("pool", text::COLUMN_POOL),
    ("zone", text::COLUMN_ZONE),
    ("state", text::COLUMN_STATE),
    ("since", text::COLUMN_SINCE),
    ("since_at_least", ""),
    ("text", text::COLUMN_TEXT),
    ("object", ""),
    ("fix", text::COLUMN_FIX),
    ("inspect", text::COLUMN_INSPECT),
    ("old_generation", ""),
    ("kubernetes", ""),
    ("created", ""),
];

/// All nodes, then all blockers, as of `now`.
pub fn table(roll: &Roll, now: Timestamp) -> Table {
    let nodes = roll.nodes().map(|node| node_row(node, roll.idle, now));
    let blockers = roll.blockers.iter().map(|blocker| blocker_row(blocker, now));
    Table::new(&COLUMNS, nodes.chain(blockers).collect())
}

fn since(since: Option<Since>) -> [TableValue; 2] {
    let Some(Since { at, at_least }) = since else {
        return [TableValue::none(), TableValue::none()];
    };
    let moment = TableValue::moment(Some(at));
    let moment = if at_least { moment.shown_as(text::or_earlier(at)) } else { moment };
    [moment, at_least.into()]
}

fn node_row(node: &NodeRoll, idle: bool, now: Timestamp) -> Vec<TableValue> {
    let [since, at_least] = since(node.blocked_since.filter(|_| node.blocked).or(node.since));
    vec![
        "node".into(),
        node.name.as_str().into(),
        node.pool.as_str().into(),
        node.zone.as_str().into(),
        text::stage(node, idle).into(),
        since,
        at_least,
        TableValue::text(text::stage_detail(node, now)),
        TableValue::none(),
        TableValue::none(),
        TableValue::none(),
        node.of_old_generation.into(),
        node.version.as_str().into(),
        TableValue::moment(node.created),
    ]
}

fn blocker_row(blocker: &Blocker, now: Timestamp) -> Vec<TableValue> {
    let (pool, zone) = blocker.place.as_ref().map(|(pool, zone)| (pool, zone)).unzip();
    let [since, at_least] = since(blocker.since);
    let state = match blocker.severity() {
        Severity::Blocks => "blocks",
        Severity::Delays => "delays",
        Severity::Note => "note",
    };
    let inspect = blocker_text::inspect(blocker).map(|command| command.line(None));
    vec![
        "blocker".into(),
        TableValue::text(blocker.node.as_ref().map(|node| &node.full)),
        TableValue::text(pool),
        TableValue::text(zone),
        state.into(),
        since,
        at_least,
        format!("{}. {}", blocker_text::brief(blocker), blocker_text::why(blocker, now)).into(),
        blocker_text::object(blocker).into(),
        blocker_text::fix(blocker).into(),
        TableValue::text(inspect),
        TableValue::none(),
        TableValue::none(),
        TableValue::none(),
    ]
}
