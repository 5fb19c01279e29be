//! State of the dialog for a rotation step.

use jiff::Timestamp;
use tui_input::Input;

use crate::app::requests::RequestId;
use crate::app::shared::Guard;
use crate::domain::cluster::Cluster;
use crate::domain::failure::Failure;
use crate::domain::preflight::{Evidence, Finding, findings};
use crate::domain::rotation::Step;

/// The dialog for a rotation step. Its cluster is pinned, whatever happens to the fleet.
#[derive(Debug, Clone)]
pub struct RotationDialog {
    pub step: Step,
    /// The cluster as shown to the user; compared with a new reading before anything is sent.
    pub shown: Cluster,
    pub evidence: Evidence,
    pub findings: Vec<Finding>,
    /// When the findings were evaluated; `None` if the cluster has changed since.
    pub evaluated: Option<Timestamp>,
    /// Reads up to this one started too early to count as a check.
    pub ignore_reads_through: RequestId,
    /// When the cluster was last read for this dialog; `None` before the first reading.
    pub checked: Option<Timestamp>,
    /// Whether the name has to be typed.
    pub wants_name: bool,
    pub typed: Input,
    /// Why the typed text was rejected.
    pub typed_note: Option<String>,
    /// The breaking findings that the user accepted.
    pub accepted: Vec<Finding>,
    pub focus: Focus,
    pub stage: RotationDialogStage,
    /// Renewed with each stage: a held-down key must not confirm.
    pub guard: Guard,
    /// Whether SKE, or a server before it, refused the step.
    pub was_refused: bool,
    /// Scroll offset, if the text does not fit.
    pub scroll: usize,
}

/// Focus: the text field, the checkbox, or one of two buttons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Focus {
    Name,
    /// The checkbox that accepts breaking findings.
    Accept,
    Cancel,
    Confirm,
}

/// Stage of the dialog.
#[derive(Debug, Clone)]
pub enum RotationDialogStage {
    /// Waiting for the first reading.
    Reading,
    /// Waiting for the user.
    Confirming,
    /// The shown state is outdated; the user has to look again before confirming.
    Changed(String),
    Sending,
    /// Sent without a clear answer; reading back.
    ReadingBack,
    /// Refused, or failed without effect. Stays until dismissed.
    Failed(Failure),
    /// The outcome, as a sentence.
    Done(String),
}

impl RotationDialogStage {
    /// Whether nothing has been confirmed yet.
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Reading | Self::Confirming | Self::Changed(_))
    }

    /// Whether closing is the only remaining action.
    pub fn is_ended(&self) -> bool {
        matches!(self, Self::Failed(_) | Self::Done(_))
    }
}

impl RotationDialog {
    /// Runs the preflight again if the evidence, the cluster or the second has changed.
    pub fn evaluate(&mut self, evidence: Evidence, now: Timestamp) {
        let is_current = |at: Timestamp| at.as_second() == now.as_second();
        if !self.evaluated.is_some_and(is_current) || evidence != self.evidence {
            self.findings = findings(self.step, &self.shown, &evidence, now);
            (self.evidence, self.evaluated) = (evidence, Some(now));
        }
    }

    /// Shows another reading of the cluster.
    pub fn show(&mut self, cluster: Cluster, now: Timestamp) {
        (self.shown, self.checked, self.evaluated) = (cluster, Some(now), None);
    }

    /// The findings that the step is known to break.
    pub fn breaking(&self) -> Vec<Finding> {
        self.findings.iter().filter(|finding| finding.breaks()).cloned().collect()
    }

    /// Whether the user accepted everything that the step breaks now.
    pub fn is_accepted(&self) -> bool {
        let is_accepted = |risk: &Finding| self.accepted.iter().any(|one| one.is_same_risk(risk));
        self.breaking().iter().all(is_accepted)
    }

    /// Whether the step can be sent.
    pub fn is_ready(&self) -> bool {
        let is_named = !self.wants_name || self.typed.value() == self.shown.id.name.as_str();
        is_named && self.is_accepted() && !matches!(self.stage, RotationDialogStage::Reading)
    }

    /// Enters another stage, in which earlier key presses do not confirm anything.
    pub fn enter(&mut self, stage: RotationDialogStage, guard: Guard) {
        self.stage = stage;
        self.focus = Focus::Cancel;
        self.guard = guard;
        self.scroll = 0;
    }

    /// Asks for a new decision, since what was shown has changed.
    pub fn change(&mut self, text: String, guard: Guard) {
        self.stage = RotationDialogStage::Changed(text);
        self.reset(guard);
    }

    /// Resets input and focus for a new decision.
    pub fn reset(&mut self, guard: Guard) {
        self.scroll = 0;
        self.guard = guard;
        self.focus = Focus::Cancel;
        self.typed = Input::default();
        self.typed_note = None;
        self.accepted = Vec::new();
    }

    /// Moves the focus to the next or previous field.
    pub fn step_focus(&mut self, forward: bool) {
        let is_shown = |field: &Focus| match field {
            Focus::Name => self.wants_name,
            Focus::Accept => self.findings.iter().any(Finding::breaks),
            Focus::Cancel | Focus::Confirm => true,
        };
        let fields = [Focus::Name, Focus::Accept, Focus::Cancel, Focus::Confirm];
        let fields: Vec<Focus> = fields.into_iter().filter(is_shown).collect();
        self.focus = crate::app::motion::neighbour(&fields, self.focus, forward);
    }
}
