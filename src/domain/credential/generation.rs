//! Generation of a kubeconfig: signed before or after the last start of a rotation.
//!
//! A start creates a new client CA, and until *complete* every kubeconfig contains the old and the new cluster CA. So
//! the number of CAs and the signer tell generations apart, together with the rotation that SKE reported *before* the
//! kubeconfig was requested: the rotation may have advanced since, but not gone back. SKE's times are only ever
//! compared with each other for equality.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::domain::credential::certificate::{ClientCertificate, CredentialFacts, KeyHash};
use crate::domain::rotation::{Phase, Rotation};

/// What is known about one issued kubeconfig.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issuance {
    #[serde(flatten)]
    pub facts: CredentialFacts,
    /// The rotation as SKE reported it immediately before the request; `None` if it was not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation: Option<Rotation>,
}

impl Issuance {
    fn signer(&self) -> Option<&str> {
        self.facts.client.as_ref().map(ClientCertificate::signer)
    }

    /// Whether both tell the same about generations, regardless of their other certificate fields.
    pub fn tells_same(&self, other: &Self) -> bool {
        self.signer() == other.signer()
            && self.facts.authorities == other.facts.authorities
            && self.facts.newest == other.facts.newest
            && self.facts.server == other.facts.server
            && self.rotation == other.rotation
    }

    /// Whether it trusts the old and the new CA: it was issued between start and complete.
    pub fn has_both_authorities(&self) -> bool {
        self.facts.authorities.len() > 1
    }
}

/// Generation of a kubeconfig, relative to the last start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generation {
    /// Issued after the last start: survives *complete*.
    Current,
    /// Issued before the last start: stops working on *complete*.
    Previous,
    /// Issued before a rotation that has since been completed, which invalidated it, regardless of later ones.
    Ended,
    /// Not of the current generation: previous, ended, or of another cluster. Stops working on *complete*, or already
    /// has.
    NotCurrent,
    Unknown,
}

impl Generation {
    /// Whether *complete* certainly ends it, if it works until then.
    pub fn ends_on_complete(self) -> bool {
        matches!(self, Self::Previous | Self::NotCurrent)
    }
}

/// Whether one of these kubeconfigs proves that a rotation has started that SKE does not report, or no longer: SKE may
/// answer with an older state shortly after a start.
pub fn is_outdated(rotation: &Rotation, known: &[&Issuance]) -> bool {
    let is_closed = |phase: &Phase| matches!(phase, Phase::Never | Phase::Completed);
    known.iter().any(|issuance| {
        issuance.rotation.as_ref().is_some_and(|before| {
            // Two CAs exist only between start and complete.
            let is_since = is_closed(&before.phase)
                && is_closed(&rotation.phase)
                && before.initiated == rotation.initiated
                && issuance.has_both_authorities();
            is_since || before.initiated > rotation.initiated
        })
    })
}

/// Determines the generation of a kubeconfig. `known`: all known kubeconfigs of this very cluster; `rotation`: the
/// current one.
pub fn generation(subject: &Issuance, known: &[&Issuance], rotation: &Rotation) -> Generation {
    let own = by_its_own_request(subject, rotation);
    let of = |wanted: Generation| {
        known.iter().copied().filter(move |other| by_its_own_request(other, rotation) == wanted)
    };
    let Some(signer) = subject.signer() else {
        return match bundle(&subject.facts.authorities, known, rotation) {
            _ if own != Generation::Unknown => own,
            Bundle::Newest | Bundle::NewestAlone => Generation::Current,
            Bundle::Older | Bundle::Foreign => Generation::Previous,
            Bundle::Unknown => Generation::Unknown,
        };
    };
    by_signer(own, signer, of)
}

