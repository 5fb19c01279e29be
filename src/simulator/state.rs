//! What the servers of one simulator share: the world, tokens, faults, and the ledger of calls.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use serde_json::Value;

use crate::domain::cluster::ClusterId;
use crate::simulator::dice::Dice;
use crate::simulator::faults::Faults;
use crate::simulator::kubernetes::door::Doors;
use crate::simulator::token_api::Tokens;
use crate::simulator::world::World;

/// Calls that are remembered.
const LEDGER_LIMIT: usize = 10_000;

/// One call that was taken.
#[derive(Debug, Clone)]
pub struct Call {
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
pub struct Watching {
    /// `EntryOwner` API it watches.
    pub cluster: ClusterId,
    /// Version up to which it has everything.
    pub position: u64,
    /// Whether it has handed everything out and sleeps.
    pub idle: bool,
}

/// Shared by all connections, behind one lock.
#[derive(Debug)]
pub struct Shared {
    pub world: World,
    pub tokens: Tokens,
    pub faults: Faults,
    pub dice: Dice,
    pub doors: Doors,
    /// Watches under way, by number.
    pub watches: BTreeMap<u64, Watching>,
    pub watches_begun: u64,
    ledger: VecDeque<Call>,
}

impl Shared {
    /// A beginning.
    pub fn new(world: World, seed: u64) -> Self {
        Self {
            world,
            tokens: Tokens::default(),
            faults: Faults::default(),
            dice: Dice::new(seed ^ 0x5eed),
            doors: Doors::default(),
            watches: BTreeMap::new(),
            watches_begun: 0,
            ledger: VecDeque::new(),
        }
    }

    /// Remembers a call.
    pub fn note(&mut self, call: Call) {
        if self.ledger.len() >= LEDGER_LIMIT {
            self.ledger.pop_front();
        }
        self.ledger.push_back(call);
    }

    /// Watches that have not told yet what has happened until `now`.
    pub fn lagging(&self, now: Timestamp) -> usize {
        let lags = |watching: &Watching| {
            self.world.cluster(&watching.cluster).is_none_or(|cluster| {
                !watching.idle
                    || cluster.inside.store.version() > watching.position
                    || cluster.next_due().is_some_and(|due| due <= now)
            })
        };
        self.watches.values().filter(|watching| lags(watching)).count()
    }

    /// Calls, oldest first.
    pub fn ledger(&self) -> impl Iterator<Item = &Call> {
        self.ledger.iter()
    }
}
