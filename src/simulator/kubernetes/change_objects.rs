//! Changes of objects: patches, deletions, evictions, and the subresource `scale`.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::simulator::cluster::SimulatedCluster;
use crate::simulator::cluster::budgets::EvictionRefusal;
use crate::simulator::cluster::data_plane::DataPlane;
use crate::simulator::cluster::objects::{
    IntOrPercent, LabelMap, ObjectBody, ObjectKey, ObjectKind, StoredObject, Taint,
};
use crate::simulator::http::{HttpRequest, JsonResponse};
use crate::simulator::kubernetes::object_view::ObjectView;
use crate::simulator::kubernetes::object_writer::ObjectWriter;
use crate::simulator::kubernetes::render;
use crate::simulator::kubernetes::request::RequestTarget;
use crate::simulator::kubernetes::resources::Resource;
use crate::simulator::kubernetes::status::{
    bad_request, conflict, detailed_failure, failure, no_method, not_found,
};

type Answer<T = JsonResponse> = Result<T, JsonResponse>;

/// Changes the target of a request.
pub fn change(
    cluster: &mut SimulatedCluster,
    target: RequestTarget<'_>,
    request: &HttpRequest,
    view: ObjectView,
) -> Answer {
    let resource = target.resource;
    let key = ObjectKey::new(target.namespace, target.name);
    if target.name.is_empty() {
        return Err(no_method());
    }
    let data_plane = &mut cluster.data_plane;
    let object = data_plane.store.get(resource.kind, &key).map(Arc::clone);
    let object = object.ok_or_else(|| not_found(resource, target.name))?;
    let mut change = ObjectChange { data_plane, resource, key, object, request, view };
    match (request.method.as_str(), resource.kind, target.subresource) {
        (
            "PATCH",
            ObjectKind::Node
            | ObjectKind::Pod
            | ObjectKind::Budget
            | ObjectKind::Deployment
            | ObjectKind::StatefulSet
            | ObjectKind::ValidatingWebhook,
            "",
        ) => change.patch(),
        ("GET" | "PATCH" | "PUT", ObjectKind::Deployment | ObjectKind::StatefulSet, "scale") => {
            change.scale()
        }
        (
            "DELETE",
            ObjectKind::Node | ObjectKind::Pod | ObjectKind::Budget | ObjectKind::ValidatingWebhook,
            "",
        ) => change.delete(),
        ("POST", ObjectKind::Pod, "eviction") => change.evict(),
        _ => Err(no_method()),
    }
}

struct ObjectChange<'a> {
    data_plane: &'a mut DataPlane,
    resource: &'static Resource,
    key: ObjectKey,
    object: Arc<StoredObject>,
    request: &'a HttpRequest,
    view: ObjectView,
}

