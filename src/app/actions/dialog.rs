//! State of the confirmation dialog for wake-up and reconcile.

use crate::app::confirmation::Confirmation;
use crate::domain::action::Trigger;
use crate::domain::cluster::ClusterId;

/// A confirmation for one action on one pinned cluster.
#[derive(Debug, Clone)]
pub struct ActionDialog {
    pub cluster: ClusterId,
    pub action: Trigger,
    pub confirmation: Confirmation,
}
