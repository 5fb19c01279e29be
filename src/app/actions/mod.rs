//! Wake-up and reconcile of a cluster, with a confirmation.

pub mod dialog;
pub mod text;
pub mod update;
