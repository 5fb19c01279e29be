//! The report as a table, as JSON and as Markdown.

use serde_json::{Value, json};

use crate::app::checklist::text as checklist;
use crate::app::credentials::text;
use crate::cli::args::Format;
use crate::cli::commands::credentials::{Inside, Report};
use crate::cli::commands::table::{columns, markdown_row};
use crate::domain::credential::{
    CLEAR_LOGIN_CACHE, Generation, KnownCredential, KubeconfigLocation, Trial, Verdict,
    login_cache_may_be_stale,
};

/// The report in a format, with a line end.
pub(super) fn report(report: &Report, format: Format) -> String {
    match format {
        Format::Table => table(report),
        Format::Markdown => markdown(report),
        Format::Json => json(report),
    }
}

const HEADINGS: [&str; 6] = [
    text::COLUMN_CREDENTIAL,
    text::COLUMN_PLACE,
    text::COLUMN_ENDS,
    text::COLUMN_STATUS,
    text::COLUMN_TRIED,
    text::COLUMN_WHY,
];

fn row((known, trial): &(KnownCredential, Option<Trial>)) -> [String; 6] {
    let ends = known.expires.map_or_else(|| "-".to_owned(), |at| at.to_string());
    let (status, _) = text::verdict(known.verdict);
    let why = text::reasons(&known.reasons);
    let tried = trial.as_ref().map_or_else(|| "-".to_owned(), |trial| tried(trial).to_owned());
    [known.kind.word().to_owned(), known.place.words(), ends, status.to_owned(), tried, why]
}

/// A word that does not change, for programs, too.
fn tried(trial: &Trial) -> &'static str {
    match trial {
        Trial::Accepted => "accepted",
        Trial::Refused(_) => "refused",
        Trial::NoAnswer(_) => "no answer",
        Trial::NotTried(_) => "not tried",
    }
}

fn title(report: &Report) -> String {
    let cluster = &report.cluster;
    let rotation = &cluster.rotation;
    let start = rotation.initiated.map(|at| format!(", started {at}")).unwrap_or_default();
    format!("{}: phase {}{start}", cluster.id, rotation.phase.api_word())
}

/// Whether the stackit CLI may still use a certificate from before *complete*.
fn has_stale_logins(report: &Report) -> bool {
    let known = report.known.iter().map(|(known, _)| known);
    login_cache_may_be_stale(&report.cluster, known, report.now)
}

/// Sentences about files and about what is inside the cluster, with a sign each.
fn notes(report: &Report) -> Vec<(char, String)> {
    let mut notes = Vec::new();
    for (known, trial) in &report.known {
        let place = known.place.words();
        match trial {
            Some(trial) if trial.contradicts(known.verdict) => {
                notes.push(('!', text::contradicted(place, tried(trial))));
            }
            Some(Trial::Refused(why) | Trial::NoAnswer(why) | Trial::NotTried(why)) => {
                notes
                    .push(('?', text::tried_because(place, trial.as_ref().map_or("", tried), why)));
            }
            Some(Trial::Accepted) | None => {}
        }
    }
    for file in &report.files {
        match (&file.contexts, file.wide_mode) {
            (Err(why), _) => notes.push(('?', text::unreadable_file(&file.path, why))),
            (Ok(contexts), Some(mode)) if !contexts.is_empty() => {
                notes.push(('!', text::wide_mode(&file.path, format_args!("{mode:04o}"))));
            }
            _ => {}
        }
    }
    if has_stale_logins(report) {
        notes.push(('!', text::stale_login(CLEAR_LOGIN_CACHE)));
    }
    match &report.inside {
        Err(why) => notes.push(('?', text::cluster_not_seen(why))),
        Ok(inside) => notes.extend(inside_notes(inside)),
    }
    match &report.checklist {
        Err(why) => notes.push(('?', checklist::failed(why))),
        Ok(_) => {
            notes.extend(report.open_clients().map(|client| ('!', checklist::open_client(client))));
        }
    }
    notes.push(('?', text::NOT_LISTED.to_owned()));
    notes
}

