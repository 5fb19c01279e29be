//! Kubeconfigs: what the server returned, where one can go, and how one is merged into a file that a person keeps.

mod document;
mod emit;
mod fresh;
mod merge;
mod plan;
mod tokens;
mod whose;

pub use crate::domain::kubeconfig::document::MAX_BYTES;
pub use crate::domain::kubeconfig::fresh::{Fresh, Kind, renamed};
pub use crate::domain::kubeconfig::merge::{MergeOptions, MergeRefusal, merge, survey, whose_file};
pub use crate::domain::kubeconfig::plan::{Destination, NotSaved, Plan, Saved};
pub use crate::domain::kubeconfig::tokens::static_tokens;
pub use crate::domain::kubeconfig::whose::{Known, Whose};
