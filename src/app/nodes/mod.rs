//! The nodes of clusters, observed through the clusters' own Kubernetes API.
//!
//! Observing a cluster takes an admin kubeconfig of ten minutes, so that only those are observed that are needed:
//! the one on screen while its nodes matter, and those whose nodes roll, up to a bound.

pub mod blocker_text;
pub mod observed;
pub mod observing;
pub mod state;
pub mod table;
#[cfg(test)]
mod tests;
pub mod text;
pub mod update;
