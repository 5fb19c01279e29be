//! What the screen of one cluster keeps beside which cluster and tab it shows.

use std::time::Duration;

/// What the screen of one cluster keeps.
#[derive(Debug, Clone, Default)]
pub struct ClusterView {
    /// When the cluster is read next, on the monotonic clock.
    pub due: Duration,
    /// First line on screen of the overview and the rotation.
    pub scroll: usize,
}
