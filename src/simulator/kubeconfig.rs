//! Kubeconfigs as SKE returns them: the admin kind with a real client certificate, and the two that log in
//! through the `stackit` command.

use base64::Engine;
use jiff::{SignedDuration, Timestamp};

use crate::simulator::world::SimulatedCluster;

/// What a request asks for when it says nothing, seconds.
pub const DEFAULT_SECONDS: i64 = 3_600;
/// Least and most that are granted, seconds.
pub const LIMITS: std::ops::RangeInclusive<i64> = 600..=15_552_000;

/// An admin kubeconfig and its end.
///
/// # Errors
/// The crypto library's sentence.
pub fn admin(
    cluster: &mut SimulatedCluster,
    user: &str,
    seconds: i64,
    now: Timestamp,
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
    let (generation, born) = (cluster.generation, cluster.initiated.unwrap_or(cluster.created));
    let user = format!("gardener.cloud:admin:{user}");
    let issued = cluster.authorities.issue(generation, born, &user, now, until)?;
    let (name, server) = (context_name(cluster), server(cluster));
    let authority = encode(&bundle(cluster)?);
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
pub fn exec(cluster: &mut SimulatedCluster, idp: bool) -> Result<String, rcgen::Error> {
    let (name, server) = (context_name(cluster), server(cluster));
    let authority = encode(&bundle(cluster)?);
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

/// Between start and complete both authorities are in the bundle, else the present one.
fn bundle(cluster: &mut SimulatedCluster) -> Result<String, rcgen::Error> {
    let (generation, born) = (cluster.generation, cluster.initiated.unwrap_or(cluster.created));
    let mut bundle = cluster.authorities.server_pem(generation, born)?;
    if matches!(cluster.phase.as_str(), "PREPARING" | "PREPARED") && generation > 1 {
        let created = cluster.created;
        bundle.push_str(&cluster.authorities.server_pem(generation - 1, created)?);
    }
    Ok(bundle)
}

fn context_name(cluster: &SimulatedCluster) -> String {
    format!("garden-ske--{}-external", cluster.id.name)
}

fn server(cluster: &SimulatedCluster) -> String {
    format!(
        "https://api.{}.{}.s.ske.{}.onstackit.cloud",
        cluster.id.name,
        cluster.shoot,
        cluster.id.region()
    )
}

fn encode(pem: &str) -> String {
    base64::engine::general_purpose::STANDARD.encode(pem)
}
