//! The checklist of a cluster: clients that no program can find, and whether each has new credentials.

pub mod state;
pub mod table;
pub mod text;
pub mod update;
