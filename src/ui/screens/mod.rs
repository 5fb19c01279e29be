//! One file per screen.

pub mod activity;
pub mod cluster;
pub mod fleet;
pub mod help;
pub mod nodes;
