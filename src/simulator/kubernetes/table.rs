//! Tables, as kubectl requests them.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::simulator::cluster::objects::{
    IntOrPercent, ObjectBody, ObjectKind, ObjectMeta, StoredAttachment, StoredController,
    StoredEvent, StoredNode, StoredObject, StoredPod,
};
use crate::simulator::kubernetes::json::set;
use crate::simulator::kubernetes::object_view::{ObjectView, age};
use crate::simulator::kubernetes::resources::CLIENT_SIGNER;
use crate::simulator::kubernetes::{render, render_node, render_pod};

/// How much of an object is included in its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IncludeObject {
    None,
    Metadata,
    Object,
}

/// Names of the columns: those with an asterisk only appear with `-o wide`; `#` marks a number, `?` a boolean.
fn columns(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::ConfigMap => "Name,Data,Age",
        ObjectKind::Event => {
            "Last Seen,Type,Reason,Object,*Subobject,*Source,Message,*First Seen,*Count,*Name"
        }
        ObjectKind::Namespace => "Name,Status,Age",
        ObjectKind::Node => {
            "Name,Status,Roles,Age,Version,*Internal-IP,*External-IP,*OS-Image,*Kernel-Version,*Container-Runtime"
        }
        ObjectKind::PersistentVolume => {
            "Name,Capacity,Access Modes,Reclaim Policy,Status,Claim,StorageClass,VolumeAttributesClass,Reason,Age,*VolumeMode"
        }
        ObjectKind::PersistentVolumeClaim => {
            "Name,Status,Volume,Capacity,Access Modes,StorageClass,VolumeAttributesClass,Age,*VolumeMode"
        }
        ObjectKind::Pod => {
            "Name,Ready,Status,Restarts,Age,*IP,*Node,*Nominated Node,*Readiness Gates"
        }
        ObjectKind::Budget => "Name,Min Available,Max Unavailable,Allowed Disruptions#,Age",
        ObjectKind::DaemonSet => {
            "Name,Desired#,Current#,Ready#,Up-to-date#,Available#,Node Selector,Age,*Containers,*Images,*Selector"
        }
        ObjectKind::Deployment => {
            "Name,Ready,Up-to-date,Available,Age,*Containers,*Images,*Selector"
        }
        ObjectKind::ReplicaSet => "Name,Desired#,Current#,Ready#,Age,*Containers,*Images,*Selector",
        ObjectKind::StatefulSet => "Name,Ready,Age,*Containers,*Images",
        ObjectKind::Secret => "Name,Type,Data,Age",
        ObjectKind::Service => "Name,Type,Cluster-IP,External-IP,Port(s),Age,*Selector",
        ObjectKind::EndpointSlice => "Name,AddressType,Ports,Endpoints,Age",
        ObjectKind::MutatingWebhook | ObjectKind::ValidatingWebhook => "Name,Webhooks#,Age",
        ObjectKind::ServiceAccount => "Name,Secrets,Age",
        ObjectKind::CertificateRequest => {
            "Name,Age,SignerName,Requestor,RequestedDuration,Condition"
        }
        ObjectKind::VolumeAttachment => "Name,Attacher,PV,Node,Attached?,Age",
    }
}

/// `columnDefinitions` of a kind.
pub fn definitions(kind: ObjectKind) -> Value {
    let definition = |column: &str| {
        let (name, priority) = column.strip_prefix('*').map_or((column, 0), |name| (name, 1));
        let (name, kind) = match (name.strip_suffix('#'), name.strip_suffix('?')) {
            (Some(name), _) => (name, "integer"),
            (_, Some(name)) => (name, "boolean"),
            _ => (name, "string"),
        };
        let format = if matches!(name, "Name" | "Attacher") { "name" } else { "" };
        json!({"name": name, "type": kind, "format": format, "description": "", "priority": priority})
    };
    columns(kind).split(',').map(definition).collect()
}

