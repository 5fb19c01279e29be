//! The nodes of a cluster, and the progress of its roll.

pub mod node;
pub mod roll;
pub mod tab;
pub mod timeline;
