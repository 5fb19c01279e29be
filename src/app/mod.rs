//! Floor 2: the machine. `State`, `Message`, `Effect`, the keymap, and `update`, the only place where state changes.
//! Pure: no files, no network, no clock; time arrives with messages.

pub mod availability;
pub mod columns;
pub mod dialog;
pub mod effect;
pub mod filter;
pub mod fleet;
pub mod keymap;
pub mod message;
pub mod observation;
pub mod requests;
pub mod settings;
pub mod state;
pub mod status;
pub mod update;
