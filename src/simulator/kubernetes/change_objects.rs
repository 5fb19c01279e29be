//! Changes of objects: patches, deletions, evictions.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::simulator::cluster::SimulatedCluster;
use crate::simulator::cluster::budgets::EvictionRefusal;
use crate::simulator::cluster::data_plane::DataPlane;
use crate::simulator::cluster::objects::{
    Deletion, IntOrPercent, LabelMap, ObjectBody, ObjectKey, ObjectKind, StoredObject, Taint,
};
use crate::simulator::http::{HttpRequest, JsonResponse, ResponseDraft};
use crate::simulator::kubernetes::field_error::{FieldError, invalid_patch, refuse};
use crate::simulator::kubernetes::json::set;
use crate::simulator::kubernetes::object_view::ObjectView;
use crate::simulator::kubernetes::object_writer::ObjectWriter;
use crate::simulator::kubernetes::options::{DeleteOptions, FieldValidation, WriteOptions};
use crate::simulator::kubernetes::patch::PatchKind;
use crate::simulator::kubernetes::request::RequestTarget;
use crate::simulator::kubernetes::resources::Resource;
use crate::simulator::kubernetes::status::{
    bad_request, conflict, detailed_failure, failed_precondition, failure, internal_error,
    no_method, not_found,
};
use crate::simulator::kubernetes::{body, scale, validation};
use crate::simulator::speed::later;

const MODIFIED: &str =
    "the object has been modified; please apply your changes to the latest version and try again";
/// The object's namespace differs from that of the path.
pub const OTHER_NAMESPACE: &str =
    "the namespace of the provided object does not match the namespace sent on the request";
const NOT_MODELLED: &str = "the simulator does not model changes of this field";
/// `Retry-After` of an eviction while a changed budget is not observed yet, in seconds.
const UNOBSERVED_RETRY: u32 = 10;

type Answer<T = JsonResponse> = Result<T, JsonResponse>;

/// Changes the target of a request.
pub fn change(
    cluster: &mut SimulatedCluster,
    target: RequestTarget<'_>,
    request: &HttpRequest,
    view: ObjectView,
) -> Answer<ResponseDraft> {
    let resource = target.resource;
    let key = ObjectKey::new(target.namespace, target.name);
    if target.name.is_empty() {
        return Err(no_method());
    }
    let data_plane = &mut cluster.data_plane;
    let mut change = ObjectChange { data_plane, resource, key, request, view };
    match (request.method.as_str(), resource.kind, target.subresource) {
        ("PATCH", _, "") if resource.verbs.contains(&"patch") => change.patch(),
        ("PUT", _, "") if resource.verbs.contains(&"patch") => change.put(),
        ("DELETE", _, "") if resource.verbs.contains(&"delete") => change.delete().map(Into::into),
        ("POST", ObjectKind::Pod, "eviction") => change.evict().map(Into::into),
        (_, ObjectKind::Deployment | ObjectKind::StatefulSet, "scale") => {
            scale::answer(change.data_plane, resource, &change.key, request, view).map(Into::into)
        }
        _ => Err(no_method()),
    }
}

struct ObjectChange<'a> {
    data_plane: &'a mut DataPlane,
    resource: &'static Resource,
    key: ObjectKey,
    request: &'a HttpRequest,
    view: ObjectView,
}

