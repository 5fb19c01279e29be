//! What this run of the program knows of itself.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::app::now::Now;
use crate::app::session::quit::QuitDialog;
use crate::app::session::window::WindowStatus;
use crate::app::settings::{SetForRun, Settings};
use crate::domain::failure::Failure;
use crate::domain::selection::{SelectedProjects, Selection};

/// What this run of the program knows of itself.
#[derive(Debug, Clone, Default)]
pub struct Session {
    /// Since when SKE refuses our token, and its words.
    pub signed_out: Option<(Timestamp, Failure)>,
    /// When the program last went to the background, until something comes after that.
    pub suspended: Option<Now>,
    pub quit_dialog: Option<QuitDialog>,
    /// What window title and terminal progress say of the watched clusters.
    pub window: Option<WindowStatus>,
    /// What is wrong with the configuration file since it changed, as it was told.
    pub configuration_problem: Option<Failure>,
    pub quitting: bool,
    /// The terminal is gone, or is going.
    pub hung_up: bool,
    /// What is to be said after the end of the program.
    pub last_words: Vec<String>,
    /// What was said of the source of the token, each once.
    pub notes: Vec<String>,
    /// When account and expiry were last asked for, on the monotonic clock.
    pub identified: Duration,
    /// When the fleet was last kept for the next run, on the monotonic clock.
    pub fleet_kept: Duration,
    /// What earlier runs selected, by profile; "" is none.
    pub selections: BTreeMap<String, Selection>,
}

impl Session {
    /// What was selected in this profile; not used where something is set for this run.
    pub fn selection(&self, settings: &Settings) -> Selection {
        let kept = self.selections.get(settings.profile_key()).cloned().unwrap_or_default();
        let SetForRun { projects, regions } = settings.set_for_run;
        Selection {
            projects: if projects { SelectedProjects::Configured } else { kept.projects },
            region: kept.region.filter(|_| !regions),
        }
    }

    /// What is kept for the next run while this is selected: what is set for this run alone is not.
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
