//! Local files that the program writes: kubeconfigs, the journal, saved state.

pub mod checklists;
pub mod exports;
pub mod files;
pub mod fleet_file;
mod inventory;
pub mod journal;
pub mod kubeconfigs;
pub mod lock;
mod lock_file;
pub mod private_file;
pub mod process;
pub mod programs;
pub mod stale_files;
pub mod state_file;
#[cfg(test)]
mod tests;
