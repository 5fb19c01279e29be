//! The state of the dashboard, the messages that change it, and the effects it requests. One folder per feature. Pure:
//! no files, no network, no clock; time arrives with messages.

pub mod actions;
pub mod activity;
pub mod availability;
pub mod cell;
pub mod checklist;
pub mod cluster;
pub mod commands;
pub mod configuration;
pub mod confirmation;
pub mod context;
pub mod credentials;
pub mod effect;
pub mod ending;
#[cfg(test)]
mod endurance;
pub mod event;
pub mod fleet;
pub mod help;
pub mod keymap;
pub mod kubeconfig;
pub mod log;
pub mod menus;
pub mod message;
pub mod motion;
pub mod mouse;
pub mod nodes;
pub mod notices;
pub mod now;
pub mod outage;
pub mod overlays;
#[cfg(test)]
mod properties;
pub mod requests;
pub mod rotation;
pub mod screen;
pub mod search;
pub mod session;
pub mod settings;
pub mod shared;
pub mod state;
pub mod text;
pub mod text_field;
pub mod texts;
pub mod update;
