//! What is kept between runs: issued kubeconfigs, what is selected and the look of the table; never a secret.

use std::collections::BTreeMap;

use crate::domain::credential::Credentials;
use crate::domain::selection::Selection;

/// What is kept between runs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PersistedState {
    pub credentials: Credentials,
    pub theme: Option<String>,
    /// Ids of the chosen columns; empty means all.
    pub columns: Vec<String>,
    /// Sort key.
    pub sort: Option<String>,
    /// What the fleet was narrowed to, by the profile in which that was chosen; "" is no profile.
    pub selections: BTreeMap<String, Selection>,
}
