//! Types of patches: JSON Patch, merge patch, and strategic merge patch.

use serde_json::{Map, Value, json};

use crate::simulator::http::{HttpRequest, JsonResponse};
use crate::simulator::kubernetes::body::{media_type, type_name};
use crate::simulator::kubernetes::field_error::invalid_patch;
use crate::simulator::kubernetes::json::set;
use crate::simulator::kubernetes::status::{
    bad_request, detailed_failure, internal_error, unsupported_patch,
};

const MERGE: &str = "application/merge-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";
const JSON: &str = "application/json-patch+json";

/// How the body of a request changes a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatchKind {
    Json,
    Merge,
    Strategic,
}

impl PatchKind {
    /// By the content type of a request.
    pub fn of(request: &HttpRequest) -> Result<Self, JsonResponse> {
        match media_type(&request.content_type) {
            JSON => Ok(Self::Json),
            MERGE => Ok(Self::Merge),
            STRATEGIC => Ok(Self::Strategic),
            _ => Err(unsupported_patch()),
        }
    }

    /// Changes a document.
    pub fn apply(self, document: &mut Value, body: &[u8]) -> Result<(), JsonResponse> {
        // Invalid UTF-8 is replaced.
        let text = String::from_utf8_lossy(body);
        let cannot = |value: &Value| {
            bad_request(format!(
                "error decoding patch: json: cannot unmarshal {} into Go value of type map[string]interface {{}}",
                type_name(value)
            ))
        };
        match self {
            Self::Json => {
                let wrong = |error| bad_request(format!("error decoding patch: {error}"));
                let operations: Option<Vec<Value>> = serde_json::from_str(&text).map_err(wrong)?;
                for operation in operations.unwrap_or_default() {
                    apply_operation(document, &operation).ok_or_else(rejected)?;
                }
            }
            Self::Merge => match serde_json::from_str::<Value>(&text) {
                Ok(patch @ Value::Object(_)) => json_patch::merge(document, &patch),
                Ok(Value::Null) | Err(_) => return Err(bad_request("Invalid JSON Patch")),
                Ok(other) => return Err(cannot(&other)),
            },
            Self::Strategic => match serde_json::from_str::<Value>(&text) {
                Ok(Value::Object(patch)) => merge_object(document, &patch)?,
                Ok(Value::Null) => {}
                Ok(other) => return Err(cannot(&other)),
                Err(error) => return Err(bad_request(error.to_string())),
            },
        }
        Ok(())
    }
}

fn rejected() -> JsonResponse {
    let message = "the server rejected our request due to an error in our request";
    detailed_failure(422, "Invalid", message, json!({}))
}

/// Applies one operation of a JSON Patch; `None` if it cannot be applied. Replacing a missing field adds it, as in
/// kube-apiserver's library.
fn apply_operation(document: &mut Value, operation: &Value) -> Option<()> {
    let mut operation = operation.clone();
    let path = operation.get("path")?.as_str()?.to_owned();
    if operation.get("op")? == "replace" && document.pointer(&path).is_none() {
        let (parent, _) = path.rsplit_once('/')?;
        if document.pointer(parent)?.is_object() {
            set(&mut operation, "op", json!("add"));
        }
    }
    let patch: json_patch::PatchOperation = serde_json::from_value(operation).ok()?;
    json_patch::patch(document, &[patch]).ok()
}

/// The merge key of a list; lists without one are replaced.
fn merge_key(list: &str) -> Option<&'static str> {
    Some(match list {
        "containers"
        | "initContainers"
        | "ephemeralContainers"
        | "volumes"
        | "env"
        | "imagePullSecrets"
        | "webhooks" => "name",
        "ownerReferences" => "uid",
        "conditions" | "addresses" => "type",
        "ports" => "containerPort",
        "volumeMounts" => "mountPath",
        _ => return None,
    })
}

