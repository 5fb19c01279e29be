//! Pure types and rules. No clock, no files, no network, no wire format of a server.

pub mod action;
pub mod age;
pub mod age_policy;
pub mod api_call;
pub mod attention;
pub mod backoff;
pub mod checklist;
pub mod cluster;
pub mod credential;
pub mod due;
pub mod failure;
#[cfg(test)]
pub mod fixtures;
pub mod identity;
pub mod known_checklist;
pub mod kubeconfig;
pub mod kubectl;
pub mod last_known;
pub mod lenient;
pub mod lifetime;
pub mod misplaced_secret;
pub mod permissions;
pub mod persisted;
pub mod preflight;
pub mod record;
pub mod roll;
pub mod rotation;
pub mod rotation_report;
pub mod secret;
pub mod selection;
pub mod shell;
pub mod snapshot;
pub mod table;
pub mod text;
