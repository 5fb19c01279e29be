//! Authentication: client certificates, service account tokens, and the static token. No anonymous access.

use std::time::Duration;

use http::HeaderValue;
use jiff::Timestamp;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use serde_json::Value;

use crate::simulator::cluster::SimulatedCluster;
use crate::simulator::cluster::objects::{ObjectKey, ObjectKind};
use crate::simulator::http::{HttpRequest, ResponseDraft};
use crate::simulator::kubernetes::authorize::RequestAttributes;
use crate::simulator::kubernetes::user::{AUTHENTICATED, UserInfo};

/// The user of a request, by the cluster's own clock. Certificates younger than `least_age`, in seconds, are not
/// accepted yet.
pub fn authenticate(
    cluster: &mut SimulatedCluster,
    verifier: &dyn ClientCertVerifier,
    chain: &[CertificateDer<'static>],
    bearer: Option<&str>,
    now: Timestamp,
    least_age: Option<i64>,
) -> Option<UserInfo> {
    authenticate_certificate(verifier, chain, now, least_age)
        .or_else(|| authenticate_token(cluster, bearer?, now))
}

/// The user that a request acts as: its own, or the one in its `Impersonate-` headers.
///
/// # Errors
/// The user may not impersonate, or no user is named.
pub fn impersonate(
    cluster: &SimulatedCluster,
    user: UserInfo,
    request: &HttpRequest,
) -> Result<UserInfo, ResponseDraft> {
    let text = |value: &HeaderValue| value.to_str().unwrap_or_default().to_owned();
    let all = |name: &str| request.headers.get_all(name).iter().map(text).collect::<Vec<_>>();
    let Some(name) = all("impersonate-user").into_iter().next().filter(|name| !name.is_empty())
    else {
        let others = others_requested(request);
        if others.is_empty() {
            return Ok(user);
        }
        let message = format!(
            "Internal Server Error: \"{}\": requested [{}] without impersonating a user\n",
            request.path,
            others.join(" ")
        );
        return Err(ResponseDraft::new(500, "text/plain; charset=utf-8", message));
    };
    if !user.admin {
        let attributes = RequestAttributes {
            verb: "impersonate".to_owned(),
            resource: "users".to_owned(),
            name,
            ..RequestAttributes::default()
        };
        return Err(attributes.forbidden(&user).into());
    }
    let mut groups = all("impersonate-group");
    let mut admin = groups.iter().any(|group| is_admin_group(group));
    if let Some(account) = name.strip_prefix("system:serviceaccount:") {
        admin |= cluster.data_plane.admins.contains(&name);
        if groups.is_empty() {
            let namespace = account.split(':').next().unwrap_or_default();
            groups = account_groups(namespace);
        }
    }
    if name == "system:anonymous" {
        groups.push("system:unauthenticated".to_owned());
        return Ok(UserInfo { name, groups, admin });
    }
    groups.retain(|group| group != AUTHENTICATED);
    Ok(UserInfo::new(name, groups, admin))
}

/// Impersonated attributes other than the user, formatted like in kube-apiserver.
fn others_requested(request: &HttpRequest) -> Vec<String> {
    let mut found = Vec::new();
    for (name, value) in &request.headers {
        let value = value.to_str().unwrap_or_default();
        match name.as_str() {
            "impersonate-group" => found.push(format!("{{Group  {value}    }}")),
            "impersonate-uid" => {
                found.push(format!("{{UID  {value}  authentication.k8s.io/v1  }}"));
            }
            other => {
                if let Some(key) = other.strip_prefix("impersonate-extra-") {
                    let reference =
                        format!("{{UserExtra  {value}  authentication.k8s.io/v1  {key}}}");
                    found.push(reference);
                }
            }
        }
    }
    found
}

fn is_admin_group(group: &str) -> bool {
    matches!(
        group,
        "gardener.cloud:system:admins" | "gardener.cloud:project:admins" | "system:masters"
    )
}

fn account_groups(namespace: &str) -> Vec<String> {
    vec!["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}")]
}

fn authenticate_certificate(
    verifier: &dyn ClientCertVerifier,
    chain: &[CertificateDer<'static>],
    now: Timestamp,
    least_age: Option<i64>,
) -> Option<UserInfo> {
    let (own, intermediates) = chain.split_first()?;
    let seconds = u64::try_from(now.as_second()).ok()?;
    let at = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    verifier.verify_client_cert(own, intermediates, at).ok()?;
    let (_, certificate) = x509_parser::parse_x509_certificate(own).ok()?;
    // Certificates are backdated by one minute.
    let age = now.as_second() - (certificate.validity().not_before.timestamp() + 60);
    if least_age.is_some_and(|least| age < least) {
        return None;
    }
    let subject = certificate.subject();
    let user = subject.iter_common_name().next()?.as_str().ok()?.to_owned();
    let groups: Vec<String> = subject
        .iter_organization()
        .filter_map(|group| group.as_str().ok().map(str::to_owned))
        .collect();
    let admin = groups.iter().any(|group| is_admin_group(group));
    Some(UserInfo::new(user, groups, admin))
}

fn authenticate_token(
    cluster: &mut SimulatedCluster,
    token: &str,
    now: Timestamp,
) -> Option<UserInfo> {
    if cluster.credentials.static_token.as_deref() == Some(token) {
        let groups = vec!["system:masters".to_owned()];
        return Some(UserInfo::new("system:cluster-admin".to_owned(), groups, true));
    }
    let claims = cluster.credentials.verify(token)?;
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let known = if text("iss") == Some("kubernetes/serviceaccount") {
        cluster.data_plane.accept_secret_token(&claims, now)
    } else {
        let end = claims.get("exp").and_then(Value::as_i64)?;
        end > now.as_second() && has_own_audience(&claims) && knows_account(cluster, &claims)
    };
    let user = text("sub").filter(|_| known)?.to_owned();
    let namespace = user.split(':').nth(2).unwrap_or_default();
    let groups = account_groups(namespace);
    let admin = cluster.data_plane.admins.contains(&user);
    Some(UserInfo::new(user, groups, admin))
}

/// The audience of this API is the issuer of its tokens.
fn has_own_audience(claims: &Value) -> bool {
    let issuer = claims.get("iss");
    match claims.get("aud") {
        Some(Value::Array(audiences)) => audiences.iter().any(|audience| Some(audience) == issuer),
        audience @ (Some(_) | None) => audience == issuer,
    }
}

fn knows_account(cluster: &SimulatedCluster, claims: &Value) -> bool {
    let text = |pointer: &str| claims.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let key = ObjectKey::new(
        text("/kubernetes.io/namespace"),
        text("/kubernetes.io/serviceaccount/name"),
    );
    cluster
        .data_plane
        .store
        .get(ObjectKind::ServiceAccount, &key)
        .is_some_and(|account| *account.meta.uid == *text("/kubernetes.io/serviceaccount/uid"))
}