impl ObjectChange<'_> {
    fn is_dry_run(&self, options: &Value) -> bool {
        let in_body = options.get("dryRun").and_then(Value::as_array);
        self.request.value("dryRun") == "All" || in_body.is_some_and(|list| !list.is_empty())
    }

    fn grace(&self, options: &Value) -> Option<i64> {
        let in_body = options.get("gracePeriodSeconds").and_then(Value::as_i64);
        in_body.or_else(|| self.request.value("gracePeriodSeconds").parse().ok())
    }

    fn patch(&mut self) -> Answer {
        let writer = ObjectWriter::new(self.resource, self.request, self.view)?;
        let now = self.view.now;
        let object = &self.object;
        let before = render::object(object, object.meta.version, &ObjectView::plain(now));
        let mut document = Value::Object(before);
        let version = document.pointer("/metadata/resourceVersion").cloned();
        self.apply_patch(&mut document)?;
        if document.pointer("/metadata/resourceVersion").cloned() != version {
            let why = "the object has been modified; please apply your changes to the latest version and try again";
            return Err(conflict(self.resource, &self.key.name, why));
        }
        let mut changed = StoredObject::clone(object);
        apply_document(&mut changed, &document, now);
        if !self.is_dry_run(&Value::Null) {
            self.data_plane.replace(changed.clone(), now);
            // Without its last finalizer it may be gone by now.
            if let Some(stored) = self.data_plane.store.get(self.resource.kind, &self.key) {
                changed.clone_from(stored);
            }
        }
        Ok((200, writer.one(&changed, changed.meta.version, true)))
    }

    fn apply_patch(&self, document: &mut Value) -> Result<(), JsonResponse> {
        let wrong =
            |error: serde_json::Error| bad_request(format!("error decoding patch: {error}"));
        let body = &self.request.body;
        match self.request.content_type.split(';').next().unwrap_or_default().trim() {
            "application/strategic-merge-patch+json" | "application/merge-patch+json" => {
                let mut patch = serde_json::from_slice(body).map_err(wrong)?;
                remove_directives(&mut patch);
                json_patch::merge(document, &patch);
            }
            "application/json-patch+json" => {
                let patch: json_patch::Patch = serde_json::from_slice(body).map_err(wrong)?;
                json_patch::patch(document, &patch)
                    .map_err(|error| failure(422, "Invalid", &error.to_string()))?;
            }
            other => {
                let message = format!(
                    "the body of the request was in an unknown format - accepted media types include: \
                     application/json-patch+json, application/merge-patch+json, \
                     application/strategic-merge-patch+json; got {other}"
                );
                return Err(failure(415, "UnsupportedMediaType", &message));
            }
        }
        Ok(())
    }

    fn scale(&mut self) -> Answer {
        let mut changed = StoredObject::clone(&self.object);
        if self.request.method != "GET" {
            let body = self.request.json().map_err(bad_request)?;
            let replicas = count(body.pointer("/spec/replicas"))
                .ok_or_else(|| bad_request("spec.replicas is missing"))?;
            if let ObjectBody::Controller(controller) = &mut changed.body {
                controller.replicas = replicas;
            }
            if !self.is_dry_run(&Value::Null) {
                self.data_plane.replace(changed.clone(), self.view.now);
            }
        }
        let controller = changed.controller().ok_or_else(no_method)?;
        let body = json!({
            "kind": "Scale", "apiVersion": "autoscaling/v1",
            "metadata": render::metadata(&changed, changed.meta.version, &self.view),
            "spec": {"replicas": controller.replicas},
            "status": {"replicas": controller.pods, "selector": format!("app={}", controller.app)},
        });
        Ok((200, body))
    }

    fn delete(&mut self) -> Answer {
        let options = self.delete_options()?;
        let now = self.view.now;
        let kind = self.resource.kind;
        if !self.is_dry_run(&options) {
            match kind {
                ObjectKind::Budget => self.data_plane.delete_budget(&self.key),
                ObjectKind::Node => self.data_plane.delete_node(&self.key.name, now),
                ObjectKind::Pod => {
                    self.data_plane.delete_pod(&self.key, self.grace(&options), now);
                    self.data_plane.settle(now);
                }
                _ => drop(self.data_plane.store.remove(kind, &self.key)),
            }
        }
        if kind != ObjectKind::Pod {
            return Ok((200, self.success(&self.object.meta.uid)));
        }
        let left = self.data_plane.store.get(kind, &self.key);
        let shown = left.filter(|left| left.meta.uid == self.object.meta.uid);
        let shown = shown.unwrap_or(&self.object);
        let writer = ObjectWriter::of_objects(self.resource, self.view);
        Ok((200, writer.full(shown, shown.meta.version)))
    }

    /// `DeleteOptions`, once their preconditions hold.
    fn delete_options(&self) -> Answer<Value> {
        let options = match self.request.body.as_slice() {
            [] => json!({}),
            _ => self.request.json().map_err(bad_request)?,
        };
        let uid = &self.object.meta.uid;
        match options.pointer("/preconditions/uid").and_then(Value::as_str) {
            Some(wanted) if wanted != &**uid => {
                let why = format!(
                    "Precondition failed: UID in precondition: {wanted}, UID in object meta: {uid}"
                );
                Err(conflict(self.resource, &self.key.name, &why))
            }
            _ => Ok(options),
        }
    }

    fn success(&self, uid: &str) -> Value {
        json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
            "details": {"name": &*self.key.name, "kind": self.resource.plural, "uid": uid},
        })
    }

    fn evict(&mut self) -> Answer {
        let body = self.request.json().unwrap_or(Value::Null);
        let options = body.get("deleteOptions").cloned().unwrap_or(Value::Null);
        if self.is_dry_run(&options) {
            return Ok((201, self.success("")));
        }
        let now = self.view.now;
        let evicted = self.data_plane.evict(&self.key, self.grace(&options), now);
        self.data_plane.settle(now);
        match evicted {
            Ok(()) => Ok((
                201,
                json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}),
            )),
            Err(EvictionRefusal::NotFound) => Err(not_found(self.resource, &self.key.name)),
            Err(EvictionRefusal::SeveralBudgets) => Err(failure(
                500,
                "InternalError",
                "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.",
            )),
            Err(EvictionRefusal::Budget { budget, desired, healthy }) => {
                let message = "Cannot evict pod as it would violate the pod's disruption budget.";
                let why = format!(
                    "The disruption budget {} needs {desired} healthy pods and has {healthy} currently",
                    budget.name
                );
                let cause = json!({"reason": "DisruptionBudget", "message": why});
                Err(detailed_failure(429, "TooManyRequests", message, json!({"causes": [cause]})))
            }
        }
    }
}

