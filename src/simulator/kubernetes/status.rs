//! `Status` bodies, worded as kube-apiserver words them.

use serde_json::{Value, json};

use crate::simulator::kubernetes::json::set;
use crate::simulator::kubernetes::resources::Resource;

/// Status and body of an answer.
pub type ApiResponse = (u16, Value);

/// A failure.
pub fn failure(code: u16, reason: &str, message: &str) -> ApiResponse {
    (code, body(code, reason, message))
}

/// The body of a failure.
pub fn body(code: u16, reason: &str, message: &str) -> Value {
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code,
    })
}

/// Nobody that the server knows.
pub fn unauthorized() -> ApiResponse {
    failure(401, "Unauthorized", "Unauthorized")
}

/// Somebody who may not.
pub fn forbidden(
    user: &str,
    verb: &str,
    resource: &str,
    group: &str,
    namespace: &str,
) -> ApiResponse {
    let place = if namespace.is_empty() {
        "at the cluster scope".to_owned()
    } else {
        format!("in the namespace \"{namespace}\"")
    };
    let message = format!(
        "{resource} is forbidden: User \"{user}\" cannot {verb} resource \"{resource}\" in API group \
         \"{group}\" {place}"
    );
    let mut answer = failure(403, "Forbidden", &message);
    set(&mut answer.1, "details", json!({"kind": resource}));
    answer
}

/// There is no such object.
pub fn not_found(resource: &Resource, name: &str) -> ApiResponse {
    let mut answer =
        failure(404, "NotFound", &format!("{} \"{name}\" not found", resource.qualified()));
    set(&mut answer.1, "details", json!({"name": name, "kind": resource.plural}));
    answer
}

/// There is no such path.
pub fn no_path() -> ApiResponse {
    let mut answer = failure(404, "NotFound", "the server could not find the requested resource");
    set(&mut answer.1, "details", json!({}));
    answer
}

/// That cannot be done with it.
pub fn no_method() -> ApiResponse {
    let message = "the server does not allow this method on the requested resource";
    failure(405, "MethodNotAllowed", message)
}

/// The request is wrong.
pub fn bad_request(message: &str) -> ApiResponse {
    failure(400, "BadRequest", message)
}

/// The version is forgotten; whoever asks has to list again.
pub fn gone(message: &str) -> ApiResponse {
    failure(410, "Expired", message)
}

/// A watch from a version that is forgotten.
pub fn too_old(version: u64, oldest: u64) -> Value {
    body(410, "Expired", &format!("too old resource version: {version} ({oldest})"))
}

/// A list at a version that is still to come.
pub fn too_new(version: u64, current: u64) -> ApiResponse {
    let message = format!("Too large resource version: {version}, current: {current}");
    let mut answer = failure(504, "Timeout", &message);
    set(
        &mut answer.1,
        "details",
        json!({
            "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
            "retryAfterSeconds": 1,
        }),
    );
    answer
}

/// The request asks for something that this server's version cannot do.
pub fn invalid_option(field: &str, why: &str) -> ApiResponse {
    let message = format!("ListOptions.meta.k8s.io \"\" is invalid: {field}: Forbidden: {why}");
    let mut answer = failure(422, "Invalid", &message);
    set(
        &mut answer.1,
        "details",
        json!({
            "group": "meta.k8s.io", "kind": "ListOptions",
            "causes": [{"reason": "FieldValueForbidden", "message": format!("Forbidden: {why}"), "field": field}],
        }),
    );
    answer
}
