//! Preflight before a step: findings that refuse, warn, or state what cannot be determined.

mod credentials;
pub mod finding;
pub mod nodes;
mod seen_files;
#[cfg(test)]
mod tests;

pub use crate::domain::preflight::finding::{ClientsUnknown, Finding, FindingMark, UnreadFiles};
pub use crate::domain::preflight::seen_files::SeenFiles;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::domain::action::{Action, permits};
use crate::domain::age::since;
use crate::domain::cluster::{Cluster, KubernetesVersion};
use crate::domain::credential::{
    Credentials, FoundFile, HeldAccess, KnownCredential, KubeconfigLocation, SignIn, Verdict,
};
use crate::domain::known_checklist::{ChecklistSource, KnownChecklist};
use crate::domain::rotation::Step;
use crate::domain::snapshot::ClusterSnapshot;

/// Input of the preflight besides the cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Evidence {
    pub credentials: Credentials,
    /// The kubeconfig files of this machine; `None` until they are read.
    pub files: Option<Arc<[FoundFile]>>,
    /// What is read beside the default files, in shown form.
    pub more_files: Vec<String>,
    /// Why they could not be read when that was tried last, in a clause.
    pub not_read: Option<String>,
    /// SKE's clock minus this machine's: what SKE issued expires by its clock.
    pub skew: SignedDuration,
    /// Current snapshot of the cluster's own API; `None` while it is not observed or not reachable.
    pub snapshot: Option<Arc<ClusterSnapshot>>,
    /// The latest snapshot, however old.
    pub last_snapshot: Option<Arc<ClusterSnapshot>>,
    /// The clients outside this machine.
    pub checklist: KnownChecklist,
    /// Why there is no snapshot, as a clause.
    pub unseen: Option<String>,
}

impl Evidence {
    fn files(&self) -> &[FoundFile] {
        self.files.as_deref().unwrap_or_default()
    }

    /// The files that are there and could not be read, in shown form.
    fn unreadable(&self) -> Vec<String> {
        let files = self.files().iter().filter(|file| file.contexts.is_err());
        files.map(|file| file.path.clone()).collect()
    }

    fn searched(&self) -> Searched {
        let is_whole = self.not_read.is_none() && self.unreadable().is_empty();
        match &self.files {
            None => Searched::NotYet,
            Some(_) if is_whole => Searched::Whole,
            Some(_) => Searched::InPart,
        }
    }
}

/// What is known about static tokens before a start, which disables them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StaticTokens {
    /// Found on this machine: count, and the first one.
    Found(usize, KubeconfigLocation),
    /// The version still issues them.
    OldVersion(KubernetesVersion),
    UnknownVersion,
    /// The version issues none and none was found.
    Unlikely(Searched),
}

/// How far this machine was searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Searched {
    NotYet,
    /// Not everything could be read.
    InPart,
    Whole,
}

impl StaticTokens {
    pub fn find(cluster: &Cluster, evidence: &Evidence) -> Self {
        let mut found = evidence
            .credentials
            .contexts_of(cluster, evidence.files())
            .filter(|(_, context)| context.sign_in.contains(&SignIn::StaticToken))
            .map(|(file, context)| context.location(file));
        if let Some(first) = found.next() {
            Self::Found(found.count() + 1, first)
        } else if !cluster.version.is_known() {
            Self::UnknownVersion
        } else if cluster.version.may_have_static_tokens() {
            Self::OldVersion(cluster.version.clone())
        } else {
            Self::Unlikely(evidence.searched())
        }
    }

    /// Whether some are probably in use.
    pub fn are_likely(&self) -> bool {
        !matches!(self, Self::Unlikely(_))
    }
}

/// All findings for a step, most important first.
pub fn findings(
    step: Step,
    cluster: &Cluster,
    evidence: &Evidence,
    now: Timestamp,
) -> Vec<Finding> {
    let mut out = vec![match permits(cluster, Action::Rotate(step)) {
        Ok(()) => Finding::Allowed { phase: cluster.rotation.phase.clone(), step },
        Err(refusal) => Finding::Refused(refusal),
    }];
    out.push(Finding::State(cluster.state.clone()));
    out.extend(cluster.problems.iter().cloned().map(Finding::Reported));
    let there = now.saturating_add(evidence.skew).unwrap_or(now);
    out.extend(cluster.rotation.inconsistent_times(there).map(Finding::Times));
    let snapshot = evidence.snapshot.as_deref();
    let keys = snapshot.and_then(|snapshot| snapshot.control_plane.signing_keys.as_ref());
    let known = evidence.credentials.inventory(cluster, evidence.files(), keys, there);
    out.extend(find_access(step, cluster, &known, (evidence, there)));
    out.extend(find_unread(evidence));
    if let (None, Some(why)) = (snapshot, &evidence.unseen) {
        out.push(Finding::ClusterUnseen { step, why: why.clone() });
    }
    match step {
        Step::Start => out.extend(nodes::before_start(cluster, snapshot, now)),
        Step::Complete => {
            out.extend(find_in_cluster(cluster, evidence, (now, there)));
            out.extend(find_breaking(&known));
            out.extend(find_clients(cluster, &evidence.checklist));
        }
    }
    // What needs the user's attention comes first: the smallest screen shows only that.
    out.sort_by_key(|finding| match finding.mark() {
        FindingMark::Refused => 0,
        _ if finding.breaks() => 1,
        FindingMark::Note => 2,
        FindingMark::Unknowable => 3,
        FindingMark::Fine => 4,
    });
    out
}

