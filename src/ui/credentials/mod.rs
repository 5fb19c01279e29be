//! The credentials of a cluster: on this machine and inside it.

pub mod tab;
pub mod table;
