//! Which rotation of which cluster a history is about, and how far it was seen to be.

use jiff::Timestamp;

use crate::domain::cluster::{Cluster, ClusterId};
use crate::domain::rotation::Phase;

/// Which rotation of which cluster is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// Address.
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

    /// The same cluster, not one made anew under its name.
    pub fn is_cluster(&self, other: &Self) -> bool {
        let known = self.created.is_some() && other.created.is_some();
        self.id == other.id && (!known || self.created == other.created)
    }
}

/// The later of two phases of one rotation; a phase nobody knows is taken as it is said.
pub fn furthest(known: &Phase, said: &Phase) -> Phase {
    let unknown = matches!(known, Phase::Unknown(_)) || matches!(said, Phase::Unknown(_));
    if !unknown && known.order() > said.order() { known.clone() } else { said.clone() }
}
