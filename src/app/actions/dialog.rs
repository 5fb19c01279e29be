//! State of the confirmation dialog for wake-up and reconcile.

use crate::app::shared::Guard;
use crate::domain::action::Action;
use crate::domain::cluster::ClusterId;

/// A confirmation for one action on one pinned cluster.
#[derive(Debug, Clone)]
pub struct ActionDialog {
    pub cluster: ClusterId,
    pub action: Action,
    pub confirm: bool,
    pub guard: Guard,
}
