//! Who asks: client certificates, tokens of service accounts, and the static token. There is no anonymous access.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use serde_json::Value;

use crate::simulator::cluster::SimulatedCluster;
use crate::simulator::cluster::objects::{ObjectKey, ObjectKind};

/// Somebody the API server knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserInfo {
    pub user: String,
    pub groups: Vec<String>,
    pub admin: bool,
}

/// What a request brings along.
pub struct PresentedCredentials<'a> {
    /// Client certificate and what came with it.
    pub chain: &'a [CertificateDer<'static>],
    pub bearer: Option<&'a str>,
}

/// Says who asks. Times are judged by the cluster's own clock; a certificate that is fresher than `fresh` is not
/// accepted yet.
pub fn authenticate(
    cluster: &mut SimulatedCluster,
    verifier: &dyn ClientCertVerifier,
    presented: &PresentedCredentials<'_>,
    now: Timestamp,
    fresh: Option<SignedDuration>,
) -> Option<UserInfo> {
    authenticate_certificate(verifier, presented.chain, now, fresh)
        .or_else(|| authenticate_token(cluster, presented.bearer?, now))
}

fn authenticate_certificate(
    verifier: &dyn ClientCertVerifier,
    chain: &[CertificateDer<'static>],
    now: Timestamp,
    fresh: Option<SignedDuration>,
) -> Option<UserInfo> {
    let (own, others) = chain.split_first()?;
    let seconds = u64::try_from(now.as_second()).ok()?;
    let at = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    verifier.verify_client_cert(own, others, at).ok()?;
    let (_, certificate) = x509_parser::parse_x509_certificate(own).ok()?;
    if let Some(fresh) = fresh {
        // Certificates are dated back by one minute.
        let made = certificate.validity().not_before.timestamp() + 60;
        if now.as_second() - made < fresh.as_secs() {
            return None;
        }
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
    Some(UserInfo { user, groups: authenticated(groups), admin })
}

fn authenticated(mut groups: Vec<String>) -> Vec<String> {
    groups.push("system:authenticated".to_owned());
    groups
}

fn authenticate_token(
    cluster: &mut SimulatedCluster,
    token: &str,
    now: Timestamp,
) -> Option<UserInfo> {
    if cluster.credentials.static_token.as_deref() == Some(token) {
        return Some(UserInfo {
            user: "system:cluster-admin".to_owned(),
            groups: authenticated(vec!["system:masters".to_owned()]),
            admin: true,
        });
    }
    let claims = cluster.credentials.verify(token)?;
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let known = if text("iss") == Some("kubernetes/serviceaccount") {
        cluster.data_plane.accept_secret_token(&claims, now)
    } else {
        let end = claims.get("exp").and_then(Value::as_i64)?;
        end > now.as_second() && has_own_audience(&claims) && knows_account(cluster, &claims)
    };
    let user = text("sub")?.to_owned();
    let namespace = user.split(':').nth(2).unwrap_or_default();
    let groups = authenticated(vec![
        "system:serviceaccounts".to_owned(),
        format!("system:serviceaccounts:{namespace}"),
    ]);
    let admin = cluster.data_plane.admins.contains(&user);
    known.then_some(UserInfo { user, groups, admin })
}

/// A token for another audience is none for this API; its own audience is the issuer.
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
