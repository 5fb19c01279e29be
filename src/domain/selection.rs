//! The part of the fleet that is listed and shown: the user narrows it to a project or region, and widens it again.

use serde::{Deserialize, Serialize};

use crate::domain::cluster::{ProjectId, Region};

/// The selected projects and regions.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub struct Selection {
    pub projects: SelectedProjects,
    /// Only this region; `None`: all.
    pub region: Option<Region>,
}

/// The selected projects.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum SelectedProjects {
    /// The configured ones; all if none are configured.
    #[default]
    Configured,
    /// Also those that are not configured, if the account may list their clusters.
    All,
    One(ProjectId),
}

/// Serialized form of a selection.
#[derive(Serialize, Deserialize)]
struct Written {
    /// Whether projects that are not configured are also selected.
    #[serde(default)]
    all: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    project: Option<ProjectId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    region: Option<Region>,
}

impl From<Written> for Selection {
    fn from(Written { all, project, region }: Written) -> Self {
        let all = if all { SelectedProjects::All } else { SelectedProjects::Configured };
        Self { projects: project.map_or(all, SelectedProjects::One), region }
    }
}

impl From<Selection> for Written {
    fn from(Selection { projects, region }: Selection) -> Self {
        let all = projects == SelectedProjects::All;
        let project = match projects {
            SelectedProjects::One(id) => Some(id),
            SelectedProjects::Configured | SelectedProjects::All => None,
        };
        Self { all, project, region }
    }
}
