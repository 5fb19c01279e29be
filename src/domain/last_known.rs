//! Clusters as last read by an earlier run: enough for a row of the fleet, never for an action.

use jiff::Timestamp;
use jiff::fmt::serde::timestamp::second;
use serde::{Deserialize, Serialize};

use crate::domain::cluster::{ClusterId, KubernetesVersion};
use crate::domain::lenient::usable_items;
use crate::domain::rotation::{Phase, Rotation};

/// A cluster as last read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastKnown {
    #[serde(flatten)]
    pub id: ClusterId,
    #[serde(default, with = "second::optional", skip_serializing_if = "Option::is_none")]
    pub created: Option<Timestamp>,
    #[serde(rename = "kubernetes")]
    pub version: KubernetesVersion,
    #[serde(flatten, with = "ShortRotation")]
    pub rotation: Rotation,
    /// When it was read.
    #[serde(with = "second::required")]
    pub read: Timestamp,
}

/// Compact form of a rotation, since there are many clusters: times are Unix seconds.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Rotation")]
struct ShortRotation {
    phase: Phase,
    #[serde(default, with = "second::optional", skip_serializing_if = "Option::is_none")]
    initiated: Option<Timestamp>,
    #[serde(default, with = "second::optional", skip_serializing_if = "Option::is_none")]
    completed: Option<Timestamp>,
}

/// The clusters of one SKE API as last read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LastFleet {
    /// URL of the API.
    pub ske: String,
    #[serde(deserialize_with = "usable_items")]
    pub clusters: Vec<LastKnown>,
}
