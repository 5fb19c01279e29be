//! Volume attachments, and volumes that cannot follow a pod.

use k8s_openapi::api::core::v1::{NodeSelectorRequirement, PersistentVolume};
use k8s_openapi::api::storage::v1::VolumeAttachment;

use crate::clients::kubernetes::decode::{at, some, text};
use crate::domain::snapshot::{Attachment, BoundVolume};
use crate::domain::text::clean;

/// Reads a VolumeAttachment.
pub fn attachment(attachment: &VolumeAttachment) -> Option<Attachment> {
    let meta = &attachment.metadata;
    Some(Attachment {
        name: some(meta.name.as_ref())?,
        node: clean(&attachment.spec.node_name),
        volume: text(attachment.spec.source.persistent_volume_name.as_ref()),
        detaching_since: at(meta.deletion_timestamp.as_ref()),
        detach_error: attachment
            .status
            .as_ref()
            .and_then(|status| status.detach_error.as_ref())
            .map(|error| text(error.message.as_ref())),
    })
}

/// Reads a persistent volume; one that can be attached anywhere is skipped. A volume whose affinity names a host counts
/// as bound to its node, whatever its driver.
pub fn bound_volume(volume: &PersistentVolume) -> Option<BoundVolume> {
    let spec = volume.spec.as_ref()?;
    let required = spec.node_affinity.as_ref().and_then(|affinity| affinity.required.as_ref());
    let requirements: Vec<&NodeSelectorRequirement> = required
        .into_iter()
        .flat_map(|selector| &selector.node_selector_terms)
        .flat_map(|term| term.match_expressions.iter().flatten())
        .filter(|requirement| requirement.operator == "In")
        .collect();
    let is_one = |found: &NodeSelectorRequirement| found.values.iter().flatten().count() == 1;
    let on_host = requirements.iter().any(|found| is_host(&found.key) && is_one(found));
    let mut zones: Vec<String> = requirements
        .iter()
        .filter(|requirement| is_zone(&requirement.key))
        .flat_map(|requirement| requirement.values.iter().flatten())
        .map(|zone| clean(zone))
        .collect();
    zones.sort();
    zones.dedup();
    let on_node = spec.local.is_some() || spec.host_path.is_some() || on_host;
    let claim = spec.claim_ref.as_ref();
    let name = some(volume.metadata.name.as_ref())?;
    (on_node || !zones.is_empty()).then(|| BoundVolume {
        name,
        claim: claim.map(|claim| (text(claim.namespace.as_ref()), text(claim.name.as_ref()))),
        on_node,
        zones,
    })
}

/// The general label, and those of the volume drivers ("openebs.io/nodename", "topology.topolvm.io/node").
fn is_host(key: &str) -> bool {
    ["/hostname", "/nodename", "/node"].iter().any(|end| key.ends_with(end))
}

/// The general label, its old name, and those of the volume drivers ("topology.cinder.csi.openstack.org/zone").
fn is_zone(key: &str) -> bool {
    key.ends_with("/zone")
}
