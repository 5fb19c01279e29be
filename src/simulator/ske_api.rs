//! Routes of the SKE API v2 over the world: the published paths, types, statuses and error bodies.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "effects that are not about this answer are ignored"
)]

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::clients::ske::wire;
use crate::domain::action::Action;
use crate::domain::cluster::ClusterId;
use crate::domain::rotation::Step;
use crate::simulator::faults::Effect;
use crate::simulator::kubeconfig;
use crate::simulator::state::Shared;
use crate::simulator::token_api::ACCOUNT;
use crate::simulator::world::SimulatedCluster;

/// Status and body of an answer.
pub type Answer = (u16, Value);

/// An error body in the form of the grpc gateway.
pub fn error(status: u16, code: &str, message: &str) -> Answer {
    (status, json!({"code": code, "message": message, "details": ""}))
}

/// Answers a request to a path below `/v2`; `None` if this API has no such path.
pub fn route(
    shared: &mut Shared,
    method: &str,
    path: &[&str],
    body: &[u8],
    effects: &[Effect],
    now: Timestamp,
) -> Option<Answer> {
    match (method, path) {
        (_, ["projects", project, "regions", region, "clusters", rest @ ..]) => {
            Some(clusters(shared, method, project, region, rest, body, effects, now))
        }
        _ => None,
    }
}

#[expect(clippy::too_many_arguments, reason = "the parts of one request")]
fn clusters(
    shared: &mut Shared,
    method: &str,
    project: &str,
    region: &str,
    rest: &[&str],
    body: &[u8],
    effects: &[Effect],
    now: Timestamp,
) -> Answer {
    if !shared.world.regions.iter().any(|known| known == region) {
        return error(501, "Unimplemented", "unknown region");
    }
    if !shared.world.projects.iter().any(|(id, _)| id == project) {
        return error(404, "NotFound", &format!("project id \"{project}\": not found"));
    }
    shared.world.advance_in(project, region, now);
    if rest.is_empty() {
        return if method == "GET" {
            list(shared, project, region, effects, now)
        } else {
            no_method()
        };
    }
    let Some((name, action)) = rest.split_first() else { return no_method() };
    let id = ClusterId::new(project, region, name);
    if shared.world.cluster(&id).is_none() {
        return error(404, "NotFound", &format!("cluster \"{name}\": not found"));
    }
    let act = |shared: &mut Shared, action| order(shared, &id, action, effects, now);
    match (method, action) {
        ("GET", []) => (200, json!(read(shared, &id, effects, now))),
        ("POST", ["start-credentials-rotation"]) => act(shared, Action::Rotate(Step::Start)),
        ("POST", ["complete-credentials-rotation"]) => act(shared, Action::Rotate(Step::Complete)),
        ("POST", ["wakeup"]) => act(shared, Action::WakeUp),
        ("POST", ["reconcile" | "maintenance"]) => act(shared, Action::Reconcile),
        ("POST", ["kubeconfig"]) => admin_kubeconfig(shared, &id, body, effects, now),
        ("GET", ["kubeconfig", "login"]) => exec_kubeconfig(shared, &id, false, effects),
        ("GET", ["kubeconfig", "idp"]) => exec_kubeconfig(shared, &id, true, effects),
        ("PUT" | "DELETE", []) | ("POST", ["hibernate"]) => {
            error(400, "FailedPrecondition", "the simulator rehearses rotations only")
        }
        _ => no_method(),
    }
}

fn no_method() -> Answer {
    error(404, "NotFound", "Not Found")
}

fn list(
    shared: &mut Shared,
    project: &str,
    region: &str,
    effects: &[Effect],
    now: Timestamp,
) -> Answer {
    let ids: Vec<ClusterId> =
        shared.world.list(project, region).map(|cluster| cluster.id.clone()).collect();
    let mut items: Vec<wire::Cluster> =
        ids.iter().filter_map(|id| read(shared, id, effects, now)).collect();
    if effects.iter().any(|effect| matches!(effect, Effect::Reverse {})) {
        items.reverse();
    }
    (200, json!(wire::ClusterList { items }))
}

