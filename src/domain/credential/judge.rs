//! Judges a credential found on this machine, whatever its origin: its signer, key and trusted CAs are compared with
//! kubeconfigs issued by SKE.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::domain::cluster::{Cluster, ClusterId, KubernetesVersion};
use crate::domain::credential::access::Access;
use crate::domain::credential::certificate::{ClientCertificate, KeyHash, newest};
use crate::domain::credential::found::{FoundContext, SignIn, TokenFacts, Trust};
use crate::domain::credential::generation::{
    Bundle, Generation, Issuance, bundle, is_outdated, signer_generation,
};
use crate::domain::credential::verdict::Verdict;
use crate::domain::kubeconfig::KubeconfigKind;
use crate::domain::rotation::{CLOCK_TOLERANCE, Phase, Rotation};

/// The keys that sign service account tokens.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SigningKeys {
    /// Every `kid` of `/openid/v1/jwks`: two between start and complete, otherwise one.
    pub accepted: BTreeSet<String>,
    /// The current signing key, from a fresh token; `None` if none was requested.
    pub signing: Option<String>,
    /// The audiences of that token, which are those of the API server; empty if unknown.
    pub audiences: Vec<String>,
}

/// Audiences of the API servers that Gardener runs, unless configured otherwise.
const USUAL_AUDIENCES: [&str; 2] = ["kubernetes", "gardener"];

impl SigningKeys {
    /// Whether a token is for this API server. Without an audience it is; by default, Kubernetes uses the issuer.
    fn is_audience_of(&self, token: &TokenFacts) -> bool {
        let has = |audience: &String| match self.audiences.as_slice() {
            [] => *audience == token.issuer || USUAL_AUDIENCES.contains(&audience.as_str()),
            known => known.contains(audience),
        };
        token.audiences.is_empty() || token.audiences.iter().any(has)
    }
}

/// The reason for a verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VerdictReason {
    /// It expired.
    Expired,
    /// The current client CA signed it, or an older one did.
    Signer(Generation),
    /// Which of the cluster's CAs it trusts.
    Bundle(Bundle),
    /// It trusts the CAs of the operating system.
    SystemAuthorities,
    /// It trusts a server certificate, and no CA of the cluster.
    ServerCertificate,
    /// It verifies the server certificate for a name other than the server's.
    OtherServerName,
    /// It accepts any server certificate.
    NotVerified,
    /// A token that is not a JWT.
    StaticToken,
    /// Such a token, for a Kubernetes version that issues none.
    StaticTokenOfVersion(String),
    /// Signed by the current key, or by an older one.
    TokenKey(Generation),
    /// Signed by no key of the cluster.
    TokenKeyGone,
    /// It is for these audiences, and the API server may have others.
    TokenAudience(Vec<String>),
    /// A JWT of this issuer, not of the cluster.
    OtherToken(String),
    /// The `stackit` CLI authenticates; with a certificate, which it may keep using for half an hour, or as the user.
    StackitPlugin {
        is_idp: bool,
    },
    /// The cluster that the `stackit` CLI asks for depends on the region that it is configured for.
    NoRegion,
    /// This command authenticates.
    OtherPlugin(String),
    /// A kind of credential that certificates tell nothing about.
    OtherSignIn(String),
    /// kubectl cannot connect with it, regardless of its certificates.
    Unusable(String),
    /// It trusts a CA that was in none of the kubeconfigs that SKE issued so far.
    NewerThanKnown,
    /// kubectl takes its cluster or user from this other file of `$KUBECONFIG`, in shown form.
    OtherFile(String),
    /// It trusts a CA of the cluster, but its server is this one, which SKE did not report.
    OtherServer(String),
    /// Only its server name matches the cluster: another project may have a cluster with the same name.
    MayBeElsewhere,
    /// According to its record it was saved to a file, which cannot be read.
    FileNotRead,
    /// It was copied or printed, and may not have been kept.
    NotInFile,
    NoSignIn,
    /// The field that cannot be read.
    Unreadable(String),
    /// Its dates suggest that it was issued after the last start, or before; this proves nothing.
    Dates {
        after_start: bool,
    },
    /// SKE does not report the start of the rotation, or a known phase.
    RotationUnclear,
    /// SKE reports an older state of the rotation than a kubeconfig proves.
    RotationOutdated,
    /// A program that it needs is not in `PATH`.
    MissingProgram(String),
    /// Issued without a record of its certificates: they could not be read, or an earlier version did not record them.
    NotRecorded,
}

impl VerdictReason {
    /// Why kubectl cannot use the credential, as a clause.
    pub fn unusable(&self) -> Option<String> {
        if let Self::Unusable(why) = self {
            return Some(why.clone());
        }
        if let Self::MissingProgram(name) = self {
            Some(format!("{name} is not in PATH"))
        } else {
            None
        }
    }

