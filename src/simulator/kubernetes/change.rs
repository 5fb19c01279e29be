//! Changes: patches, deletions, evictions, numbers of pods.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::simulator::cluster::SimulatedCluster;
use crate::simulator::cluster::budgets::Refused;
use crate::simulator::cluster::objects::{Amount, Body, Key, Kind, Labels, Object, Taint};
use crate::simulator::kubernetes::asked::{Asked, Target};
use crate::simulator::kubernetes::json::set;
use crate::simulator::kubernetes::resources::Resource;
use crate::simulator::kubernetes::status::{Answer, bad_request, failure, no_method, not_found};
use crate::simulator::kubernetes::view::View;
use crate::simulator::kubernetes::write::Writer;
use crate::simulator::kubernetes::{patch, render};

/// Changes what was asked for.
pub fn change(
    cluster: &mut SimulatedCluster,
    target: Target<'_>,
    asked: &Asked,
    view: View,
    now: Timestamp,
) -> Answer {
    let key = Key::new(target.namespace, target.name);
    let kind = target.resource.kind;
    if target.name.is_empty() {
        return no_method();
    }
    if cluster.inside.store.get(kind, &key).is_none() {
        return not_found(target.resource, target.name);
    }
    match (asked.method.as_str(), kind, target.part) {
        (
            "PATCH",
            Kind::Node
            | Kind::Pod
            | Kind::Budget
            | Kind::Deployment
            | Kind::StatefulSet
            | Kind::Webhook,
            "",
        ) => patched(cluster, target.resource, &key, asked, view, now),
        ("GET" | "PATCH" | "PUT", Kind::Deployment | Kind::StatefulSet, "scale") => {
            scale(cluster, target.resource, &key, asked, view, now)
        }
        ("DELETE", Kind::Budget | Kind::Webhook, "") => {
            delete_plainly(cluster, target.resource, &key, asked)
        }
        ("DELETE", Kind::Pod, "") => delete_pod(cluster, target.resource, &key, asked, view, now),
        ("DELETE", Kind::Node, "") => delete_node(cluster, &key, asked, now),
        ("POST", Kind::Pod, "eviction") => evict(cluster, &key, asked, now),
        _ => no_method(),
    }
}

fn writer<'a>(resource: &'static Resource, asked: &Asked, view: View) -> Result<Writer, &'a str> {
    let form = asked.form().ok_or("the accepted media types are not offered")?;
    Ok(Writer { resource, form, view })
}

fn is_dry(asked: &Asked, options: &Value) -> bool {
    asked.value("dryRun") == "All"
        || options.get("dryRun").and_then(Value::as_array).is_some_and(|list| !list.is_empty())
}

