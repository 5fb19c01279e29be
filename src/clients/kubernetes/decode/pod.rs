//! Pods: where they run, what created them, and what they would lose by moving.

use k8s_openapi::api::core::v1 as core;

use crate::clients::kubernetes::decode::{at, because, labels, some, text};
use crate::domain::snapshot::{OwnerReference, Pod};
use crate::domain::text::clean;

const MIRROR: &str = "kubernetes.io/config.mirror";
/// Reason of a pod that is not scheduled yet (`spec.schedulingGates`).
const GATED: &str = "SchedulingGated";

/// Reads a pod; a finished one is skipped, unless its deletion is pending.
pub fn pod(pod: &core::Pod) -> Option<Pod> {
    let meta = &pod.metadata;
    let status = pod.status.as_ref();
    let phase = status.and_then(|status| status.phase.as_deref()).unwrap_or_default();
    let finished = matches!(phase, "Succeeded" | "Failed");
    if finished && meta.deletion_timestamp.is_none() {
        return None;
    }
    let spec = pod.spec.as_ref();
    let name = some(meta.name.as_ref())?;
    let volumes = spec.and_then(|spec| spec.volumes.as_deref()).unwrap_or_default();
    let conditions = status.and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let condition = |kind: &str, status: &str| {
        let first = conditions.iter().find(|condition| condition.type_ == kind);
        first.filter(|condition| condition.status == status)
    };
    let unscheduled = condition("PodScheduled", "False");
    let gated = unscheduled.is_some_and(|condition| condition.reason.as_deref() == Some(GATED));
    let owners = meta.owner_references.as_deref().unwrap_or_default();
    Some(Pod {
        uid: text(meta.uid.as_ref()),
        namespace: text(meta.namespace.as_ref()),
        labels: labels(meta.labels.as_ref()),
        node: some(spec.and_then(|spec| spec.node_name.as_ref())),
        owner: owners
            .iter()
            .find(|owner| owner.controller == Some(true))
            .map(|owner| OwnerReference { kind: clean(&owner.kind), name: clean(&owner.name) }),
        created: at(meta.creation_timestamp.as_ref()),
        ready: condition("Ready", "True").is_some(),
        pending: phase == "Pending",
        unscheduled: unscheduled.filter(|_| !gated).map(|condition| {
            let text = some(condition.message.as_ref());
            let text = text.or_else(|| because(condition.reason.as_ref(), None));
            (at(condition.last_transition_time.as_ref()), text.unwrap_or_default())
        }),
        finished,
        waiting: status.and_then(waiting).or_else(|| gated.then(|| GATED.to_owned())),
        grace_seconds: meta
            .deletion_grace_period_seconds
            .or_else(|| spec?.termination_grace_period_seconds)
            .unwrap_or(30),
        deletion_deadline: at(meta.deletion_timestamp.as_ref()),
        finalizers: meta.finalizers.iter().flatten().map(|name| clean(name)).collect(),
        claims: volumes.iter().filter_map(|volume| claim(&name, volume)).collect(),
        local_data: volumes.iter().any(stays),
        mirror: meta.annotations.as_ref().is_some_and(|all| all.contains_key(MIRROR)),
        name,
    })
}

/// Why a container does not run, unless it is merely being created.
fn waiting(status: &core::PodStatus) -> Option<String> {
    let containers = status.init_container_statuses.iter().chain(&status.container_statuses);
    let reasons = containers
        .flatten()
        .filter_map(|container| some(container.state.as_ref()?.waiting.as_ref()?.reason.as_ref()));
    reasons.into_iter().find(|reason| !matches!(&**reason, "ContainerCreating" | "PodInitializing"))
}

/// The claim behind a volume; for a generic ephemeral volume the name is derived from pod and volume.
fn claim(pod: &str, volume: &core::Volume) -> Option<String> {
    match &volume.persistent_volume_claim {
        Some(claim) => some(Some(&claim.claim_name)),
        None => volume.ephemeral.as_ref().map(|_| format!("{pod}-{}", clean(&volume.name))),
    }
}

fn stays(volume: &core::Volume) -> bool {
    volume.host_path.is_some()
        || volume.empty_dir.as_ref().is_some_and(|dir| dir.medium.as_deref() != Some("Memory"))
}
