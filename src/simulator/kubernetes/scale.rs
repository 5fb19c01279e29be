//! The `scale` subresource.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::simulator::cluster::data_plane::DataPlane;
use crate::simulator::cluster::objects::{ObjectBody, ObjectKey, StoredObject};
use crate::simulator::http::{HttpRequest, JsonResponse};
use crate::simulator::kubernetes::field_error::{FieldError, invalid, invalid_patch};
use crate::simulator::kubernetes::json::set;
use crate::simulator::kubernetes::object_view::ObjectView;
use crate::simulator::kubernetes::options::WriteOptions;
use crate::simulator::kubernetes::patch::PatchKind;
use crate::simulator::kubernetes::resources::Resource;
use crate::simulator::kubernetes::status::{bad_request, conflict, no_method, not_found};
use crate::simulator::kubernetes::{body, render};

const VERSION: &str = "autoscaling/v1";

/// Answers a request for the scale of a Deployment or StatefulSet.
pub fn answer(
    data_plane: &mut DataPlane,
    resource: &'static Resource,
    key: &ObjectKey,
    request: &HttpRequest,
    view: ObjectView,
) -> Result<JsonResponse, JsonResponse> {
    let find = |data_plane: &DataPlane| {
        let object = data_plane.store.get(resource.kind, key).map(Arc::clone);
        object.ok_or_else(|| not_found(resource, &key.name))
    };
    let (options, object, document) = match request.method.as_str() {
        "GET" => return Ok((200, render_scale(&*find(data_plane)?, &view))),
        "PATCH" => {
            let patch = PatchKind::of(request)?;
            let options = WriteOptions::read(request, "PatchOptions")?;
            let object = find(data_plane)?;
            let mut document = render_scale(&object, &view);
            patch.apply(&mut document, &request.body)?;
            let document =
                body::typed("Scale", &document).map_err(|why| invalid_patch(&document, &why))?;
            (options, object, document)
        }
        "PUT" => {
            let document = body::read(request, &[VERSION], "Scale")?;
            let options = WriteOptions::read(request, "UpdateOptions")?;
            (options, find(data_plane)?, document)
        }
        _ => return Err(no_method()),
    };
    let text =
        |pointer: &str| document.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    if text("/metadata/name") != &*key.name {
        let message = format!(
            "the name of the object ({}) does not match the name on the URL ({})",
            text("/metadata/name"),
            key.name
        );
        return Err(bad_request(message));
    }
    let replicas = document.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(0);
    let Ok(replicas) = u32::try_from(replicas) else {
        let why = "must be greater than or equal to 0";
        let error = FieldError::invalid_object("spec.replicas", &replicas.into(), why);
        return Err(invalid("autoscaling", "Scale", &key.name, vec![error]));
    };
    let version = text("/metadata/resourceVersion");
    if !version.is_empty() && version != object.meta.version.to_string() {
        let why = "the object has been modified; please apply your changes to the latest version and try again";
        return Err(conflict(resource, &key.name, why));
    }
    let mut changed = StoredObject::clone(&object);
    if let ObjectBody::Controller(controller) = &mut changed.body {
        controller.replicas = replicas;
    }
    changed.raise_generation(&object);
    if !options.dry_run && changed != *object {
        changed.meta.version = data_plane.replace(changed.clone(), view.now);
    }
    Ok((200, render_scale(&changed, &view)))
}

fn render_scale(object: &StoredObject, view: &ObjectView) -> Value {
    let metadata = render::metadata(object, object.meta.version, view);
    let field = |name: &str| metadata.get(name).cloned().unwrap_or(Value::Null);
    let ObjectBody::Controller(controller) = &object.body else { return Value::Null };
    let mut spec = json!({});
    if controller.replicas > 0 {
        set(&mut spec, "replicas", json!(controller.replicas));
    }
    json!({
        "kind": "Scale", "apiVersion": VERSION,
        "metadata": {
            "name": field("name"), "namespace": field("namespace"), "uid": field("uid"),
            "resourceVersion": field("resourceVersion"), "creationTimestamp": field("creationTimestamp"),
        },
        "spec": spec,
        "status": {"replicas": controller.pods, "selector": format!("app={}", controller.app)},
    })
}
