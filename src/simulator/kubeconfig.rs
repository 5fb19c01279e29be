//! Kubeconfigs as SKE returns them: the admin kind with a real client certificate, and the two that log in
//! through the `stackit` command.

use base64::Engine;
use jiff::{SignedDuration, Timestamp};

use crate::simulator::cloud::SimulatedCluster;
use crate::simulator::faults::KubeconfigDefect;

/// An admin kubeconfig and its end.
///
/// # Errors
/// The crypto library's sentence.
pub fn admin(
    cluster: &mut SimulatedCluster,
    user: &str,
    seconds: i64,
    now: Timestamp,
    port: u16,
) -> Result<(String, Timestamp), rcgen::Error> {
    let granted = cluster
        .scene
        .clamp
        .as_deref()
        .and_then(|text| humantime::parse_duration(text).ok())
        .and_then(|most| i64::try_from(most.as_secs()).ok())
        .map_or(seconds, |most| seconds.min(most));
    let now = Timestamp::from_second(now.as_second()).unwrap_or(now);
    let until = now.saturating_add(SignedDuration::from_secs(granted)).unwrap_or(now);
    let user = format!("gardener.cloud:admin:{user}");
    let issued = cluster.credentials.issue(&user, now, until)?;
    let (name, server) = (context_name(cluster), server(port));
    let authority = encode(&cluster.credentials.bundle_pem()?);
    let (certificate, key) = (encode(&issued.certificate), encode(&issued.key));
    let text = format!(
        "apiVersion: v1\nkind: Config\nclusters:\n- name: {name}\n  cluster:\n    \
         certificate-authority-data: {authority}\n    server: {server}\n\
         contexts:\n- name: {name}\n  context:\n    cluster: {name}\n    user: {name}\n\
         current-context: {name}\npreferences: {{}}\nusers:\n- name: {name}\n  user:\n    \
         client-certificate-data: {certificate}\n    client-key-data: {key}\n"
    );
    Ok((text, until))
}

/// A kubeconfig that gets its credentials from the `stackit` command.
///
/// # Errors
/// The crypto library's sentence.
pub fn exec(cluster: &mut SimulatedCluster, idp: bool, port: u16) -> Result<String, rcgen::Error> {
    let (name, server) = (context_name(cluster), server(port));
    let authority = encode(&cluster.credentials.bundle_pem()?);
    let (project, region) = (cluster.id.project(), cluster.id.region());
    let argument = if idp { "\n      - --idp" } else { "" };
    Ok(format!(
        "apiVersion: v1\nkind: Config\nclusters:\n- name: {name}\n  cluster:\n    \
         certificate-authority-data: {authority}\n    server: {server}\n    extensions:\n    \
         - name: client.authentication.k8s.io/exec\n      extension:\n        clusterName: {cluster_name}\n        \
         organizationID: 00000000-0000-4000-8000-000000000001\n        region: {region}\n        stackitProjectID: {project}\n\
         contexts:\n- name: {name}\n  context:\n    cluster: {name}\n    user: {name}\n\
         current-context: {name}\npreferences: {{}}\nusers:\n- name: {name}\n  user:\n    exec:\n      \
         apiVersion: client.authentication.k8s.io/v1\n      args:\n      - ske\n      - kubeconfig\n      \
         - login{argument}\n      command: stackit\n      interactiveMode: Never\n      provideClusterInfo: true\n",
        cluster_name = cluster.id.name
    ))
}

/// A kubeconfig that nobody should use: one thing of a good one is changed.
pub fn with_defect(text: &str, defect: KubeconfigDefect) -> String {
    let replace = |key: &str, with: &str| {
        text.lines()
            .map(|line| match line.trim_start().strip_prefix(key) {
                Some(_) => {
                    let indent = line.len() - line.trim_start().len();
                    format!("{:indent$}{with}\n", "")
                }
                None => format!("{line}\n"),
            })
            .collect::<String>()
    };
    match defect {
        KubeconfigDefect::Exec => replace(
            "client-key-data:",
            "exec: {apiVersion: client.authentication.k8s.io/v1, command: touch, args: [/tmp/skeys-was-here], \
             interactiveMode: Never}",
        ),
        KubeconfigDefect::FilePath => replace("client-key-data:", "client-key: /etc/passwd"),
        KubeconfigDefect::SkipVerify => {
            replace("certificate-authority-data:", "insecure-skip-tls-verify: true")
        }
        KubeconfigDefect::OtherHost => {
            replace("server:", "server: https://api.attacker.example:6443")
        }
    }
}

/// The old kind: a token that does not expire; `None` if the cluster has no such token any more.
///
/// # Errors
/// The crypto library's sentence.
pub fn with_static_token(
    cluster: &mut SimulatedCluster,
    port: u16,
) -> Result<Option<StaticAccess>, rcgen::Error> {
    let Some(token) = cluster.credentials.static_token.clone() else { return Ok(None) };
    let (name, server) = (context_name(cluster), server(port));
    let authority = encode(&cluster.credentials.bundle_pem()?);
    let kubeconfig = format!(
        "apiVersion: v1\nkind: Config\nclusters:\n- name: {name}\n  cluster:\n    \
         certificate-authority-data: {authority}\n    server: {server}\n\
         contexts:\n- name: {name}\n  context:\n    cluster: {name}\n    user: {name}\n\
         current-context: {name}\npreferences: {{}}\nusers:\n- name: {name}\n  user:\n    \
         token: {token}\n"
    );
    Ok(Some(StaticAccess { server, token, authority, kubeconfig }))
}

/// What the old way to credentials gave.
pub struct StaticAccess {
    /// Address of the API server.
    pub server: String,
    pub token: String,
    pub authority: String,
    pub kubeconfig: String,
}

fn context_name(cluster: &SimulatedCluster) -> String {
    format!("garden-ske--{}-external", cluster.id.name)
}

/// The simulator's API servers are on this machine; their certificates carry the published name as well.
fn server(port: u16) -> String {
    format!("https://127.0.0.1:{port}")
}

/// The name that SKE would publish for the API server.
pub fn published_name(cluster: &SimulatedCluster) -> String {
    format!(
        "api.{}.{}.s.ske.{}.onstackit.cloud",
        cluster.id.name,
        cluster.shoot,
        cluster.id.region()
    )
}

fn encode(pem: &str) -> String {
    base64::engine::general_purpose::STANDARD.encode(pem)
}
