//! The SKE API v2.

pub mod wire;
