//! The cluster screen and its tabs.

pub mod overview;
pub mod screen;
