//! The confirmation dialog before leaving.

pub mod quit;
