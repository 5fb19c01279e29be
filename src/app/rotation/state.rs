//! State of rotations beyond the readings: the open dialog, and sent steps.

use crate::app::rotation::dialog::RotationDialog;
use crate::app::rotation::pending::PendingSteps;
use crate::domain::cluster::ClusterId;

/// The open dialog, and sent steps.
#[derive(Debug, Clone, Default)]
pub struct RotationState {
    pub dialog: Option<Box<RotationDialog>>,
    /// Sent but unsettled steps, at most one per cluster.
    pub pending: PendingSteps,
}

impl RotationState {
    /// The dialog, if it is about this cluster.
    pub fn dialog_about(&mut self, id: &ClusterId) -> Option<&mut RotationDialog> {
        self.dialog.as_deref_mut().filter(|dialog| dialog.shown.id == *id)
    }

    /// Closes the dialog, if it is about this cluster.
    pub fn close_about(&mut self, id: &ClusterId) {
        self.dialog.take_if(|dialog| dialog.shown.id == *id);
    }
}
