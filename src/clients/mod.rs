//! The outside world, one folder each. Wire types stay inside; only domain types are exposed.

mod api;
pub mod auth;
mod compute;
pub mod discovery;
mod error_chain;
pub mod http;
pub mod kubernetes;
mod list_body;
pub mod projects;
mod redact;
pub mod request;
pub mod request_log;
mod response;
#[cfg(test)]
mod scripted;
pub mod ske;

/// Installs the only crypto provider for TLS; repeated calls are no-ops. `main` and tests call it first.
pub fn install_crypto() {
    // rustls rejects a second installation and keeps the first.
    let _already_there = rustls::crypto::aws_lc_rs::default_provider().install_default();
}
