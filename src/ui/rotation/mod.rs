//! The rotation tab, and the dialog for its steps.

pub mod dialog;
pub mod findings;
pub mod sentences;
pub mod stepper;
pub mod tab;
