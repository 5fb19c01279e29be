//! Tables, as kubectl asks for them: the columns that people know.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::simulator::cluster::objects::{
    IntOrPercent, ObjectBody, ObjectKind, ObjectMeta, StoredController, StoredEvent, StoredNode,
    StoredObject, StoredPod,
};
use crate::simulator::kubernetes::json::set;
use crate::simulator::kubernetes::object_view::{ObjectView, age};
use crate::simulator::kubernetes::render_pod;
use crate::simulator::kubernetes::render_service::service_address;

/// How much of the object goes with its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IncludeObject {
    None,
    Metadata,
    Object,
}

/// Name of a column, and from which width on it is shown (0: always).
type Column = (&'static str, u8);

fn columns(kind: ObjectKind) -> &'static [Column] {
    match kind {
        ObjectKind::ConfigMap => &[("Name", 0), ("Data", 0), ("Age", 0)],
        ObjectKind::Event => &[
            ("Last Seen", 0),
            ("Type", 0),
            ("Reason", 0),
            ("Object", 0),
            ("Subobject", 1),
            ("Source", 1),
            ("Message", 0),
            ("First Seen", 1),
            ("Count", 1),
            ("Name", 1),
        ],
        ObjectKind::Namespace => &[("Name", 0), ("Status", 0), ("Age", 0)],
        ObjectKind::Node => &[
            ("Name", 0),
            ("Status", 0),
            ("Roles", 0),
            ("Age", 0),
            ("Version", 0),
            ("Internal-IP", 1),
            ("External-IP", 1),
            ("OS-Image", 1),
            ("Kernel-Version", 1),
            ("Container-Runtime", 1),
        ],
        ObjectKind::PersistentVolume => &[
            ("Name", 0),
            ("Capacity", 0),
            ("Access Modes", 0),
            ("Reclaim Policy", 0),
            ("Status", 0),
            ("Claim", 0),
            ("StorageClass", 0),
            ("VolumeAttributesClass", 0),
            ("Reason", 0),
            ("Age", 0),
        ],
        ObjectKind::PersistentVolumeClaim => &[
            ("Name", 0),
            ("Status", 0),
            ("Volume", 0),
            ("Capacity", 0),
            ("Access Modes", 0),
            ("StorageClass", 0),
            ("VolumeAttributesClass", 0),
            ("Age", 0),
        ],
        ObjectKind::Pod => &[
            ("Name", 0),
            ("Ready", 0),
            ("Status", 0),
            ("Restarts", 0),
            ("Age", 0),
            ("IP", 1),
            ("Node", 1),
            ("Nominated Node", 1),
            ("Readiness Gates", 1),
        ],
        ObjectKind::Budget => &[
            ("Name", 0),
            ("Min Available", 0),
            ("Max Unavailable", 0),
            ("Allowed Disruptions", 0),
            ("Age", 0),
        ],
        ObjectKind::DaemonSet => &[
            ("Name", 0),
            ("Desired", 0),
            ("Current", 0),
            ("Ready", 0),
            ("Up-to-date", 0),
            ("Available", 0),
            ("Node Selector", 0),
            ("Age", 0),
        ],
        ObjectKind::Deployment => {
            &[("Name", 0), ("Ready", 0), ("Up-to-date", 0), ("Available", 0), ("Age", 0)]
        }
        ObjectKind::StatefulSet => &[("Name", 0), ("Ready", 0), ("Age", 0)],
        ObjectKind::Secret => &[("Name", 0), ("Type", 0), ("Data", 0), ("Age", 0)],
        ObjectKind::Service => &[
            ("Name", 0),
            ("Type", 0),
            ("Cluster-IP", 0),
            ("External-IP", 0),
            ("Port(s)", 0),
            ("Age", 0),
            ("Selector", 1),
        ],
        ObjectKind::EndpointSlice => {
            &[("Name", 0), ("AddressType", 0), ("Ports", 0), ("Endpoints", 0), ("Age", 0)]
        }
        ObjectKind::MutatingWebhook | ObjectKind::ValidatingWebhook => {
            &[("Name", 0), ("Webhooks", 0), ("Age", 0)]
        }
        ObjectKind::ServiceAccount => &[("Name", 0), ("Secrets", 0), ("Age", 0)],
        ObjectKind::VolumeAttachment => {
            &[("Name", 0), ("Attacher", 0), ("PV", 0), ("Node", 0), ("Attached", 0), ("Age", 0)]
        }
    }
}

/// `columnDefinitions` of a kind.
pub fn definitions(kind: ObjectKind) -> Value {
    columns(kind)
        .iter()
        .map(|(name, priority)| {
            let format = if *name == "Name" { "name" } else { "" };
            let kind = match *name {
                "Restarts" | "Data" | "Secrets" | "Webhooks" | "Allowed Disruptions" | "Count" => "integer",
                _ => "string",
            };
            json!({"name": name, "type": kind, "format": format, "description": "", "priority": priority})
        })
        .collect()
}

/// One row; `shown` is what goes with it.
pub fn row(object: &StoredObject, shown: Option<Value>, view: &ObjectView) -> Value {
    let mut row = json!({"cells": cells(object, view)});
    if let Some(shown) = shown {
        set(&mut row, "object", shown);
    }
    row
}

