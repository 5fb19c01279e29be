//! The checklist of clients outside the cluster: its tab, and the dialog that edits it.

pub mod dialog;
pub mod tab;
