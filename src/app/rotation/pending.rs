//! A sent step that is not settled yet.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::app::now::Now;
use crate::app::requests::RequestId;
use crate::domain::cluster::ClusterId;
use crate::domain::rotation::{Rotation, Step};

/// Sent but unsettled steps, at most one per cluster.
pub type PendingSteps = BTreeMap<ClusterId, PendingStep>;

/// A sent step that is not settled yet.
#[derive(Debug, Clone)]
pub struct PendingStep {
    pub request: RequestId,
    pub step: Step,
    /// When it was confirmed.
    pub asked: Now,
    /// The rotation before the step.
    pub before: Rotation,
    /// The server's clock minus ours.
    pub skew: Option<SignedDuration>,
    /// Reads up to this one were sent before the step.
    pub ignore_reads_through: RequestId,
    pub stage: PendingStage,
    /// When the cluster is read next (monotonic clock).
    pub due: Duration,
}

/// The status of a sent step.
#[derive(Debug, Clone)]
pub enum PendingStage {
    /// Re-reading, then sending.
    Sending,
    /// Accepted; not visible in readings yet.
    Accepted {
        at: Timestamp,
        /// Whether the long wait was reported.
        reported: bool,
    },
    /// Accepted, but not visible for so long that it may be sent again.
    NotShown { at: Timestamp },
    /// Sent without a clear answer; reading back to find out.
    ReadingBack {
        /// Deadline (monotonic clock).
        until: Duration,
        /// When a reading last showed no effect (monotonic clock).
        seen: Option<Duration>,
    },
    /// The read-back failed; the next successful read decides.
    Unknown,
}

impl PendingStep {
    /// Text for the phase column.
    pub fn label(&self) -> &'static str {
        match &self.stage {
            PendingStage::Sending => "sending",
            PendingStage::Accepted { .. } => "accepted",
            PendingStage::NotShown { .. } => "not shown",
            PendingStage::ReadingBack { .. } => "checking",
            PendingStage::Unknown => "unclear",
        }
    }

    /// Whether it blocks further steps.
    pub fn blocks(&self) -> bool {
        !matches!(self.stage, PendingStage::NotShown { .. })
    }

    /// Whether it is unknown if it was sent or took effect.
    pub fn is_under_way(&self) -> bool {
        matches!(self.stage, PendingStage::Sending | PendingStage::ReadingBack { .. })
    }

    /// When the next action is due (monotonic clock); `None` if nothing is read for it.
    pub fn next_wake(&self) -> Option<Duration> {
        match &self.stage {
            PendingStage::ReadingBack { until, .. } => Some(self.due.min(*until)),
            PendingStage::Accepted { .. } | PendingStage::NotShown { .. } => Some(self.due),
            PendingStage::Sending | PendingStage::Unknown => None,
        }
    }
}
