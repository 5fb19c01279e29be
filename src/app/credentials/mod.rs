//! Every known credential of a cluster, and the effect of a rotation on it.

pub mod forget;
pub mod report;
pub mod state;
pub mod table;
pub mod text;
pub mod update;
