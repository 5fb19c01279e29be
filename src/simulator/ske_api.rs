//! Routes of the SKE API v2 over the world: the published paths, types, statuses and error bodies.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "effects that are not about this answer are ignored"
)]

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::clients::ske::wire;
use crate::domain::cluster::ClusterId;
use crate::simulator::cloud::SimulatedCluster;
use crate::simulator::faults::FaultEffect;
use crate::simulator::kubeconfig;
use crate::simulator::rules::{
    ApiError, ClusterOperation, check_expiration, check_idp, static_token_refused,
};
use crate::simulator::state::SimulatorState;
use crate::simulator::token_api::ACCOUNT;

/// Status and body of an answer.
pub type ApiResponse = (u16, Value);

/// An error body in the form of the grpc gateway.
pub fn error(status: u16, code: &str, message: &str) -> ApiResponse {
    (status, json!({"code": code, "message": message, "details": ""}))
}

/// The answer to what the rules refuse.
fn refused(error: &ApiError) -> ApiResponse {
    self::error(error.status, error.code, &error.message)
}

/// Answers a request to a path below `/v2`; `None` if this API has no such path.
pub fn route(
    state: &mut SimulatorState,
    method: &str,
    path: &[&str],
    body: &[u8],
    effects: &[FaultEffect],
    now: Timestamp,
) -> Option<ApiResponse> {
    match (method, path) {
        ("GET", ["regions", region, "provider-options"]) => {
            Some(provider_options(state, region, now))
        }
        (_, ["projects", project, "regions", region, "clusters", rest @ ..]) => {
            Some(clusters(state, method, project, region, rest, body, effects, now))
        }
        _ => None,
    }
}

#[expect(clippy::too_many_arguments, reason = "the parts of one request")]
fn clusters(
    state: &mut SimulatorState,
    method: &str,
    project: &str,
    region: &str,
    rest: &[&str],
    body: &[u8],
    effects: &[FaultEffect],
    now: Timestamp,
) -> ApiResponse {
    if !state.cloud.regions.iter().any(|known| known == region) {
        return error(501, "Unimplemented", "unknown region");
    }
    if !state.cloud.projects.iter().any(|(id, _)| id == project) {
        return error(404, "NotFound", &format!("project id \"{project}\": not found"));
    }
    state.cloud.advance_in(project, region, now);
    if rest.is_empty() {
        return if method == "GET" {
            list(state, project, region, effects, now)
        } else {
            no_method()
        };
    }
    let Some((name, action)) = rest.split_first() else { return no_method() };
    let id = ClusterId::new(project, region, name);
    if state.cloud.cluster(&id).is_none() {
        return refused(&ApiError::cluster_not_found(name));
    }
    let act =
        |state: &mut SimulatorState, operation| run_operation(state, &id, operation, effects, now);
    match (method, action) {
        ("GET", []) => (200, json!(read(state, &id, effects, now))),
        ("POST", ["start-credentials-rotation"]) => act(state, ClusterOperation::StartRotation),
        ("POST", ["complete-credentials-rotation"]) => {
            act(state, ClusterOperation::CompleteRotation)
        }
        ("POST", ["wakeup"]) => act(state, ClusterOperation::WakeUp),
        ("POST", ["reconcile" | "maintenance"]) => act(state, ClusterOperation::Reconcile),
        ("POST", ["kubeconfig"]) => admin_kubeconfig(state, &id, body, effects, now),
        ("GET", ["kubeconfig", "login"]) => exec_kubeconfig(state, &id, false, effects),
        ("GET", ["kubeconfig", "idp"]) => exec_kubeconfig(state, &id, true, effects),
        ("PUT" | "DELETE", []) | ("POST", ["hibernate"]) => {
            error(400, "FailedPrecondition", "the simulator rehearses rotations only")
        }
        _ => no_method(),
    }
}

fn no_method() -> ApiResponse {
    error(404, "NotFound", "Not Found")
}

fn list(
    state: &mut SimulatorState,
    project: &str,
    region: &str,
    effects: &[FaultEffect],
    now: Timestamp,
) -> ApiResponse {
    let ids: Vec<ClusterId> =
        state.cloud.list(project, region).map(|cluster| cluster.id.clone()).collect();
    let mut items: Vec<wire::Cluster> =
        ids.iter().filter_map(|id| read(state, id, effects, now)).collect();
    if effects.iter().any(|effect| matches!(effect, FaultEffect::Reverse {})) {
        items.reverse();
    }
    (200, json!(wire::ClusterList { items }))
}

