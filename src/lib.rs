//! skeys: a terminal dashboard for rotating the credentials of STACKIT Kubernetes Engine clusters.
//!
//! Each module is a floor that imports only from floors below it: `cli`, then `runtime`, then `ui` and
//! `simulator`, then `app`, `clients` and `store`, then `domain` and `clock`. ARCHITECTURE.md has the plan.

mod app;
mod cli;
mod clients;
mod clock;
mod domain;
mod runtime;
mod simulator;
mod store;
mod ui;

pub use crate::cli::main;

/// The one door for the tests and benches of this repository; not an interface for other programs.
#[doc(hidden)]
pub mod testing {
    pub use crate::{app, clients, clock, domain, runtime, simulator, store, ui};
}
