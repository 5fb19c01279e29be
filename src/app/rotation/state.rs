//! What is known of rotations beside what SKE shows: the open dialog, and steps that were sent.

use jiff::SignedDuration;

use crate::app::rotation::dialog::RotationDialog;
use crate::app::rotation::pending::PendingSteps;
use crate::app::shared::Shared;
use crate::domain::cluster::ClusterId;
use crate::domain::credential::Credentials;

/// The open dialog, and steps that were sent.
#[derive(Debug, Clone, Default)]
pub struct RotationState {
    pub dialog: Option<Box<RotationDialog>>,
    /// Steps that were sent and are not settled, one per cluster at most.
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

    /// Other kubeconfigs are known: the open dialog judges again.
    pub fn credentials_changed(
        &mut self,
        credentials: &Credentials,
        skew: SignedDuration,
        shared: &Shared,
    ) {
        if let Some(dialog) = &mut self.dialog {
            dialog.evidence.credentials = credentials.of(&dialog.shown);
            dialog.evidence.skew = skew;
            dialog.update_findings(shared.now.wall);
        }
    }
}
