//! Every credential for one cluster known on this machine: contents of kubeconfig files, and what was delivered
//! elsewhere.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use crate::domain::cluster::{Cluster, ClusterId, is_same_creation};
use crate::domain::credential::access::{Access, KubeconfigLocation};
use crate::domain::credential::credentials::Credentials;
use crate::domain::credential::found::{FoundContext, FoundFile, SignIn, Trust};
use crate::domain::credential::generation::{self, Issuance};
use crate::domain::credential::judge::{JudgeInput, SigningKeys, VerdictReason};
use crate::domain::credential::trial::Trial;
use crate::domain::credential::verdict::Verdict;
use crate::domain::kubeconfig::{KubeconfigKind, is_address_of, name_in_address};
use crate::domain::kubectl::KubectlContext;
use crate::domain::rotation::Phase;
use crate::domain::shell::quote;

/// One credential for a cluster, with its verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownCredential {
    pub location: KubeconfigLocation,
    pub kind: CredentialKind,
    /// When it expires, by SKE's clock.
    pub expires: Option<Timestamp>,
    pub verdict: Verdict,
    /// Reasons; empty if the verdict is based on the record of issuing it.
    pub reasons: Vec<VerdictReason>,
    /// Permission bits of its file, if other users may read or write it.
    pub wide_mode: Option<u32>,
    /// The other file of `$KUBECONFIG` that contains its cluster or user, in shown form.
    pub other_file: Option<String>,
}

impl KnownCredential {
    /// Why kubectl cannot use it, as a clause.
    pub fn unusable(&self) -> Option<String> {
        self.reasons.iter().find_map(VerdictReason::unusable)
    }

    /// Whether it may be for another cluster: it has only a CA in common with this one.
    fn is_elsewhere(&self) -> bool {
        self.reasons.iter().any(|reason| matches!(reason, VerdictReason::OtherServer(_)))
    }

    /// The kind that SKE issues in its place. An entry whose cluster or user is in another file is not replaced, nor is
    /// one that may be for another cluster.
    pub fn renewed_as(&self) -> Option<KubeconfigKind> {
        let is_whole = self.other_file.is_none() && !self.is_elsewhere();
        self.kind.issued_as().filter(|_| is_whole)
    }

    /// Whether it can be relied on. A known end of its validity does not imply that it works until then.
    fn is_access(&self) -> bool {
        let is_token = self.kind == CredentialKind::StaticToken;
        self.verdict.works_now()
            && !self.is_doubtful()
            && (!is_token || self.verdict == Verdict::BreaksOnStart)
    }

    /// Whether a reason leaves open if it works now.
    fn is_doubtful(&self) -> bool {
        self.reasons.iter().any(VerdictReason::is_doubt)
    }

    /// Whether a trial shows that the verdict was wrong. A doubtful one leaves open if it has stopped working already.
    pub fn is_contradicted(&self, trial: &Trial, phase: &Phase) -> bool {
        let may_have_ended =
            !self.verdict.lasts() && self.verdict.works_now() && self.is_doubtful();
        !may_have_ended && trial.contradicts(self.verdict, phase)
    }
}

/// Best credential among those known for a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeldAccess<'a> {
    /// It certainly works now.
    Certain(&'a KnownCredential),
    /// None certainly works; this one may.
    Unclear(&'a KnownCredential),
    None,
}

impl<'a> HeldAccess<'a> {
    /// Among those that certainly work, prefers one that survives an open rotation, then the one that expires last.
    pub fn of(known: impl IntoIterator<Item = &'a KnownCredential>) -> Self {
        let (certain, others): (Vec<_>, Vec<_>) =
            known.into_iter().partition(|known| known.is_access());
        let ends = |known: &&KnownCredential| known.expires.unwrap_or(Timestamp::MAX);
        if let Some(best) =
            certain.into_iter().max_by_key(|known| (known.verdict.lasts(), ends(known)))
        {
            return Self::Certain(best);
        }
        let may_work = |known: &&KnownCredential| {
            known.verdict.works_now() || known.verdict == Verdict::CannotTell
        };
        others.into_iter().find(may_work).map_or(Self::None, Self::Unclear)
    }

    /// The credential, if it certainly works.
    pub fn certain(self) -> Option<&'a KnownCredential> {
        if let Self::Certain(known) = self { Some(known) } else { None }
    }
}

/// Kind of a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CredentialKind {
    ClientCertificate,
    StaticToken,
    ServiceAccountToken,
    OtherToken,
    StackitPlugin { is_idp: bool },
    OtherPlugin,
    Other,
    None,
}

