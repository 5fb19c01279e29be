//! The cluster screen and its tabs.

pub mod state;
pub mod tabs;
pub mod text;
