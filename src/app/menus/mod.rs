//! List menus: sort order, columns, copy, commands.

pub mod choices;
pub mod copy;
pub mod export;
pub mod palette;
pub mod scope;
pub mod state;
pub mod text;
pub mod update;
