//! State shared by the servers of one simulator: the cloud, tokens, faults, ports, and the request log.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::watch;

use crate::clock::Clock;
use crate::domain::cluster::ClusterId;
use crate::simulator::cloud::SimulatedCloud;
use crate::simulator::faults::{FaultEffect, Faults, KUBERNETES};
use crate::simulator::http::HttpRequest;
use crate::simulator::kubernetes::ports::ApiServerPorts;
use crate::simulator::network::Network;
use crate::simulator::rng::Rng;
use crate::simulator::token_api::AccessTokens;

/// Maximum number of requests in the log.
const REQUEST_LOG_LIMIT: usize = 10_000;

/// Shared by all connections.
pub struct Shared {
    state: Mutex<SimulatorState>,
    delayed: AtomicUsize,
    pub clock: Clock,
    changes: watch::Sender<()>,
}

impl Shared {
    /// The shared state of a simulator that has not started yet.
    pub fn new(state: SimulatorState, clock: Clock) -> Self {
        let (state, changes) = (Mutex::new(state), watch::Sender::new(()));
        Self { state, delayed: AtomicUsize::new(0), clock, changes }
    }

    /// Locks the state.
    pub fn lock(&self) -> MutexGuard<'_, SimulatorState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes all listeners: faults or clusters may have changed.
    pub fn notify_all(&self) {
        self.changes.send_replace(());
    }

    /// Subscribes to `notify_all`.
    pub fn subscribe(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// The effects of faults on a request after its delay, and the time then.
    pub async fn receive(&self, method: &str, paths: &[String]) -> (Vec<FaultEffect>, Timestamp) {
        let effects = self.lock().take_effects(method, paths, self.clock.now());
        for effect in &effects {
            if let FaultEffect::Delay { milliseconds } = effect {
                self.delayed.fetch_add(1, Ordering::SeqCst);
                let _counted = DelayedRequest(self);
                self.clock.sleep(Duration::from_millis(*milliseconds)).await;
            }
        }
        (effects, self.clock.now())
    }

    /// Number of requests being delayed.
    pub fn delayed_requests(&self) -> usize {
        self.delayed.load(Ordering::SeqCst)
    }
}

/// Decrements the number of delayed requests, even if the connection is closed.
struct DelayedRequest<'a>(&'a Shared);

impl Drop for DelayedRequest<'_> {
    fn drop(&mut self) {
        self.0.delayed.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A received request.
#[derive(Debug, Clone)]
pub struct RequestRecord {
    pub at: Timestamp,
    pub method: String,
    pub path: String,
    pub query: Vec<(String, String)>,
    /// Status of the response; `None` if the connection was reset.
    pub status: Option<u16>,
    pub body: Option<Value>,
    /// Body of the response, if it is JSON of moderate size.
    pub answer: Option<Value>,
}

impl RequestRecord {
    /// The record of a request; the path may include the API.
    pub fn new(at: Timestamp, path: String, request: HttpRequest, status: Option<u16>) -> Self {
        let body = serde_json::from_slice(&request.body).ok();
        let HttpRequest { method, query, .. } = request;
        Self { at, method, path, query, status, body, answer: None }
    }
}

/// An open watch.
#[derive(Debug, Clone)]
pub struct WatchProgress {
    pub cluster: ClusterId,
    /// Version up to which all changes were sent.
    pub version: u64,
    /// Whether it has nothing left to send.
    pub caught_up: bool,
}

/// State protected by the lock.
pub struct SimulatorState {
    pub cloud: SimulatedCloud,
    pub tokens: AccessTokens,
    pub faults: Faults,
    pub network: Network,
    /// Token for the fault injection interface.
    pub fault_token: String,
    pub rng: Rng,
    pub ports: ApiServerPorts,
    pub watches: BTreeMap<u64, WatchProgress>,
    /// Number of the last opened watch.
    pub last_watch: u64,
    request_log: VecDeque<RequestRecord>,
}

impl SimulatorState {
    /// The initial state of the APIs at an address.
    pub fn new(cloud: SimulatedCloud, seed: u64, host: IpAddr) -> Self {
        Self {
            cloud,
            tokens: AccessTokens::default(),
            faults: Faults::default(),
            network: Network::new(seed),
            fault_token: uuid::Uuid::new_v4().to_string(),
            rng: Rng::new(seed ^ 0x5eed),
            ports: ApiServerPorts::new(host),
            watches: BTreeMap::new(),
            last_watch: 0,
            request_log: VecDeque::new(),
        }
    }

    /// The effects of network and faults on a request.
    fn take_effects(&mut self, method: &str, paths: &[String], now: Timestamp) -> Vec<FaultEffect> {
        let is_own = !paths.first().is_some_and(|path| path.starts_with(KUBERNETES));
        let mut effects = if is_own { self.network.effects() } else { Vec::new() };
        effects.extend(self.faults.take_effects(method, paths, now));
        effects
    }

    /// Adds a request to the log.
    pub fn log_request(&mut self, record: RequestRecord) {
        if self.request_log.len() >= REQUEST_LOG_LIMIT {
            self.request_log.pop_front();
        }
        self.request_log.push_back(record);
    }

    /// Number of watches with unsent changes up to `now`.
    pub fn lagging_watches(&self, now: Timestamp) -> usize {
        let lags = |watch: &&WatchProgress| {
            self.cloud.cluster(&watch.cluster).is_none_or(|cluster| {
                !watch.caught_up
                    || cluster.data_plane.store.version() > watch.version
                    || cluster.next_due().is_some_and(|due| due <= now)
            })
        };
        self.watches.values().filter(lags).count()
    }

    /// Requests, oldest first.
    pub fn request_log(&self) -> impl Iterator<Item = &RequestRecord> {
        self.request_log.iter()
    }
}
