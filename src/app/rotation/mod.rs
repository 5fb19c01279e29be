//! Starting and completing a rotation: the dialog, the sent step, and its outcome.

pub mod dialog;
pub mod findings_text;
pub mod outcome;
pub mod pending;
pub mod state;
pub mod step_text;
#[cfg(test)]
mod tests;
pub mod text;
pub mod update;
