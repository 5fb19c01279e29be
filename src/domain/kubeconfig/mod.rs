//! Kubeconfigs: as issued by SKE, their destinations, and merging into the user's file.

mod changes;
mod contexts;
#[cfg(test)]
mod contexts_tests;
mod document;
mod emit;
mod entry_owner;
mod listed_files;
mod merge;
mod parsed;
mod plan;
mod shape;
mod splice;

pub use crate::domain::kubeconfig::changes::{ChangedLine, sum_of};
pub use crate::domain::kubeconfig::contexts::{
    KubeconfigEntries, check_token, read_entries, read_token, resolve, token_alone, token_facts,
};
pub use crate::domain::kubeconfig::document::MAX_BYTES;
pub use crate::domain::kubeconfig::entry_owner::{
    ClusterIdentity, EntryOwner, is_address_of, name_in_address, server_address,
};
pub use crate::domain::kubeconfig::listed_files::{ListedEntries, ListedFile, survey_listed};
pub use crate::domain::kubeconfig::merge::{
    MergeOptions, MergeQuery, combine_owners, contents_of_file, merge, survey,
};
pub use crate::domain::kubeconfig::parsed::{
    InvalidKubeconfig, KubeconfigKind, ParsedKubeconfig, check_context_name, renamed,
};
pub use crate::domain::kubeconfig::plan::{FileTarget, NotSaved, Plan, Saved};
