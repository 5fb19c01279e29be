//! The question whether to quit while something is pending.

use crate::app::keymap::Command;

/// Something is pending: quit anyway? The dialog covers everything else, so that nothing below is lost.
#[derive(Debug, Clone)]
pub struct QuitDialog {
    pub leave: bool,
    pub why: String,
    /// What becomes of it.
    pub then: &'static str,
}

/// A key while it is asked; says whether to leave.
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
