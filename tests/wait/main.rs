//! `skeys wait` in this process: real HTTP to the simulator, a manual clock, output read as it is written.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests say what went wrong by panicking, and wait for the machine in real milliseconds"
)]

mod support;

mod exit;
mod nodes;
mod outage;
mod phases;
mod target;
