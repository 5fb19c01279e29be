//! Issuing kubeconfigs: the form, the request, the way to a file, the clipboard or standard output, and the renewal of
//! entries in their places.

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
