//! What SKE offers in a region: Kubernetes versions and zones.

use jiff::Timestamp;

use crate::domain::cluster::KubernetesVersion;

/// Answer of `provider-options`, as far as the product shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProviderOptions {
    /// Versions that can be had, in the server's order.
    pub versions: Vec<OfferedVersion>,
    pub zones: Vec<String>,
}

/// One Kubernetes version on offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferedVersion {
    pub version: KubernetesVersion,
    /// "supported", "preview", "deprecated" or a word of the future, verbatim; empty when not stated.
    pub state: String,
    /// When support ends.
    pub expires: Option<Timestamp>,
}
