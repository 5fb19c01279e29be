//! The question before a wake-up or reconcile.

pub mod dialog;
