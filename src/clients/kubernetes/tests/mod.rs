//! Observing a cluster over TLS: events, their order, and the requests.

mod access;
mod api;
mod cluster;
mod credentials;
mod lists;
mod observer;
mod watches;
