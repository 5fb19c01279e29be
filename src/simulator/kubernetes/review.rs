//! Requests that store nothing: service account tokens, and reviews of the user's own permissions and name.

use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::simulator::cluster::SimulatedCluster;
use crate::simulator::cluster::objects::{ObjectKey, ObjectKind};
use crate::simulator::http::{HttpRequest, JsonResponse};
use crate::simulator::kubernetes::authorize::RequestAttributes;
use crate::simulator::kubernetes::body;
use crate::simulator::kubernetes::field_error::{FieldError, invalid, refuse};
use crate::simulator::kubernetes::json::set;
use crate::simulator::kubernetes::object_view::ObjectView;
use crate::simulator::kubernetes::options::WriteOptions;
use crate::simulator::kubernetes::request::RequestTarget;
use crate::simulator::kubernetes::resources::Resource;
use crate::simulator::kubernetes::status::{bad_request, conflict, not_found};
use crate::simulator::kubernetes::user::UserInfo;
use crate::simulator::speed::later;

const AUTHENTICATION: &str = "authentication.k8s.io";
const AUTHORIZATION: &str = "authorization.k8s.io";
const AUTHENTICATION_V1: &str = "authentication.k8s.io/v1";
const AUTHORIZATION_V1: &str = "authorization.k8s.io/v1";
/// Default, minimum and maximum lifetime of tokens, in seconds.
const TOKEN_SECONDS: i64 = 3_600;
const LEAST_SECONDS: i64 = 600;
const MOST_SECONDS: i64 = 1 << 32;

