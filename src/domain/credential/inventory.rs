//! Every credential for one cluster that is known on this machine: what its kubeconfig files hold, and what was issued
//! elsewhere.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use crate::domain::cluster::{Cluster, ClusterId};
use crate::domain::credential::access::{Access, KubeconfigLocation};
use crate::domain::credential::credentials::Credentials;
use crate::domain::credential::found::{FoundContext, FoundFile, SignIn, Trust};
use crate::domain::credential::generation::{Bundle, Generation, Issuance};
use crate::domain::credential::judge::{Basis, SigningKeys, VerdictReason};
use crate::domain::credential::verdict::Verdict;
use crate::domain::kubeconfig::{KubeconfigKind, is_address_of, name_in_address};
use crate::domain::kubectl::KubectlContext;
use crate::domain::rotation::Phase;
use crate::domain::shell::quote;

/// One credential for a cluster, with its verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownCredential {
    pub place: KubeconfigLocation,
    pub kind: CredentialKind,
    /// When it ends by itself, by SKE's clock.
    pub expires: Option<Timestamp>,
    pub verdict: Verdict,
    /// Why; empty for what the record of its issuing decides.
    pub reasons: Vec<VerdictReason>,
    /// Permission bits of its file, if other users may read or write it.
    pub wide_mode: Option<u32>,
    /// The other file of `$KUBECONFIG` in which kubectl finds its cluster or its user, in shown form.
    pub other_file: Option<String>,
}

impl KnownCredential {
    /// Why kubectl cannot use it, in a clause.
    pub fn unusable(&self) -> Option<String> {
        let why = |reason: &VerdictReason| {
            if let VerdictReason::Unusable(why) = reason { Some(why.clone()) } else { None }
        };
        self.reasons.iter().find_map(why)
    }

    /// Whether it is access to count on. That it stops working at a moment does not say that it works until then.
    fn is_access(&self) -> bool {
        let has = |reason| self.reasons.contains(&reason);
        // Its signer is not the one in use; that it is the one before that is likely where the authorities are.
        let is_assumed = has(VerdictReason::Signer(Generation::Previous))
            && !has(VerdictReason::Bundle(Bundle::Older));
        let is_doubtful = is_assumed || self.reasons.iter().any(VerdictReason::is_doubt);
        let is_token = self.kind == CredentialKind::StaticToken;
        self.verdict.works_now()
            && !is_doubtful
            && (!is_token || self.verdict == Verdict::BreaksOnStart)
    }
}

/// What the credentials that are known for a cluster are worth to a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeldAccess<'a> {
    /// This one certainly works now.
    Certain(&'a KnownCredential),
    /// None certainly works; this one may.
    Unclear(&'a KnownCredential),
    None,
}

impl<'a> HeldAccess<'a> {
    /// Of those that certainly work one that outlasts an open rotation if there is one, and of those the one that lives
    /// longest.
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

    /// The one that certainly works.
    pub fn certain(self) -> Option<&'a KnownCredential> {
        if let Self::Certain(known) = self { Some(known) } else { None }
    }
}

/// What kind of credential it is.
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
    pub fn word(self) -> &'static str {
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

    /// The kind that SKE issues in its place; `None` for what a person chose otherwise.
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

/// How long the stackit CLI may go on using a certificate of its login cache.
const LOGIN_CACHE: SignedDuration = SignedDuration::from_mins(30);

/// Removes the login cache of the stackit CLI. Its files do not say which cluster each is for.
pub const CLEAR_LOGIN_CACHE: &str = if cfg!(target_os = "macos") {
    r#"rm -f "$HOME"/Library/Caches/stackit/ske-login-*"#
} else {
    r#"rm -f "${XDG_CACHE_HOME:-$HOME/.cache}"/stackit/ske-login-*"#
};

/// Whether the stackit CLI may still sign in to a cluster with a certificate that *complete* ended: it looks only at when
/// that expires. `now`: by SKE's clock.
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
    /// Where it is.
    pub fn place(&self, file: &FoundFile) -> KubeconfigLocation {
        let (path, context) = (file.path.clone(), self.context.clone());
        KubeconfigLocation::File { path, context, whole: false }
    }
}

