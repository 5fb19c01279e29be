//! The Kubernetes API of each simulated cluster, over TLS.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "kinds of objects that a request does not concern are not listed"
)]

mod authenticate;
mod change_objects;
mod discovery;
mod handler;
mod json;
pub mod listener;
mod object_view;
mod object_writer;
pub mod ports;
mod protobuf;
mod read_objects;
mod render;
mod render_node;
mod render_pod;
mod request;
mod resources;
mod review;
mod selectors;
mod status;
mod table;
mod tls;
mod watch;
