//! `Status` bodies, in kube-apiserver's words.

use serde_json::{Value, json};

use crate::simulator::http::JsonResponse;
use crate::simulator::kubernetes::json::set;
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

/// 404 for an object.
pub fn not_found(resource: &Resource, name: &str) -> JsonResponse {
    let message = format!("{} \"{name}\" not found", resource.qualified());
    detailed_failure(404, "NotFound", &message, details_of(resource, name))
}

/// The object that a response is about.
pub fn details_of(resource: &Resource, name: &str) -> Value {
    let mut details = json!({"name": name, "kind": resource.plural});
    if !resource.group.is_empty() {
        set(&mut details, "group", json!(resource.group));
    }
    details
}

/// 415.
pub fn unsupported_media_type(accepted: &[&str]) -> JsonResponse {
    let message = format!(
        "the body of the request was in an unknown format - accepted media types include: {}",
        accepted.join(", ")
    );
    failure(415, "UnsupportedMediaType", &message)
}

/// 413.
pub fn too_large(limit: usize) -> JsonResponse {
    let message = format!("Request entity too large: limit is {limit}");
    failure(413, "RequestEntityTooLarge", &message)
}

/// 406: none of the accepted formats is supported.
pub fn not_acceptable(accepted: &str) -> JsonResponse {
    if accepted.contains("application/json") {
        // JSON is accepted, but none of its supported conversions.
        let message = "only the following media types are accepted: application/json";
        return failure(406, "NotAcceptable", message);
    }
    let message = "406: Not Acceptable\n\nAvailable representations: application/json";
    detailed_failure(406, "NotAcceptable", message, json!({}))
}

/// 415 for a patch, whose types the router knows.
pub fn unsupported_patch() -> JsonResponse {
    detailed_failure(415, "UnsupportedMediaType", "415: Unsupported Media Type", json!({}))
}

/// 500 for an unexpected error in kube-apiserver; it has no reason.
pub fn internal_error(message: &str) -> JsonResponse {
    let body = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "code": 500,
    });
    (500, body)
}

/// 409 for a failed precondition. Its details contain the kind, not the resource.
pub fn failed_precondition(resource: &Resource, name: &str, why: &str) -> JsonResponse {
    let Resource { name: kind, group, .. } = *resource;
    let mut details = json!({"name": name, "kind": kind});
    let mut qualified = kind.to_owned();
    if !group.is_empty() {
        set(&mut details, "group", json!(group));
        qualified = format!("{kind}.{group}");
    }
    let message = format!("Operation cannot be fulfilled on {qualified} \"{name}\": {why}");
    detailed_failure(409, "Conflict", &message, details)
}

/// 404 for a path.
pub fn no_path() -> JsonResponse {
    let message = "the server could not find the requested resource";
    detailed_failure(404, "NotFound", message, json!({}))
}

/// 405.
pub fn no_method() -> JsonResponse {
    let message = "the server does not allow this method on the requested resource";
    detailed_failure(405, "MethodNotAllowed", message, json!({}))
}

/// 400.
pub fn bad_request(message: impl AsRef<str>) -> JsonResponse {
    failure(400, "BadRequest", message.as_ref())
}

/// 409.
pub fn conflict(resource: &Resource, name: &str, why: &str) -> JsonResponse {
    let qualified = resource.qualified();
    let message = format!("Operation cannot be fulfilled on {qualified} \"{name}\": {why}");
    detailed_failure(409, "Conflict", &message, details_of(resource, name))
}

/// 410: the version is compacted; the client must relist.
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
