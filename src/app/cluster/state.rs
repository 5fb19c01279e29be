//! View state of the cluster screen, beyond the displayed cluster and tab.

use std::time::Duration;

/// View state of the cluster screen.
#[derive(Debug, Clone, Default)]
pub struct ClusterView {
    /// When the cluster is read next (monotonic clock).
    pub due: Duration,
    /// First visible line of the overview and the rotation tab.
    pub scroll: usize,
}