fn inside_notes(inside: &Inside) -> Vec<(char, String)> {
    let mut notes: Vec<_> =
        inside.tokens.iter().map(|stale| ('!', text::stale_token(stale))).collect();
    match &inside.certificates {
        None => notes.push(('?', text::REQUESTS_NOT_SEEN.to_owned())),
        Some(certificates) => notes.extend(certificates.iter().map(|stale| {
            let sign = if stale.generation == Generation::Previous { '!' } else { '?' };
            (sign, text::signed_certificate(stale))
        })),
    }
    if !inside.pods.is_empty() {
        notes.push(('!', text::old_authority(inside.pods.join(", "))));
        notes.extend(inside.restart.iter().map(|command| ('>', command.clone())));
    }
    notes.extend(inside.unseen.iter().map(|(kind, why)| ('?', text::kind_not_seen(kind, why))));
    notes
}

fn table(report: &Report) -> String {
    let mut out = format!("{}\n", title(report));
    let mut rows = vec![HEADINGS.map(str::to_owned)];
    rows.extend(report.known.iter().map(row));
    if report.known.is_empty() {
        out.push_str(text::NONE_FOUND);
        out.push('\n');
    } else {
        out.push_str(&columns(&rows));
    }
    for (sign, note) in notes(report) {
        out.push_str(&format!("{sign} {note}\n"));
    }
    out
}

fn markdown(report: &Report) -> String {
    let mut out = format!("## {}\n\n", title(report));
    out.push_str(&markdown_row(&HEADINGS.map(str::to_lowercase)));
    out.push_str("| --- | --- | --- | --- | --- | --- |\n");
    for known in &report.known {
        out.push_str(&markdown_row(&row(known)));
    }
    out.push('\n');
    if let Ok(list) = &report.checklist
        && !list.clients().is_empty()
    {
        let table = checklist::markdown(list, &report.cluster.rotation);
        out.push_str(&format!("{table}\n\n"));
    }
    for (sign, note) in notes(report) {
        let note = if sign == '>' { format!("`{note}`") } else { note };
        out.push_str(&format!("- {note}\n"));
    }
    out
}

fn json(report: &Report) -> String {
    let cluster = &report.cluster;
    let known: Vec<Value> = report.known.iter().map(credential).collect();
    let unread: Vec<Value> = report
        .files
        .iter()
        .filter_map(|file| {
            Some(json!({ "file": file.path, "reason": file.contexts.as_ref().err()? }))
        })
        .collect();
    let inside = match &report.inside {
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
            "pods_with_old_authority": inside.pods,
            "restart": inside.restart,
            "not_checked": inside.unseen,
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
        "breaks": report.breaks(),
        "credentials": known,
        "login_cache_may_be_stale": has_stale_logins(report),
        "files_not_read": unread,
        "in_cluster": inside,
        "checklist": checklist_json(report),
    });
    format!("{value:#}\n")
}

fn checklist_json(report: &Report) -> Value {
    let rotation = &report.cluster.rotation;
    match &report.checklist {
        Err(why) => json!({ "not_read": why }),
        Ok(list) => list
            .clients()
            .iter()
            .map(|client| {
                json!({
                    "client": client.name, "owner": client.owner, "note": client.note,
                    "done": client.is_done(rotation),
                })
            })
            .collect(),
    }
}

fn credential((known, trial): &(KnownCredential, Option<Trial>)) -> Value {
    let (file, context) = match &known.place {
        KubeconfigLocation::File { path, context, .. } => (Some(path), Some(context)),
        KubeconfigLocation::Clipboard
        | KubeconfigLocation::Stdout
        | KubeconfigLocation::Other(_) => (None, None),
    };
    json!({
        "place": known.place.words(), "file": file, "context": context,
        "kind": known.kind.word(),
        "expires": known.expires.map(|at| at.to_string()),
        "status": word(known.verdict),
        "tried": trial.as_ref().map(tried),
        "contradicted": trial.as_ref().map(|trial| trial.contradicts(known.verdict)),
        "why": text::reasons(&known.reasons),
        "mode": known.wide_mode.map(|mode| format!("{mode:04o}")),
    })
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
