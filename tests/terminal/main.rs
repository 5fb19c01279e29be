//! The built binary in a pseudo-terminal: it restores the terminal, however it ends.
//!
//! Waits have generous timeouts and end as soon as their condition is met.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests say what went wrong by panicking, and wait for another process in real time"
)]

mod support;

mod clipboard;
mod display;
mod exit;
mod files;
mod guided_setup;
mod hostile;
mod limits;
mod profiles;
mod proxy;
mod readme;
mod sign_in;
mod wait;