/// `own`: the generation determined without the signer.
fn by_signer<'a, Known: Iterator<Item = &'a Issuance>>(
    own: Generation,
    signer: &str,
    of: impl Fn(Generation) -> Known,
) -> Generation {
    let signers = |wanted| of(wanted).filter_map(Issuance::signer).collect::<BTreeSet<_>>();
    let is = |wanted| own == wanted || signers(wanted).contains(signer);
    let [current, previous, ended] =
        [Generation::Current, Generation::Previous, Generation::Ended].map(is);
    match (current, previous, ended) {
        (true, false, false) => Generation::Current,
        (false, _, true) => Generation::Ended,
        (false, true, false) => Generation::Previous,
        // SKE signs with one CA at a time.
        (false, false, false) if !signers(Generation::Current).is_empty() => Generation::Previous,
        // No evidence, or two requests contradict each other about one signer.
        _ => Generation::Unknown,
    }
}

/// Generation of a client certificate of any origin, by its signer alone. [`Generation::Previous`]: SKE used that signer
/// immediately before the last start.
pub fn signer_generation(
    certificate: &ClientCertificate,
    known: &[&Issuance],
    rotation: &Rotation,
) -> Generation {
    let of = |wanted| references(known, rotation, wanted);
    let found = by_signer(Generation::Unknown, certificate.signer(), of);
    let same = || known.iter().filter(|known| known.signer() == Some(certificate.signer()));
    // SKE issues the CA of the API server and a certificate of the same generation together.
    let is_last =
        || same().any(|one| bundle(&one.facts.authorities, known, rotation) == Bundle::Older);
    // An unknown issuer name is not comparable with the key ids of SKE's certificates.
    if certificate.authority_key_id.is_none() && same().next().is_none() {
        Generation::Unknown
    } else if found == Generation::Previous && !is_last() {
        Generation::NotCurrent
    } else {
        found
    }
}

/// The kubeconfigs known to be of one generation. Before the first start there is only one.
fn references<'a>(
    known: &[&'a Issuance],
    rotation: &Rotation,
    wanted: Generation,
) -> impl Iterator<Item = &'a Issuance> {
    let generation = |issuance: &Issuance| match (&rotation.phase, &issuance.rotation) {
        (Phase::Never, Some(before))
            if before.phase == Phase::Never && !issuance.has_both_authorities() =>
        {
            Generation::Current
        }
        _ => by_its_own_request(issuance, rotation),
    };
    known
        .iter()
        .copied()
        .filter(move |issuance| generation(issuance) == wanted)
        .collect::<Vec<_>>()
        .into_iter()
}

/// Which cluster CAs a bundle contains, relative to the last start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bundle {
    /// The CA that the API server uses after *complete*.
    Newest,
    /// That one without the CA that the API server uses until then.
    NewestAlone,
    /// A CA of this cluster, but not that one.
    Older,
    /// No CA of this cluster.
    Foreign,
    Unknown,
}

/// Compares a bundle with those of kubeconfigs issued by SKE.
pub fn bundle(keys: &BTreeSet<KeyHash>, known: &[&Issuance], rotation: &Rotation) -> Bundle {
    if keys.is_empty() {
        return Bundle::Unknown;
    }
    let keys_of = |wanted: Generation| -> BTreeSet<&KeyHash> {
        references(known, rotation, wanted).flat_map(|known| &known.facts.authorities).collect()
    };
    let (current, old) = (keys_of(Generation::Current), keys_of(Generation::Previous));
    let ended = keys_of(Generation::Ended);
    // No rotation was completed since: these CAs are still accepted.
    let is_last = |known: &&Issuance| {
        known.rotation.as_ref().is_some_and(|before| {
            let is_told = before.completed.is_some()
                || before.phase == Phase::Never
                || before.initiated == rotation.initiated;
            is_told && before.completed == rotation.completed
        })
    };
    let last: BTreeSet<&KeyHash> = references(known, rotation, Generation::Previous)
        .filter(is_last)
        .flat_map(|known| &known.facts.authorities)
        .collect();
    let is_from_before = |key: &&KeyHash| old.contains(*key) || ended.contains(*key);
    let dated = references(known, rotation, Generation::Current)
        .find_map(|known| known.facts.newest.as_ref());
    let new: BTreeSet<&KeyHash> = match dated {
        Some(key) => BTreeSet::from([key]),
        None => current.iter().copied().filter(|key| !is_from_before(key)).collect(),
    };
    let holds = |some: &BTreeSet<&KeyHash>| some.iter().any(|key| keys.contains(*key));
    if new.len() == 1 {
        let is_before_complete = matches!(rotation.phase, Phase::Preparing | Phase::Prepared);
        let others: BTreeSet<&KeyHash> =
            current.union(&last).copied().filter(|key| !new.contains(key)).collect();
        return match (holds(&new), holds(&others)) {
            (true, false) if is_before_complete && !others.is_empty() => Bundle::NewestAlone,
            (true, _) => Bundle::Newest,
            (false, true) => Bundle::Older,
            (false, false) => Bundle::Foreign,
        };
    }
    let is_open = rotation.phase.is_open();
    if current.is_empty() {
        // No earlier bundle contains the new CA.
        let all_in =
            |some: &BTreeSet<&KeyHash>| is_open && keys.iter().all(|key| some.contains(key));
        return match (all_in(&ended), all_in(&last)) {
            (true, _) => Bundle::Foreign,
            (false, true) => Bundle::Older,
            (false, false) => Bundle::Unknown,
        };
    }
    // It is unknown which of them is the new one.
    match (current.iter().all(|key| keys.contains(*key)), holds(&current)) {
        (true, _) => Bundle::Newest,
        (false, false) => Bundle::Foreign,
        (false, true) => Bundle::Unknown,
    }
}

