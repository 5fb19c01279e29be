//! The visible steps of a start, from acceptance to PREPARED.
//!
//! The order is that of Gardener's start flow: control plane, Secrets, nodes. Only the phase confirms PREPARED.

use crate::domain::credential::Issuance;
use crate::domain::roll::generation::{RollStage, rollout_stage};
use crate::domain::roll::progress::{PoolRoll, PoolState, RollProgress};
use crate::domain::rotation::Rotation;
use crate::domain::snapshot::{ClusterSnapshot, ControlPlane};

/// A step of the start flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StartStepName {
    /// SKE reports the rotation.
    Accepted,
    /// New CAs and keys; the API server restarts with them.
    ControlPlane,
    /// Secrets are re-encrypted with the new key.
    Secrets,
    /// Nodes are replaced.
    Nodes,
    /// Old and new credentials both work.
    Prepared,
}

/// The state of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepState {
    Done,
    Now,
    Waiting,
    Unknown,
}

/// A step, its state, and visible details.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartStep {
    pub name: StartStepName,
    pub state: StepState,
    pub detail: Option<StartStepDetail>,
}

/// Visible details of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartStepDetail {
    ApiServerNotReady,
    /// The bundle has the new CA; and whether the old signing key is still the only one.
    NewAuthority {
        only_old_key: bool,
    },
    Secrets {
        done: usize,
        total: usize,
    },
    NodesUnseen,
    Nodes(RollProgress),
}

/// Evaluates the steps in order. `progress` is the share of new nodes, if known.
pub fn start_steps(
    rotation: &Rotation,
    snapshot: &ClusterSnapshot,
    pools: &[PoolRoll],
    progress: Option<RollProgress>,
) -> Vec<StartStep> {
    use StartStepName::{Accepted, ControlPlane, Nodes, Prepared, Secrets};
    let all = |state: StepState| {
        [Accepted, ControlPlane, Secrets, Nodes, Prepared]
            .map(|name| StartStep { name, state, detail: None })
            .to_vec()
    };
    match rollout_stage(rotation) {
        RollStage::Before => return all(StepState::Waiting),
        RollStage::After => return all(StepState::Done),
        RollStage::Rolling => {}
    }
    let begun =
        pools.iter().any(|pool| matches!(pool.state, PoolState::Rolling | PoolState::AllNew));
    let plane = &snapshot.control_plane;
    let view = |name, state, detail| StartStep { name, state, detail };
    let plane_state = control_plane(plane, begun);
    let detail = if plane_state == StepState::Now { plane_detail(plane) } else { None };
    let (secrets_state, secrets_detail) = secrets(plane, begun, plane_state);
    let (nodes_state, nodes_detail) = if snapshot.is_blind_to("nodes") {
        (StepState::Unknown, Some(StartStepDetail::NodesUnseen))
    } else if begun {
        (StepState::Now, progress.map(StartStepDetail::Nodes))
    } else {
        (StepState::Waiting, None)
    };
    vec![
        view(Accepted, StepState::Done, None),
        view(ControlPlane, plane_state, detail),
        view(Secrets, secrets_state, secrets_detail),
        view(Nodes, nodes_state, nodes_detail),
        view(Prepared, StepState::Waiting, None),
    ]
}

fn control_plane(plane: &ControlPlane, begun: bool) -> StepState {
    let has_new_key = plane.signing_keys.as_ref().is_some_and(|keys| keys.accepted.len() > 1);
    let rewrites = plane.reencrypted.is_some_and(|(done, _)| done > 0);
    if begun || has_new_key || rewrites { StepState::Done } else { StepState::Now }
}

fn plane_detail(plane: &ControlPlane) -> Option<StartStepDetail> {
    if plane.ready == Some(false) {
        return Some(StartStepDetail::ApiServerNotReady);
    }
    let renewed = plane.issuance.as_ref().is_some_and(Issuance::has_both_authorities);
    renewed.then_some(StartStepDetail::NewAuthority {
        only_old_key: plane.signing_keys.as_ref().is_some_and(|keys| keys.accepted.len() == 1),
    })
}

/// The label of re-encrypted Secrets is removed at the end, so its absence means either before or after.
fn secrets(
    plane: &ControlPlane,
    begun: bool,
    before: StepState,
) -> (StepState, Option<StartStepDetail>) {
    if begun {
        return (StepState::Done, None);
    }
    match plane.reencrypted {
        Some((done, total)) if done > 0 => {
            let state = if done >= total { StepState::Done } else { StepState::Now };
            (state, Some(StartStepDetail::Secrets { done: done.min(total), total }))
        }
        Some(_) if before == StepState::Done => (StepState::Now, None),
        None if before == StepState::Done => (StepState::Unknown, None),
        Some(_) | None => (StepState::Waiting, None),
    }
}
