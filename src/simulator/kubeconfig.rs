//! Kubeconfigs as SKE returns them: with a client certificate, with the `stackit` exec plugin, or with a static token.

use std::net::SocketAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};

use crate::simulator::cluster::SimulatedCluster;
use crate::simulator::faults::KubeconfigDefect;
use crate::simulator::speed::{later, parse_duration, whole_second};

/// An admin kubeconfig and its expiry.
pub fn admin(
    cluster: &mut SimulatedCluster,
    user: &str,
    seconds: i64,
    now: Timestamp,
    server: SocketAddr,
) -> Result<(String, Timestamp), rcgen::Error> {
    let requested = SignedDuration::from_secs(seconds);
    let most = cluster.scene.clamp.as_deref().and_then(parse_duration);
    let now = whole_second(now);
    let until = later(now, most.map_or(requested, |most| most.min(requested)));
    let user = format!("gardener.cloud:admin:{user}");
    let issued = cluster.credentials.issue_client(&user, now, until)?;
    let user = format!(
        "client-certificate-data: {}\n    client-key-data: {}",
        STANDARD.encode(&issued.certificate),
        STANDARD.encode(&issued.key)
    );
    Ok((document(cluster, server, "", &user)?, until))
}

/// A kubeconfig that gets its credentials from the `stackit` CLI.
pub fn exec(
    cluster: &mut SimulatedCluster,
    idp: bool,
    server: SocketAddr,
) -> Result<String, rcgen::Error> {
    let (name, project, region) = (&cluster.id.name, cluster.id.project(), cluster.id.region());
    let argument = if idp { "\n      - --idp" } else { "" };
    let extensions = format!(
        "    extensions:\n    - name: client.authentication.k8s.io/exec\n      extension:\n        \
         clusterName: {name}\n        organizationID: 00000000-0000-4000-8000-000000000001\n        \
         region: {region}\n        stackitProjectID: {project}\n"
    );
    let user = format!(
        "exec:\n      apiVersion: client.authentication.k8s.io/v1\n      args:\n      - ske\n      \
         - kubeconfig\n      - login{argument}\n      command: stackit\n      interactiveMode: Never\n      \
         provideClusterInfo: true"
    );
    document(cluster, server, &extensions, &user)
}

/// Response of the old credentials endpoint.
pub struct StaticCredentials {
    pub server: String,
    /// Base64 of PEM.
    pub authority: String,
    pub kubeconfig: String,
}

/// A kubeconfig with a token that does not expire.
pub fn with_static_token(
    cluster: &mut SimulatedCluster,
    token: &str,
    server: SocketAddr,
) -> Result<StaticCredentials, rcgen::Error> {
    let kubeconfig = document(cluster, server, "", &format!("token: {token}"))?;
    let authority = STANDARD.encode(cluster.credentials.bundle_pem()?);
    Ok(StaticCredentials { server: format!("https://{server}"), authority, kubeconfig })
}

fn document(
    cluster: &mut SimulatedCluster,
    server: SocketAddr,
    extensions: &str,
    user: &str,
) -> Result<String, rcgen::Error> {
    let name = format!("garden-ske--{}-external", cluster.id.name);
    let authority = STANDARD.encode(cluster.credentials.bundle_pem()?);
    Ok(format!(
        "apiVersion: v1\nkind: Config\nclusters:\n- name: {name}\n  cluster:\n    \
         certificate-authority-data: {authority}\n    server: https://{server}\n{extensions}\
         contexts:\n- name: {name}\n  context:\n    cluster: {name}\n    user: {name}\n\
         current-context: {name}\npreferences: {{}}\nusers:\n- name: {name}\n  user:\n    {user}\n"
    ))
}

/// A kubeconfig that a client must not use: a good one with one line changed.
pub fn with_defect(text: &str, defect: KubeconfigDefect) -> String {
    let (key, line) = match defect {
        KubeconfigDefect::Exec => (
            "client-key-data:",
            "exec: {apiVersion: client.authentication.k8s.io/v1, command: touch, args: [/tmp/skeys-was-here], \
             interactiveMode: Never}",
        ),
        KubeconfigDefect::FilePath => ("client-key-data:", "client-key: /etc/passwd"),
        KubeconfigDefect::SkipVerify => {
            ("certificate-authority-data:", "insecure-skip-tls-verify: true")
        }
        KubeconfigDefect::OtherHost => ("server:", "server: https://api.attacker.example:6443"),
    };
    let replace = |known: &str| {
        let content = known.trim_start();
        let indent = known.len() - content.len();
        if content.starts_with(key) {
            format!("{:indent$}{line}\n", "")
        } else {
            format!("{known}\n")
        }
    };
    text.lines().map(replace).collect()
}
