//! The dialog of a rotation step as data.

use jiff::Timestamp;
use tui_input::Input;

use crate::app::requests::RequestId;
use crate::app::shared::Guard;
use crate::domain::cluster::Cluster;
use crate::domain::failure::Failure;
use crate::domain::preflight::{Evidence, Finding, findings};
use crate::domain::rotation::Step;

/// The dialog of a rotation step. It is about one pinned cluster, whatever moves beneath it.
#[derive(Debug, Clone)]
pub struct RotationDialog {
    pub step: Step,
    /// The cluster as the person sees it here; compared with a new reading before anything is sent.
    pub shown: Cluster,
    pub evidence: Evidence,
    pub findings: Vec<Finding>,
    /// Reads that began up to this one do not count as a check.
    pub ignore_reads_through: RequestId,
    /// When the cluster was last read for this dialog; `None` until the first reading came.
    pub checked: Option<Timestamp>,
    /// Whether the name must be typed.
    pub wants_name: bool,
    pub typed: Input,
    /// Why the typed text was not taken.
    pub typed_note: Option<String>,
    /// What *complete* breaks, as the person accepted it.
    pub accepted: Vec<Finding>,
    pub focus: Focus,
    pub stage: RotationDialogStage,
    /// Begins with each stage: a held-down key must not confirm.
    pub guard: Guard,
    /// Rows of text above what is drawn, when it does not fit.
    pub scroll: usize,
}

/// Which of two buttons, the text field, or the box to tick has the focus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Focus {
    Name,
    /// Accepting what breaks.
    Accept,
    Cancel,
    Confirm,
}

/// How far a rotation dialog is.
#[derive(Debug, Clone)]
pub enum RotationDialogStage {
    /// Waiting for the first reading.
    Checking,
    /// Waiting for the person.
    Asking,
    /// What it shows is no longer so; the person must look again and then confirm.
    Changed(String),
    Sending,
    /// No clear answer came; reading back.
    Unclear,
    /// Refused, or failed without effect. Stays until dismissed.
    Failed(Failure),
    /// It ended; the sentence says how.
    Settled(String),
}

impl RotationDialogStage {
    /// Whether nothing was confirmed yet.
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Checking | Self::Asking | Self::Changed(_))
    }

    /// Whether there is nothing left to do but to close it.
    pub fn is_ended(&self) -> bool {
        matches!(self, Self::Failed(_) | Self::Settled(_))
    }
}

impl RotationDialog {
    /// Runs the preflight again.
    pub fn update_findings(&mut self, now: Timestamp) {
        self.findings = findings(self.step, &self.shown, &self.evidence, now);
    }

    /// What the step is known to break.
    pub fn breaking(&self) -> Vec<Finding> {
        self.findings.iter().filter(|finding| finding.breaks()).cloned().collect()
    }

    /// Whether the person has accepted everything that the step breaks now.
    pub fn is_accepted(&self) -> bool {
        self.accepted == self.breaking()
    }

    /// Whether nothing is missing to send the step.
    pub fn is_ready(&self) -> bool {
        let is_named = !self.wants_name || self.typed.value() == self.shown.id.name.as_str();
        is_named && self.is_accepted() && !matches!(self.stage, RotationDialogStage::Checking)
    }

    /// Another stage begins, in which nothing is confirmed by a key that was pressed before.
    pub fn enter(&mut self, stage: RotationDialogStage, guard: Guard) {
        self.stage = stage;
        self.focus = Focus::Cancel;
        self.guard = guard;
    }

    /// Forgets what was typed and puts the focus back: a new decision begins.
    pub fn reset(&mut self, guard: Guard) {
        self.guard = guard;
        self.focus = Focus::Cancel;
        self.typed = Input::default();
        self.typed_note = None;
        self.accepted = Vec::new();
    }

    /// Moves the focus to the next or the previous place.
    pub fn step_focus(&mut self, forward: bool) {
        let has_place = |place: &Focus| match place {
            Focus::Name => self.wants_name,
            Focus::Accept => self.findings.iter().any(Finding::breaks),
            Focus::Cancel | Focus::Confirm => true,
        };
        let places = [Focus::Name, Focus::Accept, Focus::Cancel, Focus::Confirm];
        let places: Vec<Focus> = places.into_iter().filter(has_place).collect();
        self.focus = crate::app::motion::neighbour(&places, self.focus, forward);
    }
}
