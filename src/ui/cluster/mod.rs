//! One cluster: its tabs.

pub mod overview;
pub mod screen;