    /// Whether it leaves open if the credential works now, regardless of its known end.
    pub(super) fn is_doubt(&self) -> bool {
        match self {
            Self::Signer(generation) => {
                matches!(generation, Generation::NotCurrent | Generation::Unknown)
            }
            Self::Bundle(held) => {
                matches!(held, Bundle::NewestAlone | Bundle::Foreign | Bundle::Unknown)
            }
            Self::SystemAuthorities
            | Self::ServerCertificate
            | Self::OtherServer(_)
            | Self::OtherServerName
            | Self::OtherToken(_)
            | Self::OtherPlugin(_)
            | Self::OtherSignIn(_)
            | Self::Unusable(_)
            | Self::NewerThanKnown
            | Self::MayBeElsewhere
            | Self::FileNotRead
            | Self::NoSignIn
            | Self::NoRegion
            | Self::Unreadable(_)
            | Self::RotationUnclear
            | Self::RotationOutdated
            | Self::MissingProgram(_)
            | Self::TokenKey(_)
            | Self::TokenAudience(_)
            | Self::NotInFile
            | Self::NotRecorded => true,
            Self::Expired
            | Self::NotVerified
            | Self::StaticToken
            | Self::StaticTokenOfVersion(_)
            | Self::TokenKeyGone
            | Self::StackitPlugin { .. }
            | Self::OtherFile(_)
            | Self::Dates { .. } => false,
        }
    }
}

/// Input for judging the credentials of a cluster.
pub(super) struct JudgeInput<'a> {
    id: &'a ClusterId,
    rotation: &'a Rotation,
    version: &'a KubernetesVersion,
    /// What SKE issued for this very cluster.
    known: Vec<&'a Issuance>,
    keys: Option<&'a SigningKeys>,
    /// By SKE's clock.
    now: Timestamp,
}

impl<'a> JudgeInput<'a> {
    pub(super) fn new(
        cluster: &'a Cluster,
        known: Vec<&'a Issuance>,
        keys: Option<&'a SigningKeys>,
        now: Timestamp,
    ) -> Self {
        let Cluster { id, rotation, version, .. } = cluster;
        Self { id, rotation, version, known, keys, now }
    }

    fn is_open(&self) -> bool {
        self.rotation.phase.is_open()
    }

    fn verdict(&self, generation: Generation) -> Verdict {
        Verdict::of(generation, &self.rotation.phase)
    }

