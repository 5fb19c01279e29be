//! The activity: records of this and earlier runs, and their list on screen.

pub mod state;
pub mod table;
pub mod text;
pub mod update;