/// By the kubeconfig itself: its CAs, and the rotation before it was requested.
fn by_its_own_request(issuance: &Issuance, now: &Rotation) -> Generation {
    // During COMPLETING, kubeconfigs are issued with the new CA only.
    let two_are_issued = matches!(now.phase, Phase::Preparing | Phase::Prepared);
    let both = issuance.has_both_authorities();
    let (Some(start), Some(before)) =
        (now.initiated, issuance.rotation.as_ref().filter(|rotation| is_stated(rotation)))
    else {
        // With only one CA it predates the new one.
        return if two_are_issued && !both && now.initiated.is_some() {
            Generation::Previous
        } else {
            Generation::Unknown
        };
    };
    let is_started = before.mixes_rotations() && !before.phase.is_open();
    let phase = if is_started { &Phase::Preparing } else { &before.phase };
    if before.initiated > Some(start) {
        // SKE's current answer is older than the one back then.
        return Generation::Unknown;
    }
    if before.initiated == Some(start) {
        return match phase {
            // The next one has started, but its start time is not reported yet.
            Phase::Completed if now.phase.is_open() || both => Generation::Unknown,
            Phase::Completing | Phase::Completed => Generation::Current,
            Phase::Preparing | Phase::Prepared if both => Generation::Current,
            // The phase is reported shortly before the new CAs exist.
            Phase::Preparing if two_are_issued => Generation::Previous,
            // With one CA it may be an old one, or from after a *complete* that SKE did not report yet.
            Phase::Preparing | Phase::Prepared | Phase::Never | Phase::Unknown(_) => {
                Generation::Unknown
            }
        };
    }
    let completed = (before.completed, now.completed);
    match phase {
        // The next start follows the completion of the rotation that invalidates it.
        Phase::Preparing if !both => Generation::Ended,
        Phase::Never if !both && completed.1.is_some() => Generation::Ended,
        Phase::Completed if !both && completed.0.is_some() && completed.0 != completed.1 => {
            Generation::Ended
        }
        _ if !both => Generation::Previous,
        // The second CA is that of an earlier rotation.
        Phase::Preparing | Phase::Prepared | Phase::Completing => Generation::Previous,
        // A start that SKE did not report yet.
        Phase::Never | Phase::Completed | Phase::Unknown(_) => Generation::Unknown,
    }
}

/// Whether SKE reported which rotation it was, or that there was none.
fn is_stated(rotation: &Rotation) -> bool {
    match rotation.phase {
        Phase::Never => true,
        Phase::Unknown(_) => false,
        Phase::Preparing | Phase::Prepared | Phase::Completing => {
            rotation.initiated.is_some() && !rotation.mixes_rotations()
        }
        Phase::Completed => rotation.initiated.is_some(),
    }
}
