//! The question whether to leave.

pub mod quit;
