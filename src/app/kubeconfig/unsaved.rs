//! A kubeconfig that is issued but undelivered.

use jiff::SignedDuration;

use crate::app::message::IssuedKubeconfig;
use crate::app::requests::KubeconfigRequest;

/// Tolerance before an expiry that is earlier than requested is reported.
const CLAMP_TOLERANCE: SignedDuration = SignedDuration::from_mins(2);

/// A kubeconfig that is issued but undelivered.
#[derive(Debug, Clone)]
pub struct UnsavedKubeconfig {
    pub request: KubeconfigRequest,
    pub issued: IssuedKubeconfig,
}

impl UnsavedKubeconfig {
    /// Whether SKE granted an earlier expiry than requested.
    pub fn is_shorter_than_asked(&self) -> bool {
        self.request
            .until()
            .zip(self.issued.expires)
            .is_some_and(|(wanted, granted)| wanted.duration_since(granted) > CLAMP_TOLERANCE)
    }
}
