//! The Kubernetes API of each simulated cluster, over TLS.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "kinds of objects that a request does not concern are not listed"
)]

mod authenticate;
mod authorize;
pub mod body;
mod change_objects;
mod config_maps;
mod discovery;
mod field_error;
mod handler;
mod json;
pub mod listener;
mod object_view;
mod object_writer;
mod options;
mod patch;
pub mod ports;
mod protobuf;
mod read_objects;
mod render;
mod render_node;
mod render_pod;
mod request;
mod resources;
mod review;
mod scale;
mod selectors;
mod status;
mod table;
mod tls;
mod user;
mod validation;
mod watch;
