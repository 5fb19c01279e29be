//! What the servers of one simulator share: the world, tokens, faults, and the ledger of calls.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use serde_json::Value;

use crate::domain::cluster::ClusterId;
use crate::simulator::cloud::SimulatedCloud;
use crate::simulator::faults::Faults;
use crate::simulator::kubernetes::listener::ApiServerPorts;
use crate::simulator::rng::Rng;
use crate::simulator::token_api::AccessTokens;

/// Calls that are remembered.
const REQUEST_LOG_LIMIT: usize = 10_000;

/// One call that was taken.
#[derive(Debug, Clone)]
pub struct RequestRecord {
    pub at: Timestamp,
    pub method: String,
    /// Path without query.
    pub path: String,
    /// Names and values of the query.
    pub query: Vec<(String, String)>,
    /// Status of the answer; `None` when the connection was cut instead.
    pub status: Option<u16>,
    /// Body of the request, if it is JSON.
    pub body: Option<Value>,
    /// Body of the answer, if it is JSON of moderate size.
    pub answer: Option<Value>,
}

/// A watch under way.
#[derive(Debug, Clone)]
pub struct WatchProgress {
    /// `EntryOwner` API it watches.
    pub cluster: ClusterId,
    /// Version up to which it has everything.
    pub position: u64,
    /// Whether it has handed everything out and sleeps.
    pub caught_up: bool,
}

/// Shared by all connections, behind one lock.
#[derive(Debug)]
pub struct SimulatorState {
    pub cloud: SimulatedCloud,
    pub tokens: AccessTokens,
    pub faults: Faults,
    pub rng: Rng,
    pub ports: ApiServerPorts,
    /// Watches under way, by number.
    pub watches: BTreeMap<u64, WatchProgress>,
    pub watches_begun: u64,
    request_log: VecDeque<RequestRecord>,
}

impl SimulatorState {
    /// A beginning.
    pub fn new(cloud: SimulatedCloud, seed: u64) -> Self {
        Self {
            cloud,
            tokens: AccessTokens::default(),
            faults: Faults::default(),
            rng: Rng::new(seed ^ 0x5eed),
            ports: ApiServerPorts::default(),
            watches: BTreeMap::new(),
            watches_begun: 0,
            request_log: VecDeque::new(),
        }
    }

    /// Remembers a call.
    pub fn log_request(&mut self, call: RequestRecord) {
        if self.request_log.len() >= REQUEST_LOG_LIMIT {
            self.request_log.pop_front();
        }
        self.request_log.push_back(call);
    }

    /// Watches that have not told yet what has happened until `now`.
    pub fn lagging_watches(&self, now: Timestamp) -> usize {
        let lags = |progress: &WatchProgress| {
            self.cloud.cluster(&progress.cluster).is_none_or(|cluster| {
                !progress.caught_up
                    || cluster.data_plane.store.version() > progress.position
                    || cluster.next_due().is_some_and(|due| due <= now)
            })
        };
        self.watches.values().filter(|progress| lags(progress)).count()
    }

    /// Calls, oldest first.
    pub fn request_log(&self) -> impl Iterator<Item = &RequestRecord> {
        self.request_log.iter()
    }
}
