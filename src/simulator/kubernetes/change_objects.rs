//! Changes: patches, deletions, evictions, numbers of pods.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::simulator::cluster::SimulatedCluster;
use crate::simulator::cluster::budgets::EvictionRefusal;
use crate::simulator::cluster::objects::{
    IntOrPercent, LabelMap, ObjectBody, ObjectKey, ObjectKind, StoredObject, Taint,
};
use crate::simulator::kubernetes::json::set;
use crate::simulator::kubernetes::object_view::ObjectView;
use crate::simulator::kubernetes::object_writer::ObjectWriter;
use crate::simulator::kubernetes::request::{ApiRequest, RequestTarget};
use crate::simulator::kubernetes::resources::Resource;
use crate::simulator::kubernetes::status::{
    ApiResponse, bad_request, failure, no_method, not_found,
};
use crate::simulator::kubernetes::{patch, render};

/// Changes what was asked for.
pub fn change(
    cluster: &mut SimulatedCluster,
    target: RequestTarget<'_>,
    request: &ApiRequest,
    view: ObjectView,
    now: Timestamp,
) -> ApiResponse {
    let key = ObjectKey::new(target.namespace, target.name);
    let kind = target.resource.kind;
    if target.name.is_empty() {
        return no_method();
    }
    if cluster.data_plane.store.get(kind, &key).is_none() {
        return not_found(target.resource, target.name);
    }
    match (request.method.as_str(), kind, target.subresource) {
        (
            "PATCH",
            ObjectKind::Node
            | ObjectKind::Pod
            | ObjectKind::Budget
            | ObjectKind::Deployment
            | ObjectKind::StatefulSet
            | ObjectKind::ValidatingWebhook,
            "",
        ) => patch_object(cluster, target.resource, &key, request, view, now),
        ("GET" | "PATCH" | "PUT", ObjectKind::Deployment | ObjectKind::StatefulSet, "scale") => {
            scale(cluster, target.resource, &key, request, view, now)
        }
        ("DELETE", ObjectKind::Budget | ObjectKind::ValidatingWebhook, "") => {
            delete_immediately(cluster, target.resource, &key, request)
        }
        ("DELETE", ObjectKind::Pod, "") => {
            delete_pod(cluster, target.resource, &key, request, view, now)
        }
        ("DELETE", ObjectKind::Node, "") => delete_node(cluster, &key, request, now),
        ("POST", ObjectKind::Pod, "eviction") => evict(cluster, &key, request, now),
        _ => no_method(),
    }
}

fn writer<'a>(
    resource: &'static Resource,
    request: &ApiRequest,
    view: ObjectView,
) -> Result<ObjectWriter, &'a str> {
    let format = request.format().ok_or("the accepted media types are not offered")?;
    Ok(ObjectWriter { resource, format, view })
}

fn is_dry_run(request: &ApiRequest, options: &Value) -> bool {
    request.value("dryRun") == "All"
        || options.get("dryRun").and_then(Value::as_array).is_some_and(|list| !list.is_empty())
}

fn patch_object(
    cluster: &mut SimulatedCluster,
    resource: &'static Resource,
    key: &ObjectKey,
    request: &ApiRequest,
    view: ObjectView,
    now: Timestamp,
) -> ApiResponse {
    let writer = match writer(resource, request, view) {
        Ok(writer) => writer,
        Err(message) => return failure(406, "NotAcceptable", message),
    };
    let body: Value = match serde_json::from_slice(&request.body) {
        Ok(body) => body,
        Err(error) => return bad_request(&format!("error decoding patch: {error}")),
    };
    let Some(object) = cluster.data_plane.store.get(resource.kind, key) else {
        return not_found(resource, &key.name);
    };
    let mut document =
        Value::Object(render::object(object, object.meta.version, &ObjectView::plain(now)));
    let before = document.pointer("/metadata/resourceVersion").cloned();
    match request.content_type.split(';').next().unwrap_or_default().trim() {
        "application/strategic-merge-patch+json" | "application/merge-patch+json" => {
            patch::merge(&mut document, &body);
        }
        "application/json-patch+json" => {
            if let Err(message) = patch::apply(&mut document, &body) {
                return failure(422, "Invalid", &message);
            }
        }
        other => {
            let message = format!(
                "the body of the request was in an unknown format - accepted media types include: \
                 application/json-patch+json, application/merge-patch+json, \
                 application/strategic-merge-patch+json; got {other}"
            );
            return failure(415, "UnsupportedMediaType", &message);
        }
    }
    if document.pointer("/metadata/resourceVersion").cloned() != before {
        let message = format!(
            "Operation cannot be fulfilled on {} \"{}\": the object has been modified; please apply your changes \
             to the latest version and try again",
            resource.plural, key.name
        );
        return failure(409, "Conflict", &message);
    }
    let mut changed = StoredObject::clone(object);
    apply_document(&mut changed, &document, now);
    if is_dry_run(request, &Value::Null) {
        return (200, writer.one(&changed, changed.meta.version, true));
    }
    cluster.data_plane.replace(changed.clone(), now);
    // Without its last finalizer it may be gone by now: then as it last was.
    let shown = cluster.data_plane.store.get(resource.kind, key).map_or(&changed, |object| object);
    (200, writer.one(shown, shown.meta.version, true))
}

