//! The real Kubernetes control plane: compared with the simulator, and used by the built program while a test emulates
//! SKE, the machine controller and the kubelets. Requires etcd, kube-apiserver, kube-controller-manager and
//! kube-scheduler in the folder `KUBEBUILDER_ASSETS`; see CONTRIBUTING for how to get them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::explicit_write,
    reason = "tests say what went wrong by panicking, start programs, and wait for them in real milliseconds"
)]

mod admission;
mod answers;
mod authority;
mod cluster;
mod compaction;
mod comparison;
mod decoded;
mod evictions;
mod kubeconfigs;
mod machines;
mod matrix;
mod outage;
mod processes;
mod real_server;
mod requests;
mod rotation;
mod screen;
mod server;
mod simulated_server;
mod situations;
mod size;
mod ske;
mod stuck;
#[path = "../terminal/support.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod terminal;
mod webhook;
mod workloads;
