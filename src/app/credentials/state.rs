//! What the kubeconfig files of this machine hold, and the place in the list of a cluster's credentials.

use std::sync::Arc;

use crate::domain::credential::FoundFile;

/// What the kubeconfig files of this machine hold.
#[derive(Debug, Clone, Default)]
pub struct InventoryState {
    /// `None` until they were read.
    pub files: Option<Arc<Vec<FoundFile>>>,
    /// Row under the cursor of the credentials tab.
    pub cursor: usize,
}

impl InventoryState {
    /// Another cluster or tab begins at its first row.
    pub fn rewind(&mut self) {
        self.cursor = 0;
    }
}
