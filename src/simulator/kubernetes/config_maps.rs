//! Creates `ConfigMap`s.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::simulator::cluster::data_plane::DataPlane;
use crate::simulator::cluster::objects::{ObjectBody, ObjectKey, ObjectKind, StoredObject};
use crate::simulator::http::{HttpRequest, JsonResponse};
use crate::simulator::kubernetes::field_error::refuse;
use crate::simulator::kubernetes::json::set;
use crate::simulator::kubernetes::object_view::ObjectView;
use crate::simulator::kubernetes::object_writer::ObjectWriter;
use crate::simulator::kubernetes::options::WriteOptions;
use crate::simulator::kubernetes::request::RequestTarget;
use crate::simulator::kubernetes::status::{bad_request, detailed_failure, details_of, failure};
use crate::simulator::kubernetes::{body, change_objects, validation};

/// Creates a `ConfigMap`.
pub fn create(
    data_plane: &mut DataPlane,
    target: RequestTarget<'_>,
    request: &HttpRequest,
    view: ObjectView,
) -> Result<JsonResponse, JsonResponse> {
    let resource = target.resource;
    let writer = ObjectWriter::new(resource, request, view, false)?;
    let document = body::read(request, &["v1"], "ConfigMap")?;
    let options = WriteOptions::read(request, "CreateOptions")?;
    let text = |field: &str| {
        let value = document.pointer(&format!("/metadata/{field}")).and_then(Value::as_str);
        value.unwrap_or_default()
    };
    let name = text("name");
    if !matches!(text("namespace"), "") && text("namespace") != target.namespace {
        return Err(bad_request(change_objects::OTHER_NAMESPACE));
    }
    if name.is_empty() {
        return Err(bad_request("the simulator does not model generated names"));
    }
    if !text("resourceVersion").is_empty() {
        // kube-apiserver treats this as an unexpected error.
        let message = "resourceVersion should not be set on objects to be created";
        let (_, mut body) = failure(500, "", message);
        set(&mut body, "reason", Value::Null);
        return Err((500, body));
    }
    refuse("", "ConfigMap", name, validation::check(ObjectKind::ConfigMap, &document))?;
    let namespaces = ObjectKey::global(target.namespace);
    if data_plane.store.get(ObjectKind::Namespace, &namespaces).is_none() {
        let message = format!("namespaces \"{}\" not found", target.namespace);
        let details = json!({"name": target.namespace, "kind": "namespaces"});
        return Err(detailed_failure(404, "NotFound", &message, details));
    }
    let key = ObjectKey::new(target.namespace, name);
    if data_plane.store.get(ObjectKind::ConfigMap, &key).is_some() {
        let message = format!("configmaps \"{name}\" already exists");
        let details = details_of(resource, name);
        return Err(detailed_failure(409, "AlreadyExists", &message, details));
    }
    let meta = data_plane.new_meta(key.clone(), view.now);
    let mut object = StoredObject { meta, body: ObjectBody::ConfigMap(BTreeMap::new()) };
    object.meta.written = Some(view.now);
    change_objects::apply_document(&mut object, &document, view.now);
    if !options.dry_run {
        data_plane.store.put(object.clone());
    }
    let stored = data_plane.store.get(ObjectKind::ConfigMap, &key);
    let version = stored.map_or(0, |stored| stored.meta.version);
    Ok((201, writer.one(&object, version, true)))
}
