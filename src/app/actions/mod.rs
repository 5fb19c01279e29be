//! Waking a cluster up and reconciling it, after a question.

pub mod dialog;
pub mod text;
pub mod update;
