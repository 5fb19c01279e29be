//! What this run of the program knows of itself.

use std::time::Duration;

use jiff::Timestamp;

use crate::app::now::Now;
use crate::app::session::quit::QuitDialog;
use crate::app::session::window::WindowStatus;
use crate::domain::failure::Failure;

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
    /// When the fleet was last kept for the next run, on the monotonic clock.
    pub fleet_kept: Duration,
}
