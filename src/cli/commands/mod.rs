//! Commands without a screen.

pub mod config;
pub mod simulate;
pub mod wait;