fn patched(
    cluster: &mut SimulatedCluster,
    resource: &'static Resource,
    key: &Key,
    asked: &Asked,
    view: View,
    now: Timestamp,
) -> Answer {
    let writer = match writer(resource, asked, view) {
        Ok(writer) => writer,
        Err(message) => return failure(406, "NotAcceptable", message),
    };
    let body: Value = match serde_json::from_slice(&asked.body) {
        Ok(body) => body,
        Err(error) => return bad_request(&format!("error decoding patch: {error}")),
    };
    let Some(object) = cluster.inside.store.get(resource.kind, key) else {
        return not_found(resource, &key.name);
    };
    let mut document =
        Value::Object(render::object(object, object.meta.version, &View::plain(now)));
    let before = document.pointer("/metadata/resourceVersion").cloned();
    match asked.content_type.split(';').next().unwrap_or_default().trim() {
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
    let mut changed = Object::clone(object);
    take_over(&mut changed, &document, now);
    if is_dry(asked, &Value::Null) {
        return (200, writer.one(&changed, changed.meta.version, true));
    }
    cluster.inside.replace(changed.clone(), now);
    // Without its last finalizer it may be gone by now: then as it last was.
    let shown = cluster.inside.store.get(resource.kind, key).map_or(&changed, |object| object);
    (200, writer.one(shown, shown.meta.version, true))
}

/// Takes over what may be changed: labels, annotations, finalizers, figures, what a webhook does when it cannot be
/// asked, and of nodes whether they take pods.
fn take_over(object: &mut Object, document: &Value, now: Timestamp) {
    let texts = |pointer: &str| -> Labels {
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
    if let Body::Controller(controller) = &mut object.body {
        controller.wanted = count(document.pointer("/spec/replicas")).unwrap_or(controller.wanted);
    }
    if let Body::Budget(budget) = &mut object.body {
        budget.min_available = amount(document.pointer("/spec/minAvailable"));
        budget.max_unavailable = amount(document.pointer("/spec/maxUnavailable"));
    }
    if let Body::Webhook(webhook) = &mut object.body
        && let Some(policy) = document.pointer("/webhooks/0/failurePolicy").and_then(Value::as_str)
    {
        webhook.failure_policy = policy.into();
    }
    if let Body::Node(node) = &mut object.body {
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

fn amount(value: Option<&Value>) -> Option<Amount> {
    count(value)
        .map(Amount::Number)
        .or_else(|| value?.as_str().map(|text| Amount::Percent(text.to_owned())))
}

/// The number of pods that a controller wants, read or changed.
fn scale(
    cluster: &mut SimulatedCluster,
    resource: &'static Resource,
    key: &Key,
    asked: &Asked,
    view: View,
    now: Timestamp,
) -> Answer {
    let Some(object) = cluster.inside.store.get(resource.kind, key) else {
        return not_found(resource, &key.name);
    };
    let mut changed = Object::clone(object);
    if asked.method != "GET" {
        let body = match asked.json() {
            Ok(body) => body,
            Err(message) => return bad_request(&message),
        };
        let Some(wanted) = count(body.pointer("/spec/replicas")) else {
            return bad_request("spec.replicas is missing");
        };
        if let Body::Controller(controller) = &mut changed.body {
            controller.wanted = wanted;
        }
        if !is_dry(asked, &Value::Null) {
            cluster.inside.replace(changed.clone(), now);
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
fn delete_plainly(
    cluster: &mut SimulatedCluster,
    resource: &'static Resource,
    key: &Key,
    asked: &Asked,
) -> Answer {
    let Some(object) = cluster.inside.store.get(resource.kind, key).cloned() else {
        return not_found(resource, &key.name);
    };
    match options(asked, &object, resource) {
        Ok(options) if is_dry(asked, &options) => {}
        Ok(_) if resource.kind == Kind::Budget => cluster.inside.delete_budget(key),
        Ok(_) => cluster.inside.delete_webhook(key),
        Err(answer) => return answer,
    }
    (200, success(resource, key, &object.meta.uid))
}

/// `Status` of a change that was made.
fn success(resource: &Resource, key: &Key, uid: &str) -> Value {
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
        "details": {"name": &*key.name, "kind": resource.plural, "uid": uid},
    })
}

/// `DeleteOptions` of a request, or why they do not hold.
fn options(asked: &Asked, object: &Object, resource: &Resource) -> Result<Value, Answer> {
    let options: Value = if asked.body.is_empty() {
        json!({})
    } else {
        asked.json().map_err(|error| bad_request(&error))?
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

fn grace(asked: &Asked, options: &Value) -> Option<i64> {
    options
        .get("gracePeriodSeconds")
        .and_then(Value::as_i64)
        .or_else(|| asked.value("gracePeriodSeconds").parse().ok())
}

fn delete_pod(
    cluster: &mut SimulatedCluster,
    resource: &'static Resource,
    key: &Key,
    asked: &Asked,
    view: View,
    now: Timestamp,
) -> Answer {
    let Some(object) = cluster.inside.store.get(Kind::Pod, key).cloned() else {
        return not_found(resource, &key.name);
    };
    let options = match options(asked, &object, resource) {
        Ok(options) => options,
        Err(answer) => return answer,
    };
    if !is_dry(asked, &options) {
        cluster.inside.delete_pod(key, grace(asked, &options), now);
        cluster.inside.settle(now);
    }
    let left = cluster.inside.store.get(Kind::Pod, key);
    let shown = left.filter(|left| left.meta.uid == object.meta.uid).unwrap_or(&object);
    let form = crate::simulator::kubernetes::asked::Form::Object;
    let writer = Writer { resource, form, view };
    (200, writer.full(shown, shown.meta.version))
}

fn delete_node(cluster: &mut SimulatedCluster, key: &Key, asked: &Asked, now: Timestamp) -> Answer {
    let Some(resource) = Resource::find("", "nodes") else { return no_method() };
    let Some(object) = cluster.inside.store.get(Kind::Node, key).cloned() else {
        return not_found(resource, &key.name);
    };
    match options(asked, &object, resource) {
        Ok(options) if is_dry(asked, &options) => {}
        Ok(_) => cluster.inside.delete_node(&key.name, now),
        Err(answer) => return answer,
    }
    (200, success(resource, key, &object.meta.uid))
}

fn evict(cluster: &mut SimulatedCluster, key: &Key, asked: &Asked, now: Timestamp) -> Answer {
    let Some(resource) = Resource::find("", "pods") else { return no_method() };
    let body = asked.json().unwrap_or(Value::Null);
    let options = body.get("deleteOptions").cloned().unwrap_or(Value::Null);
    if is_dry(asked, &options) {
        return (201, success(resource, key, ""));
    }
    let evicted = cluster.inside.evict(key, grace(asked, &options), now);
    cluster.inside.settle(now);
    match evicted {
        Ok(()) => (
            201,
            json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}),
        ),
        Err(Refused::Absent) => not_found(resource, &key.name),
        Err(Refused::Several) => failure(
            500,
            "InternalError",
            "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.",
        ),
        Err(Refused::Budget { budget, desired, healthy }) => {
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
