//! The SKE API v2 over the cloud: the published paths, types, statuses and error bodies.

use std::fmt::Display;

use jiff::Timestamp;
use serde_json::json;

use crate::clients::ske::wire;
use crate::domain::cluster::ClusterId;
use crate::simulator::cluster::SimulatedCluster;
use crate::simulator::faults::{FaultEffect, find_effect};
use crate::simulator::http::JsonResponse;
use crate::simulator::kubeconfig;
use crate::simulator::rules::{
    ApiError, ClusterOperation, check_expiration, check_idp, static_token_refused,
};
use crate::simulator::speed::rfc3339;
use crate::simulator::state::SimulatorState;
use crate::simulator::token_api::ACCOUNT;

type Answer = Result<JsonResponse, ApiError>;

impl From<ApiError> for JsonResponse {
    fn from(error: ApiError) -> Self {
        let ApiError { status, code, message } = error;
        (status, json!({"code": code, "message": message, "details": ""}))
    }
}

fn internal(error: impl Display) -> ApiError {
    ApiError::new(500, "Internal", error.to_string())
}

fn no_path() -> ApiError {
    ApiError::not_found("Not Found")
}

/// Answers a request to a path below `/v2`; `None` if this API has no such path.
pub fn route(
    state: &mut SimulatorState,
    method: &str,
    path: &[&str],
    body: &[u8],
    effects: &[FaultEffect],
    now: Timestamp,
) -> Option<JsonResponse> {
    let mut api = SkeApi { state, effects, now };
    let answer = match (method, path) {
        (_, ["projects", project, "regions", region, "clusters", rest @ ..]) => {
            api.clusters(method, project, region, rest, body)
        }
        _ => return None,
    };
    Some(answer.unwrap_or_else(Into::into))
}

/// `GET /v1/projects/…/clusters/…/credentials`: not published any more, but it still answers until the first use of
/// the endpoints that replaced it.
pub fn static_credentials(state: &mut SimulatorState, project: &str, name: &str) -> JsonResponse {
    read_static_credentials(state, project, name).unwrap_or_else(Into::into)
}

fn read_static_credentials(state: &mut SimulatorState, project: &str, name: &str) -> Answer {
    let region = state.cloud.regions.first().ok_or_else(no_path)?;
    let id = ClusterId::new(project, region, name);
    let cluster = state.cloud.cluster(&id).ok_or_else(|| ApiError::cluster_not_found(name))?;
    let token = cluster.credentials.static_token.clone().filter(|_| !cluster.used_new_endpoints);
    let token = token.ok_or_else(static_token_refused)?;
    let port = state.ports.port(&id).map_err(internal)?;
    let cluster = state.cloud.cluster_mut(&id).ok_or_else(no_path)?;
    let credentials = kubeconfig::with_static_token(cluster, &token, port).map_err(internal)?;
    let body = json!({
        "server": credentials.server, "token": token,
        "certificateAuthorityData": credentials.authority, "kubeconfig": credentials.kubeconfig,
    });
    Ok((200, body))
}

struct SkeApi<'a> {
    state: &'a mut SimulatorState,
    effects: &'a [FaultEffect],
    now: Timestamp,
}

