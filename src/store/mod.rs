//! Layer 2: files of this machine that the program writes: kubeconfigs, the journal, what is kept between runs.

#[cfg(test)]
mod checks;
pub mod files;
pub mod journal;
pub mod kubeconfigs;
pub mod lock;
mod moment;
pub mod private_file;
pub mod state_file;