fn cells(object: &StoredObject, view: &ObjectView) -> Value {
    let meta = &object.meta;
    let name = &*meta.key.name;
    let old = age(view.now.duration_since(meta.created));
    match &object.body {
        ObjectBody::ConfigMap(data) => json!([name, data.len(), old]),
        ObjectBody::Event(event) => event_cells(name, event, view),
        ObjectBody::Namespace => json!([name, "Active", old]),
        ObjectBody::Node(node) => node_cells(name, node, &old, view),
        ObjectBody::PersistentVolume(volume) => {
            let class = if volume.node.is_some() { "local" } else { "premium-perf1-stackit" };
            let claim = format!("{}/{}", volume.claim.namespace, volume.claim.name);
            json!([name, "20Gi", "RWO", "Delete", "Bound", claim, class, "<unset>", "", old])
        }
        ObjectBody::PersistentVolumeClaim(volume) => {
            json!([
                name,
                "Bound",
                &**volume,
                "20Gi",
                "RWO",
                "premium-perf1-stackit",
                "<unset>",
                old
            ])
        }
        ObjectBody::Pod(pod) => pod_cells(meta, pod, &old, view),
        ObjectBody::Budget(budget) => {
            let text = |amount: Option<&IntOrPercent>| match amount {
                Some(IntOrPercent::Int(number)) => number.to_string(),
                Some(IntOrPercent::Percent(text)) => text.clone(),
                None => "N/A".to_owned(),
            };
            json!([
                name,
                text(budget.min_available.as_ref()),
                text(budget.max_unavailable.as_ref()),
                budget.allowed,
                old,
            ])
        }
        ObjectBody::Controller(controller) => {
            let StoredController { wanted, there, ready, .. } = controller;
            let share = format!("{ready}/{wanted}");
            match controller.kind {
                ObjectKind::DaemonSet => {
                    json!([name, wanted, there, ready, there, ready, "<none>", old])
                }
                ObjectKind::Deployment => json!([name, share, there, ready, old]),
                _ => json!([name, share, old]),
            }
        }
        ObjectBody::Secret(secret) => json!([name, secret.kind, secret.data.len(), old]),
        ObjectBody::ServiceAccount(secrets) => json!([name, secrets.len(), old]),
        ObjectBody::VolumeAttachment(attachment) => json!([
            name,
            "cinder.csi.openstack.org",
            &*attachment.volume,
            view.node(&attachment.node),
            attachment.attached,
            old,
        ]),
        ObjectBody::Service(service) => json!([
            name,
            "ClusterIP",
            service_address(service.number),
            "<none>",
            "443/TCP",
            old,
            format!("app={}", service.app),
        ]),
        ObjectBody::EndpointSlice(endpoints) => {
            let addresses: Vec<String> =
                endpoints.iter().take(3).map(|one| render_pod::address(one.number)).collect();
            let (ports, addresses) = match (addresses.join(","), endpoints.len()) {
                (_, 0) => ("<unset>", "<unset>".to_owned()),
                (shown, 1..=3) => ("8443", shown),
                (shown, all) => ("8443", format!("{shown} + {} more...", all - 3)),
            };
            json!([name, "IPv4", ports, addresses, old])
        }
        ObjectBody::ValidatingWebhook(_) => json!([name, 1, old]),
    }
}

fn event_cells(name: &str, event: &StoredEvent, view: &ObjectView) -> Value {
    let since = |at: Timestamp| age(view.now.duration_since(at));
    let kind = event.kind.to_lowercase();
    let about = &*event.about.name;
    let about = if event.kind == "Node" { view.node(about) } else { about.into() };
    let word = if event.warning { "Warning" } else { "Normal" };
    json!([
        since(event.last),
        word,
        event.reason,
        format!("{kind}/{about}"),
        "",
        event.component,
        view.message(&event.message),
        since(event.first),
        event.count,
        name,
    ])
}

fn node_cells(name: &str, node: &StoredNode, old: &str, view: &ObjectView) -> Value {
    let mut status = if node.ready.status { "Ready" } else { "NotReady" }.to_owned();
    if node.unschedulable {
        status.push_str(",SchedulingDisabled");
    }
    let (high, low) = (node.number / 250 % 250, node.number % 250 + 2);
    json!([
        view.node(name),
        status,
        "<none>",
        old,
        &*node.version,
        format!("10.250.{high}.{low}"),
        "<none>",
        "Flatcar Container Linux by Kinvolk 4230.2.1 (Oklo)",
        "6.12.30-flatcar",
        "containerd://2.0.5",
    ])
}

fn pod_cells(meta: &ObjectMeta, pod: &StoredPod, old: &str, view: &ObjectView) -> Value {
    let status = match (&pod.node, pod.started, meta.deletion) {
        (_, _, Some(_)) => "Terminating",
        (None, _, None) => "Pending",
        (Some(_), None, None) => "ContainerCreating",
        (Some(_), Some(_), None) => "Running",
    };
    let node = pod.node.as_deref().map_or("<none>".into(), |node| view.node(node));
    let ready = if pod.ready.0 { "1/1" } else { "0/1" };
    json!([&*meta.key.name, ready, status, "0", old, "<none>", node, "<none>", "<none>"])
}
