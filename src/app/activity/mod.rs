//! What happened in this run and before: the records, and the list of them on screen.

pub mod state;
pub mod table;
pub mod text;
pub mod update;
