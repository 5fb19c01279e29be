//! What the servers of one simulator share: the world, tokens, faults, and the ledger of calls.

use std::collections::VecDeque;

use jiff::Timestamp;
use serde_json::Value;

use crate::simulator::dice::Dice;
use crate::simulator::faults::Faults;
use crate::simulator::token_api::Tokens;
use crate::simulator::world::World;

/// Calls that are remembered.
const LEDGER_LIMIT: usize = 10_000;

/// One call that was taken.
#[derive(Debug, Clone)]
pub struct Call {
    /// When.
    pub at: Timestamp,
    /// Method.
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

/// Shared by all connections, behind one lock.
#[derive(Debug)]
pub struct Shared {
    /// The cloud.
    pub world: World,
    /// Tokens.
    pub tokens: Tokens,
    /// Faults.
    pub faults: Faults,
    /// Chance, for trace ids.
    pub dice: Dice,
    /// How much faster processes run.
    pub speed: f64,
    ledger: VecDeque<Call>,
}

impl Shared {
    /// A beginning.
    pub fn new(world: World, seed: u64, speed: f64) -> Self {
        Self {
            world,
            tokens: Tokens::default(),
            faults: Faults::default(),
            dice: Dice::new(seed ^ 0x5eed),
            speed,
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

    /// Calls, oldest first.
    pub fn ledger(&self) -> impl Iterator<Item = &Call> {
        self.ledger.iter()
    }
}
