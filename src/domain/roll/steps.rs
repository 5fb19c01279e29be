//! The steps of a start, from being accepted to PREPARED, as far as they show.
//!
//! The order is Gardener's start flow: control plane, then Secrets, then nodes. Only the phase says PREPARED.

use crate::domain::credential::Issuance;
use crate::domain::roll::format;
use crate::domain::roll::generation::{RolloutStage, rollout_stage};
use crate::domain::roll::progress::{Figure, PoolRoll, PoolState};
use crate::domain::rotation::Rotation;
use crate::domain::snapshot::{ClusterSnapshot, ControlPlane};

/// A step of the start flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StepName {
    /// SKE shows the rotation.
    Accepted,
    /// New certificate authorities and keys; the API server restarts with them.
    ControlPlane,
    /// Secrets are written anew with the new encryption key.
    Secrets,
    /// Nodes are replaced.
    Nodes,
    /// Old and new credentials both work.
    Prepared,
}

/// Where a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepState {
    Done,
    Now,
    Waiting,
    Unknown,
}

/// A step and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepView {
    pub name: StepName,
    pub state: StepState,
    /// What shows of it ("3 of 40" Secrets).
    pub detail: Option<String>,
}

/// The steps in order. `figure` is the share of new nodes, where it is known.
pub fn steps(
    rotation: &Rotation,
    snapshot: &ClusterSnapshot,
    pools: &[PoolRoll],
    figure: Option<Figure>,
) -> Vec<StepView> {
    use StepName::{Accepted, ControlPlane, Nodes, Prepared, Secrets};
    let all = |state: StepState| {
        [Accepted, ControlPlane, Secrets, Nodes, Prepared]
            .map(|name| StepView { name, state, detail: None })
            .to_vec()
    };
    match rollout_stage(rotation) {
        RolloutStage::Before => return all(StepState::Waiting),
        RolloutStage::After => return all(StepState::Done),
        RolloutStage::Rolling => {}
    }
    let begun =
        pools.iter().any(|pool| matches!(pool.state, PoolState::Rolling | PoolState::AllNew));
    let plane = &snapshot.control_plane;
    let view = |name, state, detail| StepView { name, state, detail };
    let plane_state = control_plane(plane, begun);
    let plane_detail = if plane_state == StepState::Now { plane_words(plane) } else { None };
    let (secrets_state, secrets_detail) = secrets(plane, begun, plane_state);
    let (nodes_state, nodes_detail) = if snapshot.is_blind_to("nodes") {
        (StepState::Unknown, Some("nodes cannot be seen".to_owned()))
    } else if begun {
        (StepState::Now, figure.map(format::figure))
    } else {
        (StepState::Waiting, None)
    };
    vec![
        view(Accepted, StepState::Done, None),
        view(ControlPlane, plane_state, plane_detail),
        view(Secrets, secrets_state, secrets_detail),
        view(Nodes, nodes_state, nodes_detail),
        view(Prepared, StepState::Waiting, None),
    ]
}

fn control_plane(plane: &ControlPlane, begun: bool) -> StepState {
    let has_new_key = plane.signing_keys.is_some_and(|keys| keys > 1);
    let rewrites = plane.reencrypted.is_some_and(|(done, _)| done > 0);
    if begun || has_new_key || rewrites { StepState::Done } else { StepState::Now }
}

fn plane_words(plane: &ControlPlane) -> Option<String> {
    if plane.ready == Some(false) {
        Some("the API server is not ready".to_owned())
    } else if plane.issuance.as_ref().is_some_and(Issuance::has_both_authorities) {
        Some(match plane.signing_keys {
            Some(1) => {
                "the new certificate authority is there, the new signing key is not accepted yet"
                    .to_owned()
            }
            Some(_) | None => "the new certificate authority is there".to_owned(),
        })
    } else {
        None
    }
}

/// The mark on rewritten Secrets is taken off again at the end, so that none may mean before or after.
fn secrets(plane: &ControlPlane, begun: bool, before: StepState) -> (StepState, Option<String>) {
    if begun {
        return (StepState::Done, None);
    }
    match plane.reencrypted {
        Some((done, total)) if done > 0 => {
            let state = if done >= total { StepState::Done } else { StepState::Now };
            (state, Some(format!("{} of {total}", done.min(total))))
        }
        Some(_) if before == StepState::Done => (StepState::Now, None),
        None if before == StepState::Done => (StepState::Unknown, None),
        Some(_) | None => (StepState::Waiting, None),
    }
}