fn read(
    state: &mut SimulatorState,
    id: &ClusterId,
    effects: &[FaultEffect],
    now: Timestamp,
) -> Option<wire::Cluster> {
    let mut cluster = match state.faults.stale_answer(id, now) {
        Some(frozen) => frozen,
        None => describe(state.cloud.cluster(id)?, now),
    };
    if effects.iter().any(|effect| matches!(effect, FaultEffect::UnknownValues {}))
        && let Some(status) = &mut cluster.status
    {
        status.aggregated = Some("STATE_TRANSMOGRIFYING".to_owned());
        if let Some(rotation) = &mut status.credentials_rotation {
            rotation.phase = Some("WAITING_FOR_WORKERS_ROLLOUT".to_owned());
        }
        status.errors.push(wire::ClusterError {
            code: Some("SKE_BRAND_NEW".to_owned()),
            message: Some("a code that nobody knows yet".to_owned()),
        });
    }
    Some(cluster)
}

/// A cluster as the API writes it.
pub fn describe(cluster: &SimulatedCluster, now: Timestamp) -> wire::Cluster {
    let scene = &cluster.scene;
    let text = |at: Timestamp| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let nodepools = scene
        .pools
        .iter()
        .map(|pool| wire::Nodepool {
            name: pool.name.clone(),
            minimum: pool.nodes,
            maximum: pool.maximum.unwrap_or(pool.nodes.saturating_mul(2)).clamp(1, 1_000),
            max_surge: Some(pool.surge),
            max_unavailable: Some(pool.unavailable),
            availability_zones: (1..=pool.zones)
                .map(|zone| format!("{}-{zone}", cluster.id.region()))
                .collect(),
            machine: Some(wire::Machine {
                image: Some(wire::Image {
                    name: "flatcar".to_owned(),
                    version: "4230.2.1".to_owned(),
                }),
                kind: pool.machine.clone(),
            }),
            volume: Some(wire::Volume { size: 50, kind: Some("storage_premium_perf1".to_owned()) }),
        })
        .collect();
    wire::Cluster {
        access: scene.idp.then(|| wire::Access {
            idp: Some(wire::Idp { enabled: true, kind: "stackit".to_owned() }),
        }),
        hibernation: scene.hibernation.as_ref().map(|[start, end, timezone]| wire::Hibernation {
            schedules: vec![wire::HibernationSchedule {
                start: start.clone(),
                end: end.clone(),
                timezone: Some(timezone.clone()),
            }],
        }),
        kubernetes: Some(wire::Kubernetes { version: scene.version.clone() }),
        maintenance: Some(wire::Maintenance {
            auto_update: Some(wire::AutoUpdate {
                kubernetes_version: true,
                machine_image_version: true,
            }),
            time_window: Some(wire::TimeWindow {
                start: "0000-01-01T02:00:00Z".to_owned(),
                end: "0000-01-01T04:00:00Z".to_owned(),
            }),
        }),
        name: Some(cluster.id.name.to_string()),
        nodepools,
        status: Some(wire::ClusterStatus {
            aggregated: Some(cluster.aggregated(now).to_owned()),
            creation_time: Some(text(cluster.created)),
            credentials_rotation: Some(wire::CredentialsRotation {
                last_completion_time: cluster.completed.map(text),
                last_initiation_time: cluster.initiated.map(text),
                phase: Some(cluster.phase.clone()),
            }),
            egress_address_ranges: vec!["192.0.2.17/32".to_owned()],
            error: None,
            errors: cluster.errors(now),
            expiration: Some(wire::Expiration {
                kubernetes: Some(wire::KubernetesExpiration {
                    expiration_date: Some(text(cluster.expires)),
                    version: Some(scene.version.clone()),
                }),
            }),
            hibernated: cluster.state == "STATE_HIBERNATED",
            pod_address_ranges: vec!["100.64.0.0/14".to_owned()],
            service_account_issuer: None,
        }),
    }
}

fn run_operation(
    state: &mut SimulatorState,
    id: &ClusterId,
    operation: ClusterOperation,
    effects: &[FaultEffect],
    now: Timestamp,
) -> ApiResponse {
    let before = state.cloud.cluster(id).map(|cluster| describe(cluster, now));
    if let Err(refusal) = state.cloud.act(id, operation, now) {
        return refused(&refusal);
    }
    for effect in effects {
        if let (FaultEffect::Stale { milliseconds }, Some(before)) = (effect, &before) {
            state.faults.serve_stale(id.clone(), now, *milliseconds, before.clone());
        }
    }
    (202, json!({}))
}

