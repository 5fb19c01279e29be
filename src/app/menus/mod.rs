//! Lists to choose from: order, columns, what to copy, all commands.

pub mod copy;
pub mod palette;
pub mod state;
pub mod text;
pub mod update;
