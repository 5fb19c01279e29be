//! Everything known about the credentials of a cluster, as one document: what `skeys credentials` prints, and what the
//! credentials tab exports.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::app::checklist::{table as checklist_table, text as checklist};
use crate::app::credentials::table::{self, tried};
use crate::app::credentials::text;
use crate::app::nodes::text::{list, unseen};
use crate::domain::checklist::ChecklistClient;
use crate::domain::cluster::Cluster;
use crate::domain::credential::{
    CLEAR_LOGIN_CACHE, CredentialKind, FoundFile, Generation, InCluster, KnownCredential, Trial,
    Verdict, login_cache_may_be_stale, restart_commands,
};
use crate::domain::known_checklist::KnownChecklist;
use crate::domain::kubectl::KubectlContext;
use crate::domain::misplaced_secret::show;
use crate::domain::snapshot::Pod;
use crate::domain::table::{Exported, Table, TableFormat};
use crate::domain::text::clean;

/// Maximum number of pods named in one note.
const MOST_PODS: usize = 10;

/// Everything known about the credentials of a cluster.
pub struct CredentialsReport {
    pub cluster: Cluster,
    /// By SKE's clock.
    pub now: Timestamp,
    /// Whether a kubeconfig proves that SKE reports an older state of the rotation.
    pub is_outdated: bool,
    pub known: Vec<(KnownCredential, Option<Trial>)>,
    pub files: Arc<[FoundFile]>,
    /// Why the kubeconfig files as a whole could not be read, in a clause.
    pub no_files: Option<String>,
    /// Why skeys' own records could not be read.
    pub not_recorded: Option<String>,
    /// What was found in the cluster, or why it was not checked, in a clause.
    pub in_cluster: Result<InCluster, String>,
    /// How kubectl reaches the cluster.
    pub context: Option<KubectlContext>,
    /// Clients that no program can find.
    pub checklist: KnownChecklist,
    /// Why the shared checklist is not read, as a clause.
    pub checklist_unseen: String,
}

impl CredentialsReport {
    /// Whether a known credential stops working on *complete*, or already has.
    pub fn breaks(&self) -> bool {
        let phase = &self.cluster.rotation.phase;
        let ends = |(known, trial): &(KnownCredential, Option<Trial>)| {
            matches!(
                known.verdict,
                Verdict::Dead | Verdict::BreaksOnStart | Verdict::BreaksOnComplete
            ) || trial.as_ref().is_some_and(|trial| known.is_contradicted(trial, phase))
        };
        let inside = self.in_cluster.as_ref().ok();
        let open = self.open_clients().next().is_some();
        self.known.iter().any(ends) || inside.is_some_and(InCluster::breaks) || open
    }

    /// Whether something could not be read or judged, so that the result is incomplete.
    pub fn is_incomplete(&self) -> bool {
        let unclear = |(known, trial): &(KnownCredential, Option<Trial>)| {
            known.verdict == Verdict::CannotTell
                || known.verdict.lasts()
                    && matches!(trial, Some(Trial::Refused(_) | Trial::NoAnswer(_)))
        };
        self.not_recorded.is_some()
            || self.no_files.is_some()
            || self.rotation_doubt().is_some()
            || self.files.iter().any(|file| file.contexts.is_err())
            || self.known.iter().any(unclear)
            || self.in_cluster.as_ref().map_or(true, |inside| !inside.is_complete())
            || !self.checklist.is_current
    }

    /// Why the state of the rotation is not certain.
    fn rotation_doubt(&self) -> Option<&'static str> {
        if self.cluster.rotation.is_clear() {
            self.is_outdated.then_some(text::ROTATION_OUTDATED)
        } else {
            Some(text::ROTATION_UNCLEAR)
        }
    }

    /// Clients that do not have credentials of the open rotation yet.
    fn open_clients(&self) -> impl Iterator<Item = &ChecklistClient> {
        let rotation = &self.cluster.rotation;
        self.checklist.open(rotation).filter(|_| rotation.phase.is_open())
    }

    /// Number of credentials, and of pods, that are listed.
    pub fn counts(&self) -> (usize, usize) {
        let inside = self.in_cluster.as_ref().ok();
        let certificates = inside.and_then(|inside| inside.certificates.as_ref());
        let tokens = inside.map_or(0, |inside| inside.tokens.len());
        let credentials = self.known.len() + tokens + certificates.map_or(0, Vec::len);
        (credentials, inside.map_or(0, |inside| inside.pods.len()))
    }
}