impl CredentialKind {
    /// The word for tables.
    pub fn label(self) -> &'static str {
        match self {
            Self::ClientCertificate => "client certificate",
            Self::StaticToken => "static token",
            Self::ServiceAccountToken => "service-account token",
            Self::OtherToken => "OIDC token",
            Self::StackitPlugin { is_idp: false } => "stackit login",
            Self::StackitPlugin { is_idp: true } => "stackit login --idp",
            Self::OtherPlugin => "exec plugin",
            Self::Other => "other",
            Self::None => "none",
        }
    }

    /// The kind that SKE issues as a replacement; `None` for credentials that the user chose otherwise.
    pub fn issued_as(self) -> Option<KubeconfigKind> {
        match self {
            Self::ClientCertificate | Self::StaticToken => Some(KubeconfigKind::Admin),
            Self::StackitPlugin { is_idp: false } => Some(KubeconfigKind::Login),
            Self::StackitPlugin { is_idp: true } => Some(KubeconfigKind::Idp),
            Self::ServiceAccountToken
            | Self::OtherToken
            | Self::OtherPlugin
            | Self::Other
            | Self::None => None,
        }
    }

    fn of(way: Option<&SignIn>) -> Self {
        match way {
            None => Self::None,
            Some(SignIn::Certificate(_)) => Self::ClientCertificate,
            Some(SignIn::StaticToken) => Self::StaticToken,
            Some(SignIn::ServiceAccountToken(_)) => Self::ServiceAccountToken,
            Some(SignIn::OtherToken(_)) => Self::OtherToken,
            Some(SignIn::Plugin { stackit: Some(kind), .. }) => Self::of_issued(*kind),
            Some(SignIn::Plugin { stackit: None, .. }) => Self::OtherPlugin,
            Some(SignIn::Other(_) | SignIn::Unreadable(_)) => Self::Other,
        }
    }

    fn of_issued(kind: KubeconfigKind) -> Self {
        match kind {
            KubeconfigKind::Admin => Self::ClientCertificate,
            KubeconfigKind::Login => Self::StackitPlugin { is_idp: false },
            KubeconfigKind::Idp => Self::StackitPlugin { is_idp: true },
        }
    }
}

/// How long the stackit CLI may keep using a certificate of its login cache.
const LOGIN_CACHE: SignedDuration = SignedDuration::from_mins(30);

/// Clears the login cache of the stackit CLI. Its files do not tell which cluster they are for.
pub const CLEAR_LOGIN_CACHE: &str = if cfg!(target_os = "macos") {
    r#"rm -f "$HOME"/Library/Caches/stackit/ske-login-*"#
} else {
    r#"rm -f "${XDG_CACHE_HOME:-$HOME/.cache}"/stackit/ske-login-*"#
};

/// Whether the stackit CLI may still use a cached certificate that *complete* invalidated: it checks only the expiry.
/// `now`: by SKE's clock.
pub fn login_cache_may_be_stale<'a>(
    cluster: &Cluster,
    known: impl IntoIterator<Item = &'a KnownCredential>,
    now: Timestamp,
) -> bool {
    let is_login =
        |known: &KnownCredential| known.kind == CredentialKind::StackitPlugin { is_idp: false };
    let ended = match cluster.rotation.phase {
        Phase::Completing => true,
        Phase::Completed => {
            let completed = cluster.rotation.completed;
            completed.is_some_and(|completed| now.duration_since(completed) < LOGIN_CACHE)
        }
        Phase::Never | Phase::Preparing | Phase::Prepared | Phase::Unknown(_) => false,
    };
    ended && known.into_iter().any(is_login)
}

impl FoundContext {
    /// The location of the context in a file.
    pub fn location(&self, file: &FoundFile) -> KubeconfigLocation {
        let (path, context) = (file.path.clone(), self.context.clone());
        KubeconfigLocation::File { path, context, whole: false }
    }
}

impl Credentials {
    /// Whether a known kubeconfig of a cluster proves that SKE reports an older state of its rotation.
    pub fn is_outdated(&self, cluster: &Cluster) -> bool {
        generation::is_outdated(&cluster.rotation, &self.known_of(cluster))
    }

