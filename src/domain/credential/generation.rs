//! Of which generation a kubeconfig is: signed before or after the last start of a rotation.
//!
//! A start makes a new client authority, and until *complete* every kubeconfig carries the old and the new cluster
//! authority. So the number of authorities and the signer tell generations apart, together with what SKE showed of the
//! rotation *before* the kubeconfig was asked for: SKE may have gone on since, but not back. Moments of SKE are only
//! ever compared with each other for being the same.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::domain::credential::certificate::{ClientCertificate, CredentialFacts, KeyHash};
use crate::domain::rotation::{Phase, Rotation};

/// What is known of one issued kubeconfig.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issuance {
    #[serde(flatten)]
    pub facts: CredentialFacts,
    /// The rotation as SKE showed it immediately before the kubeconfig was asked for; `None` if it was not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation: Option<Rotation>,
}

impl Issuance {
    fn signer(&self) -> Option<&str> {
        self.facts.client.as_ref().map(ClientCertificate::signer)
    }

    /// Whether both say the same about generations, whatever else is in their certificates.
    pub fn tells_same(&self, other: &Self) -> bool {
        self.signer() == other.signer()
            && self.facts.authorities == other.facts.authorities
            && self.facts.newest == other.facts.newest
            && self.facts.server == other.facts.server
            && self.rotation == other.rotation
    }

    /// Whether it trusts the old and the new authority: it was issued between start and complete.
    pub fn has_both_authorities(&self) -> bool {
        self.facts.authorities.len() > 1
    }
}

/// Of which generation a kubeconfig is, seen from the last start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generation {
    /// Issued after the last start: it outlives *complete*.
    Current,
    /// Issued before the last start: *complete* ends it.
    Previous,
    /// Issued before a rotation that was completed since: that ended it, whatever became of later ones.
    Ended,
    /// Not known.
    Unknown,
}

/// Finds out of which generation a kubeconfig is. `known`: everything that is known of kubeconfigs of this very
/// cluster; `rotation`: as SKE shows it now.
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

/// `own`: what is known without the signer.
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
        // SKE signs with one authority at a time.
        (false, false, false) if !signers(Generation::Current).is_empty() => Generation::Previous,
        // Nothing tells, or two requests contradict each other about one signer.
        _ => Generation::Unknown,
    }
}

/// Of which generation a client certificate is that may have been made by anyone: by its signer alone.
pub fn signer_generation(
    certificate: &ClientCertificate,
    known: &[&Issuance],
    rotation: &Rotation,
) -> Generation {
    let of = |wanted| references(known, rotation, wanted);
    let found = by_signer(Generation::Unknown, certificate.signer(), of);
    let is_named = || known.iter().any(|known| known.signer() == Some(certificate.signer()));
    // A name that nobody knows is not comparable with the key ids that SKE's certificates have.
    if certificate.authority_key_id.is_none() && !is_named() { Generation::Unknown } else { found }
}

/// What those kubeconfigs that are known to be of one generation say. Before the first start there is only one.
fn references<'a>(
    known: &[&'a Issuance],
    rotation: &Rotation,
    wanted: Generation,
) -> impl Iterator<Item = &'a Issuance> {
    let generation = |issuance: &Issuance| match (&rotation.phase, &issuance.rotation) {
        (Phase::Never, Some(before)) if before.phase == Phase::Never => Generation::Current,
        _ => by_its_own_request(issuance, rotation),
    };
    known
        .iter()
        .copied()
        .filter(move |issuance| generation(issuance) == wanted)
        .collect::<Vec<_>>()
        .into_iter()
}

/// Which cluster authorities a bundle holds, seen from the last start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bundle {
    /// The authority that the API server has after *complete*.
    Newest,
    /// That one without the one that the API server has until then.
    NewestAlone,
    /// An authority of this cluster, but not that one.
    Older,
    /// No authority of this cluster.
    Foreign,
    Unknown,
}

/// Compares a bundle with those of kubeconfigs that SKE issued.
pub fn bundle(keys: &BTreeSet<KeyHash>, known: &[&Issuance], rotation: &Rotation) -> Bundle {
    if keys.is_empty() {
        return Bundle::Unknown;
    }
    let keys_of = |wanted: Generation| -> BTreeSet<&KeyHash> {
        references(known, rotation, wanted).flat_map(|known| &known.facts.authorities).collect()
    };
    let (current, old) = (keys_of(Generation::Current), keys_of(Generation::Previous));
    let ended = keys_of(Generation::Ended);
    // Nothing was completed since: those are the authorities that are still accepted.
    let is_last = |known: &&Issuance| {
        known.rotation.as_ref().is_some_and(|before| before.completed == rotation.completed)
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
        // The new authority is in none of the bundles from before it.
        let all_in =
            |some: &BTreeSet<&KeyHash>| is_open && keys.iter().all(|key| some.contains(key));
        return match (all_in(&ended), all_in(&last)) {
            (true, _) => Bundle::Foreign,
            (false, true) => Bundle::Older,
            (false, false) => Bundle::Unknown,
        };
    }
    // Which of them is the new one is not known.
    match (current.iter().all(|key| keys.contains(*key)), holds(&current)) {
        (true, _) => Bundle::Newest,
        (false, false) => Bundle::Foreign,
        (false, true) => Bundle::Unknown,
    }
}

/// By the kubeconfig itself: its authorities, and the rotation before it was requested.
fn by_its_own_request(issuance: &Issuance, now: &Rotation) -> Generation {
    // While a rotation is completed, what is issued carries the new authority alone.
    let two_are_issued = matches!(now.phase, Phase::Preparing | Phase::Prepared);
    let both = issuance.has_both_authorities();
    let (Some(start), Some(before)) =
        (now.initiated, issuance.rotation.as_ref().filter(|rotation| is_stated(rotation)))
    else {
        // With one authority only it is from before the new one was made.
        return if two_are_issued && !both && now.initiated.is_some() {
            Generation::Previous
        } else {
            Generation::Unknown
        };
    };
    let is_started = before.mixes_rotations() && !before.phase.is_open();
    let phase = if is_started { &Phase::Preparing } else { &before.phase };
    if before.initiated > Some(start) {
        // What SKE shows now is older than what it showed then.
        return Generation::Unknown;
    }
    if before.initiated == Some(start) {
        return match phase {
            // The next one has started, and its moment does not show yet.
            Phase::Completed if now.phase.is_open() => Generation::Unknown,
            Phase::Prepared | Phase::Completing | Phase::Completed => Generation::Current,
            Phase::Preparing if both => Generation::Current,
            // The phase shows a moment before the new authorities are there.
            Phase::Preparing if two_are_issued => Generation::Previous,
            Phase::Preparing | Phase::Never | Phase::Unknown(_) => Generation::Unknown,
        };
    }
    let completed = (before.completed, now.completed);
    match phase {
        // The next start comes after the completion of the rotation that ends it.
        Phase::Preparing if !both => Generation::Ended,
        Phase::Never if !both && completed.1.is_some() => Generation::Ended,
        Phase::Completed if !both && completed.0.is_some() && completed.0 != completed.1 => {
            Generation::Ended
        }
        _ if !both => Generation::Previous,
        // The second authority is that of an earlier rotation.
        Phase::Preparing | Phase::Prepared | Phase::Completing => Generation::Previous,
        // A start that SKE did not show yet.
        Phase::Never | Phase::Completed | Phase::Unknown(_) => Generation::Unknown,
    }
}

/// Whether SKE said which rotation it was, or that there was none.
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
