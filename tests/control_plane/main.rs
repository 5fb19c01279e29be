//! The real Kubernetes control plane beside the simulator. Needs etcd and kube-apiserver in the folder that
//! `KUBEBUILDER_ASSETS` names; CONTRIBUTING says how to get them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "tests say what went wrong by panicking, start programs, and wait for them in real milliseconds"
)]

mod answers;
mod comparison;
mod real_server;
mod requests;
mod server;
mod simulated_server;
