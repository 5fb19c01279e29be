//! Commands without a screen.

pub mod config;
pub mod credentials;
pub mod simulate;
pub mod wait;
