//! The report as a table, as JSON and as Markdown.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::app::checklist::{table as checklist_table, text as checklist};
use crate::app::credentials::table::{self, tried};
use crate::app::credentials::text;
use crate::app::nodes::text::{list, unseen};
use crate::cli::args::Format;
use crate::cli::commands::credentials::Report;
use crate::cli::commands::table::columns;
use crate::cli::commands::wait::text::UNSTATED;
use crate::domain::credential::{
    CLEAR_LOGIN_CACHE, Generation, InCluster, login_cache_may_be_stale, restart_commands,
};
use crate::domain::known_checklist::ChecklistSource;
use crate::domain::misplaced_secret::show;
use crate::domain::snapshot::Pod;
use crate::domain::table::Table;
use crate::domain::text::clean;

/// Maximum number of pods named in one note.
const MOST_PODS: usize = 10;

/// The report in a format, with a trailing newline.
pub(super) fn report(report: &Report, format: Format) -> String {
    match format {
        Format::Table => columns_of(report),
        Format::Markdown => markdown(report),
        Format::Json => json(report),
    }
}

fn inventory(report: &Report) -> Table {
    let known = report.known.iter().map(|(known, trial)| (known, trial.as_ref()));
    table::table(known, &report.cluster.rotation.phase)
}

fn title(report: &Report) -> String {
    let cluster = &report.cluster;
    let rotation = &cluster.rotation;
    let start = rotation.initiated.map(|at| format!(", started {at}")).unwrap_or_default();
    let phase = match rotation.phase.api_word() {
        "" => UNSTATED,
        phase => phase,
    };
    format!("{}: phase {phase}{start}", cluster.id)
}

/// Whether the stackit CLI may still use a certificate issued before *complete*.
fn has_stale_logins(report: &Report) -> bool {
    let known = report.known.iter().map(|(known, _)| known);
    login_cache_may_be_stale(&report.cluster, known, report.now)
}

/// Notes about files and about the cluster's own API, each with a mark.
fn notes(report: &Report) -> Vec<(char, String)> {
    let mut notes = Vec::new();
    if !report.cluster.rotation.is_clear() {
        notes.push(('?', text::ROTATION_UNCLEAR.to_owned()));
    }
    for (known, trial) in &report.known {
        let location = known.location.describe();
        match trial {
            Some(trial) if known.is_contradicted(trial, &report.cluster.rotation.phase) => {
                let tried = match trial.why() {
                    Some(why) => text::because(tried(trial), why),
                    None => tried(trial).to_owned(),
                };
                notes.push(('!', text::contradicted(location, tried)));
            }
            Some(trial) => notes.extend(
                trial.why().map(|why| ('?', text::tried_because(location, tried(trial), why))),
            ),
            None => {}
        }
    }
    for file in &report.files {
        match (&file.contexts, file.wide_mode) {
            (Err(why), _) => notes.push(('?', text::unreadable_file(show(&file.path), why))),
            (Ok(contexts), Some(mode)) if !contexts.is_empty() => {
                notes.push(('!', text::wide_mode(show(&file.path), format_args!("{mode:04o}"))));
            }
            _ => {}
        }
    }
    if let Some(why) = &report.not_recorded {
        notes.push(('?', clean(why)));
    }
    if has_stale_logins(report) {
        notes.push(('!', text::stale_login(CLEAR_LOGIN_CACHE)));
    }
    match &report.in_cluster {
        Err(why) => notes.push(('?', text::cluster_not_seen(why))),
        Ok(inside) => notes.extend(inside_notes(report, inside)),
    }
    notes.extend(report.open_clients().map(|client| ('!', checklist::open_client(client))));
    notes.extend(checklist_note(report).map(|note| ('?', note)));
    notes.push(('?', text::NOT_LISTED.to_owned()));
    notes
}

fn inside_notes(report: &Report, inside: &InCluster) -> Vec<(char, String)> {
    let mut notes: Vec<_> = inside
        .tokens
        .iter()
        .map(|stale| (sign(stale.generation), text::stale_token(stale)))
        .collect();
    match &inside.certificates {
        None => notes.push(('?', text::REQUESTS_NOT_SEEN.to_owned())),
        Some(certificates) => notes.extend(
            certificates
                .iter()
                .map(|stale| (sign(stale.generation), text::signed_certificate(stale))),
        ),
    }
    if !inside.pods.is_empty() {
        notes.push(('!', text::old_authority(list(inside.pods.iter().map(pod_name), MOST_PODS))));
        let commands = restart_commands(&inside.pods);
        notes.extend(commands.iter().map(|command| ('>', command.line(report.context.as_ref()))));
    }
    if inside.has_unclear_pods() {
        notes.push(('?', text::pods_not_judged(&report.cluster.rotation.phase).to_owned()));
    }
    notes.extend(
        inside.unseen.iter().map(|(kind, why)| ('?', text::kind_not_seen(kind, unseen(why)))),
    );
    notes
}

/// Whether a credential certainly stops working.
fn sign(generation: Generation) -> char {
    if generation == Generation::Previous { '!' } else { '?' }
}

