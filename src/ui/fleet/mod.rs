//! The fleet: the table, and a preview of the cluster under the cursor.

pub mod preview;
pub mod screen;
pub mod table;
