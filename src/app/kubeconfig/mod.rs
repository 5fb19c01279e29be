//! Issuing kubeconfigs: the form, the request, delivery to a file, the clipboard or standard output, and in-place
//! renewal of entries.

pub mod delivery;
pub mod destination;
pub mod form;
pub mod names;
pub mod renew;
pub mod renewal;
pub mod state;
pub mod text;
pub mod unsaved;
pub mod update;
