//! The confirmation dialog for wake-up and reconcile.

pub mod dialog;