    /// Judges a context by everything it needs: a server certificate that it accepts, and one credential, which is the
    /// third part of the result.
    pub(super) fn judge<'f>(
        &self,
        found: &'f FoundContext,
    ) -> (Verdict, Vec<VerdictReason>, Option<&'f SignIn>) {
        let ways = found.sign_in.iter().map(|way| (way, self.judge_sign_in(way)));
        // One accepted credential is enough; of several, the one that expires last.
        let best = ways.max_by_key(|(way, (verdict, _))| {
            (rank(*verdict), way.expires().unwrap_or(Timestamp::MAX))
        });
        if let Some(why) = &found.unusable {
            let way = best.map(|(way, _)| way);
            return (Verdict::CannotTell, vec![VerdictReason::Unusable(why.clone())], way);
        }
        let Some((way, (by_user, mut reasons))) = best else {
            return (Verdict::CannotTell, vec![VerdictReason::NoSignIn], None);
        };
        let way = Some(way);
        let is_asked = found.exec_cluster.as_ref().map(|asked| asked.is(self.id));
        if is_asked == Some(Some(false)) {
            let why = "its stackit arguments name another cluster".to_owned();
            return (Verdict::CannotTell, vec![VerdictReason::Unusable(why)], way);
        }
        if by_user == Verdict::Expired {
            return (by_user, reasons, way);
        }
        let (by_server, reason) = self.judge_trust(found);
        reasons.push(reason);
        // It can connect only after *complete*: a credential that stops working on *complete* then never works.
        let never_connects = reasons.contains(&VerdictReason::Bundle(Bundle::NewestAlone));
        if never_connects && by_user == Verdict::BreaksOnComplete {
            return (Verdict::CannotTell, reasons, way);
        }
        let worse = if rank(by_server) < rank(by_user) { by_server } else { by_user };
        if self.is_unclear(worse) {
            return (Verdict::CannotTell, vec![self.unclear_reason()], way);
        }
        let is_older = [Generation::Previous, Generation::NotCurrent]
            .into_iter()
            .any(|older| reasons.contains(&VerdictReason::Signer(older)));
        if is_older && self.is_newer_than_known(found) {
            return (Verdict::CannotTell, vec![VerdictReason::NewerThanKnown], way);
        }
        if is_asked == Some(None) && worse.lasts() {
            return (Verdict::CannotTell, vec![VerdictReason::NoRegion], way);
        }
        // It is no access from here; that it stops working is known all the same.
        if let Some(program) = &found.missing_program {
            reasons.push(VerdictReason::MissingProgram(program.clone()));
            return (if worse.lasts() { Verdict::CannotTell } else { worse }, reasons, way);
        }
        (worse, reasons, way)
    }

    /// Whether it trusts a CA of the cluster and a newer, unknown one, while no rotation is reported: SKE may have
    /// started one that it does not report yet.
    fn is_newer_than_known(&self, found: &FoundContext) -> bool {
        let (Trust::Authorities(keys), Some(newest)) = (&found.trust, newest(&found.authorities))
        else {
            return false;
        };
        let known: BTreeSet<&KeyHash> =
            self.known.iter().flat_map(|known| &known.facts.authorities).collect();
        !self.is_open() && !known.contains(&newest) && keys.iter().any(|key| known.contains(key))
    }

    /// Judges a credential by itself.
    pub(super) fn judge_alone(&self, way: &SignIn) -> (Verdict, Vec<VerdictReason>) {
        let (verdict, reasons) = self.judge_sign_in(way);
        if verdict == Verdict::Expired || !self.is_unclear(verdict) {
            return (verdict, reasons);
        }
        (Verdict::CannotTell, vec![self.unclear_reason()])
    }

    fn unclear_reason(&self) -> VerdictReason {
        if self.rotation.is_clear() {
            VerdictReason::RotationOutdated
        } else {
            VerdictReason::RotationUnclear
        }
    }

    /// Whether the rotation is not known well enough for a verdict.
    fn is_unclear(&self, verdict: Verdict) -> bool {
        is_outdated(self.rotation, &self.known)
            || !self.rotation.is_clear() && verdict != Verdict::BreaksOnStart
    }

    /// Doubts about what SKE issued and is in no file; empty if its record is conclusive.
    pub(super) fn doubts(&self, access: &Access, verdict: Verdict) -> Vec<VerdictReason> {
        match verdict {
            Verdict::Dead | Verdict::Expired => Vec::new(),
            Verdict::CannotTell if self.is_unclear(verdict) => {
                vec![self.unclear_reason()]
            }
            Verdict::CannotTell if access.issuance.is_none() => vec![VerdictReason::NotRecorded],
            Verdict::CannotTell => vec![VerdictReason::Signer(Generation::Unknown)],
            Verdict::Works
            | Verdict::SurvivesComplete
            | Verdict::BreaksOnComplete
            | Verdict::BreaksOnStart => vec![VerdictReason::NotInFile],
        }
    }

    fn judge_trust(&self, found: &FoundContext) -> (Verdict, VerdictReason) {
        match &found.trust {
            Trust::Authorities(keys) => {
                let mut keys = keys.clone();
                keys.retain(|key| found.may_sign(key, self.now));
                let held = bundle(&keys, &self.known, self.rotation);
                let is_none = keys.is_empty() || held == Bundle::Foreign;
                if is_none && found.trusts_server_certificate() {
                    // The server may present this very certificate now, and another one at any time.
                    return (Verdict::CannotTell, VerdictReason::ServerCertificate);
                }
                if keys.is_empty() && !found.authorities.is_empty() {
                    let why = "certificate-authority is not valid at this time".to_owned();
                    return (Verdict::CannotTell, VerdictReason::Unusable(why));
                }
                let verdict = match held {
                    Bundle::Newest => self.verdict(Generation::Current),
                    Bundle::Older => self.verdict(Generation::Previous),
                    // Kubeconfigs issued during COMPLETING no longer contain the old CA.
                    Bundle::Foreign if self.rotation.phase == Phase::Completing => {
                        Verdict::BreaksOnComplete
                    }
                    Bundle::Foreign => Verdict::Dead,
                    // Until *complete* the API server presents a certificate of the old CA.
                    Bundle::NewestAlone | Bundle::Unknown => Verdict::CannotTell,
                };
                (verdict, VerdictReason::Bundle(held))
            }
            Trust::Anything => (self.verdict(Generation::Current), VerdictReason::NotVerified),
            Trust::System => (Verdict::CannotTell, VerdictReason::SystemAuthorities),
            Trust::OtherName => (Verdict::CannotTell, VerdictReason::OtherServerName),
            Trust::Unreadable => (Verdict::CannotTell, VerdictReason::Bundle(Bundle::Unknown)),
        }
    }

    fn judge_sign_in(&self, way: &SignIn) -> (Verdict, Vec<VerdictReason>) {
        if way.expires().is_some_and(|expires| expires <= self.now) {
            return (Verdict::Expired, vec![VerdictReason::Expired]);
        }
        let unknown = |why| (Verdict::CannotTell, vec![why]);
        match way {
            SignIn::Certificate(certificate) => self.judge_certificate(certificate),
            SignIn::StaticToken => self.judge_static_token(),
            SignIn::ServiceAccountToken(token) => self.judge_account_token(token),
            // The server certificate decides: the plugin's credential is not part of the rotation.
            SignIn::Plugin { stackit: Some(kind), .. } => {
                let is_idp = *kind == KubeconfigKind::Idp;
                (self.verdict(Generation::Current), vec![VerdictReason::StackitPlugin { is_idp }])
            }
            SignIn::Plugin { command, .. } => unknown(VerdictReason::OtherPlugin(command.clone())),
            SignIn::OtherToken(token) => unknown(VerdictReason::OtherToken(token.issuer.clone())),
            SignIn::Other(what) => unknown(VerdictReason::OtherSignIn(what.clone())),
            SignIn::Unreadable(why) => unknown(VerdictReason::Unreadable(why.clone())),
        }
    }

    fn judge_certificate(&self, certificate: &ClientCertificate) -> (Verdict, Vec<VerdictReason>) {
        if certificate.not_before.duration_since(self.now) > CLOCK_TOLERANCE {
            let why = "client-certificate is not valid yet".to_owned();
            return (Verdict::CannotTell, vec![VerdictReason::Unusable(why)]);
        }
        let generation = signer_generation(certificate, &self.known, self.rotation);
        let mut reasons = vec![VerdictReason::Signer(generation)];
        if generation == Generation::Unknown
            && let Some(start) = self.rotation.initiated
        {
            // Both times are SKE's; this machine's clock is not involved.
            let distance = certificate.not_before.duration_since(start);
            if distance.abs() > CLOCK_TOLERANCE {
                reasons.push(VerdictReason::Dates { after_start: distance.is_positive() });
            }
        }
        (self.verdict(generation), reasons)
    }

    fn judge_static_token(&self) -> (Verdict, Vec<VerdictReason>) {
        let has_begun = self.is_open() || self.rotation.initiated.is_some();
        if self.rotation.phase == Phase::Preparing {
            // It stops working once all API servers have been restarted.
            return (Verdict::CannotTell, vec![VerdictReason::StaticToken]);
        }
        if has_begun {
            return (Verdict::Dead, vec![VerdictReason::StaticToken]);
        }
        if self.rotation.phase == Phase::Never && self.version.may_have_static_tokens() {
            return (Verdict::BreaksOnStart, vec![VerdictReason::StaticToken]);
        }
        let version = self.version.as_str().to_owned();
        (Verdict::CannotTell, vec![VerdictReason::StaticTokenOfVersion(version)])
    }

    fn judge_account_token(&self, token: &TokenFacts) -> (Verdict, Vec<VerdictReason>) {
        let unknown = VerdictReason::TokenKey(Generation::Unknown);
        let (Some(keys), Some(key)) = (self.keys, &token.key_id) else {
            return (Verdict::CannotTell, vec![unknown]);
        };
        if !keys.accepted.contains(key) {
            return (Verdict::Dead, vec![VerdictReason::TokenKeyGone]);
        }
        let generation = match &keys.signing {
            Some(signing) if signing == key => Generation::Current,
            Some(_) => Generation::Previous,
            None if keys.accepted.len() == 1 && !self.is_open() => Generation::Current,
            None => Generation::Unknown,
        };
        // An old key that is still accepted works until complete, whatever phase is reported.
        let verdict = match generation {
            Generation::Previous => Verdict::BreaksOnComplete,
            Generation::Current
            | Generation::Ended
            | Generation::NotCurrent
            | Generation::Unknown => self.verdict(generation),
        };
        let reason = VerdictReason::TokenKey(generation);
        if keys.is_audience_of(token) {
            return (verdict, vec![reason]);
        }
        let audience = VerdictReason::TokenAudience(token.audiences.clone());
        if verdict.lasts() {
            (Verdict::CannotTell, vec![audience])
        } else {
            (verdict, vec![reason, audience])
        }
    }
}

/// From worst to best: of requirements the worst counts, of alternatives the best.
fn rank(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Expired => 0,
        Verdict::Dead => 1,
        Verdict::BreaksOnStart => 2,
        Verdict::BreaksOnComplete => 3,
        Verdict::CannotTell => 4,
        Verdict::SurvivesComplete | Verdict::Works => 5,
    }
}
