//! Which rotation of which cluster a history is about.

use jiff::Timestamp;

use crate::domain::cluster::{Cluster, ClusterId};

/// Which rotation of which cluster is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    pub id: ClusterId,
    /// `status.creationTime`.
    pub created: Option<Timestamp>,
    /// `lastInitiationTime`.
    pub initiated: Option<Timestamp>,
}

impl Subject {
    /// The rotation that a reading shows.
    pub fn of(cluster: &Cluster) -> Self {
        let initiated = cluster.rotation.initiated;
        Self { id: cluster.id.clone(), created: cluster.created, initiated }
    }

    /// The same rotation of the same cluster, not of one made anew under its name.
    pub fn is_rotation(&self, other: &Self) -> bool {
        let known = self.created.is_some() && other.created.is_some();
        let same = !known || self.created == other.created;
        self.id == other.id && same && self.initiated == other.initiated
    }
}
