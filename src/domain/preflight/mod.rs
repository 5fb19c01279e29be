//! What is known before a step: findings that forbid, warn, or say what cannot be known from here.

pub mod finding;
pub mod nodes;
#[cfg(test)]
mod tests;

pub use crate::domain::preflight::finding::{AccessDoubt, Finding, FindingMark};

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::domain::action::{Action, permits};
use crate::domain::age::since;
use crate::domain::cluster::{Cluster, KubernetesVersion};
use crate::domain::credential::{Access, Credentials, StaticToken, Verdict};
use crate::domain::rotation::{Phase, Step};
use crate::domain::snapshot::ClusterSnapshot;

/// What this machine knows beside the cluster itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Evidence {
    pub credentials: Credentials,
    /// Static-token kubeconfigs for this cluster found in the user's kubeconfig files; `None` while they are not read.
    pub static_tokens: Option<Vec<StaticToken>>,
    /// SKE's clock minus this machine's: what SKE issued expires by its clock.
    pub skew: SignedDuration,
    /// What the cluster's own API shows now; `None` while it is not observed or not reachable.
    pub snapshot: Option<Arc<ClusterSnapshot>>,
    /// Why there is no snapshot, in a clause.
    pub unseen: Option<String>,
}

/// What is known of static tokens before a start, which disables them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StaticTokens {
    /// Found on this machine: how many, and the first.
    Found(usize, StaticToken),
    /// The version still issues them.
    OldVersion(KubernetesVersion),
    UnknownVersion,
    NeverRotated,
    /// No evidence of any; whether this machine was searched.
    Unlikely {
        searched: bool,
    },
}

impl StaticTokens {
    /// Determines what is known of static tokens.
    pub fn find(cluster: &Cluster, evidence: &Evidence) -> Self {
        let found = evidence.static_tokens.as_deref().unwrap_or_default();
        if let Some(first) = found.first() {
            Self::Found(found.len(), first.clone())
        } else if !cluster.version.is_known() {
            Self::UnknownVersion
        } else if cluster.version.may_have_static_tokens() {
            Self::OldVersion(cluster.version.clone())
        } else if cluster.rotation.phase == Phase::Never {
            Self::NeverRotated
        } else {
            Self::Unlikely { searched: evidence.static_tokens.is_some() }
        }
    }

    /// Whether there is evidence that some are in use.
    pub fn are_likely(&self) -> bool {
        !matches!(self, Self::Unlikely { .. })
    }
}

/// Finds everything known before a step, most important first.
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
    out.push(find_access(step, cluster, evidence, there));
    let snapshot = evidence.snapshot.as_deref();
    if let (None, Some(why)) = (snapshot, &evidence.unseen) {
        out.push(Finding::NodesUnseen(why.clone()));
    }
    match step {
        Step::Start => out.extend(nodes::before_start(cluster, snapshot, now)),
        Step::Complete => {
            let found = snapshot.map(|snapshot| nodes::before_complete(cluster, snapshot, now));
            out.extend(found.unwrap_or_default());
            out.extend(find_breaking(cluster, evidence, there));
            out.push(Finding::OtherClients);
        }
    }
    // Unknowable findings come last, so that they do not push known ones off the screen.
    out.sort_by_key(|finding| finding.mark() == FindingMark::Unknowable);
    out
}

fn find_access(step: Step, cluster: &Cluster, evidence: &Evidence, now: Timestamp) -> Finding {
    let held = evidence.credentials.best(cluster, now);
    let held = held.filter(|(_, verdict)| step == Step::Start || verdict.lasts());
    if let Some((access, _)) = held {
        let left = access.expires.map(|at| since(now, at));
        return Finding::AccessHeld { step, left, place: access.place.clone() };
    }
    let verdicts = evidence.credentials.verdicts(cluster, now);
    let unclear = verdicts.iter().find(|(_, verdict)| *verdict == Verdict::CannotTell);
    if let Some((access, _)) = unclear {
        let why = if cluster.rotation.initiated.is_none() {
            AccessDoubt::StartUnknown
        } else if access.issuance.is_none() {
            AccessDoubt::NotRecorded
        } else {
            AccessDoubt::Certificates
        };
        return Finding::AccessUnclear { step, place: access.place.clone(), why };
    }
    // Asking for one would disable the static tokens before the warning.
    Finding::NoAccess { step, one_way: step == Step::Start && cluster.issuing_is_one_way() }
}

fn find_breaking(cluster: &Cluster, evidence: &Evidence, now: Timestamp) -> Option<Finding> {
    let verdicts = evidence.credentials.verdicts(cluster, now);
    let breaking: Vec<&Access> = verdicts
        .into_iter()
        .filter(|(_, verdict)| *verdict == Verdict::BreaksOnComplete)
        .map(|(access, _)| access)
        .collect();
    let first = breaking.first()?.place.clone();
    Some(Finding::BreakingAccesses { count: breaking.len(), first })
}
