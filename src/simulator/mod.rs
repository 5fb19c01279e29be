//! A simulated STACKIT cloud. A pure model with the time as a parameter, and loopback servers that implement the
//! published protocols on top. Programs observe the model only through them.

pub mod cloud;
pub mod cluster;
pub mod faults;
mod generated;
mod http;
mod key_generation;
mod kubeconfig;
mod kubernetes;
mod network;
mod projects_api;
mod rng;
pub mod rules;
pub mod scene;
mod server;
mod ske_api;
mod speed;
pub mod state;
mod token_api;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::AbortHandle;

use crate::clock::Clock;
use crate::domain::failure::{Failure, FailureKind};
use crate::simulator::cloud::SimulatedCloud;
use crate::simulator::cluster::SimulatedCluster;
use crate::simulator::faults::Fault;
use crate::simulator::scene::Scene;
pub use crate::simulator::ske_api::describe;
use crate::simulator::state::{RequestRecord, Shared, SimulatorState};

/// Start options of a simulator.
#[derive(Debug, Clone)]
pub struct SimulatorOptions {
    pub seed: u64,
    /// Speed of processes relative to real time.
    pub speed: f64,
    pub scene: Scene,
    /// Address; port 0 picks a free one.
    pub listen: SocketAddr,
}

/// A running simulator, stopped on drop.
pub struct Simulator {
    shared: Arc<Shared>,
    address: SocketAddr,
    token: String,
    server: AbortHandle,
}

/// Starts a simulator.
///
/// # Errors
/// Listening on the address fails.
pub async fn serve(options: SimulatorOptions, clock: Clock) -> Result<Simulator, Failure> {
    let unreachable = |error: std::io::Error| {
        let message = format!("the simulator cannot listen on {}: {error}", options.listen);
        Failure::new(FailureKind::Unreachable, message)
            .hint("Choose another --listen; port 0 picks a free one")
    };
    let listener = TcpListener::bind(options.listen).await.map_err(unreachable)?;
    let address = listener.local_addr().map_err(unreachable)?;
    let now = clock.now();
    let cloud = SimulatedCloud::new(&options.scene, options.seed, options.speed, now);
    let mut state = SimulatorState::new(cloud, options.seed, address.ip());
    let token = state.tokens.issue(token_api::ACCOUNT, now);
    let shared = Arc::new(Shared::new(state, clock));
    let server =
        tokio::spawn(server::accept_connections(listener, Arc::clone(&shared))).abort_handle();
    Ok(Simulator { shared, address, token, server })
}

impl Simulator {
    /// Environment variables for other programs to connect to it.
    pub fn exports(&self) -> Vec<(&'static str, String)> {
        let base = format!("http://{}", self.address);
        let state = self.shared.lock();
        let project = state.cloud.projects.first().map(|(id, _)| id.clone()).unwrap_or_default();
        let region = state.cloud.regions.first().cloned().unwrap_or_default();
        vec![
            ("STACKIT_SKE_CUSTOM_ENDPOINT", base.clone()),
            ("STACKIT_TOKEN_BASEURL", format!("{base}/token")),
            ("STACKIT_IDP_TOKEN_ENDPOINT", format!("{base}/oauth/v2/token")),
            ("STACKIT_RESOURCE_MANAGER_CUSTOM_ENDPOINT", base.clone()),
            ("STACKIT_AUTHORIZATION_CUSTOM_ENDPOINT", base),
            ("STACKIT_ACCESS_TOKEN", self.token.clone()),
            ("STACKIT_PROJECT_ID", project),
            ("STACKIT_REGION", region),
            ("SKEYS_SIMULATOR_TOKEN", state.fault_token.clone()),
        ]
    }

    /// The content of a key file for the simulator's account.
    ///
    /// # Errors
    /// No key can be generated.
    pub fn service_account_key(&self) -> Result<String, Failure> {
        let (endpoint, now) = (format!("http://{}/token", self.address), self.shared.clock.now());
        self.shared.lock().tokens.key_file(&endpoint, now).map_err(|error| {
            Failure::new(FailureKind::Bug, format!("generating a service-account key: {error}"))
        })
    }

    /// A platform token that can be exchanged for one of the account.
    ///
    /// # Errors
    /// No key can be generated.
    pub fn federated_token(&self) -> Result<String, Failure> {
        let now = self.shared.clock.now();
        self.shared.lock().tokens.federated_token(now).map_err(|error| {
            Failure::new(FailureKind::Bug, format!("generating a federated token: {error}"))
        })
    }

    /// Ids and names of the projects.
    pub fn projects(&self) -> Vec<(String, String)> {
        self.shared.lock().cloud.projects.clone()
    }

    /// Number of requests being delayed by a fault.
    pub fn delayed_requests(&self) -> usize {
        self.shared.delayed_requests()
    }

    /// Requests received, oldest first.
    pub fn request_log(&self) -> Vec<RequestRecord> {
        self.shared.lock().request_log().cloned().collect()
    }

    /// Injects a fault.
    pub fn inject_fault(&self, fault: Fault) {
        self.shared.lock().faults.add(fault, self.shared.clock.now());
        self.shared.notify_all();
    }

    /// Adds latency to the cloud's own APIs, and the loss of a fraction of requests.
    pub fn set_network(&self, latency: Duration, loss: f64) {
        self.shared.lock().network.set(latency, loss);
    }

    /// Removes all faults.
    pub fn clear_faults(&self) {
        self.shared.lock().faults.clear();
        self.shared.notify_all();
    }

    /// Number of open watches of clusters' Kubernetes APIs.
    pub fn open_watches(&self) -> usize {
        self.shared.lock().watches.len()
    }

    /// Number of watches with unsent changes.
    pub fn lagging_watches(&self) -> usize {
        self.shared.lock().lagging_watches(self.shared.clock.now())
    }

    /// Changes the cloud without a request.
    pub fn with_cloud<T>(&self, change: impl FnOnce(&mut SimulatedCloud) -> T) -> T {
        let mut state = self.shared.lock();
        state.cloud.advance(self.shared.clock.now());
        let result = change(&mut state.cloud);
        state.cloud.clusters().for_each(SimulatedCluster::notify_changed);
        drop(state);
        self.shared.notify_all();
        result
    }

    /// Revokes the service-account key and all access tokens; the next request creates a new key.
    pub fn revoke_service_account_key(&self) {
        self.shared.lock().tokens.revoke_key();
    }

    /// Revokes all access tokens.
    pub fn revoke_tokens(&self) {
        self.shared.lock().tokens.revoke();
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.server.abort();
        self.shared.lock().ports.close();
    }
}
