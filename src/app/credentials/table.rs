//! A cluster's credentials as a table for export.

use jiff::Timestamp;

use crate::app::credentials::text;
use crate::domain::credential::{KnownCredential, Trial, Verdict};
use crate::domain::rotation::Phase;
use crate::domain::table::{Table, TableValue};

/// Credentials, each with its trial result, in a phase.
pub fn table<'a>(
    known: impl Iterator<Item = (&'a KnownCredential, Option<&'a Trial>)>,
    phase: &Phase,
) -> Table {
    Table::of(
        known.map(|(known, trial)| (known, trial, phase)),
        &[
            ("kind", text::COLUMN_CREDENTIAL, |(known, ..)| known.kind.label().into()),
            ("place", text::COLUMN_PLACE, |(known, ..)| known.location.describe().into()),
            ("file", "", |(known, ..)| {
                TableValue::text(known.location.entry().map(|(file, _)| file))
            }),
            ("context", "", |(known, ..)| {
                TableValue::text(known.location.entry().map(|(_, context)| context))
            }),
            ("expires", text::COLUMN_ENDS, |(known, ..)| TableValue::moment(known.expires)),
            ("status", text::COLUMN_STATUS, |(known, ..)| {
                TableValue::from(word(known.verdict)).shown_as(text::verdict(known.verdict).0)
            }),
            ("tried", text::COLUMN_TRIED, |(_, trial, _)| TableValue::text(trial.map(tried))),
            ("tried_why", "", |(_, trial, _)| TableValue::text(trial.and_then(Trial::why))),
            ("contradicted", "", |(known, trial, phase)| {
                let is_contradicted = trial.map(|trial| known.is_contradicted(trial, phase));
                is_contradicted.map_or_else(TableValue::none, TableValue::from)
            }),
            ("why", text::COLUMN_WHY, |(known, ..)| text::reasons(&known.reasons).into()),
            ("mode", "", |(known, ..)| {
                TableValue::text(known.wide_mode.map(|mode| format!("{mode:04o}")))
            }),
        ],
    )
}

/// A row for something that is in no kubeconfig: kind and place, expiry, verdict, reason.
pub fn finding(
    (kind, place): (&str, String),
    expires: Option<Timestamp>,
    verdict: Verdict,
    why: String,
) -> Vec<TableValue> {
    let none = TableValue::none;
    let status = TableValue::from(word(verdict)).shown_as(text::verdict(verdict).0);
    let expires = TableValue::moment(expires);
    // In the order of the columns above.
    vec![
        kind.into(),
        place.into(),
        none(),
        none(),
        expires,
        status,
        none(),
        none(),
        none(),
        why.into(),
        none(),
    ]
}

/// A stable word for programs.
pub fn tried(trial: &Trial) -> &'static str {
    match trial {
        Trial::Accepted => "accepted",
        Trial::Refused(_) => "refused",
        Trial::NoAnswer(_) => "no answer",
        Trial::NotTried(_) => "not tried",
    }
}

/// A stable word for programs.
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
