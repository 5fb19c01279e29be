//! What is remembered of a roll and cannot be read off one picture; plain data, kept up by the history.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::domain::roll::classify::{Since, Stage};

/// What earlier pictures told. Its size follows the nodes and pools that are there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Memory {
    /// When the first picture of this rotation was seen, by our clock.
    pub watched_since: Option<Timestamp>,
    /// Nodes of the last picture by uid.
    pub nodes: BTreeMap<String, Track>,
    /// When a node last changed what it does, by pool and zone.
    pub changes: BTreeMap<(String, String), Timestamp>,
    /// The first template that this rotation made for a pool.
    pub first_templates: BTreeMap<String, String>,
}

/// A node as it was last seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Track {
    /// What it did.
    pub stage: Stage,
    /// Since when, as far as it was watched.
    pub since: Since,
    /// When its drain began, if it has begun.
    pub drain_began: Option<Timestamp>,
    /// Short name.
    pub short: String,
    /// Pool.
    pub pool: String,
    /// Zone.
    pub zone: String,
}

impl Memory {
    /// Since when a node is in a stage, if it was in it when last seen.
    pub fn since(&self, uid: &str, stage: Stage) -> Option<Since> {
        self.nodes.get(uid).filter(|track| track.stage == stage).map(|track| track.since)
    }

    /// When a node of the pool in this zone was last seen to change what it does.
    pub fn change(&self, pool: &str, zone: &str) -> Option<Timestamp> {
        self.changes.get(&(pool.to_owned(), zone.to_owned())).copied()
    }

    /// The first template that this rotation made for a pool, if it was seen.
    pub fn first_template(&self, pool: &str) -> Option<&str> {
        self.first_templates.get(pool).map(String::as_str)
    }
}
