//! Emulates SKE for one cluster: its published endpoints, with kubeconfigs of a real control plane.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::machines::{POOL, ZONES};
use crate::processes::{ADMINS, SharedPlane};

pub const PROJECT: &str = "5f1c3d9a-7a1e-4c52-9d5e-2b7f6a1c0e21";
pub const CLUSTER: &str = "alpha";
const USER: &str = "gardener.cloud:admin:ske";

/// The state of the cluster as SKE reports it.
#[derive(Debug, Clone)]
pub struct Rotation {
    pub phase: &'static str,
    pub initiated: Option<Timestamp>,
    pub completed: Option<Timestamp>,
}

/// An SKE emulation, stopped on drop.
pub struct Ske {
    pub url: String,
    shared: Arc<Shared>,
    task: AbortHandle,
}

struct Shared {
    plane: SharedPlane,
    rotation: Mutex<Rotation>,
    /// The number of nodes of the pool.
    nodes: usize,
    requested: watch::Sender<&'static str>,
}

impl Drop for Ske {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Ske {
    /// Serves a cluster with a pool of `nodes` nodes.
    pub async fn serve(plane: SharedPlane, nodes: usize, rotation: Rotation) -> Self {
        let (requested, _) = watch::channel("");
        let shared = Arc::new(Shared { plane, rotation: Mutex::new(rotation), nodes, requested });
        let clusters = "/v2/projects/{project}/regions/{region}/clusters";
        let steps = format!("{clusters}/{{name}}/{{step}}");
        let router = Router::new()
            .route("/v2/projects/{project}", get(async || json!({"name": "shop"}).to_string()))
            .route(clusters, get(list))
            .route(&format!("{clusters}/{{name}}"), get(read))
            .route(&steps, post(act))
            .with_state(Arc::clone(&shared));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = async move { axum::serve(listener, router).await.unwrap() };
        Self { url, shared, task: tokio::spawn(server).abort_handle() }
    }

    /// Environment variables that point a program to it.
    pub fn environment(&self) -> Vec<(&'static str, &str)> {
        vec![
            ("STACKIT_SKE_CUSTOM_ENDPOINT", &self.url),
            ("STACKIT_RESOURCE_MANAGER_CUSTOM_ENDPOINT", &self.url),
            ("STACKIT_ACCESS_TOKEN", "token"),
            ("STACKIT_PROJECT_ID", PROJECT),
            ("STACKIT_REGION", "eu01"),
            ("SKEYS_POLL_RUNNING", "1s"),
            ("SKEYS_NOTIFY_DESKTOP", "false"),
            ("SKEYS_DISPLAY_UTC", "true"),
        ]
    }

    /// Waits until a step is requested.
    pub async fn until_requested(&self, step: &str) {
        let mut requested = self.shared.requested.subscribe();
        requested.wait_for(|requested| *requested == step).await.unwrap();
    }

    /// Sets the reported phase.
    pub fn show(&self, phase: &'static str) {
        let mut rotation = self.shared.rotation.lock().unwrap();
        rotation.phase = phase;
        if phase == "COMPLETED" {
            rotation.completed = Some(Timestamp::now());
        }
    }
}

fn refuse(status: u16, code: &str, message: String) -> (StatusCode, String) {
    let body = json!({"code": code, "message": message, "details": ""});
    (StatusCode::from_u16(status).unwrap(), body.to_string())
}

fn moment(at: Option<Timestamp>) -> Value {
    at.map_or(Value::Null, |at| json!(at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()))
}

fn cluster(shared: &Shared) -> Value {
    let rotation = shared.rotation.lock().unwrap();
    json!({
        "name": CLUSTER,
        "kubernetes": {"version": "1.34.4"},
        "nodepools": [{
            "name": POOL, "minimum": shared.nodes, "maximum": shared.nodes, "maxSurge": 1,
            "maxUnavailable": 0, "availabilityZones": ZONES, "machine": {"type": "c2i.4"},
        }],
        "status": {
            "aggregated": if rotation.phase.ends_with("ING") { "STATE_RECONCILING" } else { "STATE_HEALTHY" },
            "creationTime": "2026-01-05T09:00:00Z",
            "credentialsRotation": {
                "phase": rotation.phase,
                "lastInitiationTime": moment(rotation.initiated),
                "lastCompletionTime": moment(rotation.completed),
            },
        },
    })
}

async fn list(State(shared): State<Arc<Shared>>) -> String {
    json!({"items": [cluster(&shared)]}).to_string()
}

async fn read(State(shared): State<Arc<Shared>>) -> String {
    cluster(&shared).to_string()
}

async fn act(
    State(shared): State<Arc<Shared>>,
    Path((_, _, _, step)): Path<(String, String, String, String)>,
    body: String,
) -> (StatusCode, String) {
    let accepted = (StatusCode::ACCEPTED, "{}".to_owned());
    let mut rotation = shared.rotation.lock().unwrap();
    match (&*step, rotation.phase) {
        ("kubeconfig", _) => {
            let request: Value = serde_json::from_str(&body).unwrap_or_default();
            let seconds = request["expirationSeconds"].as_str().and_then(|text| text.parse().ok());
            let until = Timestamp::now() + SignedDuration::from_secs(seconds.unwrap_or(3_600));
            let text = shared.plane.lock().kubeconfig(USER, ADMINS, until);
            let body = json!({"kubeconfig": text, "expirationTimestamp": moment(Some(until))});
            (StatusCode::OK, body.to_string())
        }
        ("start-credentials-rotation", "NEVER" | "COMPLETED") => {
            (rotation.phase, rotation.initiated) = ("PREPARING", Some(Timestamp::now()));
            shared.requested.send_replace("start");
            accepted
        }
        ("complete-credentials-rotation", "PREPARED") => {
            rotation.phase = "COMPLETING";
            shared.requested.send_replace("complete");
            accepted
        }
        (_, phase) => refuse(400, "FailedPrecondition", format!("{step} in phase {phase}")),
    }
}