fn read(
    shared: &mut Shared,
    id: &ClusterId,
    effects: &[Effect],
    now: Timestamp,
) -> Option<wire::Cluster> {
    let mut cluster = match shared.faults.frozen(id, now) {
        Some(frozen) => frozen,
        None => describe(shared.world.cluster(id)?, now),
    };
    if effects.iter().any(|effect| matches!(effect, Effect::UnknownWords {}))
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

fn order(
    shared: &mut Shared,
    id: &ClusterId,
    action: Action,
    effects: &[Effect],
    now: Timestamp,
) -> Answer {
    let before = shared.world.cluster(id).map(|cluster| describe(cluster, now));
    if let Err(message) = shared.world.act(id, action, now) {
        return error(400, "FailedPrecondition", &message);
    }
    for effect in effects {
        if let (Effect::Stale { milliseconds }, Some(before)) = (effect, &before) {
            shared.faults.freeze(id.clone(), now, *milliseconds, before.clone());
        }
    }
    (202, json!({}))
}

fn admin_kubeconfig(
    shared: &mut Shared,
    id: &ClusterId,
    body: &[u8],
    effects: &[Effect],
    now: Timestamp,
) -> Answer {
    let payload: wire::CreateKubeconfig = if body.is_empty() {
        wire::CreateKubeconfig::default()
    } else {
        match serde_json::from_slice(body) {
            Ok(payload) => payload,
            Err(wrong) => return error(400, "InvalidArgument", &wrong.to_string()),
        }
    };
    let seconds = match payload.expiration_seconds.as_deref() {
        None => Ok(kubeconfig::DEFAULT_SECONDS),
        Some(text) => text.parse::<i64>(),
    };
    let Some(seconds) = seconds.ok().filter(|seconds| kubeconfig::LIMITS.contains(seconds)) else {
        return error(400, "InvalidArgument", "expirationSeconds must be between 600 and 15552000");
    };
    if let Err(message) = shared.world.act(id, Action::Issue, now) {
        return error(400, "FailedPrecondition", &message);
    }
    let port = match shared.doors.port(id) {
        Ok(port) => port,
        Err(wrong) => return error(500, "Internal", &wrong.to_string()),
    };
    let Some(cluster) = shared.world.cluster_mut(id) else { return no_method() };
    cluster.uses_short_lived = true;
    match kubeconfig::admin(cluster, ACCOUNT, seconds, now, port) {
        Ok((text, until)) => {
            let answer = wire::Kubeconfig {
                expiration_timestamp: Some(until.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
                kubeconfig: Some(replaced(text, effects)),
            };
            (200, json!(answer))
        }
        Err(wrong) => error(500, "Internal", &wrong.to_string()),
    }
}

fn exec_kubeconfig(shared: &mut Shared, id: &ClusterId, idp: bool, effects: &[Effect]) -> Answer {
    let port = match shared.doors.port(id) {
        Ok(port) => port,
        Err(wrong) => return error(500, "Internal", &wrong.to_string()),
    };
    let Some(cluster) = shared.world.cluster_mut(id) else { return no_method() };
    if idp && !cluster.scene.idp {
        return error(400, "FailedPrecondition", "idp access is not enabled for this cluster");
    }
    match kubeconfig::exec(cluster, idp, port) {
        Ok(text) => {
            let kubeconfig = Some(replaced(text, effects));
            (200, json!(wire::Kubeconfig { expiration_timestamp: None, kubeconfig }))
        }
        Err(wrong) => error(500, "Internal", &wrong.to_string()),
    }
}

fn replaced(text: String, effects: &[Effect]) -> String {
    effects
        .iter()
        .find_map(|effect| match effect {
            Effect::Kubeconfig { text } => Some(text.clone()),
            Effect::StrangeKubeconfig { what } => Some(kubeconfig::strange(&text, *what)),
            _ => None,
        })
        .unwrap_or(text)
}

/// The old way to credentials, which is gone from the published description but still answers: `GET
/// /v1/projects/…/clusters/…/credentials`. It ends for ever with the first use of the new ways.
pub fn old_credentials(shared: &mut Shared, project: &str, name: &str) -> Answer {
    let Some(region) = shared.world.regions.first().cloned() else { return no_method() };
    let id = ClusterId::new(project, &region, name);
    let refused = "endpoint is unavailable for clusters that have already obtained a kubeconfig or triggered a \
                   credentials rotation via the new endpoints";
    match shared.world.cluster(&id) {
        None => return error(404, "NotFound", &format!("cluster \"{name}\": not found")),
        Some(cluster) if cluster.uses_short_lived || cluster.credentials.static_token.is_none() => {
            return error(400, "FailedPrecondition", refused);
        }
        Some(_) => {}
    }
    let port = match shared.doors.port(&id) {
        Ok(port) => port,
        Err(wrong) => return error(500, "Internal", &wrong.to_string()),
    };
    let Some(cluster) = shared.world.cluster_mut(&id) else { return no_method() };
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
        Ok(None) => error(400, "FailedPrecondition", refused),
        Err(wrong) => error(500, "Internal", &wrong.to_string()),
    }
}
