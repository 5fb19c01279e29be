//! State of this run of the program.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::app::now::Now;
use crate::app::session::quit::QuitDialog;
use crate::app::session::window::WindowStatus;
use crate::app::settings::{SetForRun, Settings};
use crate::domain::failure::Failure;
use crate::domain::selection::{SelectedProjects, Selection};

/// State of this run of the program.
#[derive(Debug, Clone, Default)]
pub struct Session {
    /// Since when SKE has refused the token, and its message.
    pub signed_out: Option<(Timestamp, Failure)>,
    /// When the program was last suspended; cleared by the next message.
    pub suspended: Option<Now>,
    pub quit_dialog: Option<QuitDialog>,
    /// The current window title and terminal progress.
    pub window: Option<WindowStatus>,
    /// The reported problem of the changed configuration file.
    pub configuration_problem: Option<Failure>,
    pub quitting: bool,
    /// The terminal is gone or about to go.
    pub hung_up: bool,
    /// Messages to print after exit.
    pub exit_messages: Vec<String>,
    /// Reported notes about the token source, each shown once.
    pub notes: Vec<String>,
    /// When the identity was last requested (monotonic clock).
    pub identity_asked_at: Duration,
    /// When the fleet was last saved for the next run (monotonic clock).
    pub fleet_saved_at: Duration,
    /// Selections of earlier runs, by profile; "" is no profile.
    pub selections: BTreeMap<String, Selection>,
}

impl Session {
    /// The selection of this profile, except for parts set for this run.
    pub fn selection(&self, settings: &Settings) -> Selection {
        let kept = self.selections.get(settings.profile_key()).cloned().unwrap_or_default();
        let SetForRun { projects, regions } = settings.set_for_run;
        Selection {
            projects: if projects { SelectedProjects::Configured } else { kept.projects },
            region: kept.region.filter(|_| !regions),
        }
    }

    /// The selections to persist, given the current one; parts set for this run are not persisted.
    pub fn kept_selections(
        &self,
        settings: &Settings,
        selected: &Selection,
    ) -> BTreeMap<String, Selection> {
        let mut selections = self.selections.clone();
        let kept = selections.entry(settings.profile_key().to_owned()).or_default();
        let SetForRun { projects, regions } = settings.set_for_run;
        if !projects {
            kept.projects.clone_from(&selected.projects);
        }
        if !regions {
            kept.region.clone_from(&selected.region);
        }
        selections.retain(|_, selection| *selection != Selection::default());
        selections
    }
}
