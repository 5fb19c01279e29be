//! Layer 2: files of this machine that the program writes: kubeconfigs, the journal, what is kept between runs.

pub mod bounded;
#[cfg(test)]
mod checks;
pub mod journal;
pub mod kubeconfigs;
mod moment;
pub mod private_file;
pub mod state_file;
