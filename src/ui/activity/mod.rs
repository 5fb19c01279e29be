//! The activity: the list, and one record in full.

pub mod records;
pub mod screen;
