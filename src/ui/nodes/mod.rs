//! The nodes of a cluster, one by one, and how far its roll is.

pub mod node;
pub mod roll;
pub mod tab;
pub mod timeline;
