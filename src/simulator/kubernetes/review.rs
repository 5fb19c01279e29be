//! What creates nothing that is stored: tokens of service accounts, and questions about oneself.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::simulator::cluster::SimulatedCluster;
use crate::simulator::cluster::objects::{ObjectKey, ObjectKind};
use crate::simulator::kubernetes::authenticate::UserInfo;
use crate::simulator::kubernetes::json::set;
use crate::simulator::kubernetes::object_view::ObjectView;
use crate::simulator::kubernetes::request::{ApiRequest, RequestTarget};
use crate::simulator::kubernetes::status::{ApiResponse, bad_request, failure, not_found};

/// Tokens live this long unless something else is asked for, and at least.
const TOKEN_SECONDS: i64 = 3_600;
const LEAST_SECONDS: i64 = 600;

/// The issuer of the cluster's tokens.
pub fn issuer(cluster: &SimulatedCluster) -> String {
    format!("https://{}", crate::simulator::kubeconfig::published_name(cluster))
}

/// `POST …/serviceaccounts/<name>/token`.
pub fn create_token(
    cluster: &mut SimulatedCluster,
    target: RequestTarget<'_>,
    request: &ApiRequest,
    view: ObjectView,
    now: Timestamp,
) -> ApiResponse {
    let key = ObjectKey::new(target.namespace, target.name);
    let Some(account) = cluster.data_plane.store.get(ObjectKind::ServiceAccount, &key) else {
        return not_found(target.resource, target.name);
    };
    let uid = account.meta.uid.to_string();
    let mut request: Value = match request.json() {
        Ok(request) => request,
        Err(error) => return bad_request(&error),
    };
    let seconds =
        request.pointer("/spec/expirationSeconds").and_then(Value::as_i64).unwrap_or(TOKEN_SECONDS);
    if seconds < LEAST_SECONDS {
        let message = "spec.expirationSeconds: Invalid value: may not specify a duration less than 10 minutes";
        return failure(422, "Invalid", message);
    }
    let issuer = issuer(cluster);
    let audiences = request
        .pointer("/spec/audiences")
        .filter(|list| list.as_array().is_some_and(|list| !list.is_empty()))
        .cloned()
        .unwrap_or_else(|| json!([issuer]));
    // Written by the cluster's own clock.
    let clock = view.clock();
    let end = now.saturating_add(SignedDuration::from_secs(seconds)).unwrap_or(now);
    let claims = json!({
        "iss": issuer, "aud": audiences, "iat": clock.as_second(), "nbf": clock.as_second(),
        "exp": clock.as_second().saturating_add(seconds),
        "jti": cluster.data_plane.rng.uid(), "sub": format!("system:serviceaccount:{}:{}", target.namespace, target.name),
        "kubernetes.io": {"namespace": target.namespace, "serviceaccount": {"name": target.name, "uid": uid}},
    });
    let token = cluster.credentials.sign(&claims);
    if !request.is_object() {
        return bad_request("the body is no TokenRequest");
    }
    set(&mut request, "kind", json!("TokenRequest"));
    set(&mut request, "apiVersion", json!("authentication.k8s.io/v1"));
    set(
        &mut request,
        "metadata",
        json!({
            "name": target.name, "namespace": target.namespace, "creationTimestamp": view.time(now),
        }),
    );
    if let Some(inner) = request.get_mut("spec") {
        set(inner, "audiences", audiences);
    }
    if let Some(inner) = request.get_mut("spec") {
        set(inner, "expirationSeconds", json!(seconds));
    }
    set(&mut request, "status", json!({"token": token, "expirationTimestamp": view.time(end)}));
    (201, request)
}

/// `POST …/selfsubjectaccessreviews`; `forbidden` says whether an ordered fault forbids a verb on a path.
pub fn review_access(
    user: &UserInfo,
    request: &ApiRequest,
    forbidden: impl Fn(&str, &str) -> bool,
) -> ApiResponse {
    let mut review: Value = match request.json() {
        Ok(review) => review,
        Err(error) => return bad_request(&error),
    };
    let text = |pointer: &str| review.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let at = "/spec/resourceAttributes";
    let [group, resource, namespace, verb] =
        ["group", "resource", "namespace", "verb"].map(|name| text(&format!("{at}/{name}")));
    let root = if group.is_empty() { "/api/v1".to_owned() } else { format!("/apis/{group}/v1") };
    let place =
        if namespace.is_empty() { String::new() } else { format!("/namespaces/{namespace}") };
    let method = match verb {
        "create" => "POST",
        "patch" => "PATCH",
        "update" => "PUT",
        "delete" => "DELETE",
        _ => "GET",
    };
    let allowed = user.admin && !forbidden(method, &format!("{root}{place}/{resource}"));
    set(&mut review, "kind", json!("SelfSubjectAccessReview"));
    set(&mut review, "apiVersion", json!("authorization.k8s.io/v1"));
    set(&mut review, "metadata", json!({"creationTimestamp": null}));
    set(
        &mut review,
        "status",
        if allowed {
            json!({"allowed": true, "reason": "RBAC: allowed by ClusterRoleBinding of ClusterRole \"cluster-admin\""})
        } else {
            json!({"allowed": false})
        },
    );
    (201, review)
}

/// `POST …/selfsubjectreviews`.
pub fn review_self(user: &UserInfo) -> ApiResponse {
    let body = json!({
        "kind": "SelfSubjectReview", "apiVersion": "authentication.k8s.io/v1", "metadata": {"creationTimestamp": null},
        "status": {"userInfo": {"username": user.user, "groups": user.groups}},
    });
    (201, body)
}
