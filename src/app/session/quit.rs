//! The dialog that asks whether to quit while something is pending.

use crate::app::keymap::Command;

/// Asks whether to quit while something is pending. Covers everything else, so that nothing below is lost.
#[derive(Debug, Clone)]
pub struct QuitDialog {
    pub leave: bool,
    pub why: String,
    /// The consequence of quitting.
    pub then: &'static str,
}

/// A key while the dialog is open; returns whether to quit.
pub fn key(dialog: &mut Option<QuitDialog>, command: Command) -> bool {
    let Some(open) = dialog else { return false };
    if command.is_turn() {
        open.leave = !open.leave;
        return false;
    }
    let leaves = command == Command::Open && open.leave;
    if !leaves && matches!(command, Command::Open | Command::Back) {
        *dialog = None;
    }
    leaves
}
