//! All clusters: the table, and the cluster under the cursor beside it.

pub mod preview;
pub mod screen;
pub mod table;
