//! The inventory of a cluster's credentials as a table.

use crate::app::credentials::text;
use crate::domain::credential::{KnownCredential, Trial, Verdict};
use crate::domain::rotation::Phase;
use crate::domain::table::{Table, TableValue};

const COLUMNS: [(&str, &str); 10] = [
    ("kind", text::COLUMN_CREDENTIAL),
    ("place", text::COLUMN_PLACE),
    ("file", ""),
    ("context", ""),
    ("expires", text::COLUMN_ENDS),
    ("status", text::COLUMN_STATUS),
    ("tried", text::COLUMN_TRIED),
    ("contradicted", ""),
    ("why", text::COLUMN_WHY),
    ("mode", ""),
];

/// Credentials, each with what came of trying it in a phase.
pub fn table<'a>(
    known: impl Iterator<Item = (&'a KnownCredential, Option<&'a Trial>)>,
    phase: &Phase,
) -> Table {
    Table::new(&COLUMNS, known.map(|(known, trial)| row(known, trial, phase)).collect())
}

fn row(known: &KnownCredential, trial: Option<&Trial>, phase: &Phase) -> Vec<TableValue> {
    let (file, context) = known.place.entry().unzip();
    let contradicted = trial.map(|trial| trial.contradicts(known.verdict, phase));
    vec![
        known.kind.word().into(),
        known.place.words().into(),
        TableValue::text(file),
        TableValue::text(context),
        TableValue::moment(known.expires),
        TableValue::from(word(known.verdict)).shown_as(text::verdict(known.verdict).0),
        TableValue::text(trial.map(tried)),
        contradicted.map_or_else(TableValue::none, TableValue::from),
        text::reasons(&known.reasons).into(),
        TableValue::text(known.wide_mode.map(|mode| format!("{mode:04o}"))),
    ]
}

/// A stable word, also for programs.
pub fn tried(trial: &Trial) -> &'static str {
    match trial {
        Trial::Accepted => "accepted",
        Trial::Refused(_) => "refused",
        Trial::NoAnswer(_) => "no answer",
        Trial::NotTried(_) => "not tried",
    }
}

/// A word that does not change, for programs.
fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Expired => "expired",
        Verdict::Dead => "dead",
        Verdict::BreaksOnStart => "breaks_on_start",
        Verdict::BreaksOnComplete => "breaks_on_complete",
        Verdict::SurvivesComplete => "survives_complete",
        Verdict::Works => "works",
        Verdict::CannotTell => "unknown",
    }
}
