//! The screen of one cluster: its tabs.

pub mod state;
pub mod tabs;
pub mod text;
