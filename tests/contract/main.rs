//! The client and the simulator against the API as it is published, not against each other.
//!
//! The fixtures are always checked. The OpenAPI files are checked where `SKEYS_OPENAPI_SKE` and
//! `SKEYS_OPENAPI_RESOURCE_MANAGER` name them; the project's CI does, and fails when they are missing.
//! So it is with the kubeconfigs in the folder that `SKEYS_KUBECONFIG_CASES` names.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests say what went wrong by panicking"
)]

mod fixtures;
mod kubeconfig_variable;
mod kubeconfigs;
mod openapi;
mod published;
mod rules;