/// The report as a document; CSV has a line for each finding.
pub fn exported(report: &CredentialsReport, format: TableFormat) -> Exported {
    match format {
        TableFormat::Csv => Exported::Table(findings(report)),
        TableFormat::Json => Exported::Document(json(report)),
        TableFormat::Markdown => Exported::Document(markdown(report)),
    }
}

/// The credentials on this machine.
pub fn inventory(report: &CredentialsReport) -> Table {
    let known = report.known.iter().map(|(known, trial)| (known, trial.as_ref()));
    table::table(known, &report.cluster.rotation.phase)
}

/// Cluster, phase and start.
pub fn title(report: &CredentialsReport) -> String {
    let cluster = &report.cluster;
    let rotation = &cluster.rotation;
    let start = rotation.initiated.map(text::report_start).unwrap_or_default();
    let phase = match rotation.phase.api_word() {
        "" => text::UNSTATED,
        phase => phase,
    };
    text::report_title(&cluster.id, phase, start)
}

/// Whether the stackit CLI may still use a certificate issued before *complete*.
fn has_stale_logins(report: &CredentialsReport) -> bool {
    let known = report.known.iter().map(|(known, _)| known);
    login_cache_may_be_stale(&report.cluster, known, report.now)
}

/// Notes about files and about the cluster's own API, each with a mark.
pub fn notes(report: &CredentialsReport) -> Vec<(char, String)> {
    let mut notes = Vec::new();
    notes.extend(report.rotation_doubt().map(|why| ('?', why.to_owned())));
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
    if let Some(why) = &report.no_files {
        notes.push(('?', text::no_file_read(why)));
    }
    for file in report.files.iter() {
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

fn inside_notes(report: &CredentialsReport, inside: &InCluster) -> Vec<(char, String)> {
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
        notes.push((
            '!',
            text::old_authority(list(inside.pods.iter().map(|pod| pod_name(pod)), MOST_PODS)),
        ));
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
    if generation.ends_on_complete() { '!' } else { '?' }
}

fn pod_name(pod: &Pod) -> String {
    format!("{}/{}", pod.namespace, pod.name)
}

/// Title, tables and notes.
pub fn markdown(report: &CredentialsReport) -> String {
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

/// Everything, with stable names.
pub fn json(report: &CredentialsReport) -> String {
    let cluster = &report.cluster;
    let unread_file = |file: &FoundFile| {
        Some(json!({ "file": show(&file.path), "reason": file.contexts.as_ref().err()? }))
    };
    let all_files = report.no_files.iter().map(|why| json!({ "file": null, "reason": why }));
    let unread: Vec<Value> = all_files.chain(report.files.iter().filter_map(unread_file)).collect();
    let inside = match &report.in_cluster {
        Err(why) => json!({ "not_checked": why }),
        Ok(inside) => json!({
            "tokens": inside.tokens.iter().map(|token| json!({
                "namespace": token.namespace, "secret": token.name, "account": token.account,
                "breaks_on_complete": token.generation.ends_on_complete(),
                "replaced": token.is_replaced,
                "last_used": token.last_used.map(|day| day.to_string()),
                "used_since_start": token.used_since_start,
            })).collect::<Vec<_>>(),
            "certificates": inside.certificates.as_ref().map(|all| all.iter().map(|stale| json!({
                "request": stale.request, "requester": stale.requester,
                "expires": stale.expires.to_string(),
                "breaks_on_complete": stale.generation.ends_on_complete(),
            })).collect::<Vec<_>>()),
            "pods_with_old_authority": (inside.pods_are_judged || !inside.pods.is_empty())
                .then(|| inside.pods.iter().map(|pod| pod_name(pod)).collect::<Vec<_>>()),
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
        "rotation_unclear": report.rotation_doubt().is_some(),
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

fn checklist_json(report: &CredentialsReport) -> Value {
    match checklist::unreadable_source(&report.checklist.source) {
        Some(why) => json!({ "not_read": why }),
        None => checklist_table::table(&report.checklist.list, &report.cluster.rotation).json(),
    }
}

/// Why the checklist may not be the present one.
fn checklist_note(report: &CredentialsReport) -> Option<String> {
    let KnownChecklist { source, is_current, .. } = &report.checklist;
    let note = checklist::outdated(source, &clean(&report.checklist_unseen));
    (!is_current)
        .then(|| checklist::unreadable_source(source).unwrap_or_else(|| checklist::note(note)))
}

/// Every finding on a line: credentials on this machine and in the cluster, pods, and what was not checked.
fn findings(report: &CredentialsReport) -> Table {
    let mut all = inventory(report);
    let mut add = |kind: &str, place: String, expires, verdict, why: String| {
        all.rows.push(table::finding((kind, place), expires, verdict, why));
    };
    let unknown = Verdict::CannotTell;
    let mut unchecked = |place: &str, why: String| {
        add(text::NOT_CHECKED, place.to_owned(), None, unknown, why);
    };
    if let Some(why) = report.rotation_doubt() {
        unchecked(text::PLACE_ROTATION, why.to_owned());
    }
    if let Some(why) = &report.no_files {
        unchecked(text::PLACE_FILES, why.clone());
    }
    for file in report.files.iter() {
        if let Err(why) = &file.contexts {
            unchecked(&show(&file.path), why.clone());
        }
    }
    if let Some(why) = &report.not_recorded {
        unchecked(text::PLACE_RECORDS, clean(why));
    }
    if let Some(why) = checklist_note(report) {
        unchecked(text::PLACE_CHECKLIST, why);
    }
    if let Err(why) = &report.in_cluster {
        unchecked(text::PLACE_CLUSTER, why.clone());
    }
    for client in report.open_clients() {
        let (place, why) = (client.name.clone(), checklist::open_client(client));
        add(text::CLIENT, place, None, unknown, why);
    }
    if has_stale_logins(report) {
        let kind = CredentialKind::StackitPlugin { is_idp: false }.label();
        let why = text::stale_login(CLEAR_LOGIN_CACHE);
        add(kind, text::PLACE_LOGIN_CACHE.to_owned(), None, unknown, why);
    }
    let Ok(inside) = &report.in_cluster else { return all };
    let mut unchecked = |place: &str, why: String| {
        add(text::NOT_CHECKED, place.to_owned(), None, unknown, why);
    };
    if inside.certificates.is_none() {
        unchecked(text::PLACE_REQUESTS, text::REQUESTS_NOT_SEEN.to_owned());
    }
    if inside.has_unclear_pods() {
        let why = text::pods_not_judged(&report.cluster.rotation.phase);
        unchecked(text::PLACE_PODS, why.to_owned());
    }
    for (kind, why) in &inside.unseen {
        unchecked(kind, unseen(why));
    }
    let verdict = |generation: Generation| {
        if generation.ends_on_complete() { Verdict::BreaksOnComplete } else { unknown }
    };
    for token in &inside.tokens {
        let place = format!("{}/{}", token.namespace, token.name);
        let kind = CredentialKind::ServiceAccountToken.label();
        add(kind, place, None, verdict(token.generation), text::stale_token(token));
    }
    for stale in inside.certificates.iter().flatten() {
        let (place, why) = (stale.request.clone(), text::signed_certificate(stale));
        let kind = CredentialKind::ClientCertificate.label();
        add(kind, place, Some(stale.expires), verdict(stale.generation), why);
    }
    for pod in &inside.pods {
        let why = text::old_authority(pod_name(pod));
        add(text::POD, pod_name(pod), None, Verdict::BreaksOnComplete, why);
    }
    all
}