/// What was found in the cluster. If it is not observed now: the tokens and certificates that were found last, since no
/// step makes them survive; nodes and pods may have been replaced.
fn find_in_cluster(
    cluster: &Cluster,
    evidence: &Evidence,
    (now, there): (Timestamp, Timestamp),
) -> Vec<Finding> {
    let current = evidence.snapshot.as_deref();
    let Some(seen) = current.or(evidence.last_snapshot.as_deref()) else { return Vec::new() };
    let context = evidence.credentials.kubectl_context(cluster, evidence.files(), there);
    let context = (context.as_ref(), there);
    let mut out = credentials::in_cluster(cluster, &evidence.credentials, seen, context);
    if current.is_some() {
        out.extend(nodes::before_complete(cluster, seen, now));
    } else {
        out.retain(Finding::is_lasting);
    }
    out
}

/// The access to count on, or that there is none; nothing of the latter while the files are still being read.
fn find_access(
    step: Step,
    cluster: &Cluster,
    known: &[KnownCredential],
    (evidence, now): (&Evidence, Timestamp),
) -> Option<Finding> {
    let may_help = |known: &&KnownCredential| match step {
        Step::Start => known.verdict != Verdict::BreaksOnStart,
        Step::Complete => known.verdict.lasts() || known.verdict == Verdict::CannotTell,
    };
    match HeldAccess::of(known.iter().filter(may_help)) {
        HeldAccess::Certain(KnownCredential { location, expires, .. }) => {
            let left = expires.map(|at| since(now, at));
            Some(Finding::AccessHeld { step, left, location: location.clone() })
        }
        HeldAccess::Unclear(KnownCredential { location, reasons, .. }) => {
            let (location, reasons) = (location.clone(), reasons.clone());
            Some(Finding::AccessUnclear { step, location, reasons })
        }
        // Requesting one may disable static tokens, which the finding says.
        HeldAccess::None => {
            let disables_static_tokens =
                step == Step::Start && cluster.issuing_disables_static_tokens();
            evidence.files.as_ref().map(|_| Finding::NoAccess { step, disables_static_tokens })
        }
    }
}

/// What is not known of this machine since it was not read.
fn find_unread(evidence: &Evidence) -> Option<Finding> {
    let unreadable = evidence.unreadable();
    Some(Finding::FilesUnread(match (&evidence.not_read, &evidence.files) {
        (Some(why), _) => UnreadFiles::Failed(why.clone()),
        (None, None) => UnreadFiles::NotYet,
        (None, Some(_)) if unreadable.is_empty() => return None,
        (None, Some(_)) => UnreadFiles::These(unreadable),
    }))
}

/// What the checklist says of clients outside this machine. A list that may be outdated can only warn.
fn find_clients(cluster: &Cluster, checklist: &KnownChecklist) -> Vec<Finding> {
    let open: Vec<String> =
        checklist.open(&cluster.rotation).map(|client| client.name.clone()).collect();
    let (count, is_current) = (checklist.list.clients().len(), checklist.is_current);
    let mut out = Vec::new();
    if !open.is_empty() {
        out.push(Finding::OpenClients(open));
        if is_current {
            return out;
        }
    }
    out.push(match checklist.source {
        ChecklistSource::Reading | ChecklistSource::Unreadable(_) | ChecklistSource::Failed(_) => {
            Finding::OtherClients(ClientsUnknown::NotRead)
        }
        _ if is_current && count == 0 => Finding::OtherClients(ClientsUnknown::NoneListed),
        _ if count == 0 => Finding::OtherClients(ClientsUnknown::NotRead),
        _ if is_current => Finding::ClientsDone(count),
        ChecklistSource::Local
        | ChecklistSource::LocalUnseen
        | ChecklistSource::Shared { .. }
        | ChecklistSource::Copy
        | ChecklistSource::CopyOfRemoved => Finding::OtherClients(ClientsUnknown::MayBeOutdated),
    });
    out
}

/// What stops working on this machine, and what cannot be judged.
fn find_breaking(known: &[KnownCredential]) -> impl Iterator<Item = Finding> {
    let locations = |verdict: Verdict| -> Vec<KubeconfigLocation> {
        let found = known.iter().filter(|known| known.verdict == verdict);
        found.map(|known| known.location.clone()).collect()
    };
    let (breaking, unclear) =
        (locations(Verdict::BreaksOnComplete), locations(Verdict::CannotTell));
    let breaking = (!breaking.is_empty()).then_some(Finding::BreakingCredentials(breaking));
    let unclear = (!unclear.is_empty()).then_some(Finding::UnclearCredentials(unclear));
    breaking.into_iter().chain(unclear)
}