impl ObjectChange<'_> {
    fn object(&self) -> Answer<Arc<StoredObject>> {
        let object = self.data_plane.store.get(self.resource.kind, &self.key).map(Arc::clone);
        object.ok_or_else(|| not_found(self.resource, &self.key.name))
    }

    fn patch(&mut self) -> Answer<ResponseDraft> {
        let patch = PatchKind::of(self.request)?;
        let writer = ObjectWriter::new(self.resource, self.request, self.view, false)?;
        let options = WriteOptions::read(self.request, "PatchOptions")?;
        let object = self.object()?;
        let mut document = self.document(&object);
        patch.apply(&mut document, &self.request.body)?;
        let kind = self.resource.name;
        let after = body::typed(kind, &document).map_err(|why| invalid_patch(&document, &why))?;
        let text = self.request.body.as_slice();
        let wrong = match options.validation {
            FieldValidation::Ignore => Vec::new(),
            FieldValidation::Warn | FieldValidation::Strict => {
                body::strict_errors(&document, &after, text)
            }
        };
        if options.validation == FieldValidation::Strict && !wrong.is_empty() {
            let why = format!("strict decoding error: {}", wrong.join(", "));
            return Err(invalid_patch(&document, &why));
        }
        let answer = self.write(&object, &after, options.dry_run, &writer)?;
        Ok(ResponseDraft { warnings: wrong, ..answer.into() })
    }

    fn put(&mut self) -> Answer<ResponseDraft> {
        let kind = self.resource.name;
        let writer = ObjectWriter::new(self.resource, self.request, self.view, false)?;
        let after = body::read(self.request, &[&self.resource.api_version()], kind)?;
        let options = WriteOptions::read(self.request, "UpdateOptions")?;
        if after.pointer("/metadata/name").is_none() {
            let message = format!(
                "the name of the object ({} based on URL) was undeterminable: name must be provided",
                self.key.name
            );
            return Err(bad_request(message));
        }
        let object = self.object()?;
        self.write(&object, &after, options.dry_run, &writer).map(Into::into)
    }

    /// An object as the document that clients see and change.
    fn document(&self, object: &StoredObject) -> Value {
        let plain = ObjectView::plain(self.view.now);
        ObjectWriter::of_objects(self.resource, plain).full(object, object.meta.version)
    }

    /// Stores the changes of a document.
    fn write(
        &mut self,
        object: &StoredObject,
        after: &Value,
        dry_run: bool,
        writer: &ObjectWriter,
    ) -> Answer {
        let (now, resource) = (self.view.now, self.resource);
        let Resource { group, name: kind, .. } = *resource;
        let before = self.document(object);
        let before = body::typed(kind, &before).unwrap_or(before);
        let errors = self.check_changes(&before, after)?;
        refuse(group, kind, &self.key.name, errors)?;
        let mut changed = StoredObject::clone(object);
        apply_document(&mut changed, after, now);
        changed.raise_generation(object);
        if !dry_run && changed != *object {
            changed.meta.version = self.data_plane.replace(changed.clone(), now);
        }
        Ok((200, writer.one(&changed, changed.meta.version, true)))
    }

    /// Rejects changes of an object's identity, and lists the fields that cannot be changed.
    fn check_changes(&self, before: &Value, after: &Value) -> Answer<Vec<FieldError>> {
        let (resource, name) = (self.resource, &*self.key.name);
        let text = |document: &Value, field: &str| {
            let value = document.get("metadata").and_then(|metadata| metadata.get(field));
            value.and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let (old, new) = (|field: &str| text(before, field), |field: &str| text(after, field));
        if new("name") != name {
            let message = format!(
                "the name of the object ({}) does not match the name on the URL ({name})",
                new("name")
            );
            return Err(bad_request(message));
        }
        if resource.namespaced && new("namespace") != old("namespace") {
            return Err(bad_request(OTHER_NAMESPACE));
        }
        let version = new("resourceVersion");
        if !version.is_empty() && version != old("resourceVersion") {
            if version.parse::<u64>().is_err() {
                let why = format!("strconv.ParseUint: parsing \"{version}\": invalid syntax");
                return Err(internal_error(&why));
            }
            return Err(conflict(resource, name, MODIFIED));
        }
        let mut errors = validation::check(resource.kind, after);
        for (field, value) in ["uid", "deletionTimestamp"].map(|field| (field, new(field))) {
            if !value.is_empty() && value != old(field) {
                let error = FieldError::immutable(&format!("metadata.{field}"), &value.into());
                errors.push(error);
            }
        }
        let mut paths = Vec::new();
        collect_changes(before, after, "", &mut paths);
        for path in paths {
            match judge_change(resource.kind, &path) {
                FieldChange::Applied | FieldChange::Reset => {}
                FieldChange::Immutable(field, why) => {
                    let error = match why {
                        "" => {
                            let pointer = format!("/{}", field.replace('.', "/"));
                            FieldError::immutable(field, &after.pointer(&pointer).cloned().into())
                        }
                        why => FieldError::forbidden(field, why),
                    };
                    if !errors.contains(&error) {
                        errors.push(error);
                    }
                }
                FieldChange::NotModelled => {
                    // Other errors take precedence.
                    if errors.is_empty() {
                        errors.push(FieldError::forbidden(&path, NOT_MODELLED));
                    }
                }
            }
        }
        Ok(errors)
    }

    fn delete(&mut self) -> Answer {
        let (now, kind) = (self.view.now, self.resource.kind);
        let writer = ObjectWriter::new(self.resource, self.request, self.view, false)?;
        let document = if self.request.body.is_empty() {
            DeleteOptions::of_query(self.request)?
        } else {
            let versions = ["v1", "meta.k8s.io/v1", &self.resource.api_version()];
            body::read(self.request, &versions, "DeleteOptions").map_err(unforeseen)?
        };
        DeleteOptions::check(&document)?;
        let options = DeleteOptions::of(&document);
        let object = self.object()?;
        self.check_preconditions(&object, &options)?;
        // The response shows the object as terminating, even if it is already gone.
        let mut shown = StoredObject::clone(&object);
        let grace = object.pod().and_then(|pod| {
            let own = if pod.node.is_some() { pod.grace } else { 0 };
            pod.node.as_ref().and(options.grace).or(Some(own))
        });
        let grace = grace.unwrap_or(0);
        let by = later(now, SignedDuration::from_secs(grace));
        shown.meta.deletion.get_or_insert(Deletion { by, grace });
        if !options.dry_run {
            match kind {
                ObjectKind::Pod => self.data_plane.delete_pod(&self.key, options.grace, now),
                _ => self.data_plane.delete_object(kind, &self.key, now),
            }
            let left = self.data_plane.store.get(kind, &self.key);
            if let Some(left) = left.filter(|left| left.meta.uid == object.meta.uid) {
                shown.clone_from(left);
            }
            self.data_plane.settle(now);
        }
        if kind == ObjectKind::Pod || !object.meta.finalizers.is_empty() {
            Ok((200, writer.one(&shown, shown.meta.version, true)))
        } else {
            Ok((200, self.success(&object.meta.uid)))
        }
    }

    fn check_preconditions(&self, object: &StoredObject, options: &DeleteOptions) -> Answer<()> {
        let version = object.meta.version.to_string();
        for (name, wanted, found, how) in [
            ("UID", &options.uid, &*object.meta.uid, "deleted and then recreated"),
            ("ResourceVersion", &options.version, &*version, "modified"),
        ] {
            if let Some(wanted) = wanted.as_deref().filter(|wanted| *wanted != found) {
                let why = format!(
                    "the {name} in the precondition ({wanted}) does not match the {name} in record ({found}). The object might have been {how}"
                );
                return Err(failed_precondition(self.resource, &self.key.name, &why));
            }
        }
        Ok(())
    }

    fn success(&self, uid: &str) -> Value {
        let Resource { plural, group, .. } = *self.resource;
        let mut details = json!({"name": &*self.key.name, "kind": plural, "uid": uid});
        if !group.is_empty() {
            set(&mut details, "group", json!(group));
        }
        json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})
    }

    fn evict(&mut self) -> Answer {
        let query = WriteOptions::read(self.request, "CreateOptions")?;
        let eviction = body::read(self.request, &["policy/v1", "policy/v1beta1"], "Eviction")?;
        let text = |name: &str| {
            let value = eviction.pointer(&format!("/metadata/{name}")).and_then(Value::as_str);
            value.unwrap_or_default()
        };
        if !matches!(text("namespace"), "") && text("namespace") != &*self.key.namespace {
            return Err(bad_request(OTHER_NAMESPACE));
        }
        if text("name") != &*self.key.name {
            return Err(bad_request("name in URL does not match name in Eviction object"));
        }
        let document = eviction.get("deleteOptions").cloned().unwrap_or(Value::Null);
        let mut options = DeleteOptions::of(&document);
        options.dry_run |= query.dry_run;
        let object = self.object()?;
        let key = self.key.clone();
        self.data_plane.check_eviction(&key).map_err(|refusal| self.refuse_eviction(refusal))?;
        DeleteOptions::check(&document)?;
        self.check_preconditions(&object, &options)?;
        if !options.dry_run {
            let now = self.view.now;
            let evicted = self.data_plane.evict(&key, options.grace, now);
            evicted.map_err(|refusal| self.refuse_eviction(refusal))?;
            self.data_plane.settle(now);
        }
        let success = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201});
        Ok((201, success))
    }

    fn refuse_eviction(&self, refusal: EvictionRefusal) -> JsonResponse {
        let (why, retry) = match refusal {
            EvictionRefusal::NotFound => return not_found(self.resource, &self.key.name),
            EvictionRefusal::SeveralBudgets => {
                return internal_error(
                    "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.",
                );
            }
            EvictionRefusal::Webhook(ObjectKey { namespace, name }) => {
                let why = format!(
                    "failed calling webhook \"{name}.example.com\": failed to call webhook: Post \
                     \"https://{name}.{namespace}.svc:443/validate?timeout=10s\": no endpoints available for service \
                     \"{name}\""
                );
                let message = format!("Internal error occurred: {why}");
                let details = json!({"causes": [{"message": why}]});
                return detailed_failure(500, "InternalError", &message, details);
            }
            EvictionRefusal::Denied(why) => return failure(403, "Forbidden", &why),
            EvictionRefusal::Unobserved(budget) => (
                format!(
                    "The disruption budget {} is still being processed by the server.",
                    budget.name
                ),
                Some(UNOBSERVED_RETRY),
            ),
            EvictionRefusal::Budget { budget, desired, healthy } => (
                format!(
                    "The disruption budget {} needs {desired} healthy pods and has {healthy} currently",
                    budget.name
                ),
                None,
            ),
        };
        let message = "Cannot evict pod as it would violate the pod's disruption budget.";
        let mut details = json!({"causes": [{"reason": "DisruptionBudget", "message": why}]});
        if let Some(seconds) = retry {
            set(&mut details, "retryAfterSeconds", json!(seconds));
        }
        detailed_failure(429, "TooManyRequests", message, details)
    }
}

