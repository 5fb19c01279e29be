//! A kubeconfig that was issued and is nowhere yet.

use jiff::SignedDuration;

use crate::app::message::IssuedKubeconfig;
use crate::app::requests::KubeconfigRequest;

/// An expiry that is earlier than requested by more than this is reported.
const CLAMP_TOLERANCE: SignedDuration = SignedDuration::from_mins(2);

/// A kubeconfig that was issued and is nowhere yet.
#[derive(Debug, Clone)]
pub struct UnsavedKubeconfig {
    pub request: KubeconfigRequest,
    pub issued: IssuedKubeconfig,
}

impl UnsavedKubeconfig {
    /// Whether SKE granted an earlier end than was asked for.
    pub fn is_shorter_than_asked(&self) -> bool {
        self.request
            .until()
            .zip(self.issued.expires)
            .is_some_and(|(wanted, granted)| wanted.duration_since(granted) > CLAMP_TOLERANCE)
    }
}
