//! State kept between runs: issued kubeconfigs, selection, theme, columns, order, marks and watches; never a secret.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::cluster::{Cluster, ClusterId, is_same_creation};
use crate::domain::credential::Credentials;
use crate::domain::lenient::{or_default, usable_items, usable_values};
use crate::domain::rotation::Phase;
use crate::domain::selection::Selection;

/// State kept between runs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PersistedState {
    #[serde(flatten)]
    pub credentials: Credentials,
    #[serde(default, deserialize_with = "or_default")]
    pub theme: Option<String>,
    /// Ids of the chosen columns; empty means all.
    #[serde(default, deserialize_with = "or_default")]
    pub columns: Vec<String>,
    /// Sort key.
    #[serde(default, deserialize_with = "or_default")]
    pub sort: Option<String>,
    /// Whether the order is reversed. Older versions ignore this and the following fields.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "std::ops::Not::not")]
    pub reversed: bool,
    /// Filter of the fleet; empty if none.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub filter: String,
    /// Clusters that are marked or watched.
    #[serde(default, deserialize_with = "usable_items", skip_serializing_if = "Vec::is_empty")]
    pub clusters: Vec<SavedCluster>,
    /// The selection by profile; "" is no profile.
    #[serde(
        default,
        deserialize_with = "usable_values",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub selections: BTreeMap<String, Selection>,
}

/// A cluster that is marked or watched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedCluster {
    #[serde(flatten)]
    pub id: ClusterId,
    /// Distinguishes it from a later cluster with the same name, if known.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Option::is_none")]
    pub created: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub marked: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub watched: bool,
    /// Its phase as last read, if ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
}

impl SavedCluster {
    /// Whether a reading is of another cluster with the same name.
    pub fn is_replaced_by(&self, read: &Cluster) -> bool {
        !is_same_creation(self.created, read.created)
    }
}