/// kube-apiserver responds with 500 to errors in deletion options, except for an unknown media type.
fn unforeseen(answer: JsonResponse) -> JsonResponse {
    match answer {
        (400, body) => {
            let message = body.get("message").and_then(Value::as_str).unwrap_or_default();
            internal_error(message)
        }
        other => other,
    }
}

/// Paths of fields that differ; lists are compared as a whole.
fn collect_changes(before: &Value, after: &Value, path: &str, found: &mut Vec<String>) {
    let empty = serde_json::Map::new();
    match (before, after) {
        (before, after) if before == after => {}
        (Value::Object(_) | Value::Null, Value::Object(_) | Value::Null) => {
            let old = before.as_object().unwrap_or(&empty);
            let new = after.as_object().unwrap_or(&empty);
            for key in old.keys().chain(new.keys().filter(|key| !old.contains_key(*key))) {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                let value = |fields: &serde_json::Map<String, Value>| {
                    fields.get(key).cloned().unwrap_or(Value::Null)
                };
                let (old, new) = (value(old), value(new));
                if old.is_object() || new.is_object() {
                    collect_changes(&old, &new, &path, found);
                } else if old != new {
                    found.push(path);
                }
            }
        }
        _ => found.push(path.to_owned()),
    }
}

/// How the change of a field is handled.
enum FieldChange {
    Applied,
    /// The server sets the field itself.
    Reset,
    /// Immutable: the field named in the error, and the reason, if there is a specific one.
    Immutable(&'static str, &'static str),
    NotModelled,
}

