//! skeys: a terminal dashboard for rotating the credentials of STACKIT Kubernetes Engine clusters.
//!
//! Each module is a layer that imports only from layers below it: `cli`, then `runtime`, then `ui` and
//! `simulator`, then `app`, `clients` and `store`, then `domain` and `clock`. ARCHITECTURE.md has the plan.

mod app;
mod cli;
mod clients;
mod clock;
mod domain;
#[cfg(test)]
mod fuzz;
mod runtime;
mod simulator;
mod store;
mod ui;

pub use crate::cli::main;

/// Configuration of property tests: `cases` new cases, after the failures recorded below `tests`.
#[cfg(test)]
fn property_cases(cases: u32) -> proptest::test_runner::Config {
    use proptest::test_runner::{Config, FileFailurePersistence};
    let kept = FileFailurePersistence::SourceParallel("tests/proptest-regressions");
    Config { cases, failure_persistence: Some(Box::new(kept)), ..Config::default() }
}

/// Exports for the tests and benches of this repository; not an interface for other programs.
#[doc(hidden)]
pub mod testing {
    pub use crate::clock::Clock;

    pub mod app {
        pub use crate::app::{
            fleet, keymap, message, nodes, now, requests, settings, state, update,
        };
    }
    pub mod cli {
        pub use crate::cli::args::{
            CredentialsOf, DueFormat, Flags, Format, Goal, ReportFormat, ReportOf, WaitFor,
        };
        pub use crate::cli::commands::{credentials, doctor, due, report, wait};
        pub use crate::cli::config::{ConfigSources, load};
        pub use crate::cli::dashboard::{Dashboard, LocalSystem, Restarter, run_all};
        pub use crate::cli::watched_config::WatchedConfig;
    }
    pub mod clients {
        pub use crate::clients::{auth, http, install_crypto, kubernetes, projects, ske};
    }
    pub mod domain {
        pub use crate::domain::{
            action, cluster, credential, failure, identity, kubeconfig, lifetime, persisted,
            preflight, rotation, secret, snapshot,
        };
        pub mod roll {
            pub use crate::domain::roll::blocker::{Blocker, cause, webhooks};
            pub use crate::domain::roll::{Roll, history, tracker};
        }
    }
    pub mod runtime {
        pub use crate::runtime::Console;
        pub use crate::runtime::{clipboard, log, loop_input, notify, perform, terminal, watchdog};
    }
    pub mod simulator {
        pub use crate::simulator::{
            Simulator, SimulatorOptions, cloud, cluster, describe, faults, rules, scene, serve,
            state,
        };
    }
    pub mod store {
        pub use crate::store::{kubeconfigs, private_file, state_file};
    }
    pub mod ui {
        pub use crate::ui::{theme, view};
    }
}
