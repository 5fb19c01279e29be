//! What is kept between runs: issued kubeconfigs, what is selected, the look of the table, marks and watches; never a
//! secret.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::domain::cluster::{Cluster, ClusterId, is_same_creation};
use crate::domain::credential::Credentials;
use crate::domain::rotation::Phase;
use crate::domain::selection::Selection;

/// What is kept between runs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PersistedState {
    pub credentials: Credentials,
    pub theme: Option<String>,
    /// Ids of the chosen columns; empty means all.
    pub columns: Vec<String>,
    /// Sort key.
    pub sort: Option<String>,
    /// Whether the order is reversed.
    pub reversed: bool,
    /// Filter of the fleet; empty means none.
    pub filter: String,
    /// Clusters that are marked or watched.
    pub clusters: Vec<KeptCluster>,
    /// What the fleet was narrowed to, by the profile in which that was chosen; "" is no profile.
    pub selections: BTreeMap<String, Selection>,
}

/// A cluster that is marked or watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptCluster {
    pub id: ClusterId,
    /// Distinguishes it from a later cluster under its name, where it is known.
    pub created: Option<Timestamp>,
    pub marked: bool,
    pub watched: bool,
    /// Its phase when it was last read, if it ever was.
    pub phase: Option<Phase>,
}

impl KeptCluster {
    /// Whether a reading is of another cluster under its name.
    pub fn is_replaced_by(&self, read: &Cluster) -> bool {
        !is_same_creation(self.created, read.created)
    }
}
