//! `Status` bodies, worded as kube-apiserver words them.

use serde_json::{Value, json};

use crate::simulator::http::JsonResponse;
use crate::simulator::kubernetes::json::set;
use crate::simulator::kubernetes::request::RequestTarget;
use crate::simulator::kubernetes::resources::Resource;

/// A failure.
pub fn failure(code: u16, reason: &str, message: &str) -> JsonResponse {
    (code, failure_body(code, reason, message))
}

fn failure_body(code: u16, reason: &str, message: &str) -> Value {
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code,
    })
}

/// A failure with `details`.
pub fn detailed_failure(code: u16, reason: &str, message: &str, details: Value) -> JsonResponse {
    let mut body = failure_body(code, reason, message);
    set(&mut body, "details", details);
    (code, body)
}

/// 401.
pub fn unauthorized() -> JsonResponse {
    failure(401, "Unauthorized", "Unauthorized")
}

/// 403.
pub fn forbidden(user: &str, verb: &str, target: RequestTarget<'_>) -> JsonResponse {
    let Resource { plural, group, .. } = target.resource;
    let scope = match target.namespace {
        "" => "at the cluster scope".to_owned(),
        namespace => format!("in the namespace \"{namespace}\""),
    };
    let message = format!(
        "{plural} is forbidden: User \"{user}\" cannot {verb} resource \"{plural}\" in API group \"{group}\" {scope}"
    );
    detailed_failure(403, "Forbidden", &message, json!({"kind": plural}))
}

/// 404 of an object.
pub fn not_found(resource: &Resource, name: &str) -> JsonResponse {
    let message = format!("{} \"{name}\" not found", resource.qualified());
    let details = json!({"name": name, "kind": resource.plural});
    detailed_failure(404, "NotFound", &message, details)
}

/// 404 of a path.
pub fn no_path() -> JsonResponse {
    let message = "the server could not find the requested resource";
    detailed_failure(404, "NotFound", message, json!({}))
}

/// 405.
pub fn no_method() -> JsonResponse {
    let message = "the server does not allow this method on the requested resource";
    failure(405, "MethodNotAllowed", message)
}

/// 400.
pub fn bad_request(message: impl AsRef<str>) -> JsonResponse {
    failure(400, "BadRequest", message.as_ref())
}

/// 409.
pub fn conflict(resource: &Resource, name: &str, why: &str) -> JsonResponse {
    let plural = resource.plural;
    let message = format!("Operation cannot be fulfilled on {plural} \"{name}\": {why}");
    failure(409, "Conflict", &message)
}

/// 410: the version is compacted; the client has to list again.
pub fn gone(message: &str) -> JsonResponse {
    failure(410, "Expired", message)
}

/// The body of an `ERROR` event of a watch whose version is compacted.
pub fn too_old(version: u64, oldest: u64) -> Value {
    failure_body(410, "Expired", &format!("too old resource version: {version} ({oldest})"))
}

/// A list at a future version.
pub fn too_new(version: u64, current: u64) -> JsonResponse {
    let message = format!("Too large resource version: {version}, current: {current}");
    let cause =
        json!({"reason": "ResourceVersionTooLarge", "message": "Too large resource version"});
    detailed_failure(504, "Timeout", &message, json!({"causes": [cause], "retryAfterSeconds": 1}))
}

/// A list option that this server does not support.
pub fn invalid_option(field: &str, why: &str) -> JsonResponse {
    let message = format!("ListOptions.meta.k8s.io \"\" is invalid: {field}: Forbidden: {why}");
    let why = format!("Forbidden: {why}");
    let details = json!({
        "group": "meta.k8s.io", "kind": "ListOptions",
        "causes": [{"reason": "FieldValueForbidden", "message": why, "field": field}],
    });
    detailed_failure(422, "Invalid", &message, details)
}