/// `POST …/serviceaccounts/<name>/token`.
pub fn create_token(
    cluster: &mut SimulatedCluster,
    target: RequestTarget<'_>,
    request: &HttpRequest,
    view: ObjectView,
) -> Result<JsonResponse, JsonResponse> {
    let RequestTarget { resource, namespace, name, .. } = target;
    let key = ObjectKey::new(namespace, name);
    WriteOptions::read(request, "CreateOptions")?;
    let mut review = body::read(request, &[AUTHENTICATION_V1], "TokenRequest")?;
    let account = cluster.data_plane.store.get(ObjectKind::ServiceAccount, &key);
    let uid = account.ok_or_else(|| not_found(resource, name))?.meta.uid.to_string();
    for (field, own) in [("name", name), ("namespace", namespace)] {
        let given = review.pointer(&format!("/metadata/{field}")).and_then(Value::as_str);
        if given.is_some_and(|given| !given.is_empty() && given != own) {
            let why = format!("must match the service account {field} if specified");
            let field = format!("metadata.{field}");
            let error = FieldError::invalid(&field, given.unwrap_or_default(), &why);
            return Err(invalid(AUTHENTICATION, "TokenRequest", name, vec![error]));
        }
    }
    let seconds = review.pointer("/spec/expirationSeconds").and_then(Value::as_i64);
    let seconds = seconds.unwrap_or(TOKEN_SECONDS);
    let mut errors = Vec::new();
    let mut wrong = |why: &str| {
        let field = "spec.expirationSeconds";
        errors.push(FieldError::invalid_object(field, &seconds.into(), why));
    };
    if seconds < LEAST_SECONDS {
        wrong("may not specify a duration less than 10 minutes");
    } else if seconds > MOST_SECONDS {
        wrong("may not specify a duration larger than 2^32 seconds");
    }
    refuse(AUTHENTICATION, "TokenRequest", "", errors)?;
    if let Some(bound) = review.pointer("/spec/boundObjectRef") {
        check_bound_object(cluster, bound, namespace)?;
    }
    let issuer = cluster.token_issuer();
    let audiences = review
        .pointer("/spec/audiences")
        .filter(|list| list.as_array().is_some_and(|list| !list.is_empty()))
        .cloned()
        .unwrap_or_else(|| json!([issuer]));
    // By the cluster's clock.
    let clock = view.clock().as_second();
    let claims = json!({
        "iss": issuer, "aud": audiences, "iat": clock, "nbf": clock, "exp": clock.saturating_add(seconds),
        "jti": cluster.data_plane.rng.uid(), "sub": format!("system:serviceaccount:{namespace}:{name}"),
        "kubernetes.io": {"namespace": namespace, "serviceaccount": {"name": name, "uid": uid}},
    });
    let token = cluster.credentials.sign(&claims);
    let expires = later(view.now, SignedDuration::from_secs(seconds));
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

/// The object of a `boundObjectRef` must exist.
fn check_bound_object(
    cluster: &SimulatedCluster,
    bound: &Value,
    namespace: &str,
) -> Result<(), JsonResponse> {
    let text = |name: &str| bound.get(name).and_then(Value::as_str).unwrap_or_default();
    let (plural, key) = match (text("apiVersion"), text("kind")) {
        ("v1", "Pod") => ("pods", ObjectKey::new(namespace, text("name"))),
        ("v1", "Secret") => ("secrets", ObjectKey::new(namespace, text("name"))),
        ("v1", "Node") => ("nodes", ObjectKey::global(text("name"))),
        (version, kind) => {
            return Err(bad_request(format!(
                "cannot bind token for serviceaccount to object of kind {version}, Kind={kind}"
            )));
        }
    };
    let Some(resource) = Resource::find("", plural) else { return Ok(()) };
    let object = cluster.data_plane.store.get(resource.kind, &key);
    let object = object.ok_or_else(|| not_found(resource, &key.name))?;
    let uid = text("uid");
    if uid.is_empty() || *uid == *object.meta.uid {
        Ok(())
    } else {
        let why = format!(
            "the UID in the bound object reference ({uid}) does not match the UID in record. The object might have been deleted and then recreated"
        );
        Err(conflict(resource, &key.name, &why))
    }
}

/// `POST …/selfsubjectaccessreviews`; `is_forbidden`: whether a fault forbids a method on a path.
pub fn review_access(
    user: &UserInfo,
    request: &HttpRequest,
    is_forbidden: impl Fn(&str, &str) -> bool,
) -> Result<JsonResponse, JsonResponse> {
    const KIND: &str = "SelfSubjectAccessReview";
    WriteOptions::read(request, "CreateOptions")?;
    let mut review = body::read(request, &[AUTHORIZATION_V1], KIND)?;
    let has = |name: &str| review.pointer(&format!("/spec/{name}")).is_some();
    let mut errors = Vec::new();
    match (has("resourceAttributes"), has("nonResourceAttributes")) {
        (true, true) => {
            let why = "cannot be specified in combination with resourceAttributes";
            let value = review.pointer("/spec/nonResourceAttributes").unwrap_or(&Value::Null);
            errors.push(FieldError::invalid_object("spec.nonResourceAttributes", value, why));
        }
        (false, false) => {
            let why =
                "exactly one of nonResourceAttributes or resourceAttributes must be specified";
            let value = &Value::Null;
            errors.push(FieldError::invalid_object("spec.resourceAttributes", value, why));
        }
        _ => {}
    }
    check_no_metadata(&review, &mut errors);
    // kube-apiserver gives no kind here.
    refuse(AUTHORIZATION, "", "", errors)?;
    let text = |name: &str| {
        let value = review.pointer(&format!("/spec/resourceAttributes/{name}"));
        value.and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let path = review.pointer("/spec/nonResourceAttributes/path").and_then(Value::as_str);
    let verb = review.pointer("/spec/nonResourceAttributes/verb").and_then(Value::as_str);
    let attributes = RequestAttributes {
        verb: path.map_or_else(|| text("verb"), |_| verb.unwrap_or_default().to_owned()),
        path: path.map(str::to_owned),
        group: text("group"),
        resource: text("resource"),
        subresource: text("subresource"),
        namespace: text("namespace"),
        name: text("name"),
    };
    let allowed = attributes.are_allowed(user) && !is_forbidden_by_fault(&attributes, is_forbidden);
    set(&mut review, "metadata", json!({"creationTimestamp": null}));
    set(&mut review, "status", json!({"allowed": allowed}));
    Ok((201, review))
}

fn is_forbidden_by_fault(
    attributes: &RequestAttributes,
    is_forbidden: impl Fn(&str, &str) -> bool,
) -> bool {
    let RequestAttributes { group, resource, namespace, .. } = attributes;
    let mut path = if group.is_empty() { "/api/v1".into() } else { format!("/apis/{group}/v1") };
    if !namespace.is_empty() {
        path += &format!("/namespaces/{namespace}");
    }
    let method = match &*attributes.verb {
        "create" => "POST",
        "patch" => "PATCH",
        "update" => "PUT",
        "delete" => "DELETE",
        _ => "GET",
    };
    is_forbidden(method, &format!("{path}/{resource}"))
}

fn check_no_metadata(review: &Value, errors: &mut Vec<FieldError>) {
    let metadata = review.get("metadata").and_then(Value::as_object);
    if metadata.is_some_and(|metadata| metadata.values().any(|value| !value.is_null())) {
        errors.push(FieldError::invalid_object("metadata", &json!(metadata), "must be empty"));
    }
}

/// `POST …/selfsubjectreviews`.
pub fn review_self(user: &UserInfo, request: &HttpRequest) -> Result<JsonResponse, JsonResponse> {
    WriteOptions::read(request, "CreateOptions")?;
    body::read(request, &[AUTHENTICATION_V1], "SelfSubjectReview")?;
    let user = json!({"username": user.name, "groups": user.groups});
    let body = json!({
        "kind": "SelfSubjectReview", "apiVersion": AUTHENTICATION_V1,
        "metadata": {"creationTimestamp": null}, "status": {"userInfo": user},
    });
    Ok((201, body))
}