fn admin_kubeconfig(
    state: &mut SimulatorState,
    id: &ClusterId,
    body: &[u8],
    effects: &[FaultEffect],
    now: Timestamp,
) -> ApiResponse {
    let payload: wire::CreateKubeconfig = if body.is_empty() {
        wire::CreateKubeconfig::default()
    } else {
        match serde_json::from_slice(body) {
            Ok(payload) => payload,
            Err(wrong) => return error(400, "InvalidArgument", &wrong.to_string()),
        }
    };
    let judged = check_expiration(payload.expiration_seconds.as_deref()).and_then(|seconds| {
        state.cloud.act(id, ClusterOperation::IssueKubeconfig, now).map(|()| seconds)
    });
    let seconds = match judged {
        Ok(seconds) => seconds,
        Err(refusal) => return refused(&refusal),
    };
    let port = match state.ports.port(id) {
        Ok(port) => port,
        Err(wrong) => return error(500, "Internal", &wrong.to_string()),
    };
    let Some(cluster) = state.cloud.cluster_mut(id) else { return no_method() };
    cluster.used_new_endpoints = true;
    match kubeconfig::admin(cluster, ACCOUNT, seconds, now, port) {
        Ok((text, until)) => {
            let answer = wire::Kubeconfig {
                expiration_timestamp: Some(until.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
                kubeconfig: Some(apply_kubeconfig_faults(text, effects)),
            };
            (200, json!(answer))
        }
        Err(wrong) => error(500, "Internal", &wrong.to_string()),
    }
}

fn exec_kubeconfig(
    state: &mut SimulatorState,
    id: &ClusterId,
    idp: bool,
    effects: &[FaultEffect],
) -> ApiResponse {
    let port = match state.ports.port(id) {
        Ok(port) => port,
        Err(wrong) => return error(500, "Internal", &wrong.to_string()),
    };
    let Some(cluster) = state.cloud.cluster_mut(id) else { return no_method() };
    if idp && let Err(refusal) = check_idp(cluster.scene.idp) {
        return refused(&refusal);
    }
    match kubeconfig::exec(cluster, idp, port) {
        Ok(text) => {
            let kubeconfig = Some(apply_kubeconfig_faults(text, effects));
            (200, json!(wire::Kubeconfig { expiration_timestamp: None, kubeconfig }))
        }
        Err(wrong) => error(500, "Internal", &wrong.to_string()),
    }
}

fn apply_kubeconfig_faults(text: String, effects: &[FaultEffect]) -> String {
    effects
        .iter()
        .find_map(|effect| match effect {
            FaultEffect::Kubeconfig { text } => Some(text.clone()),
            FaultEffect::DefectiveKubeconfig { defect } => {
                Some(kubeconfig::with_defect(&text, *defect))
            }
            _ => None,
        })
        .unwrap_or(text)
}

/// The old way to credentials, which is gone from the published description but still answers: `GET
/// /v1/projects/…/clusters/…/credentials`. It ends for ever with the first use of the new ways.
pub fn old_credentials(state: &mut SimulatorState, project: &str, name: &str) -> ApiResponse {
    let Some(region) = state.cloud.regions.first().cloned() else { return no_method() };
    let id = ClusterId::new(project, &region, name);
    match state.cloud.cluster(&id) {
        None => return refused(&ApiError::cluster_not_found(name)),
        Some(cluster)
            if cluster.used_new_endpoints || cluster.credentials.static_token.is_none() =>
        {
            return refused(&static_token_refused());
        }
        Some(_) => {}
    }
    let port = match state.ports.port(&id) {
        Ok(port) => port,
        Err(wrong) => return error(500, "Internal", &wrong.to_string()),
    };
    let Some(cluster) = state.cloud.cluster_mut(&id) else { return no_method() };
    match kubeconfig::with_static_token(cluster, port) {
        Ok(Some(access)) => (
            200,
            json!({
                "server": access.server,
                "token": access.token,
                "certificateAuthorityData": access.authority,
                "kubeconfig": access.kubeconfig,
            }),
        ),
        Ok(None) => refused(&static_token_refused()),
        Err(wrong) => error(500, "Internal", &wrong.to_string()),
    }
}

fn provider_options(state: &SimulatorState, region: &str, now: Timestamp) -> ApiResponse {
    if !state.cloud.regions.iter().any(|known| known == region) {
        return error(501, "Unimplemented", "unknown region");
    }
    let version = |version: &str, state: &str, days: i64| {
        let at = now.saturating_add(SignedDuration::from_hours(24 * days)).unwrap_or(now);
        wire::KubernetesVersion {
            expiration_date: Some(at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
            state: Some(state.to_owned()),
            version: Some(version.to_owned()),
        }
    };
    let options = wire::ProviderOptions {
        availability_zones: (1..=3)
            .map(|zone| wire::AvailabilityZone { name: format!("{region}-{zone}") })
            .collect(),
        kubernetes_versions: vec![
            version("1.33.4", "supported", 160),
            version("1.32.8", "supported", 60),
            version("1.31.12", "deprecated", 18),
        ],
    };
    (200, json!(options))
}
