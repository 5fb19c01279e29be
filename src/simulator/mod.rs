//! Floor 3: a cloud in a box. A pure world with handed-in time, and servers on loopback that speak the
//! published protocols over it. Programs learn of the world only through them.

mod certificate_authorities;
pub mod cloud;
pub mod cluster;
pub mod faults;
mod kubeconfig;
pub mod kubernetes;
mod machine_deployment;
mod projects_api;
mod rng;
pub mod rules;
pub mod scene;
mod server;
mod ske_api;
pub mod state;
mod token_api;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use crate::simulator::ske_api::describe;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::clock::Clock;
use crate::domain::failure::{Failure, FailureKind};
use crate::simulator::cloud::SimulatedCloud;
use crate::simulator::faults::Fault;
use crate::simulator::scene::Scene;
use crate::simulator::state::{RequestRecord, SimulatorState};

/// How a simulator starts.
#[derive(Debug, Clone)]
pub struct SimulatorOptions {
    /// Number that everything random follows from.
    pub seed: u64,
    /// How many times faster than in reality processes run.
    pub speed: f64,
    pub scene: Scene,
    /// Address; port 0 picks a free one.
    pub listen: SocketAddr,
}

/// A running simulator. It ends when it is dropped.
pub struct Simulator {
    shared: Arc<Shared>,
    address: SocketAddr,
    token: String,
    server: AbortHandle,
}

/// What connections share.
pub(in crate::simulator) struct Shared {
    state: Mutex<SimulatorState>,
    delayed: AtomicUsize,
    clock: Clock,
    changes: watch::Sender<u64>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, SimulatorState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets everybody look who waits for something that no cluster rings for.
    fn notify_all(&self) {
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
    }
}

/// Starts a simulator.
///
/// # Errors
/// The address cannot be listened on.
pub async fn serve(options: SimulatorOptions, clock: Clock) -> Result<Simulator, Failure> {
    let listener = TcpListener::bind(options.listen).await.map_err(|error| {
        Failure::new(
            FailureKind::Unreachable,
            format!("the simulator cannot listen on {}: {error}", options.listen),
        )
        .hint("Choose another --listen; port 0 picks a free one")
    })?;
    let address = listener.local_addr().map_err(|error| {
        Failure::new(FailureKind::Unreachable, format!("the simulator has no address: {error}"))
    })?;
    let now = clock.now();
    let cloud = SimulatedCloud::new(&options.scene, options.seed, options.speed, now);
    let mut state = SimulatorState::new(cloud, options.seed);
    let token = state.tokens.issue(token_api::ACCOUNT, now);
    let shared = Arc::new(Shared {
        state: Mutex::new(state),
        delayed: AtomicUsize::new(0),
        clock,
        changes: watch::Sender::new(0),
    });
    let server =
        tokio::spawn(server::accept_connections(listener, Arc::clone(&shared))).abort_handle();
    Ok(Simulator { shared, address, token, server })
}

impl Simulator {
    /// Names and values that let other programs talk to it.
    pub fn exports(&self) -> Vec<(&'static str, String)> {
        let base = self.base_url();
        let state = self.shared.lock();
        let project = state.cloud.projects.first().map(|(id, _)| id.clone()).unwrap_or_default();
        let region = state.cloud.regions.first().cloned().unwrap_or_default();
        vec![
            ("STACKIT_SKE_CUSTOM_ENDPOINT", base.clone()),
            ("STACKIT_TOKEN_BASEURL", format!("{base}/token")),
            ("STACKIT_RESOURCE_MANAGER_CUSTOM_ENDPOINT", base.clone()),
            ("STACKIT_AUTHORIZATION_CUSTOM_ENDPOINT", base),
            ("STACKIT_ACCESS_TOKEN", self.token.clone()),
            ("STACKIT_PROJECT_ID", project),
            ("STACKIT_REGION", region),
        ]
    }

    /// Address of all its APIs.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Ids and names of the projects, as an account's list of projects would be.
    pub fn projects(&self) -> Vec<(String, String)> {
        self.shared.lock().cloud.projects.clone()
    }

    /// Requests that an ordered delay holds.
    pub fn delayed_requests(&self) -> usize {
        self.shared.delayed.load(Ordering::SeqCst)
    }

    /// Calls that were taken, oldest first.
    pub fn request_log(&self) -> Vec<RequestRecord> {
        self.shared.lock().request_log().cloned().collect()
    }

    /// Orders a fault.
    pub fn inject_fault(&self, fault: Fault) {
        self.shared.lock().faults.add(fault, self.shared.clock.now());
        self.shared.notify_all();
    }

    /// Takes all faults back.
    pub fn clear_faults(&self) {
        self.shared.lock().faults.clear();
        self.shared.notify_all();
    }

    /// Watches of clusters' own APIs that are under way.
    pub fn open_watches(&self) -> usize {
        self.shared.lock().watches.len()
    }

    /// Watches that have not told yet what has happened until now.
    pub fn lagging_watches(&self) -> usize {
        self.shared.lock().lagging_watches(self.shared.clock.now())
    }

    /// Changes the world directly; for tests of other floors.
    pub fn with_cloud<T>(&self, change: impl FnOnce(&mut SimulatedCloud) -> T) -> T {
        let now = self.shared.clock.now();
        let mut state = self.shared.lock();
        state.cloud.advance(now);
        let done = change(&mut state.cloud);
        state.cloud.clusters().for_each(cloud::SimulatedCluster::notify_changed);
        drop(state);
        self.shared.notify_all();
        done
    }

    /// Ends all tokens, as an administrator can.
    pub fn revoke_tokens(&self) {
        self.shared.lock().tokens.revoke();
    }

    /// Ends it.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.server.abort();
        self.shared.lock().ports.end();
    }
}