/// Removes the directives of a strategic merge: they concern lists that cannot be changed here.
fn remove_directives(patch: &mut Value) {
    if let Value::Object(fields) = patch {
        fields.retain(|key, _| !key.starts_with('$'));
        fields.values_mut().for_each(remove_directives);
    }
}

/// Takes the fields over that can be changed.
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
    let list = |pointer: &str| document.pointer(pointer).and_then(Value::as_array).into_iter();
    object.meta.finalizers = list("/metadata/finalizers")
        .flatten()
        .filter_map(|finalizer| finalizer.as_str().map(str::to_owned))
        .collect();
    match &mut object.body {
        ObjectBody::Controller(controller) => {
            let replicas = count(document.pointer("/spec/replicas"));
            controller.replicas = replicas.unwrap_or(controller.replicas);
        }
        ObjectBody::Budget(budget) => {
            budget.min_available = int_or_percent(document.pointer("/spec/minAvailable"));
            budget.max_unavailable = int_or_percent(document.pointer("/spec/maxUnavailable"));
        }
        ObjectBody::ValidatingWebhook(webhook) => {
            let policy = document.pointer("/webhooks/0/failurePolicy").and_then(Value::as_str);
            if let Some(policy) = policy {
                webhook.failure_policy = policy.into();
            }
        }
        ObjectBody::Node(node) => {
            node.unschedulable =
                document.pointer("/spec/unschedulable") == Some(&Value::Bool(true));
            let known = std::mem::take(&mut node.taints);
            for taint in list("/spec/taints").flatten() {
                let text = |name: &str| {
                    taint.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
                };
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
        _ => {}
    }
}

fn count(value: Option<&Value>) -> Option<u32> {
    value?.as_u64().and_then(|count| u32::try_from(count).ok())
}

fn int_or_percent(value: Option<&Value>) -> Option<IntOrPercent> {
    let percent = || value?.as_str().map(|text| IntOrPercent::Percent(text.to_owned()));
    count(value).map(IntOrPercent::Int).or_else(percent)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::simulator::kubernetes::change_objects::remove_directives;

    #[test]
    fn directives_of_strategic_merges_are_no_fields() {
        let mut patch = json!({"metadata": {"labels": {"$patch": "replace", "a": "b"}}, "$x": 1});
        remove_directives(&mut patch);
        assert_eq!(patch, json!({"metadata": {"labels": {"a": "b"}}}));
    }
}
