//! Lists to choose from.

pub mod list;
