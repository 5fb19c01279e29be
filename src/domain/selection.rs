//! What of the fleet is listed and shown: a person narrows it to a project or a region, and widens it again.

use crate::domain::cluster::{ProjectId, Region};

/// The projects and regions that are listed and shown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selection {
    pub projects: SelectedProjects,
    /// Only this region; `None` is all.
    pub region: Option<Region>,
}

/// The projects that are listed and shown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum SelectedProjects {
    /// Those that are configured; all, where none are.
    #[default]
    Configured,
    /// Also those that are not configured and in which the account may list clusters.
    All,
    One(ProjectId),
}