impl SkeApi<'_> {
    fn clusters(
        &mut self,
        method: &str,
        project: &str,
        region: &str,
        rest: &[&str],
        body: &[u8],
    ) -> Answer {
        self.check_region(region)?;
        if !self.state.cloud.projects.iter().any(|(id, _)| id == project) {
            return Err(ApiError::not_found(format!("project id \"{project}\": not found")));
        }
        self.state.cloud.advance_in(project, region, self.now);
        let Some((name, action)) = rest.split_first() else {
            return if method == "GET" { Ok(self.list(project, region)) } else { Err(no_path()) };
        };
        let id = ClusterId::new(project, region, name);
        if self.state.cloud.cluster(&id).is_none() {
            return Err(ApiError::cluster_not_found(name));
        }
        match (method, action) {
            ("GET", []) => Ok((200, json!(self.read(&id)))),
            ("POST", ["start-credentials-rotation"]) => {
                self.begin(&id, ClusterOperation::StartRotation)
            }
            ("POST", ["complete-credentials-rotation"]) => {
                self.begin(&id, ClusterOperation::CompleteRotation)
            }
            ("POST", ["wakeup"]) => self.begin(&id, ClusterOperation::WakeUp),
            ("POST", ["reconcile" | "maintenance"]) => self.begin(&id, ClusterOperation::Reconcile),
            ("POST", ["kubeconfig"]) => self.issue_kubeconfig(&id, body),
            ("GET", ["kubeconfig", "login"]) => self.exec_kubeconfig(&id, false),
            ("GET", ["kubeconfig", "idp"]) => self.exec_kubeconfig(&id, true),
            ("PUT" | "DELETE", []) | ("POST", ["hibernate"]) => Err(ApiError::failed_precondition(
                "the simulator does not create, change, delete or hibernate clusters",
            )),
            _ => Err(no_path()),
        }
    }

    fn check_region(&self, region: &str) -> Result<(), ApiError> {
        let offered = self.state.cloud.regions.iter().any(|known| known == region);
        offered.then_some(()).ok_or(ApiError::new(501, "Unimplemented", "unknown region"))
    }

    fn list(&self, project: &str, region: &str) -> JsonResponse {
        let ids = self.state.cloud.list(project, region).map(|cluster| &cluster.id);
        let mut items: Vec<wire::Cluster> = ids.filter_map(|id| self.read(id)).collect();
        if find_effect!(self.effects, FaultEffect::Reverse {} => ()).is_some() {
            items.reverse();
        }
        (200, json!(wire::ClusterList { items }))
    }

    fn read(&self, id: &ClusterId) -> Option<wire::Cluster> {
        let stale = self.state.faults.stale_answer(id, self.now);
        let mut cluster =
            stale.or_else(|| Some(describe(self.state.cloud.cluster(id)?, self.now)))?;
        if find_effect!(self.effects, FaultEffect::UnknownValues {} => ()).is_some()
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

    fn begin(&mut self, id: &ClusterId, operation: ClusterOperation) -> Answer {
        let before = self.state.cloud.cluster(id).map(|cluster| describe(cluster, self.now));
        self.state.cloud.act(id, operation, self.now)?;
        let stale =
            find_effect!(self.effects, FaultEffect::Stale { milliseconds } => *milliseconds);
        if let (Some(milliseconds), Some(before)) = (stale, before) {
            self.state.faults.serve_stale(id.clone(), self.now, milliseconds, before);
        }
        Ok((202, json!({})))
    }

    fn issue_kubeconfig(&mut self, id: &ClusterId, body: &[u8]) -> Answer {
        let body = if body.is_empty() { b"{}" } else { body };
        let payload: wire::CreateKubeconfig = serde_json::from_slice(body)
            .map_err(|error| ApiError::invalid_argument(error.to_string()))?;
        let seconds = check_expiration(payload.expiration_seconds.as_deref())?;
        self.state.cloud.act(id, ClusterOperation::IssueKubeconfig, self.now)?;
        let now = self.now;
        let (cluster, port) = self.with_port(id)?;
        cluster.used_new_endpoints = true;
        let (text, until) =
            kubeconfig::admin(cluster, ACCOUNT, seconds, now, port).map_err(internal)?;
        Ok(self.kubeconfig(text, Some(rfc3339(until))))
    }

    fn exec_kubeconfig(&mut self, id: &ClusterId, idp: bool) -> Answer {
        let (cluster, port) = self.with_port(id)?;
        if idp {
            check_idp(cluster.scene.idp)?;
        }
        let text = kubeconfig::exec(cluster, idp, port).map_err(internal)?;
        Ok(self.kubeconfig(text, None))
    }

    fn with_port(&mut self, id: &ClusterId) -> Result<(&mut SimulatedCluster, u16), ApiError> {
        let port = self.state.ports.port(id).map_err(internal)?;
        Ok((self.state.cloud.cluster_mut(id).ok_or_else(no_path)?, port))
    }

    fn kubeconfig(&self, text: String, expiration_timestamp: Option<String>) -> JsonResponse {
        let injected = find_effect!(self.effects, FaultEffect::Kubeconfig { text } => text.clone());
        let text = injected
            .or_else(|| {
                find_effect!(self.effects, FaultEffect::DefectiveKubeconfig { defect } => {
                    kubeconfig::with_defect(&text, *defect)
                })
            })
            .unwrap_or(text);
        (200, json!(wire::Kubeconfig { expiration_timestamp, kubeconfig: Some(text) }))
    }
}

/// A cluster as the API writes it.
pub fn describe(cluster: &SimulatedCluster, now: Timestamp) -> wire::Cluster {
    let scene = &cluster.scene;
    let nodepools = scene.pools.iter().map(|pool| wire::Nodepool {
        name: pool.name.clone(),
        minimum: pool.nodes,
        maximum: pool.maximum.unwrap_or(pool.nodes.saturating_mul(2)).clamp(1, 1_000),
        max_surge: Some(pool.surge),
        max_unavailable: Some(pool.unavailable),
        availability_zones: (1..=pool.zones)
            .map(|zone| format!("{}-{zone}", cluster.id.region()))
            .collect(),
        machine: Some(wire::Machine {
            image: Some(wire::Image { name: "flatcar".to_owned(), version: "4230.2.1".to_owned() }),
            kind: pool.machine.clone(),
        }),
        volume: Some(wire::Volume { size: 50, kind: Some("storage_premium_perf1".to_owned()) }),
    });
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
        nodepools: nodepools.collect(),
        status: Some(wire::ClusterStatus {
            aggregated: Some(cluster.aggregated(now).to_owned()),
            creation_time: Some(rfc3339(cluster.created)),
            credentials_rotation: Some(wire::CredentialsRotation {
                last_completion_time: cluster.completed.map(rfc3339),
                last_initiation_time: cluster.initiated.map(rfc3339),
                phase: Some(cluster.phase.clone()),
            }),
            egress_address_ranges: vec!["192.0.2.17/32".to_owned()],
            error: None,
            errors: cluster.errors(now),
            expiration: Some(wire::Expiration {
                kubernetes: Some(wire::KubernetesExpiration {
                    expiration_date: Some(rfc3339(cluster.expires)),
                    version: Some(scene.version.clone()),
                }),
            }),
            hibernated: cluster.state == "STATE_HIBERNATED",
            pod_address_ranges: vec!["100.64.0.0/14".to_owned()],
            service_account_issuer: None,
        }),
    }
}