fn pod_name(pod: &Arc<Pod>) -> String {
    format!("{}/{}", pod.namespace, pod.name)
}

fn columns_of(report: &Report) -> String {
    let mut out = format!("{}\n", title(report));
    if report.known.is_empty() {
        let incomplete = report.is_incomplete();
        out.push_str(if incomplete { text::NONE_FOUND_READ } else { text::NONE_FOUND });
        out.push('\n');
    } else {
        out.push_str(&columns(&inventory(report).shown()));
    }
    for (sign, note) in notes(report) {
        out.push_str(&format!("{sign} {note}\n"));
    }
    out
}

fn markdown(report: &Report) -> String {
    let mut out = format!("## {}\n\n", title(report));
    out.push_str(&inventory(report).markdown());
    out.push('\n');
    let list = &report.checklist.list;
    if !list.clients().is_empty() {
        let clients = checklist_table::table(list, &report.cluster.rotation);
        out.push_str(&format!("{}\n", clients.markdown()));
    }
    for (sign, note) in notes(report) {
        let note = if sign == '>' { format!("`{note}`") } else { note };
        out.push_str(&format!("- {note}\n"));
    }
    out
}

fn json(report: &Report) -> String {
    let cluster = &report.cluster;
    let unread: Vec<Value> = report
        .files
        .iter()
        .filter_map(|file| {
            Some(json!({ "file": show(&file.path), "reason": file.contexts.as_ref().err()? }))
        })
        .collect();
    let inside = match &report.in_cluster {
        Err(why) => json!({ "not_checked": why }),
        Ok(inside) => json!({
            "tokens": inside.tokens.iter().map(|token| json!({
                "namespace": token.namespace, "secret": token.name, "account": token.account,
                "breaks_on_complete": token.generation == Generation::Previous,
                "replaced": token.is_replaced,
                "last_used": token.last_used.map(|day| day.to_string()),
                "used_since_start": token.used_since_start,
            })).collect::<Vec<_>>(),
            "certificates": inside.certificates.as_ref().map(|all| all.iter().map(|stale| json!({
                "request": stale.request, "requester": stale.requester,
                "expires": stale.expires.to_string(),
                "breaks_on_complete": stale.generation == Generation::Previous,
            })).collect::<Vec<_>>()),
            "pods_with_old_authority": (inside.pods_are_judged || !inside.pods.is_empty())
                .then(|| inside.pods.iter().map(pod_name).collect::<Vec<_>>()),
            "all_pods_checked": inside.pods_are_judged,
            "restart": restart_commands(&inside.pods)
                .iter().map(|command| command.line(report.context.as_ref())).collect::<Vec<_>>(),
            "not_checked": inside.unseen.iter()
                .map(|(kind, why)| ((*kind).to_owned(), unseen(why).into()))
                .collect::<Map<_, _>>(),
        }),
    };
    let value = json!({
        "cluster": {
            "project": cluster.id.project().as_str(), "region": cluster.id.region().as_str(),
            "name": cluster.id.name.as_str(),
        },
        "at": report.now.to_string(),
        "phase": cluster.rotation.phase.api_word(),
        "started": cluster.rotation.initiated.map(|at| at.to_string()),
        "rotation_unclear": !cluster.rotation.is_clear(),
        "breaks": report.breaks(),
        "everything_checked": !report.is_incomplete(),
        "records_not_read": report.not_recorded,
        "credentials": inventory(report).json(),
        "login_cache_may_be_stale": has_stale_logins(report),
        "files_not_read": unread,
        "in_cluster": inside,
        "checklist": checklist_json(report),
        "checklist_is_current": report.checklist.is_current,
    });
    format!("{value:#}\n")
}

fn checklist_json(report: &Report) -> Value {
    match &report.checklist.source {
        ChecklistSource::Unreadable(why) => json!({ "not_read": why }),
        ChecklistSource::Failed(failure) => json!({ "not_read": failure.to_string() }),
        ChecklistSource::Reading
        | ChecklistSource::Local
        | ChecklistSource::LocalUnseen
        | ChecklistSource::Shared { .. }
        | ChecklistSource::Copy
        | ChecklistSource::CopyOfRemoved => {
            checklist_table::table(&report.checklist.list, &report.cluster.rotation).json()
        }
    }
}

/// Why the checklist may not be the present one.
fn checklist_note(report: &Report) -> Option<String> {
    let why = || clean(&report.checklist_unseen);
    let note = match &report.checklist.source {
        _ if report.checklist.is_current => return None,
        ChecklistSource::Reading => checklist::READING.to_owned(),
        ChecklistSource::Local | ChecklistSource::LocalUnseen => checklist::local_unseen(why()),
        ChecklistSource::Shared { .. } => checklist::shared_outdated(why()),
        ChecklistSource::Copy => checklist::copy(why()),
        ChecklistSource::CopyOfRemoved => checklist::COPY_OF_REMOVED.to_owned(),
        ChecklistSource::Unreadable(why) => return Some(checklist::unreadable(why)),
        ChecklistSource::Failed(failure) => return Some(checklist::failed(failure)),
    };
    Some(checklist::note(note))
}
