//! Renders objects as JSON: metadata, and the smaller kinds.

use base64::Engine;
use serde_json::{Map, Value, json};

use crate::simulator::cluster::objects::{
    LabelMap, ObjectBody, ObjectKey, ObjectKind, ObjectMeta, StoredAttachment, StoredBudget,
    StoredCertificateRequest, StoredController, StoredEndpoint, StoredEvent, StoredObject,
    StoredService, StoredVolume, StoredWebhook,
};
use crate::simulator::kubernetes::json::set;
use crate::simulator::kubernetes::object_view::ObjectView;
use crate::simulator::kubernetes::resources::CLIENT_SIGNER;
use crate::simulator::kubernetes::{render_node, render_pod};

/// An object without `kind` and `apiVersion`, with the version of the change that shows it.
pub fn object(object: &StoredObject, version: u64, view: &ObjectView) -> Map<String, Value> {
    let mut found = match &object.body {
        ObjectBody::CertificateRequest(request) => {
            render_certificate_request(&object.meta, request, view)
        }
        ObjectBody::ConfigMap(data) => json!({"data": data}),
        ObjectBody::Event(event) => render_event(event, view),
        ObjectBody::Namespace => {
            json!({"spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}})
        }
        ObjectBody::Node(node) => render_node::body(&object.meta, node, view),
        ObjectBody::PersistentVolume(volume) => render_volume(&object.meta, volume),
        ObjectBody::PersistentVolumeClaim(volume) => json!({
            "spec": {
                "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "20Gi"}},
                "storageClassName": "premium-perf1-stackit", "volumeMode": "Filesystem", "volumeName": &**volume,
            },
            "status": {"phase": "Bound", "accessModes": ["ReadWriteOnce"], "capacity": {"storage": "20Gi"}},
        }),
        ObjectBody::Pod(pod) => render_pod::body(&object.meta, pod, view),
        ObjectBody::Budget(budget) => render_budget(&object.meta, budget, view),
        ObjectBody::Controller(controller) => render_controller(&object.meta, controller, view),
        ObjectBody::Secret(secret) => {
            let encode = |text: &String| base64::engine::general_purpose::STANDARD.encode(text);
            let data: Map<String, Value> = secret
                .data
                .iter()
                .map(|(key, value)| ((*key).to_owned(), Value::String(encode(value))))
                .collect();
            json!({"type": secret.kind, "data": data})
        }
        ObjectBody::ServiceAccount(secrets) => {
            let secrets: Vec<Value> = secrets.iter().map(|name| json!({"name": &**name})).collect();
            if secrets.is_empty() { json!({}) } else { json!({"secrets": secrets}) }
        }
        ObjectBody::VolumeAttachment(attachment) => render_attachment(attachment, view),
        ObjectBody::Service(service) => render_service(service),
        ObjectBody::EndpointSlice(endpoints) => render_endpoints(&object.meta, endpoints, view),
        ObjectBody::ValidatingWebhook(webhook) => render_webhook(&object.meta, webhook),
    };
    let metadata = metadata(object, version, view);
    match found.as_object_mut() {
        Some(map) => {
            map.insert("metadata".to_owned(), metadata);
            std::mem::take(map)
        }
        None => Map::new(),
    }
}

fn render_certificate_request(
    meta: &ObjectMeta,
    request: &StoredCertificateRequest,
    view: &ObjectView,
) -> Value {
    let encode = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    let at = view.time(meta.created);
    json!({
        "spec": {
            "request": encode(&request.request), "signerName": CLIENT_SIGNER, "usages": ["client auth"],
            "username": &*request.user, "groups": ["system:authenticated"],
        },
        "status": {
            "certificate": encode(&request.certificate),
            "conditions": [{
                "type": "Approved", "status": "True", "reason": "KubectlApprove",
                "message": "This CSR was approved by kubectl certificate approve.",
                "lastUpdateTime": at, "lastTransitionTime": at,
            }],
        },
    })
}

/// `metadata` of an object.
pub fn metadata(object: &StoredObject, version: u64, view: &ObjectView) -> Value {
    let meta = &object.meta;
    let name = if object.node().is_some() {
        view.node_name(&meta.key.name)
    } else {
        (&*meta.key.name).into()
    };
    let mut found = Map::new();
    let mut put = |key: &str, value: Value| {
        found.insert(key.to_owned(), value);
    };
    put("name", json!(name));
    if !meta.key.namespace.is_empty() {
        put("namespace", json!(&*meta.key.namespace));
    }
    put("uid", json!(&*meta.uid));
    put("resourceVersion", json!(version.to_string()));
    put("creationTimestamp", view.time(meta.created));
    let generation = match &object.body {
        ObjectBody::Budget(budget) => Some(budget.generation),
        ObjectBody::Controller(controller) => Some(controller.generation),
        // The only spec change of a pod is its deletion.
        ObjectBody::Pod(_) => Some(1 + u32::from(meta.deletion.is_some())),
        ObjectBody::ValidatingWebhook(webhook) => Some(webhook.generation),
        _ => None,
    };
    if let Some(generation) = generation {
        put("generation", json!(generation));
    }
    if !meta.labels.is_empty() {
        put("labels", texts(&meta.labels, view));
    }
    if !meta.annotations.is_empty() {
        put("annotations", texts(&meta.annotations, view));
    }
    if let Some(owner) = &meta.owner {
        put(
            "ownerReferences",
            json!([{
                "apiVersion": owner.version, "kind": owner.kind, "name": &*owner.name, "uid": &*owner.uid,
                "controller": true, "blockOwnerDeletion": true,
            }]),
        );
    }
    if !meta.finalizers.is_empty() {
        put("finalizers", json!(meta.finalizers));
    }
    if let Some(deletion) = meta.deletion {
        put("deletionTimestamp", view.time(deletion.by));
        put("deletionGracePeriodSeconds", json!(deletion.grace));
    }
    if let Some(written) = meta.written {
        put(
            "managedFields",
            json!([{
                "manager": "kube-controller-manager", "operation": "Update", "apiVersion": "v1",
                "time": view.time(written), "fieldsType": "FieldsV1", "fieldsV1": {"f:data": {".": {}, "f:ca.crt": {}}},
            }]),
        );
    }
    Value::Object(found)
}

fn texts(labels: &LabelMap, view: &ObjectView) -> Value {
    let shown: Map<String, Value> = labels
        .iter()
        .filter(|(key, _)| view.shows_label(key))
        .map(|(key, value)| (key.to_string(), Value::String(value.to_string())))
        .collect();
    Value::Object(shown)
}

fn render_event(event: &StoredEvent, view: &ObjectView) -> Value {
    let ObjectKey { namespace, name } = &event.involved;
    let mut involved = json!({"kind": event.kind, "apiVersion": "v1", "uid": &*event.uid});
    if event.kind == "Node" {
        set(&mut involved, "name", json!(view.node_name(name)));
    } else {
        set(&mut involved, "name", json!(&**name));
        set(&mut involved, "namespace", json!(&**namespace));
    }
    json!({
        "involvedObject": involved, "reason": event.reason, "message": view.message(&event.message),
        "source": {"component": event.component}, "type": event.severity, "count": event.count,
        "firstTimestamp": view.time(event.first), "lastTimestamp": view.time(event.last),
        "eventTime": null, "reportingComponent": event.component, "reportingInstance": "",
    })
}

/// Converts an event of the core group to `events.k8s.io/v1`.
pub fn rename_event_fields(event: &mut Map<String, Value>) {
    for (core, later) in [
        ("involvedObject", "regarding"),
        ("message", "note"),
        ("reportingComponent", "reportingController"),
        ("source", "deprecatedSource"),
        ("count", "deprecatedCount"),
        ("firstTimestamp", "deprecatedFirstTimestamp"),
        ("lastTimestamp", "deprecatedLastTimestamp"),
    ] {
        if let Some(value) = event.remove(core) {
            event.insert(later.to_owned(), value);
        }
    }
}

fn render_volume(meta: &ObjectMeta, volume: &StoredVolume) -> Value {
    let affinity = |key: &str, value: &str| {
        json!({"required": {"nodeSelectorTerms": [{"matchExpressions": [
            {"key": key, "operator": "In", "values": [value]}]}]}})
    };
    let ObjectKey { namespace, name } = &volume.claim;
    let mut spec = json!({
        "accessModes": ["ReadWriteOnce"], "capacity": {"storage": "20Gi"}, "volumeMode": "Filesystem",
        "persistentVolumeReclaimPolicy": "Delete", "storageClassName": "premium-perf1-stackit",
        "claimRef": {
            "apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": &**namespace, "name": &**name,
        },
    });
    if let Some(node) = &volume.node {
        set(&mut spec, "storageClassName", json!("local"));
        set(&mut spec, "local", json!({"path": "/mnt/disks/data"}));
        set(&mut spec, "nodeAffinity", affinity("kubernetes.io/hostname", node));
    } else {
        let driver = "cinder.csi.openstack.org";
        let csi = json!({"driver": driver, "volumeHandle": &*meta.uid, "fsType": "ext4"});
        set(&mut spec, "csi", csi);
        let zone = affinity("topology.cinder.csi.openstack.org/zone", &volume.zone);
        set(&mut spec, "nodeAffinity", zone);
    }
    json!({"spec": spec, "status": {"phase": "Bound"}})
}

fn render_attachment(attachment: &StoredAttachment, view: &ObjectView) -> Value {
    let mut status = json!({"attached": attachment.attached});
    if let Some((at, message)) = &attachment.detach_error {
        let error = json!({"time": view.time(*at), "message": view.message(message)});
        set(&mut status, "detachError", error);
    }
    json!({
        "spec": {
            "attacher": "cinder.csi.openstack.org", "nodeName": view.node_name(&attachment.node),
            "source": {"persistentVolumeName": &*attachment.volume},
        },
        "status": status,
    })
}

fn render_budget(meta: &ObjectMeta, budget: &StoredBudget, view: &ObjectView) -> Value {
    let mut spec = json!({"selector": {"matchLabels": {"app": &*budget.app}}});
    if let Some(most) = &budget.max_unavailable {
        set(&mut spec, "maxUnavailable", json!(most));
    } else if let Some(least) = &budget.min_available {
        set(&mut spec, "minAvailable", json!(least));
    }
    if let Some(policy) = &budget.unhealthy_policy {
        set(&mut spec, "unhealthyPodEvictionPolicy", json!(policy));
    }
    let (status, reason) =
        if budget.allowed > 0 { ("True", "SufficientPods") } else { ("False", "InsufficientPods") };
    json!({
        "spec": spec,
        "status": {
            "disruptionsAllowed": budget.allowed, "currentHealthy": budget.healthy,
            "desiredHealthy": budget.desired, "expectedPods": budget.expected,
            "observedGeneration": budget.observed,
            "conditions": [{
                "type": "DisruptionAllowed", "status": status, "reason": reason, "message": "",
                "lastTransitionTime": view.time(meta.created), "observedGeneration": budget.observed,
            }],
        },
    })
}

fn render_controller(meta: &ObjectMeta, controller: &StoredController, view: &ObjectView) -> Value {
    let StoredController { app, replicas, pods, ready, updated, generation, .. } = controller;
    let mut labels = json!({"app": &**app});
    if let (ObjectKind::ReplicaSet, Some(hash)) =
        (controller.kind, meta.labels.get("pod-template-hash"))
    {
        set(&mut labels, "pod-template-hash", json!(&**hash));
    }
    let container = json!({"name": "main", "image": format!("registry.example/{app}:1.4.2")});
    let mut template = json!({"labels": labels});
    if !controller.template_annotations.is_empty() {
        set(&mut template, "annotations", texts(&controller.template_annotations, view));
    }
    let mut spec = json!({
        "selector": {"matchLabels": labels},
        "template": {"metadata": template, "spec": {"containers": [container]}},
    });
    let replicas_status = json!({
        "replicas": pods, "readyReplicas": ready, "availableReplicas": ready,
        "observedGeneration": generation,
    });
    if controller.kind != ObjectKind::DaemonSet {
        set(&mut spec, "replicas", json!(replicas));
    }
    let quarter = json!({"maxSurge": "25%", "maxUnavailable": "25%"});
    let status = match controller.kind {
        ObjectKind::DaemonSet => {
            let one = json!({"maxSurge": 0, "maxUnavailable": 1});
            set(
                &mut spec,
                "updateStrategy",
                json!({"type": "RollingUpdate", "rollingUpdate": one}),
            );
            json!({
                "desiredNumberScheduled": replicas, "currentNumberScheduled": pods, "numberMisscheduled": 0,
                "numberReady": ready, "numberAvailable": ready, "updatedNumberScheduled": updated,
                "observedGeneration": generation,
            })
        }
        ObjectKind::Deployment => {
            set(&mut spec, "strategy", json!({"type": "RollingUpdate", "rollingUpdate": quarter}));
            let mut status = replicas_status;
            set(&mut status, "updatedReplicas", json!(updated));
            set(&mut status, "conditions", deployment_conditions(meta, controller, view));
            status
        }
        ObjectKind::StatefulSet => {
            set(&mut spec, "serviceName", json!(&**app));
            let rolling = json!({"partition": 0});
            let strategy = json!({"type": "RollingUpdate", "rollingUpdate": rolling});
            set(&mut spec, "updateStrategy", strategy);
            let revision = |number: u32| format!("{}-{number}", meta.key.name);
            let current =
                if updated == pods { controller.revision } else { controller.revision - 1 };
            let mut status = replicas_status;
            set(&mut status, "updatedReplicas", json!(updated));
            set(&mut status, "currentReplicas", json!(pods));
            set(&mut status, "currentRevision", json!(revision(current)));
            set(&mut status, "updateRevision", json!(revision(controller.revision)));
            status
        }
        _ => replicas_status,
    };
    json!({"spec": spec, "status": status})
}

fn deployment_conditions(
    meta: &ObjectMeta,
    controller: &StoredController,
    view: &ObjectView,
) -> Value {
    let StoredController { replicas, ready, updated, pods, .. } = controller;
    let is_available = *ready >= replicas - replicas / 4;
    let is_complete = updated == replicas && pods == replicas && ready == replicas;
    let at = view.time(meta.created);
    let condition = |kind: &str, is_true: bool, reason: &str, message: &str| {
        json!({
            "type": kind, "status": if is_true { "True" } else { "False" }, "reason": reason, "message": message,
            "lastUpdateTime": at, "lastTransitionTime": at,
        })
    };
    let available = if is_available {
        ("MinimumReplicasAvailable", "Deployment has minimum availability.")
    } else {
        ("MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
    };
    let progressing = if is_complete {
        ("NewReplicaSetAvailable", "ReplicaSet has successfully progressed.")
    } else {
        ("ReplicaSetUpdated", "ReplicaSet is progressing.")
    };
    json!([
        condition("Available", is_available, available.0, available.1),
        condition("Progressing", true, progressing.0, progressing.1),
    ])
}

/// Address of a service.
pub fn service_address(number: u32) -> String {
    format!("100.104.{}.{}", number / 250 % 250, number % 250 + 2)
}

fn render_service(service: &StoredService) -> Value {
    let address = service_address(service.number);
    json!({
        "spec": {
            "type": "ClusterIP", "clusterIP": address, "clusterIPs": [address], "ipFamilies": ["IPv4"],
            "ipFamilyPolicy": "SingleStack", "sessionAffinity": "None", "internalTrafficPolicy": "Cluster",
            "selector": {"app": &*service.app},
            "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": 8443}],
        },
        "status": {"loadBalancer": {}},
    })
}

/// Real servers encode an empty list of endpoints as null.
fn render_endpoints(meta: &ObjectMeta, endpoints: &[StoredEndpoint], view: &ObjectView) -> Value {
    let shown = |one: &StoredEndpoint| {
        json!({
            "addresses": [render_pod::address(one.number)], "nodeName": view.node_name(&one.node),
            "conditions": {
                "ready": one.serving && !one.terminating, "serving": one.serving, "terminating": one.terminating,
            },
            "targetRef": {"kind": "Pod", "namespace": &*meta.key.namespace, "name": &*one.pod},
        })
    };
    let (endpoints, ports) = if endpoints.is_empty() {
        (Value::Null, Value::Null)
    } else {
        let ports = json!([{"name": "https", "port": 8443, "protocol": "TCP"}]);
        (endpoints.iter().map(shown).collect(), ports)
    };
    json!({"addressType": "IPv4", "endpoints": endpoints, "ports": ports})
}

fn render_webhook(meta: &ObjectMeta, webhook: &StoredWebhook) -> Value {
    let ObjectKey { namespace, name } = &webhook.service;
    let resource = webhook.resource;
    json!({"webhooks": [{
        "name": format!("{}.example.com", meta.key.name),
        "admissionReviewVersions": ["v1"], "sideEffects": "None", "timeoutSeconds": 10,
        "failurePolicy": &*webhook.failure_policy, "matchPolicy": "Equivalent",
        "namespaceSelector": {}, "objectSelector": {},
        "clientConfig": {"service": {
            "namespace": &**namespace, "name": &**name, "path": "/validate", "port": 443,
        }},
        "rules": [{
            "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": [resource], "scope": "*",
        }],
    }]})
}
