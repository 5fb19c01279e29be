//! The report as Markdown and as JSON.

use serde_json::{Value, json};

use crate::cli::args::ReportFormat;
use crate::cli::commands::report::{Report, text};
use crate::cli::commands::wait::target::address;
use crate::domain::age::{long, moment as time};
use crate::domain::record::{Outcome, Record};
use crate::domain::rotation::Step;
use crate::domain::rotation_report::{Attempt, PhaseChange, ReportOutcome, RotationReport};
use crate::domain::table::{markdown as escaped, markdown_row};
use crate::domain::text::plural;
use crate::store::journal::EXTRACT_BYTES;

/// The report in a format, with a trailing newline.
pub(super) fn report(report: &Report, format: ReportFormat) -> String {
    match format {
        ReportFormat::Markdown => markdown(report),
        ReportFormat::Json => json(report),
    }
}

fn outcome(outcome: ReportOutcome) -> &'static str {
    match outcome {
        ReportOutcome::NotStarted => text::NOT_STARTED,
        ReportOutcome::StartUnknown => text::START_UNKNOWN,
        ReportOutcome::Open => text::OPEN,
        ReportOutcome::CompleteAccepted => text::COMPLETE_ACCEPTED,
        ReportOutcome::Completed => text::COMPLETED,
    }
}

fn markdown(report: &Report) -> String {
    let title = text::title(address(&report.cluster));
    let mut out = format!("# {title}\n\n{}\n", text::source(&report.journal, time(report.at)));
    if report.is_cut {
        out.push_str(&format!("\n{}\n", text::cut(EXTRACT_BYTES / 1024 / 1024)));
    }
    if report.skipped > 0 {
        let lines = plural(report.skipped, text::LINE, text::LINES);
        out.push_str(&format!("\n{}\n", text::skipped(lines)));
    }
    if report.rotations.is_empty() {
        out.push_str(&format!("\n{}\n", text::NO_ROTATION));
    }
    for one in &report.rotations {
        rotation(one, &mut out);
    }
    out
}

fn rotation(one: &RotationReport, out: &mut String) {
    let day = one.span().map_or_else(
        || text::UNDATED.to_owned(),
        |(first, _)| first.strftime("%Y-%m-%d").to_string(),
    );
    out.push_str(&format!("\n## {}\n", text::rotation(day, outcome(one.outcome()))));
    let ended = matches!(one.outcome(), ReportOutcome::Completed);
    let started = one.started.map(time).map(text::started);
    let notes = [
        started.as_deref(),
        one.attempt(Step::Start).is_none().then_some(text::STARTED_BY_OTHERS),
        (ended && one.attempt(Step::Complete).is_none()).then_some(text::COMPLETED_BY_OTHERS),
        (one.is_over && one.outcome() == ReportOutcome::Open).then_some(text::CONTINUED),
    ];
    for note in notes.into_iter().flatten() {
        out.push_str(&format!("\n{note}\n"));
    }
    let steps = [
        text::COLUMN_TIME,
        text::COLUMN_STEP,
        text::COLUMN_BY,
        text::COLUMN_OUTCOME,
        text::COLUMN_ANSWER,
        text::COLUMN_TRACE,
    ];
    table(text::STEPS, steps, one.attempts.iter().flat_map(step_rows), out);
    for attempt in &one.attempts {
        list(&text::found(attempt.step, time(attempt.at)), &attempt.findings, out);
    }
    let findings: Vec<String> = one
        .attempts
        .iter()
        .filter_map(|attempt| {
            let accepted = attempt.accepted.as_ref()?;
            Some(text::accepted(attempt.step, time(attempt.at), accepted))
        })
        .collect();
    list(text::ACCEPTED_FINDINGS, &findings, out);
    let phases = [text::COLUMN_SEEN, text::COLUMN_FROM, text::COLUMN_TO, text::COLUMN_LASTED];
    table(text::PHASES, phases, one.phases.iter().map(phase_row), out);
    records(text::KUBECONFIGS, [TIME, BY, OUTCOME, WHAT, EXPIRES], &one.kubeconfigs, out);
    records(text::BLOCKERS, [TIME, WHAT], &one.blockers, out);
    records(text::CHECKLIST, [TIME, BY, OUTCOME, WHAT], &one.checklist, out);
    records(text::PROOF, [TIME, WHAT], &one.proof, out);
    records(text::OTHERS, [TIME, BY, OUTCOME, WHAT], &one.others, out);
    list(text::TRACES, &one.traces().into_iter().map(str::to_owned).collect::<Vec<_>>(), out);
}

