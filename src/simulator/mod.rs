//! Floor 3: a cloud in a box. A pure world with handed-in time, and servers on loopback that speak the
//! published protocols over it. Programs learn of the world only through them.

mod authority;
pub mod cluster;
mod dice;
pub mod faults;
mod kubeconfig;
pub mod kubernetes;
mod projects_api;
mod roll;
pub mod scene;
mod server;
mod ske_api;
pub mod state;
mod token_api;
pub mod world;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use crate::simulator::ske_api::describe;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::clock::Clock;
use crate::domain::failure::{Failure, FailureKind};
use crate::simulator::faults::Fault;
use crate::simulator::scene::Scene;
use crate::simulator::state::{Call, Shared};
use crate::simulator::world::World;

/// How a simulator starts.
#[derive(Debug, Clone)]
pub struct Options {
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
    inner: Arc<Inner>,
    address: SocketAddr,
    token: String,
    server: AbortHandle,
}

/// What connections share.
pub(in crate::simulator) struct Inner {
    shared: Mutex<Shared>,
    parked: AtomicUsize,
    clock: Clock,
    pulse: watch::Sender<u64>,
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets everybody look who waits for something that no cluster rings for.
    fn pulse(&self) {
        self.pulse.send_modify(|count| *count = count.wrapping_add(1));
    }
}

/// Starts a simulator.
///
/// # Errors
/// The address cannot be listened on.
pub async fn serve(options: Options, clock: Clock) -> Result<Simulator, Failure> {
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
    let world = World::new(&options.scene, options.seed, options.speed, now);
    let mut shared = Shared::new(world, options.seed);
    let token = shared.tokens.issue(token_api::ACCOUNT, now);
    let inner = Arc::new(Inner {
        shared: Mutex::new(shared),
        parked: AtomicUsize::new(0),
        clock,
        pulse: watch::Sender::new(0),
    });
    let server = tokio::spawn(server::accept(listener, Arc::clone(&inner))).abort_handle();
    Ok(Simulator { inner, address, token, server })
}

impl Simulator {
    /// Names and values that let other programs talk to it.
    pub fn exports(&self) -> Vec<(&'static str, String)> {
        let base = self.base_url();
        let shared = self.inner.lock();
        let project = shared.world.projects.first().map(|(id, _)| id.clone()).unwrap_or_default();
        let region = shared.world.regions.first().cloned().unwrap_or_default();
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
        self.inner.lock().world.projects.clone()
    }

    /// Requests that an ordered delay holds.
    pub fn parked(&self) -> usize {
        self.inner.parked.load(Ordering::SeqCst)
    }

    /// Calls that were taken, oldest first.
    pub fn ledger(&self) -> Vec<Call> {
        self.inner.lock().ledger().cloned().collect()
    }

    /// Orders a fault.
    pub fn order(&self, fault: Fault) {
        self.inner.lock().faults.order(fault, self.inner.clock.now());
        self.inner.pulse();
    }

    /// Takes all faults back.
    pub fn clear_faults(&self) {
        self.inner.lock().faults.clear();
        self.inner.pulse();
    }

    /// Watches of clusters' own APIs that are under way.
    pub fn watches(&self) -> usize {
        self.inner.lock().watches.len()
    }

    /// Watches that have not told yet what has happened until now.
    pub fn lagging(&self) -> usize {
        self.inner.lock().lagging(self.inner.clock.now())
    }

    /// Changes the world directly; for tests of other layers.
    pub fn with_world<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        let now = self.inner.clock.now();
        let mut shared = self.inner.lock();
        shared.world.advance(now);
        let done = change(&mut shared.world);
        shared.world.clusters().for_each(world::SimulatedCluster::ring);
        drop(shared);
        self.inner.pulse();
        done
    }

    /// Ends all tokens, as an administrator can.
    pub fn revoke_tokens(&self) {
        self.inner.lock().tokens.revoke();
    }

    /// Ends it.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.server.abort();
        self.inner.lock().doors.end();
    }
}
