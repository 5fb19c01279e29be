//! Authentication: client certificates, service account tokens, and the static token. There is no anonymous access.

use std::time::Duration;

use jiff::Timestamp;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use serde_json::Value;

use crate::simulator::cluster::SimulatedCluster;
use crate::simulator::cluster::objects::{ObjectKey, ObjectKind};

/// An authenticated user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserInfo {
    pub name: String,
    pub groups: Vec<String>,
    pub admin: bool,
}

impl UserInfo {
    fn new(name: String, mut groups: Vec<String>, admin: bool) -> Self {
        groups.push("system:authenticated".to_owned());
        Self { name, groups, admin }
    }
}

/// The user of a request, by the cluster's own clock. Certificates that are younger than `least_age`, in seconds, are
/// not accepted yet.
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
    let admin = groups.iter().any(|group| {
        matches!(
            group.as_str(),
            "gardener.cloud:system:admins" | "gardener.cloud:project:admins" | "system:masters"
        )
    });
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
    let groups =
        vec!["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}")];
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
