//! Issuing kubeconfigs: the form, the request, and the way to a file, the clipboard or standard output.

pub mod delivery;
pub mod destination;
pub mod form;
pub mod names;
pub mod state;
pub mod text;
pub mod unsaved;
pub mod update;
