//! What becomes of a kubeconfig: whether it works now, and whether it outlives *complete*.

use jiff::Timestamp;

use crate::domain::credential::access::Access;
use crate::domain::credential::generation::{Generation, Issuance, generation};
use crate::domain::rotation::{Phase, Rotation};

/// What becomes of a kubeconfig.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It ended by itself.
    Expired,
    /// Issued before a rotation that was completed: the API server refuses it.
    Dead,
    /// A static token: it works until the next rotation is started.
    BreaksOnStart,
    /// It works until this rotation is completed.
    BreaksOnComplete,
    /// Issued after the start: it outlives this rotation.
    SurvivesComplete,
    /// It works until the next rotation is completed.
    Works,
    CannotTell,
}

impl Verdict {
    /// What becomes of something of a generation.
    pub(super) fn of(generation: Generation, phase: &Phase) -> Self {
        match (generation, phase.is_open()) {
            (Generation::Unknown, _) => Self::CannotTell,
            (Generation::Current, true) => Self::SurvivesComplete,
            (Generation::Current, false) => Self::Works,
            (Generation::Previous, true) => Self::BreaksOnComplete,
            (Generation::Previous, false) | (Generation::Ended, _) => Self::Dead,
        }
    }

    /// Whether it certainly works now.
    pub fn works_now(self) -> bool {
        matches!(
            self,
            Self::BreaksOnStart | Self::BreaksOnComplete | Self::SurvivesComplete | Self::Works
        )
    }

    /// Whether it certainly works now and after the rotation that is open, if one is.
    pub fn lasts(self) -> bool {
        matches!(self, Self::SurvivesComplete | Self::Works)
    }
}

/// Judges a kubeconfig. `known`: everything that is known of kubeconfigs of this very cluster; `rotation`: as SKE shows
/// it now.
pub fn verdict(
    access: &Access,
    known: &[&Issuance],
    rotation: &Rotation,
    now: Timestamp,
) -> Verdict {
    if access.is_expired(now) {
        return Verdict::Expired;
    }
    match rotation.phase {
        _ if rotation.mixes_rotations() => return Verdict::CannotTell,
        Phase::Never => return Verdict::Works,
        Phase::Unknown(_) => return Verdict::CannotTell,
        Phase::Preparing | Phase::Prepared | Phase::Completing | Phase::Completed => {}
    }
    let (Some(issuance), Some(_)) = (&access.issuance, rotation.initiated) else {
        return Verdict::CannotTell;
    };
    Verdict::of(generation(issuance, known, rotation), &rotation.phase)
}
