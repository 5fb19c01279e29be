//! The question before a wake-up or reconcile as data.

use crate::app::shared::Guard;
use crate::domain::action::Action;
use crate::domain::cluster::ClusterId;

/// A question with one acting button, about one pinned cluster.
#[derive(Debug, Clone)]
pub struct ActionDialog {
    pub cluster: ClusterId,
    pub action: Action,
    pub confirm: bool,
    pub guard: Guard,
}
