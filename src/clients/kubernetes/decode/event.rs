//! Events about nodes, about pods, and about pods that could not be created.

use k8s_openapi::api::core::v1 as core;

use crate::clients::kubernetes::decode::{at, text};
use crate::domain::snapshot::{Event, FAILED_CREATE};
use crate::domain::text::clean;

/// Reads an event about a node.
pub fn node_event(event: &core::Event) -> Option<Event> {
    about("Node", event)
}

/// Reads an event about a pod.
pub fn pod_event(event: &core::Event) -> Option<Event> {
    about("Pod", event)
}

/// Reads an event about a controller that could not create a pod.
pub fn creation_event(event: &core::Event) -> Option<Event> {
    let kind =
        event.involved_object.kind.as_deref().filter(|kind| !["Node", "Pod"].contains(kind))?;
    about(kind, event).filter(|event| event.reason == FAILED_CREATE)
}

/// Filters by kind again, since servers may ignore the field selector.
fn about(kind: &str, event: &core::Event) -> Option<Event> {
    let object = &event.involved_object;
    if object.kind.as_deref() != Some(kind) {
        return None;
    }
    let series = event.series.as_ref();
    // Newer reporters leave the old fields empty and count in `series`.
    let moment = at(event.last_timestamp.as_ref())
        .or_else(|| series?.last_observed_time.as_ref().map(|time| time.0))
        .or_else(|| event.event_time.as_ref().map(|time| time.0))
        .or_else(|| at(event.metadata.creation_timestamp.as_ref()));
    let count = event.count.or_else(|| series?.count).unwrap_or(1);
    Some(Event {
        uid: text(event.metadata.uid.as_ref()),
        at: moment,
        kind: clean(kind),
        namespace: if kind == "Node" { String::new() } else { text(object.namespace.as_ref()) },
        name: text(object.name.as_ref()),
        reason: text(event.reason.as_ref()),
        message: event.message.as_deref().map(clean).unwrap_or_default(),
        warning: event.type_.as_deref() == Some("Warning"),
        count: u32::try_from(count).unwrap_or(1).max(1),
    })
}