/// Takes over what may be changed: labels, annotations, finalizers, figures, what a webhook does when it cannot be
/// asked, and of nodes whether they take pods.
fn apply_document(object: &mut StoredObject, document: &Value, now: Timestamp) {
    let texts = |pointer: &str| -> LabelMap {
        document
            .pointer(pointer)
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .filter_map(|(key, value)| Some((key.clone().into(), value.as_str()?.into())))
            .collect()
    };
    object.meta.labels = texts("/metadata/labels");
    object.meta.annotations = texts("/metadata/annotations");
    let list = |pointer: &str| document.pointer(pointer).and_then(Value::as_array);
    object.meta.finalizers = list("/metadata/finalizers")
        .into_iter()
        .flatten()
        .filter_map(|finalizer| finalizer.as_str().map(str::to_owned))
        .collect();
    if let ObjectBody::Controller(controller) = &mut object.body {
        controller.wanted = count(document.pointer("/spec/replicas")).unwrap_or(controller.wanted);
    }
    if let ObjectBody::Budget(budget) = &mut object.body {
        budget.min_available = amount(document.pointer("/spec/minAvailable"));
        budget.max_unavailable = amount(document.pointer("/spec/maxUnavailable"));
    }
    if let ObjectBody::ValidatingWebhook(webhook) = &mut object.body
        && let Some(policy) = document.pointer("/webhooks/0/failurePolicy").and_then(Value::as_str)
    {
        webhook.failure_policy = policy.into();
    }
    if let ObjectBody::Node(node) = &mut object.body {
        node.unschedulable = document.pointer("/spec/unschedulable") == Some(&Value::Bool(true));
        let known = std::mem::take(&mut node.taints);
        for taint in list("/spec/taints").into_iter().flatten() {
            let text =
                |name: &str| taint.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            let (key, value, effect) = (text("key"), text("value"), text("effect"));
            let same = known.iter().find(|t| t.key == key && t.effect == effect);
            node.taints.push(Taint {
                key: key.into(),
                value: value.into(),
                effect: effect.into(),
                added: same.map_or(Some(now), |taint| taint.added),
            });
        }
    }
}

fn count(value: Option<&Value>) -> Option<u32> {
    value?.as_u64().and_then(|count| u32::try_from(count).ok())
}

fn amount(value: Option<&Value>) -> Option<IntOrPercent> {
    count(value)
        .map(IntOrPercent::Int)
        .or_else(|| value?.as_str().map(|text| IntOrPercent::Percent(text.to_owned())))
}

/// The number of pods that a controller wants, read or changed.
fn scale(
    cluster: &mut SimulatedCluster,
    resource: &'static Resource,
    key: &ObjectKey,
    request: &ApiRequest,
    view: ObjectView,
    now: Timestamp,
) -> ApiResponse {
    let Some(object) = cluster.data_plane.store.get(resource.kind, key) else {
        return not_found(resource, &key.name);
    };
    let mut changed = StoredObject::clone(object);
    if request.method != "GET" {
        let body = match request.json() {
            Ok(body) => body,
            Err(message) => return bad_request(&message),
        };
        let Some(wanted) = count(body.pointer("/spec/replicas")) else {
            return bad_request("spec.replicas is missing");
        };
        if let ObjectBody::Controller(controller) = &mut changed.body {
            controller.wanted = wanted;
        }
        if !is_dry_run(request, &Value::Null) {
            cluster.data_plane.replace(changed.clone(), now);
        }
    }
    let Some(controller) = changed.controller() else { return no_method() };
    let metadata = render::metadata(&changed, changed.meta.version, &view);
    let body = json!({
        "kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata,
        "spec": {"replicas": controller.wanted},
        "status": {"replicas": controller.there, "selector": format!("app={}", controller.app)},
    });
    (200, body)
}

/// Deletes what is gone at once.
fn delete_immediately(
    cluster: &mut SimulatedCluster,
    resource: &'static Resource,
    key: &ObjectKey,
    request: &ApiRequest,
) -> ApiResponse {
    let Some(object) = cluster.data_plane.store.get(resource.kind, key).cloned() else {
        return not_found(resource, &key.name);
    };
    match options(request, &object, resource) {
        Ok(options) if is_dry_run(request, &options) => {}
        Ok(_) if resource.kind == ObjectKind::Budget => cluster.data_plane.delete_budget(key),
        Ok(_) => cluster.data_plane.delete_webhook(key),
        Err(answer) => return answer,
    }
    (200, success(resource, key, &object.meta.uid))
}

