//! The SKE API v2 over the cloud: the published paths, types, statuses and error bodies.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::net::SocketAddr;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::clients::ske::wire;
use crate::domain::cluster::ClusterId;
use crate::simulator::cluster::SimulatedCluster;
use crate::simulator::faults::{FaultEffect, find_effect};
use crate::simulator::http::JsonResponse;
use crate::simulator::kubeconfig;
use crate::simulator::kubernetes::body::without_nulls;
use crate::simulator::rules::{
    ApiError, ClusterOperation, check_expiration, check_idp, static_token_refused,
};
use crate::simulator::speed::{later, rfc3339};
use crate::simulator::state::SimulatorState;
use crate::simulator::token_api::ACCOUNT;

/// Machine image version of all nodes, and the previous one.
const IMAGE: &str = "4230.2.1";
const EARLIER_IMAGE: &str = "4152.2.3";
const VOLUME: &str = "storage_premium_perf1";
/// Versions that expire within this time are deprecated.
const SUPPORT_ENDS: SignedDuration = SignedDuration::from_hours(24 * 60);

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
    query: &[(String, String)],
    body: &[u8],
    effects: &[FaultEffect],
    now: Timestamp,
) -> Option<JsonResponse> {
    let mut api = SkeApi { state, effects, now };
    let answer = match (method, path) {
        (_, ["projects", project, "regions", region, "clusters", rest @ ..]) => {
            api.clusters(method, project, region, rest, body)
        }
        ("GET", ["regions", region, "provider-options"]) => api.provider_options(region, query),
        _ => return None,
    };
    let (status, body) = answer.unwrap_or_else(Into::into);
    Some((status, without_nulls(&body)))
}

/// `GET /v1/projects/…/clusters/…/credentials`: no longer published, but still answered until the first use of the
/// endpoints that replaced it.
pub fn static_credentials(state: &mut SimulatorState, project: &str, name: &str) -> JsonResponse {
    read_static_credentials(state, project, name).unwrap_or_else(Into::into)
}

fn read_static_credentials(state: &mut SimulatorState, project: &str, name: &str) -> Answer {
    let region = state.cloud.regions.first().ok_or_else(no_path)?;
    let id = ClusterId::new(project, region, name);
    let cluster = state.cloud.cluster(&id).ok_or_else(|| ApiError::cluster_not_found(name))?;
    let token = cluster.credentials.static_token.clone().filter(|_| !cluster.used_new_endpoints);
    let token = token.ok_or_else(static_token_refused)?;
    let address = state.ports.address(&id).map_err(internal)?;
    let cluster = state.cloud.cluster_mut(&id).ok_or_else(no_path)?;
    let credentials = kubeconfig::with_static_token(cluster, &token, address).map_err(internal)?;
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

    /// Options for clusters of a region: the versions in the scene, and the previous image.
    fn provider_options(&self, region: &str, query: &[(String, String)]) -> Answer {
        self.check_region(region)?;
        let state = query.iter().find(|(key, _)| key == "versionState").map(|(_, value)| &**value);
        if !matches!(state, None | Some("" | "SUPPORTED")) {
            return Err(ApiError::invalid_argument("versionState is SUPPORTED or absent"));
        }
        let is_wanted = |entry: &Value| state != Some("SUPPORTED") || entry["state"] == "supported";
        let soon = later(self.now, SUPPORT_ENDS);
        let (mut versions, mut machines) = (BTreeMap::new(), BTreeSet::new());
        for cluster in self.state.cloud.clusters() {
            versions.insert(cluster.scene.version.as_str(), cluster.expires);
            machines.extend(cluster.scene.pools.iter().map(|pool| pool.machine.as_str()));
        }
        let version = |(version, expires): (&str, Timestamp)| {
            let state = if expires > soon { "supported" } else { "deprecated" };
            json!({"version": version, "state": state, "expirationDate": rfc3339(expires)})
        };
        let versions: Vec<Value> = versions.into_iter().map(version).filter(is_wanted).collect();
        let image = |version: &str, state: &str| json!({"version": version, "state": state, "cri": [{"name": "containerd"}]});
        let mut images = vec![image(IMAGE, "supported"), image(EARLIER_IMAGE, "deprecated")];
        images.retain(is_wanted);
        let zone = |number| json!({"name": format!("{region}-{number}")});
        Ok((
            200,
            json!({
                "availabilityZones": (1..=3).map(zone).collect::<Vec<_>>(),
                "kubernetesVersions": versions,
                "machineImages": [{"name": "flatcar", "versions": images}],
                "machineTypes": machines.into_iter().map(machine_type).collect::<Vec<_>>(),
                "volumeTypes": [{"name": VOLUME}],
            }),
        ))
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
        let (cluster, address) = self.with_address(id)?;
        cluster.used_new_endpoints = true;
        let (text, until) =
            kubeconfig::admin(cluster, ACCOUNT, seconds, now, address).map_err(internal)?;
        Ok(self.kubeconfig(text, Some(rfc3339(until))))
    }

    fn exec_kubeconfig(&mut self, id: &ClusterId, idp: bool) -> Answer {
        let (cluster, address) = self.with_address(id)?;
        if idp {
            check_idp(cluster.scene.idp)?;
        }
        let text = kubeconfig::exec(cluster, idp, address).map_err(internal)?;
        Ok(self.kubeconfig(text, None))
    }

    fn with_address(
        &mut self,
        id: &ClusterId,
    ) -> Result<(&mut SimulatedCluster, SocketAddr), ApiError> {
        let address = self.state.ports.address(id).map_err(internal)?;
        Ok((self.state.cloud.cluster_mut(id).ok_or_else(no_path)?, address))
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

/// A machine type, sized by its name: `g1a.4d` has 4 cores of family `g`.
fn machine_type(name: &str) -> Value {
    let size = name.split_once('.').map_or("", |(_, size)| size);
    let cores: u32 = size.trim_end_matches(char::is_alphabetic).parse().unwrap_or(2);
    let memory = match name.as_bytes().first() {
        Some(b'c') => cores.saturating_mul(2),
        Some(b'm') => cores.saturating_mul(8),
        _ => cores.saturating_mul(4),
    };
    json!({"name": name, "cpu": cores, "memory": memory, "gpu": 0, "architecture": "amd64"})
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
        kubernetes: pool
            .kubernetes
            .as_ref()
            .map(|version| wire::Kubernetes { version: version.clone() }),
        machine: Some(wire::Machine {
            image: Some(wire::Image { name: "flatcar".to_owned(), version: IMAGE.to_owned() }),
            kind: pool.machine.clone(),
        }),
        volume: Some(wire::Volume { size: 50, kind: Some(VOLUME.to_owned()) }),
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
        labels: scene.labels.clone(),
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
                nodepools: scene
                    .pools
                    .iter()
                    .filter(|pool| pool.image_expires.is_some() || pool.kubernetes.is_some())
                    .map(|pool| wire::NodepoolExpiration {
                        kubernetes_expiration_date: pool.kubernetes_expires.clone(),
                        kubernetes_version: pool.kubernetes.clone(),
                        name: pool.name.clone(),
                        os_expiration_date: pool.image_expires.clone(),
                    })
                    .collect(),
            }),
            hibernated: cluster.state == "STATE_HIBERNATED",
            pod_address_ranges: vec!["100.64.0.0/14".to_owned()],
            service_account_issuer: None,
        }),
    }
}