impl Credentials {
    /// The contexts of files that lead to a cluster.
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
    ) -> impl Iterator<Item = (&'a FoundFile, &'a FoundContext, Lead)> {
        let (id, known) = (cluster.id.clone(), self.known_of(cluster));
        let contexts =
            files.iter().flat_map(|file| file.contexts.iter().flatten().map(move |c| (file, c)));
        contexts.filter_map(move |(file, found)| Some((file, found, lead(found, &id, &known)?)))
    }

    /// Of which clusters a known kubeconfig ends before a moment, by SKE's clock.
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
            .filter(|access| access.expires.is_some_and(|at| at < moment) && !access.is_in_file());
        let mut found: BTreeSet<ClusterId> =
            elsewhere.map(|access| access.cluster.clone()).collect();
        // Only these can be led to; a fleet has many others.
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
            let leads = ending.iter().any(|context| lead(context, &cluster.id, &known).is_some());
            leads.then(|| cluster.id.clone())
        }));
        found
    }

    /// Every credential for a cluster: the contexts of the files that lead to it, then what went elsewhere and was not
    /// seen in a file. `now`: by SKE's clock.
    pub fn inventory(
        &self,
        cluster: &Cluster,
        files: &[FoundFile],
        keys: Option<&SigningKeys>,
        now: Timestamp,
    ) -> Vec<KnownCredential> {
        let basis = Basis::new(cluster, self.known_of(cluster), keys, now);
        let judged = self.leads_of(cluster, files).map(|(file, found, lead)| {
            let (mut verdict, mut reasons, way) = basis.judge(found);
            if lead == Lead::Address && verdict == Verdict::Dead {
                (verdict, reasons) = (Verdict::CannotTell, vec![VerdictReason::MayBeElsewhere]);
            }
            if lead == Lead::Authority && verdict.lasts() {
                let server = VerdictReason::OtherServer(found.server.clone());
                (verdict, reasons) = (Verdict::CannotTell, vec![server]);
            }
            reasons.extend(found.other_file.clone().map(VerdictReason::OtherFile));
            KnownCredential {
                place: found.place(file),
                kind: CredentialKind::of(way),
                expires: way.and_then(SignIn::expires),
                verdict,
                reasons,
                wide_mode: file.wide_mode,
                other_file: found.other_file.clone(),
            }
        });
        let mut rows: Vec<KnownCredential> = judged.collect();
        // A file that was read tells itself what is in it.
        let not_in_files =
            self.verdicts(cluster, now).into_iter().filter(|(access, _)| !was_read(access, files));
        rows.extend(not_in_files.map(|(access, recorded)| {
            let (verdict, reasons) = if access.is_in_file() && recorded != Verdict::Expired {
                (Verdict::CannotTell, vec![VerdictReason::FileNotRead])
            } else {
                (recorded, basis.doubts(access, recorded))
            };
            KnownCredential {
                place: access.place.clone(),
                kind: CredentialKind::of_issued(access.kind),
                expires: access.expires,
                verdict,
                reasons,
                wide_mode: None,
                other_file: None,
            }
        }));
        rows
    }

    /// Judges a way to sign in that is in no file. `now`: by SKE's clock.
    pub fn judge_alone(
        &self,
        cluster: &Cluster,
        way: &SignIn,
        keys: Option<&SigningKeys>,
        now: Timestamp,
    ) -> (Verdict, Vec<VerdictReason>) {
        Basis::new(cluster, self.known_of(cluster), keys, now).judge_alone(way)
    }

    /// How kubectl reaches a cluster: with the entry of a file that works longest, or with one that may work. `now`: by
    /// SKE's clock.
    pub fn kubectl_context(
        &self,
        cluster: &Cluster,
        files: &[FoundFile],
        now: Timestamp,
    ) -> Option<KubectlContext> {
        // Of several contexts of one name kubectl takes the first.
        let first = |context: &str| {
            let has = |file: &&FoundFile| {
                file.contexts.iter().flatten().any(|found| found.context == context)
            };
            files.iter().filter(|file| file.is_default).find(has)
        };
        let is_refused = files.iter().any(|file| file.is_default && file.contexts.is_err());
        let known = self.inventory(cluster, files, None, now);
        let is_usable = |known: &&KnownCredential| {
            !matches!(known.verdict, Verdict::Dead | Verdict::Expired) && known.unusable().is_none()
        };
        let usable = known.iter().filter(is_usable);
        let in_files = usable.filter_map(|known| {
            let (path, context) = known.place.entry()?;
            quote(context)?;
            // It reads no file of several if one cannot be read.
            let is_found = !is_refused && first(context).is_some_and(|file| file.path == path);
            let file = (!is_found).then(|| path.to_owned());
            Some((known, KubectlContext { file, name: context.to_owned() }))
        });
        let best = in_files.min_by_key(|(known, _)| {
            let (verdict, expires) = (known.verdict, known.expires.unwrap_or(Timestamp::MAX));
            (!verdict.works_now(), !verdict.lasts(), Reverse(expires))
        });
        best.map(|(_, context)| context)
    }
}

/// Whether its file was read, or no longer exists: then the file itself says what it contains.
fn was_read(access: &Access, files: &[FoundFile]) -> bool {
    let Some((path, _)) = access.place.entry() else { return false };
    files.iter().any(|file| file.is_at(path) && file.contexts.is_ok())
}

/// Why a context is taken for one of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lead {
    /// SKE named its server, or named none and it trusts an authority of the cluster.
    Proven,
    /// It trusts an authority of the cluster, and SKE named another server: kubectl may reach the cluster there, or not.
    Authority,
    /// By the name and region in its server's address alone.
    Address,
}

/// Whether a context leads to a cluster: by its server, where SKE named it, else by an authority that both trust, else by
/// the name and region in the server's address.
fn lead(found: &FoundContext, id: &ClusterId, known: &[&Issuance]) -> Option<Lead> {
    let servers = || known.iter().map(|issuance| &issuance.facts.server).filter(|s| !s.is_empty());
    if servers().any(|server| *server == found.server) {
        return Some(Lead::Proven);
    }
    let shares_authority = match &found.trust {
        Trust::Authorities(keys) => {
            known.iter().any(|issuance| !issuance.facts.authorities.is_disjoint(keys))
        }
        Trust::Anything | Trust::System | Trust::OtherName | Trust::Unreadable => false,
    };
    let is_named = servers().next().is_some();
    if shares_authority {
        return Some(if is_named { Lead::Authority } else { Lead::Proven });
    }
    let by_address = !is_named && is_address_of(&found.server, id);
    by_address.then_some(Lead::Address)
}
