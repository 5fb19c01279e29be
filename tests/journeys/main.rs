//! Journeys: keys in, screen out, real HTTP to the simulator, a manual clock.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::disallowed_methods,
    reason = "tests say what went wrong by panicking, and wait for the machine in real milliseconds"
)]

mod notifications;
mod simulated_cluster;
mod support;

mod checklist;
mod clipboard;
mod configuration;
mod credentials;
mod discovery;
mod endurance;
mod export;
mod hostile;
mod identity;
mod kept;
mod kubeconfig;
mod nodes;
mod observing;
mod outage;
mod pictures;
mod recording;
mod rotation;
mod scope;
mod screens;
mod stuck;