    /// The contexts in these files that lead to a cluster.
    pub fn contexts_of<'a>(
        &self,
        cluster: &Cluster,
        files: &'a [FoundFile],
    ) -> impl Iterator<Item = (&'a FoundFile, &'a FoundContext)> {
        self.leads_of(cluster, files).map(|(file, found, _)| (file, found))
    }

    fn leads_of<'a>(
        &self,
        cluster: &Cluster,
        files: &'a [FoundFile],
    ) -> impl Iterator<Item = (&'a FoundFile, &'a FoundContext, ClusterMatch)> {
        let (id, known) = (cluster.id.clone(), self.known_of(cluster));
        let contexts =
            files.iter().flat_map(|file| file.contexts.iter().flatten().map(move |c| (file, c)));
        contexts.filter_map(move |(file, found)| {
            Some((file, found, cluster_match(found, &id, &known)?))
        })
    }

    /// Clusters with a known kubeconfig that expires before a time, by SKE's clock.
    pub fn ending_before<'a>(
        &self,
        clusters: impl Iterator<Item = &'a Cluster>,
        files: &[FoundFile],
        moment: Timestamp,
    ) -> BTreeSet<ClusterId> {
        let ends = |found: &&FoundContext| found.ends().is_some_and(|at| at < moment);
        let contexts = files.iter().flat_map(|file| file.contexts.iter().flatten());
        let ending: Vec<&FoundContext> = contexts.filter(ends).collect();
        let elsewhere = self
            .accesses
            .iter()
            .filter(|access| access.ends().is_some_and(|at| at < moment))
            .filter(|access| !access.is_in_file() && !access.forgotten);
        let mut found: BTreeSet<ClusterId> =
            elsewhere.map(|access| access.cluster.clone()).collect();
        // Only these can match; a fleet has many others.
        let recorded: BTreeSet<&ClusterId> = (self.accesses.iter().map(|access| &access.cluster))
            .chain(self.references.iter().map(|reference| &reference.cluster))
            .collect();
        let named: BTreeSet<&str> =
            ending.iter().filter_map(|found| name_in_address(&found.server)).collect();
        let candidates = clusters.filter(|cluster| {
            recorded.contains(&cluster.id) || named.contains(cluster.id.name.as_str())
        });
        found.extend(candidates.filter_map(|cluster| {
            let known = self.known_of(cluster);
            let leads =
                ending.iter().any(|context| cluster_match(context, &cluster.id, &known).is_some());
            leads.then(|| cluster.id.clone())
        }));
        found
    }

    /// Every credential for a cluster: the contexts of the files that lead to it, then deliveries that were not found
    /// in a file. `now`: by SKE's clock.
    pub fn inventory(
        &self,
        cluster: &Cluster,
        files: &[FoundFile],
        keys: Option<&SigningKeys>,
        now: Timestamp,
    ) -> Vec<KnownCredential> {
        let input = JudgeInput::new(cluster, self.known_of(cluster), keys, now);
        let judged = self.leads_of(cluster, files).map(|(file, found, cluster_match)| {
            let (mut verdict, mut reasons, way) = input.judge(found);
            if cluster_match == ClusterMatch::Address && verdict == Verdict::Dead {
                (verdict, reasons) = (Verdict::CannotTell, vec![VerdictReason::MayBeElsewhere]);
            } else if cluster_match == ClusterMatch::Address && verdict.works_now() {
                reasons.push(VerdictReason::MayBeElsewhere);
            }
            if cluster_match == ClusterMatch::Authority {
                // It may be for another cluster: a bundle can hold the CAs of several.
                if verdict != Verdict::Expired {
                    verdict = Verdict::CannotTell;
                    reasons.retain(|reason| reason.unusable().is_some());
                }
                reasons.push(VerdictReason::OtherServer(found.server.clone()));
            }
            reasons.extend(found.other_file.clone().map(VerdictReason::OtherFile));
            KnownCredential {
                location: found.location(file),
                kind: CredentialKind::of(way),
                expires: way.and_then(SignIn::expires),
                verdict,
                reasons,
                wide_mode: file.wide_mode,
                other_file: found.other_file.clone(),
            }
        });
        let mut rows: Vec<KnownCredential> = judged.collect();
        // A file that was read is authoritative for its content.
        let not_in_files =
            self.verdicts(cluster, now).into_iter().filter(|(access, _)| !was_read(access, files));
        rows.extend(not_in_files.map(|(access, recorded)| {
            let (verdict, reasons) = if access.is_in_file() && recorded != Verdict::Expired {
                (Verdict::CannotTell, vec![VerdictReason::FileNotRead])
            } else {
                (recorded, input.doubts(access, recorded))
            };
            KnownCredential {
                location: access.location.clone(),
                kind: CredentialKind::of_issued(access.kind),
                expires: access.ends(),
                verdict,
                reasons,
                wide_mode: None,
                other_file: None,
            }
        }));
        rows
    }

    /// Forgets the deliveries that a listed credential stands for, if they are in no file. What they tell about
    /// generations is kept. Returns whether there was one.
    pub fn forget(
        &mut self,
        cluster: &ClusterId,
        created: Option<Timestamp>,
        listed: &KnownCredential,
    ) -> bool {
        let mut is_any = false;
        for access in &mut self.accesses {
            let is_listed = access.cluster == *cluster
                && is_same_creation(access.created, created)
                && !access.is_in_file()
                && !access.forgotten
                && access.location == listed.location
                && access.ends() == listed.expires
                && CredentialKind::of_issued(access.kind) == listed.kind;
            access.forgotten |= is_listed;
            is_any |= is_listed;
        }
        is_any
    }

    /// Judges a credential that is in no file. `now`: by SKE's clock.
    pub fn judge_alone(
        &self,
        cluster: &Cluster,
        way: &SignIn,
        keys: Option<&SigningKeys>,
        now: Timestamp,
    ) -> (Verdict, Vec<VerdictReason>) {
        JudgeInput::new(cluster, self.known_of(cluster), keys, now).judge_alone(way)
    }

    /// How kubectl reaches a cluster: with the file entry that works longest, or one that may work. `now`: by SKE's
    /// clock.
    pub fn kubectl_context(
        &self,
        cluster: &Cluster,
        files: &[FoundFile],
        now: Timestamp,
    ) -> Option<KubectlContext> {
        // Of several contexts with the same name kubectl uses the first.
        let first = |context: &str| {
            let has = |file: &&FoundFile| {
                file.contexts.iter().flatten().any(|found| found.context == context)
            };
            files.iter().filter(|file| file.is_default).find(has)
        };
        let is_refused = files.iter().any(|file| file.is_default && file.contexts.is_err());
        let known = self.inventory(cluster, files, None, now);
        let is_usable = |known: &&KnownCredential| {
            !matches!(known.verdict, Verdict::Dead | Verdict::Expired)
                && known.unusable().is_none()
                && !known.is_elsewhere()
        };
        let usable = known.iter().filter(is_usable);
        let in_files = usable.filter_map(|known| {
            let (path, context) = known.location.entry()?;
            quote(context)?;
            // kubectl reads none of several files if one cannot be read.
            let is_found = !is_refused && first(context).is_some_and(|file| file.path == path);
            let file = (!is_found).then(|| path.to_owned());
            Some((known, KubectlContext { file, name: context.to_owned() }))
        });
        let best = in_files.min_by_key(|(known, _)| {
            let (verdict, expires) = (known.verdict, known.expires.unwrap_or(Timestamp::MAX));
            let works = verdict.lasts() || verdict.works_now() && !known.is_doubtful();
            (!works, !verdict.lasts(), Reverse(expires))
        });
        best.map(|(_, context)| context)
    }
}

