//! What an earlier run read of clusters last: enough for a row of the fleet, and never for an action.

use jiff::Timestamp;

use crate::domain::cluster::{ClusterId, KubernetesVersion};
use crate::domain::rotation::Rotation;

/// What was read of a cluster last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastKnown {
    pub id: ClusterId,
    pub created: Option<Timestamp>,
    pub version: KubernetesVersion,
    pub rotation: Rotation,
    /// When it was read.
    pub read: Timestamp,
}

/// What was read of the clusters of one SKE API last.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LastFleet {
    /// Address of the API.
    pub ske: String,
    pub clusters: Vec<LastKnown>,
}
