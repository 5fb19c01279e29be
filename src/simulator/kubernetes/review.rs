//! Requests that store nothing: tokens of service accounts, and reviews of the user's own rights and name.

use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::simulator::cluster::SimulatedCluster;
use crate::simulator::cluster::objects::{ObjectKey, ObjectKind};
use crate::simulator::http::{HttpRequest, JsonResponse};
use crate::simulator::kubernetes::authenticate::UserInfo;
use crate::simulator::kubernetes::json::set;
use crate::simulator::kubernetes::object_view::ObjectView;
use crate::simulator::kubernetes::request::RequestTarget;
use crate::simulator::kubernetes::status::{bad_request, failure, not_found};
use crate::simulator::speed::later;

/// Lifetime of tokens unless another one is requested, and at least, in seconds.
const TOKEN_SECONDS: i64 = 3_600;
const LEAST_SECONDS: i64 = 600;

/// `POST …/serviceaccounts/<name>/token`.
pub fn create_token(
    cluster: &mut SimulatedCluster,
    target: RequestTarget<'_>,
    request: &HttpRequest,
    view: ObjectView,
) -> Result<JsonResponse, JsonResponse> {
    let RequestTarget { resource, namespace, name, .. } = target;
    let key = ObjectKey::new(namespace, name);
    let account = cluster.data_plane.store.get(ObjectKind::ServiceAccount, &key);
    let uid = account.ok_or_else(|| not_found(resource, name))?.meta.uid.to_string();
    let mut review = request.json().map_err(bad_request)?;
    let seconds = review.pointer("/spec/expirationSeconds").and_then(Value::as_i64);
    let seconds = seconds.unwrap_or(TOKEN_SECONDS);
    if seconds < LEAST_SECONDS {
        let message = "spec.expirationSeconds: Invalid value: may not specify a duration less than 10 minutes";
        return Err(failure(422, "Invalid", message));
    }
    if !review.is_object() {
        return Err(bad_request("the body is no TokenRequest"));
    }
    let issuer = cluster.token_issuer();
    let audiences = review
        .pointer("/spec/audiences")
        .filter(|list| list.as_array().is_some_and(|list| !list.is_empty()))
        .cloned()
        .unwrap_or_else(|| json!([issuer]));
    // By the cluster's own clock.
    let clock = view.clock().as_second();
    let claims = json!({
        "iss": issuer, "aud": audiences, "iat": clock, "nbf": clock, "exp": clock.saturating_add(seconds),
        "jti": cluster.data_plane.rng.uid(), "sub": format!("system:serviceaccount:{namespace}:{name}"),
        "kubernetes.io": {"namespace": namespace, "serviceaccount": {"name": name, "uid": uid}},
    });
    let token = cluster.credentials.sign(&claims);
    let expires = later(view.now, SignedDuration::from_secs(seconds));
    set(&mut review, "kind", json!("TokenRequest"));
    set(&mut review, "apiVersion", json!("authentication.k8s.io/v1"));
    let created = view.time(view.now);
    let metadata = json!({"name": name, "namespace": namespace, "creationTimestamp": created});
    set(&mut review, "metadata", metadata);
    if let Some(spec) = review.get_mut("spec") {
        set(spec, "audiences", audiences);
        set(spec, "expirationSeconds", json!(seconds));
    }
    let status = json!({"token": token, "expirationTimestamp": view.time(expires)});
    set(&mut review, "status", status);
    Ok((201, review))
}

/// `POST …/selfsubjectaccessreviews`; `is_forbidden` says whether a fault forbids a method on a path.
pub fn review_access(
    user: &UserInfo,
    request: &HttpRequest,
    is_forbidden: impl Fn(&str, &str) -> bool,
) -> Result<JsonResponse, JsonResponse> {
    let mut review = request.json().map_err(bad_request)?;
    let [group, resource, namespace, verb] =
        ["group", "resource", "namespace", "verb"].map(|name| {
            let value = review.pointer(&format!("/spec/resourceAttributes/{name}"));
            value.and_then(Value::as_str).unwrap_or_default()
        });
    let mut path = if group.is_empty() { "/api/v1".into() } else { format!("/apis/{group}/v1") };
    if !namespace.is_empty() {
        path += &format!("/namespaces/{namespace}");
    }
    let method = match verb {
        "create" => "POST",
        "patch" => "PATCH",
        "update" => "PUT",
        "delete" => "DELETE",
        _ => "GET",
    };
    let allowed = user.admin && !is_forbidden(method, &format!("{path}/{resource}"));
    let mut status = json!({"allowed": allowed});
    if allowed {
        let reason = "RBAC: allowed by ClusterRoleBinding of ClusterRole \"cluster-admin\"";
        set(&mut status, "reason", json!(reason));
    }
    set(&mut review, "kind", json!("SelfSubjectAccessReview"));
    set(&mut review, "apiVersion", json!("authorization.k8s.io/v1"));
    set(&mut review, "metadata", json!({"creationTimestamp": null}));
    set(&mut review, "status", status);
    Ok((201, review))
}

/// `POST …/selfsubjectreviews`.
pub fn review_self(user: &UserInfo) -> JsonResponse {
    let user = json!({"username": user.name, "groups": user.groups});
    let body = json!({
        "kind": "SelfSubjectReview", "apiVersion": "authentication.k8s.io/v1",
        "metadata": {"creationTimestamp": null}, "status": {"userInfo": user},
    });
    (201, body)
}
