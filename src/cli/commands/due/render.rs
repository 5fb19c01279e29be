//! What is due as a table and as JSON.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::cli::args::DueFormat;
use crate::cli::commands::due::{CheckedCluster, Report, prometheus, text};
use crate::cli::commands::table::columns;
use crate::cli::commands::wait::target::address;
use crate::domain::age::{long, since};
use crate::domain::cluster::Region;
use crate::domain::due::Due;
use crate::domain::misplaced_secret::show;
use crate::domain::text::{clean, plural};

/// The report in a format, with a trailing newline.
pub(super) fn report(report: &Report, format: DueFormat) -> String {
    match format {
        DueFormat::Table => table(report),
        DueFormat::Json => json(report),
        DueFormat::Prometheus => prometheus::metrics(report),
    }
}

/// Gaps in the report, one per line, for standard error.
pub(super) fn problems(report: &Report) -> String {
    let missing = report.missing().map(|(scope, why)| {
        text::not_listed(clean(scope.project.as_str()), clean(scope.region.as_str()), why)
    });
    let not_offered =
        report.not_offered.iter().map(|region| text::not_offered(clean(region.as_str())));
    let unread = report.unread.iter().map(|(path, why)| text::not_read(show(path), why));
    let not_recorded = report.not_recorded.clone();
    missing
        .chain(not_offered)
        .chain(unread)
        .chain(not_recorded)
        .fold(String::new(), |all, line| all + "skeys: " + &line + "\n")
}

fn table(report: &Report) -> String {
    let due = report.due();
    if due.is_empty() {
        let clusters = plural(report.clusters.len(), text::CLUSTER, text::CLUSTERS);
        let line = match (report.missing().next(), report.clusters.len()) {
            (None, _) => text::nothing(clusters),
            (Some(_), 0) => text::NOTHING_LISTED.to_owned(),
            (Some(_), _) => text::nothing_listed(clusters),
        };
        return format!("{line}\n");
    }
    let headings = [text::COLUMN_CLUSTER, text::COLUMN_DUE, text::COLUMN_DETAIL];
    let mut rows = vec![headings.map(str::to_owned)];
    rows.extend(due.into_iter().map(|(checked, due)| {
        [address(&checked.cluster.id), label(due).to_owned(), detail(due, checked.now)]
    }));
    columns(&rows)
}

fn label(due: &Due) -> &'static str {
    match due {
        Due::Stuck { .. } => text::STUCK,
        Due::Prepared { .. } => text::PREPARED,
        Due::UnknownPhase { .. } => text::UNKNOWN_PHASE,
        Due::Overdue { .. } => text::OVERDUE,
        Due::NeverRotated { .. } => text::NEVER_ROTATED,
        Due::UnknownAge { .. } => text::UNKNOWN_AGE,
        Due::Kubeconfig { .. } => text::KUBECONFIG,
        Due::KubernetesVersion { .. } => text::KUBERNETES_VERSION,
        Due::Image { .. } => text::IMAGE,
    }
}

/// Why it is due, as a sentence.
fn detail(due: &Due, now: Timestamp) -> String {
    let age =
        |born: Timestamp, limit: &SignedDuration| text::age(long(since(born, now)), long(*limit));
    let started = |at: &Option<Timestamp>| {
        at.map_or_else(
            || text::STARTED_UNKNOWN.to_owned(),
            |at| text::started(long(since(at, now))),
        )
    };
    match due {
        Due::Stuck { started: at } => started(at),
        Due::Prepared { started: at } => text::complete(started(at)),
        Due::UnknownPhase { phase } if phase.is_empty() => text::NO_PHASE.to_owned(),
        Due::UnknownPhase { phase } => text::other_phase(phase),
        Due::Overdue { born, limit } => age(*born, limit),
        Due::NeverRotated { created: Some(created), limit } => age(*created, limit),
        Due::NeverRotated { created: None, .. } => text::AGE_UNKNOWN.to_owned(),
        Due::UnknownAge { completed: Some(at), limit } => {
            text::completed(long(since(*at, now)), long(*limit))
        }
        Due::UnknownAge { completed: None, .. } => text::START_UNKNOWN.to_owned(),
        Due::Kubeconfig { location, kind, expires } => {
            expiry(text::credential(kind.label(), location.describe()), *expires, now)
        }
        Due::KubernetesVersion { pool, version, expires } => {
            expiry(of_pool(version, pool.as_deref()), *expires, now)
        }
        Due::Image { pool, image, expires } => expiry(text::pool(image, pool), *expires, now),
    }
}

fn of_pool(version: &str, pool: Option<&str>) -> String {
    pool.map_or_else(|| version.to_owned(), |pool| text::pool(version, pool))
}

fn expiry(subject: String, at: Timestamp, now: Timestamp) -> String {
    if at <= now {
        text::expired(subject, long(since(at, now)))
    } else {
        text::expires(subject, long(since(now, at)))
    }
}

fn json(report: &Report) -> String {
    let missing = report.missing().map(|(scope, why)| {
        json!({ "project": scope.project.as_str(), "region": scope.region.as_str(), "reason": why })
    });
    let unread =
        report.unread.iter().map(|(path, why)| json!({ "file": show(path), "reason": why }));
    let value = json!({
        "at": report.now.to_string(),
        "clusters": report.clusters.len(),
        "due": report.due().into_iter().map(entry).collect::<Vec<_>>(),
        "not_listed": missing.collect::<Vec<_>>(),
        "regions_not_offered": report.not_offered.iter().map(Region::as_str).collect::<Vec<_>>(),
        "files_not_read": unread.collect::<Vec<_>>(),
        "records_not_read": report.not_recorded,
    });
    format!("{value:#}\n")
}

fn entry((checked, due): (&CheckedCluster, &Due)) -> Value {
    let (since, expires, subject) = match due {
        Due::Stuck { started } | Due::Prepared { started } => (*started, None, None),
        Due::UnknownPhase { phase } => (None, None, Some(phase.clone())),
        Due::Overdue { born, .. } => (Some(*born), None, None),
        Due::NeverRotated { created, .. } => (*created, None, None),
        Due::UnknownAge { completed, .. } => (*completed, None, None),
        Due::Kubeconfig { location, expires, .. } => {
            (None, Some(*expires), Some(location.describe()))
        }
        Due::KubernetesVersion { pool, version, expires } => {
            (None, Some(*expires), Some(of_pool(version, pool.as_deref())))
        }
        Due::Image { image, pool, expires } => {
            (None, Some(*expires), Some(text::pool(image, pool)))
        }
    };
    let id = &checked.cluster.id;
    json!({
        "project": id.project().as_str(), "region": id.region().as_str(), "cluster": id.name.as_str(),
        "reason": due.id(),
        "since": since.map(|at| at.to_string()),
        "expires": expires.map(|at| at.to_string()),
        "subject": subject,
        "detail": detail(due, checked.now),
    })
}
