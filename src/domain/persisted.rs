//! What is kept between runs: issued kubeconfigs and the look of the table; never a secret.

use crate::domain::credential::Credentials;

/// What is kept between runs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PersistedState {
    pub credentials: Credentials,
    pub theme: Option<String>,
    /// Ids of the chosen columns; empty means all.
    pub columns: Vec<String>,
    /// Sort key.
    pub sort: Option<String>,
}
