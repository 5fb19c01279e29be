//! The dialog that asks whether to quit while something is pending.

use crate::app::confirmation::Confirmation;

/// Asks whether to quit while something is pending. Covers everything else, so that nothing below is lost.
#[derive(Debug, Clone)]
pub struct QuitDialog {
    pub confirmation: Confirmation,
    pub why: String,
    /// The consequence of quitting.
    pub then: &'static str,
}
