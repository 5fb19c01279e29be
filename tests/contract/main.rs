//! The client and the simulator against the published API, rather than against each other.
//!
//! The fixtures are always checked. The OpenAPI files are checked if `SKEYS_OPENAPI_SKE` and
//! `SKEYS_OPENAPI_RESOURCE_MANAGER` are set; the project's CI sets them, and fails if the files are missing. The same
//! applies to the kubeconfigs in the folder `SKEYS_KUBECONFIG_CASES`.
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
