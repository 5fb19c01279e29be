//! One cluster's own Kubernetes API, read for the node roll: through a kubeconfig of ten minutes that is held in
//! memory only, checked before use and renewed while somebody looks. What leaves are domain values.

mod access;
mod connection;
mod control_plane;
pub mod decode;
mod error;
mod eye;
mod follow;
mod gate;
mod keeper;
pub mod kind;
mod kubeconfig;
mod lines;
mod observe;
mod second_look;
mod shelf;
pub mod store;
#[cfg(test)]
mod tests;

pub use crate::clients::kubernetes::access::{Access, Expected};
pub use crate::clients::kubernetes::connection::probe;
pub use crate::clients::kubernetes::observe::{LEAST_APART, Subject, observe};