fn merge_object(document: &mut Value, patch: &Map<String, Value>) -> Result<(), JsonResponse> {
    match patch.get("$patch") {
        None => {}
        Some(Value::String(word)) if word == "merge" => {}
        Some(Value::String(word)) if word == "replace" || word == "delete" => {
            let rest = patch.iter().filter(|(key, _)| word == "replace" && *key != "$patch");
            *document = rest.map(|(key, value)| (key.clone(), value.clone())).collect();
            return Ok(());
        }
        Some(other) => {
            return Err(internal_error(&format!("unknown patch type: {other}")));
        }
    }
    if !document.is_object() {
        *document = Value::Object(Map::new());
    }
    let Some(fields) = document.as_object_mut() else { return Ok(()) };
    if let Some(retained) = patch.get("$retainKeys").and_then(Value::as_array) {
        fields.retain(|key, _| retained.iter().any(|kept| kept.as_str() == Some(key)));
    }
    for (key, value) in patch {
        if let Some(list) = key.strip_prefix("$deleteFromPrimitiveList/") {
            let gone = value.as_array().cloned().unwrap_or_default();
            if let Some(list) = fields.get_mut(list).and_then(Value::as_array_mut) {
                list.retain(|one| !gone.contains(one));
            }
            continue;
        }
        if key.starts_with('$') {
            continue;
        }
        match value {
            Value::Null => {
                fields.remove(key);
            }
            Value::Object(patch) => {
                let field = fields.entry(key.clone()).or_insert_with(|| Value::Object(Map::new()));
                merge_object(field, patch)?;
            }
            Value::Array(patch) => {
                let field = fields.entry(key.clone()).or_insert_with(|| Value::Array(Vec::new()));
                if field.is_object() {
                    return Err(invalid_patch(value, "cannot restore map from slice"));
                }
                merge_list(field, key, patch)?;
            }
            other => {
                fields.insert(key.clone(), other.clone());
            }
        }
    }
    Ok(())
}

fn merge_list(document: &mut Value, name: &str, patch: &[Value]) -> Result<(), JsonResponse> {
    let is_primitive_set = name == "finalizers";
    let Some(list) =
        document.as_array_mut().filter(|_| is_primitive_set || merge_key(name).is_some())
    else {
        *document = patch.to_vec().into();
        return Ok(());
    };
    let Some(key) = merge_key(name) else {
        for one in patch {
            if !list.contains(one) {
                list.push(one.clone());
            }
        }
        return Ok(());
    };
    if patch.iter().any(|one| one.get("$patch").and_then(Value::as_str) == Some("replace")) {
        list.clear();
    }
    // New entries precede those that the patch does not contain.
    let mut new = Vec::new();
    for one in patch.iter().filter(|one| one.get(key).is_some() || one.get("$patch").is_none()) {
        let Some(id) = one.get(key) else {
            let message = format!("map: {one} does not contain declared merge key: {key}");
            return Err(internal_error(&message));
        };
        let Some(fields) = one.as_object() else { continue };
        let place = list.iter().position(|known| known.get(key) == Some(id));
        let deletes = one.get("$patch").and_then(Value::as_str) == Some("delete");
        match place {
            Some(place) if deletes => drop(list.remove(place)),
            Some(place) => {
                if let Some(known) = list.get_mut(place) {
                    merge_object(known, fields)?;
                }
            }
            None if deletes => {}
            None => {
                let mut entry = Value::Object(Map::new());
                merge_object(&mut entry, fields)?;
                new.push(entry);
            }
        }
    }
    list.splice(0..0, new);
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::simulator::kubernetes::patch::PatchKind;

    #[test]
    fn strategic_merges_follow_their_directives_and_keys() {
        let document = json!({
            "metadata": {"labels": {"a": "1", "b": "2"}, "finalizers": ["x/y"]},
            "spec": {"containers": [{"name": "main", "image": "a"}, {"name": "side"}], "taints": [{"key": "k"}]},
        });
        for (patch, pointer, expected) in [
            (
                json!({"metadata": {"labels": {"b": null, "c": "3"}}}),
                "/metadata/labels",
                json!({"a": "1", "c": "3"}),
            ),
            (
                json!({"metadata": {"labels": {"$patch": "replace", "c": "3"}}}),
                "/metadata/labels",
                json!({"c": "3"}),
            ),
            (json!({"metadata": {"labels": {"$patch": "delete"}}}), "/metadata/labels", json!({})),
            (
                json!({"metadata": {"finalizers": ["z/z"]}}),
                "/metadata/finalizers",
                json!(["x/y", "z/z"]),
            ),
            (
                json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["x/y"]}}),
                "/metadata/finalizers",
                json!([]),
            ),
            (
                json!({"spec": {"containers": [{"name": "main", "image": "b"}, {"name": "side", "$patch": "delete"}]}}),
                "/spec/containers",
                json!([{"name": "main", "image": "b"}]),
            ),
            (json!({"spec": {"taints": [{"key": "l"}]}}), "/spec/taints", json!([{"key": "l"}])),
            (
                json!({"spec": {"$retainKeys": ["taints"]}}),
                "/spec",
                json!({"taints": [{"key": "k"}]}),
            ),
        ] {
            let mut changed = document.clone();
            PatchKind::Strategic.apply(&mut changed, patch.to_string().as_bytes()).unwrap();
            assert_eq!(changed.pointer(pointer), Some(&expected), "{patch}");
        }
        let mut changed = document;
        let wrong = json!({"metadata": {"labels": {"$patch": "explode"}}}).to_string();
        assert_eq!(PatchKind::Strategic.apply(&mut changed, wrong.as_bytes()).unwrap_err().0, 500);
    }
}
