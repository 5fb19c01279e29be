//! What is kept between runs: issued kubeconfigs and the look of the table; never a secret.

use crate::domain::access::Access;

/// What is kept between runs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Kept {
    /// Kubeconfigs that were issued.
    pub accesses: Vec<Access>,
    /// Word of the theme.
    pub theme: Option<String>,
    /// Ids of the chosen columns; empty means all.
    pub columns: Vec<String>,
    /// Sort key.
    pub sort: Option<String>,
}