/// Whether its file was read or no longer exists: then the file is authoritative.
fn was_read(access: &Access, files: &[FoundFile]) -> bool {
    let Some((path, _)) = access.location.entry() else { return false };
    files.iter().any(|file| file.is_at(path) && file.contexts.is_ok())
}

/// Why a context is attributed to a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ClusterMatch {
    /// SKE reported its server, or reported none and it trusts a CA of the cluster.
    Proven,
    /// It trusts a CA of the cluster, but SKE reported another server: kubectl may or may not reach the cluster there.
    Authority,
    /// Only by name and region in its server URL.
    Address,
}

/// Whether a context leads to a cluster: by its server, if SKE reported it, otherwise by a shared CA, otherwise by name
/// and region in the server URL.
fn cluster_match(
    found: &FoundContext,
    id: &ClusterId,
    known: &[&Issuance],
) -> Option<ClusterMatch> {
    let servers = || known.iter().map(|issuance| &issuance.facts.server).filter(|s| !s.is_empty());
    if servers().any(|server| *server == found.server) {
        return Some(ClusterMatch::Proven);
    }
    let shares_authority = match &found.trust {
        Trust::Authorities(keys) => {
            known.iter().any(|issuance| !issuance.facts.authorities.is_disjoint(keys))
        }
        Trust::Anything | Trust::System | Trust::OtherName | Trust::Unreadable => false,
    };
    let is_named = servers().next().is_some();
    if shares_authority {
        return Some(if is_named { ClusterMatch::Authority } else { ClusterMatch::Proven });
    }
    let by_address = !is_named && is_address_of(&found.server, id);
    by_address.then_some(ClusterMatch::Address)
}
