//! A step that was sent and is not settled.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::app::now::Now;
use crate::app::requests::RequestId;
use crate::domain::cluster::ClusterId;
use crate::domain::rotation::{Rotation, Step};

/// Steps that were sent and are not settled, one per cluster at most.
pub type PendingSteps = BTreeMap<ClusterId, Pending>;

/// A step that was sent and is not settled.
#[derive(Debug, Clone)]
pub struct Pending {
    pub request: RequestId,
    pub step: Step,
    /// When it was confirmed.
    pub asked: Now,
    /// How the rotation was before.
    pub before: Rotation,
    /// The server's clock minus ours.
    pub skew: Option<SignedDuration>,
    /// Reads up to this one were sent before it.
    pub ignore_reads_through: RequestId,
    pub stage: PendingStage,
    /// When the cluster is read next, on the monotonic clock.
    pub due: Duration,
}

/// The status of a sent step.
#[derive(Debug, Clone)]
pub enum PendingStage {
    /// Re-reading, then sending.
    Sending,
    /// Accepted; the reads do not show it yet.
    Accepted {
        at: Timestamp,
        /// Whether the long wait was reported.
        reported: bool,
    },
    /// Accepted, and the reads have not shown it for so long that it may be sent again.
    Unseen { at: Timestamp },
    /// No clear answer; reading back to find out.
    ReadingBack {
        /// When to stop, on the monotonic clock.
        until: Duration,
        /// When a reading last did not show the step, on the monotonic clock.
        seen: Option<Duration>,
    },
    /// Reading back failed; the next successful read decides.
    Lost,
}

impl Pending {
    /// The word in the phase column.
    pub fn word(&self) -> &'static str {
        match &self.stage {
            PendingStage::Sending => "sending",
            PendingStage::Accepted { .. } => "accepted",
            PendingStage::Unseen { .. } => "not shown",
            PendingStage::ReadingBack { .. } => "checking",
            PendingStage::Lost => "unclear",
        }
    }

    /// Whether it forbids another step.
    pub fn blocks(&self) -> bool {
        !matches!(self.stage, PendingStage::Unseen { .. })
    }

    /// Whether it is unknown whether it was sent or took effect.
    pub fn is_under_way(&self) -> bool {
        matches!(self.stage, PendingStage::Sending | PendingStage::ReadingBack { .. })
    }

    /// When something is due for it, on the monotonic clock; `None` where nothing is read for it.
    pub fn next_wake(&self) -> Option<Duration> {
        match &self.stage {
            PendingStage::ReadingBack { until, .. } => Some(self.due.min(*until)),
            PendingStage::Accepted { .. } | PendingStage::Unseen { .. } => Some(self.due),
            PendingStage::Sending | PendingStage::Lost => None,
        }
    }
}
