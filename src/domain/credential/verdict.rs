//! Verdict on a kubeconfig: whether it works now, and whether it survives *complete*.

use jiff::Timestamp;

use crate::domain::credential::access::Access;
use crate::domain::credential::generation::{Generation, Issuance, generation, is_outdated};
use crate::domain::rotation::{Phase, Rotation};

/// Verdict on a kubeconfig.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Its validity has ended.
    Expired,
    /// Issued before a rotation that has been completed: the API server rejects it.
    Dead,
    /// A static token: works until the next rotation is started.
    BreaksOnStart,
    /// Does not survive this rotation; works until it is completed, unless the reasons leave that open.
    BreaksOnComplete,
    /// Issued after the start: survives this rotation.
    SurvivesComplete,
    /// Works until the next rotation is completed.
    Works,
    CannotTell,
}

impl Verdict {
    /// The verdict on something of a generation.
    pub(super) fn of(generation: Generation, phase: &Phase) -> Self {
        match (generation, phase.is_open()) {
            (Generation::Unknown, _) => Self::CannotTell,
            (Generation::Current, true) => Self::SurvivesComplete,
            (Generation::Current, false) => Self::Works,
            (Generation::Previous | Generation::NotCurrent, true) => Self::BreaksOnComplete,
            (Generation::Previous | Generation::NotCurrent, false) | (Generation::Ended, _) => {
                Self::Dead
            }
        }
    }

    /// Whether it certainly works now.
    pub fn works_now(self) -> bool {
        matches!(
            self,
            Self::BreaksOnStart | Self::BreaksOnComplete | Self::SurvivesComplete | Self::Works
        )
    }

    /// Whether it certainly works now and after the open rotation, if any.
    pub fn lasts(self) -> bool {
        matches!(self, Self::SurvivesComplete | Self::Works)
    }
}

/// Judges a kubeconfig. `known`: all known kubeconfigs of this very cluster; `rotation`: the current one.
pub fn verdict(
    access: &Access,
    known: &[&Issuance],
    rotation: &Rotation,
    now: Timestamp,
) -> Verdict {
    if access.is_expired(now) {
        return Verdict::Expired;
    }
    let before = access.issuance.as_ref().and_then(|issuance| issuance.rotation.as_ref());
    match rotation.phase {
        _ if rotation.mixes_rotations() || is_outdated(rotation, known) => {
            return Verdict::CannotTell;
        }
        // A rotation was reported before it was issued, and its start not.
        Phase::Never if before.is_some_and(|before| before.phase != Phase::Never) => {
            return Verdict::CannotTell;
        }
        Phase::Never => return Verdict::Works,
        Phase::Unknown(_) => return Verdict::CannotTell,
        Phase::Preparing | Phase::Prepared | Phase::Completing | Phase::Completed => {}
    }
    let (Some(issuance), Some(_)) = (&access.issuance, rotation.initiated) else {
        return Verdict::CannotTell;
    };
    Verdict::of(generation(issuance, known, rotation), &rotation.phase)
}
