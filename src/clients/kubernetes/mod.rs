//! One cluster's own Kubernetes API, read for the node roll: through a kubeconfig valid for ten minutes that is held in
//! memory only, checked before use and renewed while the cluster is observed. Exposes domain values only.

mod access_policy;
mod checked_kubeconfig;
mod checklist;
mod connection;
mod connection_manager;
mod context;
mod control_plane;
pub mod decode;
mod error;
mod handshake;
mod lines;
mod object_cache;
mod observe;
pub mod resources;
pub mod store;
#[cfg(test)]
mod tests;
mod trial;
mod watcher;

pub use crate::clients::kubernetes::checked_kubeconfig::{ExpectedServer, check_server};
pub use crate::clients::kubernetes::checklist::ChecklistRequest;
pub use crate::clients::kubernetes::observe::{ObserverTarget, observe, observe_and_write};
pub use crate::clients::kubernetes::trial::{TriedContext, TriedFile, try_credential};
