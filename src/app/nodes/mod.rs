//! The nodes of clusters, observed through the clusters' own Kubernetes API.
//!
//! Observing a cluster takes an admin kubeconfig valid for ten minutes, so only clusters that need it are observed, up
//! to a limit: the one on screen while its nodes matter, and those whose nodes roll.

pub mod blocker_text;
pub mod observed;
pub mod observing;
pub mod state;
pub mod table;
#[cfg(test)]
mod tests;
pub mod text;
pub mod update;