/// One row; `included` is its `object`.
pub fn row(object: &StoredObject, included: Option<Value>, view: &ObjectView) -> Value {
    let mut row = json!({"cells": cells(object, view)});
    if let Some(included) = included {
        set(&mut row, "object", included);
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
            json!([
                name,
                "20Gi",
                "RWO",
                "Delete",
                "Bound",
                claim,
                class,
                "<unset>",
                "",
                old,
                "Filesystem"
            ])
        }
        ObjectBody::PersistentVolumeClaim(volume) => {
            let class = "premium-perf1-stackit";
            json!([name, "Bound", &**volume, "20Gi", "RWO", class, "<unset>", old, "Filesystem"])
        }
        ObjectBody::Pod(pod) => pod_cells(meta, pod, &old, view),
        ObjectBody::Budget(budget) => {
            let text = |amount: &Option<IntOrPercent>| match amount {
                Some(IntOrPercent::Int(number)) => number.to_string(),
                Some(IntOrPercent::Percent(text)) => text.clone(),
                None => "N/A".to_owned(),
            };
            let (min, max) = (text(&budget.min_available), text(&budget.max_unavailable));
            json!([name, min, max, budget.allowed, old])
        }
        ObjectBody::Controller(controller) => {
            let StoredController { app, replicas, pods, ready, updated, .. } = controller;
            let ratio = format!("{ready}/{replicas}");
            let (image, selector) = (format!("registry.example/{app}:1.4.2"), format!("app={app}"));
            match controller.kind {
                ObjectKind::DaemonSet => json!([
                    name, replicas, pods, ready, updated, ready, "<none>", old, "main", image,
                    selector
                ]),
                ObjectKind::Deployment => {
                    json!([name, ratio, updated, ready, old, "main", image, selector])
                }
                ObjectKind::ReplicaSet => {
                    json!([name, replicas, pods, ready, old, "main", image, selector])
                }
                _ => json!([name, ratio, old, "main", image]),
            }
        }
        ObjectBody::Secret(secret) => json!([name, secret.kind, secret.data.len(), old]),
        ObjectBody::ServiceAccount(secrets) => json!([name, secrets.len(), old]),
        ObjectBody::CertificateRequest(request) => {
            json!([name, old, CLIENT_SIGNER, &*request.user, "<none>", "Approved,Issued"])
        }
        ObjectBody::VolumeAttachment(StoredAttachment { volume, node, attached, .. }) => {
            let node = view.node_name(node);
            json!([name, "cinder.csi.openstack.org", &**volume, node, attached, old])
        }
        ObjectBody::Service(service) => {
            let (address, selector) =
                (render::service_address(service.number), format!("app={}", service.app));
            json!([name, "ClusterIP", address, "<none>", "443/TCP", old, selector])
        }
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
    let StoredEvent { reason, severity, component, count, .. } = event;
    let object = &*event.involved.name;
    let object = if event.kind == "Node" { view.node_name(object) } else { object.into() };
    let object = format!("{}/{object}", event.kind.to_lowercase());
    let (first, last) = (since(event.first), since(event.last));
    let message = view.message(&event.message);
    json!([last, severity, reason, object, "", component, message, first, count, name])
}

fn node_cells(name: &str, node: &StoredNode, old: &str, view: &ObjectView) -> Value {
    let ready = if node.ready.status { "Ready" } else { "NotReady" };
    let cordoned = if node.unschedulable { ",SchedulingDisabled" } else { "" };
    let (name, status) = (view.node_name(name), format!("{ready}{cordoned}"));
    let (version, address) = (&*node.version, render_node::address(node.number));
    let [os_image, kernel, runtime] = render_node::VERSIONS;
    let none = "<none>";
    json!([name, status, none, old, version, address, none, os_image, kernel, runtime])
}

fn pod_cells(meta: &ObjectMeta, pod: &StoredPod, old: &str, view: &ObjectView) -> Value {
    let status = match (&pod.node, pod.started, meta.deletion) {
        (_, _, Some(_)) => "Terminating",
        (None, _, None) => "Pending",
        (Some(_), None, None) => "ContainerCreating",
        (Some(_), Some(_), None) if pod.crashes => render_pod::CRASH_LOOP,
        (Some(_), Some(_), None) => "Running",
    };
    let node = pod.node.as_deref().map_or("<none>".into(), |node| view.node_name(node));
    let ready = if pod.ready.0 { "1/1" } else { "0/1" };
    let address = pod.started.map_or_else(|| "<none>".into(), |_| render_pod::address(pod.number));
    let restarts = if pod.crashes { "1" } else { "0" };
    json!([&*meta.key.name, ready, status, restarts, old, address, node, "<none>", "<none>"])
}
