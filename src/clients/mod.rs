//! The outside world, one folder each. Wire types stay inside; what leaves are domain types.

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

/// Installs the one crypto library for TLS; calling it again does nothing. `main` and tests call it first.
pub fn install_crypto() {
    // A second installation is refused by rustls; the first one stays, which is what is wanted.
    let _already_there = rustls::crypto::aws_lc_rs::default_provider().install_default();
}
