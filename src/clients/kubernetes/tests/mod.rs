//! A whole look at a cluster over TLS: what is told, in which order, and what is sent for it.

mod access;
mod api;
mod cluster;
mod credentials;
mod lists;
mod view;
mod watches;
