//! Commands without a screen.

pub mod config;
pub mod credentials;
pub mod doctor;
pub mod due;
pub mod first_start;
pub mod guided_setup;
pub mod report;
pub mod simulate;
mod table;
pub mod wait;
