//! The simulated Kubernetes API through real TLS, with kube-rs as the client.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests say what went wrong by panicking, and wait for the machine in real milliseconds"
)]

mod support;

mod cloud_api;
mod credentials;
mod doctor;
mod due;
mod faults;
mod kubectl;
mod lists;
mod refusals;
mod sign_in;
mod verdicts;
mod watches;
mod writes;
