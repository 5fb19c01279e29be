//! skeys: a terminal dashboard for rotating the credentials of STACKIT Kubernetes Engine clusters.
#![allow(dead_code)]

mod clients;
mod clock;
mod domain;
mod store;