fn judge_change(kind: ObjectKind, path: &str) -> FieldChange {
    let is_in = |prefix: &str| {
        path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let is_in_any = |prefixes: &[&str]| prefixes.iter().any(|prefix| is_in(prefix));
    if is_in_any(&["metadata.labels", "metadata.annotations", "metadata.finalizers"]) {
        return FieldChange::Applied;
    }
    if is_in_any(&[
        "status",
        "metadata.resourceVersion",
        "metadata.generation",
        "metadata.creationTimestamp",
        "metadata.deletionTimestamp",
        "metadata.deletionGracePeriodSeconds",
        "metadata.managedFields",
        "metadata.namespace",
        "metadata.selfLink",
        "metadata.uid",
    ]) {
        return FieldChange::Reset;
    }
    let applied: &[&str] = match kind {
        ObjectKind::Node => &["spec.unschedulable", "spec.taints"],
        ObjectKind::Budget => &[
            "spec.minAvailable",
            "spec.maxUnavailable",
            "spec.unhealthyPodEvictionPolicy",
            "spec.selector.matchLabels.app",
        ],
        ObjectKind::Deployment | ObjectKind::StatefulSet => {
            &["spec.replicas", "spec.template.metadata.annotations"]
        }
        ObjectKind::DaemonSet => &["spec.template.metadata.annotations"],
        ObjectKind::ConfigMap => &["data"],
        // Only its policy is compared: nothing else of a webhook can be stored.
        ObjectKind::ValidatingWebhook => &["webhooks"],
        _ => &[],
    };
    if is_in_any(applied) {
        return FieldChange::Applied;
    }
    match kind {
        ObjectKind::Node if is_in("spec.providerID") => FieldChange::Immutable(
            "spec.providerID",
            "node updates may not change providerID except from \"\" to valid",
        ),
        ObjectKind::Node if is_in_any(&["spec.podCIDR", "spec.podCIDRs"]) => {
            FieldChange::Immutable(
                "spec.podCIDRs",
                "node updates may not change podCIDR except from \"\" to valid",
            )
        }
        ObjectKind::Deployment | ObjectKind::DaemonSet if is_in("spec.selector") => {
            FieldChange::Immutable("spec.selector", "")
        }
        ObjectKind::Pod if is_in("spec.containers") => FieldChange::Immutable(
            "spec.containers",
            "the simulator does not model changes of containers",
        ),
        ObjectKind::Pod if is_in("spec") && !path.contains("ontainers") => FieldChange::Immutable(
            "spec",
            "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)\n",
        ),
        ObjectKind::StatefulSet
            if is_in_any(&["spec.selector", "spec.serviceName", "spec.volumeClaimTemplates"]) =>
        {
            FieldChange::Immutable(
                "spec",
                "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
            )
        }
        _ => FieldChange::NotModelled,
    }
}

/// Applies the fields that can be changed.
pub fn apply_document(object: &mut StoredObject, document: &Value, now: Timestamp) {
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
    let text = |pointer: &str| document.pointer(pointer).and_then(Value::as_str);
    match &mut object.body {
        ObjectBody::Controller(controller) => {
            if controller.kind != ObjectKind::DaemonSet {
                controller.replicas = count(document.pointer("/spec/replicas")).unwrap_or(1);
            }
            controller.template_annotations = texts("/spec/template/metadata/annotations");
        }
        ObjectBody::ConfigMap(data) => {
            let entries = texts("/data").into_iter();
            *data = entries.map(|(key, value)| (key.to_string(), value.to_string())).collect();
        }
        ObjectBody::Budget(budget) => {
            budget.min_available = int_or_percent(document.pointer("/spec/minAvailable"));
            budget.max_unavailable = int_or_percent(document.pointer("/spec/maxUnavailable"));
            budget.unhealthy_policy = text("/spec/unhealthyPodEvictionPolicy").map(str::to_owned);
            if let Some(app) = text("/spec/selector/matchLabels/app") {
                budget.app = app.into();
            }
        }
        ObjectBody::ValidatingWebhook(webhook) => {
            if let Some(policy) = text("/webhooks/0/failurePolicy") {
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

/// A number of pods.
fn count(value: Option<&Value>) -> Option<u32> {
    value?.as_u64().and_then(|count| u32::try_from(count).ok())
}

fn int_or_percent(value: Option<&Value>) -> Option<IntOrPercent> {
    let percent = || value?.as_str().map(|text| IntOrPercent::Percent(text.to_owned()));
    count(value).map(IntOrPercent::Int).or_else(percent)
}
