//! Kubeconfigs that this program issued, as remembered: where they went and until when they work. Never the secret.

use jiff::Timestamp;

use crate::domain::cluster::{Cluster, ClusterId};

/// One issued kubeconfig.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// For which cluster.
    pub cluster: ClusterId,
    /// When it was issued, by our clock.
    pub issued: Timestamp,
    /// `expirationTimestamp` as the server returned it.
    pub expires: Timestamp,
    /// Where it went, in words ("~/.kube/config, context shop-prod").
    pub place: String,
}

impl Access {
    /// Whether it ended by itself.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires <= now
    }

    /// Whether it was issued before the last start, so that *complete* ends it.
    pub fn breaks_on_complete(&self, cluster: &Cluster) -> bool {
        cluster.rotation.initiated.is_some_and(|initiated| self.issued < initiated)
    }
}

/// A kubeconfig of this machine that uses a static token for a cluster: it dies at *start*.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaticToken {
    /// File.
    pub file: String,
    /// Name of the context.
    pub context: String,
}

/// The best working kubeconfig among those issued for a cluster: the one that lives longest.
pub fn best<'a>(
    issued: impl IntoIterator<Item = &'a Access>,
    cluster: &ClusterId,
    now: Timestamp,
) -> Option<&'a Access> {
    issued
        .into_iter()
        .filter(|access| access.cluster == *cluster && !access.is_expired(now))
        .max_by_key(|access| access.expires)
}
