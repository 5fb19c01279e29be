//! Widgets shared by several features.

pub mod button;
pub mod dialog;
pub mod facts;
pub mod footer;
pub mod header;
pub mod notices;
pub mod scrollbar;
