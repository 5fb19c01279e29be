//! Every credential that is known for a cluster, and what a rotation does to it.

pub mod state;
pub mod table;
pub mod text;
pub mod update;