/// `Status` of a change that was made.
fn success(resource: &Resource, key: &ObjectKey, uid: &str) -> Value {
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
        "details": {"name": &*key.name, "kind": resource.plural, "uid": uid},
    })
}

/// `DeleteOptions` of a request, or why they do not hold.
fn options(
    request: &ApiRequest,
    object: &StoredObject,
    resource: &Resource,
) -> Result<Value, ApiResponse> {
    let options: Value = if request.body.is_empty() {
        json!({})
    } else {
        request.json().map_err(|error| bad_request(&error))?
    };
    if let Some(wanted) = options.pointer("/preconditions/uid").and_then(Value::as_str)
        && wanted != &*object.meta.uid
    {
        let (plural, name, uid) = (resource.plural, &object.meta.key.name, &object.meta.uid);
        let message = format!(
            "Operation cannot be fulfilled on {plural} \"{name}\": Precondition failed: UID in precondition: \
             {wanted}, UID in object meta: {uid}"
        );
        return Err(failure(409, "Conflict", &message));
    }
    Ok(options)
}

fn grace(request: &ApiRequest, options: &Value) -> Option<i64> {
    options
        .get("gracePeriodSeconds")
        .and_then(Value::as_i64)
        .or_else(|| request.value("gracePeriodSeconds").parse().ok())
}

fn delete_pod(
    cluster: &mut SimulatedCluster,
    resource: &'static Resource,
    key: &ObjectKey,
    request: &ApiRequest,
    view: ObjectView,
    now: Timestamp,
) -> ApiResponse {
    let Some(object) = cluster.data_plane.store.get(ObjectKind::Pod, key).cloned() else {
        return not_found(resource, &key.name);
    };
    let options = match options(request, &object, resource) {
        Ok(options) => options,
        Err(answer) => return answer,
    };
    if !is_dry_run(request, &options) {
        cluster.data_plane.delete_pod(key, grace(request, &options), now);
        cluster.data_plane.settle(now);
    }
    let left = cluster.data_plane.store.get(ObjectKind::Pod, key);
    let shown = left.filter(|left| left.meta.uid == object.meta.uid).unwrap_or(&object);
    let format = crate::simulator::kubernetes::request::ResponseFormat::Object;
    let writer = ObjectWriter { resource, format, view };
    (200, writer.full(shown, shown.meta.version))
}

fn delete_node(
    cluster: &mut SimulatedCluster,
    key: &ObjectKey,
    request: &ApiRequest,
    now: Timestamp,
) -> ApiResponse {
    let Some(resource) = Resource::find("", "nodes") else { return no_method() };
    let Some(object) = cluster.data_plane.store.get(ObjectKind::Node, key).cloned() else {
        return not_found(resource, &key.name);
    };
    match options(request, &object, resource) {
        Ok(options) if is_dry_run(request, &options) => {}
        Ok(_) => cluster.data_plane.delete_node(&key.name, now),
        Err(answer) => return answer,
    }
    (200, success(resource, key, &object.meta.uid))
}

fn evict(
    cluster: &mut SimulatedCluster,
    key: &ObjectKey,
    request: &ApiRequest,
    now: Timestamp,
) -> ApiResponse {
    let Some(resource) = Resource::find("", "pods") else { return no_method() };
    let body = request.json().unwrap_or(Value::Null);
    let options = body.get("deleteOptions").cloned().unwrap_or(Value::Null);
    if is_dry_run(request, &options) {
        return (201, success(resource, key, ""));
    }
    let evicted = cluster.data_plane.evict(key, grace(request, &options), now);
    cluster.data_plane.settle(now);
    match evicted {
        Ok(()) => (
            201,
            json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}),
        ),
        Err(EvictionRefusal::Absent) => not_found(resource, &key.name),
        Err(EvictionRefusal::Several) => failure(
            500,
            "InternalError",
            "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.",
        ),
        Err(EvictionRefusal::Budget { budget, desired, healthy }) => {
            let message = "Cannot evict pod as it would violate the pod's disruption budget.";
            let mut answer = failure(429, "TooManyRequests", message);
            let why = format!(
                "The disruption budget {} needs {desired} healthy pods and has {healthy} currently",
                budget.0.name
            );
            set(
                &mut answer.1,
                "details",
                json!({"causes": [{"reason": "DisruptionBudget", "message": why}]}),
            );
            answer
        }
    }
}