/// A column of records: title and content.
type Column = (&'static str, fn(&Record) -> String);

const TIME: Column = (text::COLUMN_TIME, |record| time(record.at));
const BY: Column = (text::COLUMN_BY, |record| record.who.clone());
const OUTCOME: Column = (text::COLUMN_OUTCOME, |record| record.outcome.label().to_owned());
const WHAT: Column = (text::COLUMN_TEXT, |record| record.text.clone());
const EXPIRES: Column =
    (text::COLUMN_EXPIRES, |record| record.expires.map(time).unwrap_or_default());

fn records<const COLUMNS: usize>(
    title: &str,
    columns: [Column; COLUMNS],
    records: &[Record],
    out: &mut String,
) {
    let rows = records.iter().map(|record| columns.map(|(_, cell)| cell(record)));
    table(title, columns.map(|(heading, _)| heading), rows, out);
}

fn table<const COLUMNS: usize>(
    title: &str,
    headings: [&str; COLUMNS],
    rows: impl Iterator<Item = [String; COLUMNS]>,
    out: &mut String,
) {
    let mut rows = rows.peekable();
    if rows.peek().is_none() {
        return;
    }
    out.push_str(&format!("\n### {title}\n\n"));
    out.push_str(&markdown_row(&headings.map(str::to_owned)));
    out.push_str(&markdown_row(&headings.map(|_| "---".to_owned())));
    for row in rows {
        out.push_str(&markdown_row(&row));
    }
}

fn list(title: &str, lines: &[String], out: &mut String) {
    if lines.is_empty() {
        return;
    }
    out.push_str(&format!("\n### {title}\n\n"));
    for line in lines {
        out.push_str(&format!("- {}\n", escaped(line)));
    }
}

/// A row for the request, then one for each answer.
fn step_rows(attempt: &Attempt) -> Vec<[String; 6]> {
    let row = |at, who: &str, outcome: Outcome, answer: &str, trace: Option<&str>| {
        [
            time(at),
            attempt.step.verb().to_owned(),
            who.to_owned(),
            outcome.label().to_owned(),
            answer.to_owned(),
            trace.unwrap_or_default().to_owned(),
        ]
    };
    let sent = row(
        attempt.at,
        &attempt.who,
        Outcome::Intended,
        match attempt.shared {
            Some(_) => text::SHARED_ID,
            None if attempt.answers.is_empty() => text::NO_ANSWER,
            None => "",
        },
        None,
    );
    let answers = attempt.answers.iter().map(|answer| {
        row(answer.at, &answer.who, answer.outcome, &answer.text, answer.trace.as_deref())
    });
    [sent].into_iter().chain(answers).collect()
}

fn phase_row(change: &PhaseChange) -> [String; 4] {
    let lasted = change.lasted.map(long).unwrap_or_default();
    let seen = if change.was_missed { text::missed(time(change.at)) } else { time(change.at) };
    [seen, change.from.clone(), change.to.clone(), lasted]
}

fn json(report: &Report) -> String {
    let id = &report.cluster;
    let value = json!({
        "cluster": {
            "project": id.project().as_str(), "region": id.region().as_str(),
            "name": id.name.as_str(),
        },
        "journal": report.journal,
        "at": time(report.at),
        "cut": report.is_cut,
        "lines_not_read": report.skipped,
        "rotations": report.rotations.iter().map(rotation_json).collect::<Vec<_>>(),
    });
    format!("{value:#}\n")
}

fn rotation_json(one: &RotationReport) -> Value {
    let records = |records: &[Record]| records.iter().map(record_json).collect::<Vec<_>>();
    let attempts = one.attempts.iter().map(|attempt| {
        json!({
            "step": attempt.step.verb(), "at": time(attempt.at), "who": attempt.who,
            "request": attempt.request, "request_shared": attempt.shared.is_some(),
            "outcome": attempt.outcome().label(),
            "accepted": attempt.accepted, "findings": attempt.findings, "answers": records(&attempt.answers),
        })
    });
    let phases = one.phases.iter().map(|change| {
        json!({
            "seen": time(change.at), "between_runs": change.was_missed, "from": change.from, "to": change.to,
            "seconds": change.lasted.map(|lasted| lasted.as_secs()),
        })
    });
    json!({
        "outcome": one.outcome().id(),
        "started": one.started.map(time),
        "first": one.span().map(|(first, _)| time(first)),
        "last": one.span().map(|(_, last)| time(last)),
        "followed": one.is_over,
        "steps": attempts.collect::<Vec<_>>(),
        "phases": phases.collect::<Vec<_>>(),
        "kubeconfigs": records(&one.kubeconfigs),
        "blockers": records(&one.blockers),
        "checklist": records(&one.checklist),
        "proof": records(&one.proof),
        "others": records(&one.others),
        "traces": one.traces(),
    })
}

fn record_json(record: &Record) -> Value {
    json!({
        "at": time(record.at), "who": record.who, "step": record.action,
        "outcome": record.outcome.label(), "text": record.text, "request": record.request,
        "expires": record.expires.map(time), "trace": record.trace,
    })
}
