//! Tests of the roll: node lists as manifests, tracked rolls, and properties.
//!
//! The manifests in `fixtures/` are output of `kubectl get -o yaml`, one list per situation; each node has its expected
//! stage in the annotation `test.skeys/stage`. The fixtures' now is 24 November 2026, 14:02:11 UTC, and the rotation
//! started three hours earlier.

pub mod blockers;
pub mod budgets;
mod estimates;
mod generations;
pub mod manifest;
mod properties;
mod situations;
pub mod stages;
pub mod tracking;
mod webhooks;

use jiff::{SignedDuration, Timestamp};

use crate::domain::cluster::Cluster;
use crate::domain::fixtures::now;
use crate::domain::roll::Roll;
use crate::domain::roll::history::RollHistory;
use crate::domain::rotation::Phase;

/// `minutes` before the fixtures' now.
pub fn ago(minutes: i64) -> Timestamp {
    now().checked_sub(SignedDuration::from_mins(minutes)).unwrap()
}

/// The fixtures' cluster: pool `web` over three zones, three to six nodes, surge 3.
pub fn cluster(phase: Phase) -> Cluster {
    crate::domain::fixtures::cluster("shop", phase)
}

/// A roll evaluated from one snapshot, without a tracker.
pub fn at_once(cluster: &Cluster, snapshot: &crate::domain::snapshot::ClusterSnapshot) -> Roll {
    Roll::evaluate(cluster, snapshot, &RollHistory::default(), now())
}
