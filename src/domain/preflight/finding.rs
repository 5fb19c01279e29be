//! What is known before a step, as it was detected.

use std::collections::BTreeSet;

use jiff::SignedDuration;

use crate::domain::action::Refusal;
use crate::domain::cluster::{ClusterState, ReportedError};
use crate::domain::credential::{KubeconfigLocation, VerdictReason};
use crate::domain::roll::blocker::cause::{FullPool, NameSample, NodeResource};
use crate::domain::roll::durations::DurationRange;
use crate::domain::roll::progress::RollProgress;
use crate::domain::rotation::{InconsistentTimes, Phase, Step};
use crate::domain::snapshot::Unseen;

/// The mark of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FindingMark {
    Fine,
    Note,
    /// The step is refused.
    Refused,
    /// Cannot be known from here.
    Unknowable,
}

/// One line of a preflight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    Allowed {
        phase: Phase,
        step: Step,
    },
    Refused(Refusal),
    State(ClusterState),
    Reported(ReportedError),
    Times(InconsistentTimes),
    /// A kubeconfig that works, and for `complete` one that keeps working; for how long.
    AccessHeld {
        step: Step,
        left: Option<SignedDuration>,
        place: KubeconfigLocation,
    },
    AccessUnclear {
        step: Step,
        place: KubeconfigLocation,
        reasons: Vec<VerdictReason>,
    },
    /// No kubeconfig that works; asking for one may disable static tokens.
    NoAccess {
        step: Step,
        one_way: bool,
    },
    /// Credentials of this machine that stop working on *complete*.
    BreakingCredentials(Vec<KubeconfigLocation>),
    /// Credentials of this machine for which this is unknown.
    UnclearCredentials(Vec<KubeconfigLocation>),
    /// The kubeconfig files of this machine are not read yet.
    FilesUnread,
    /// Kubeconfig files of this machine that cannot be read: what they hold is not judged.
    UnreadableFiles(Vec<String>),
    /// Tokens of service accounts from before the start that were used since.
    TokensInUse(NameSample),
    /// Such tokens with no recorded use since the start.
    UnusedTokens(NameSample),
    /// Tokens of which it is not known whether they are from before the start, and whether one was used since.
    UnclearTokens {
        tokens: NameSample,
        in_use: bool,
    },
    /// Client certificates that the old client CA of the cluster signed, by their requests.
    BreakingCertificates(NameSample),
    /// Client certificates whose CA is not known.
    UnclearCertificates(NameSample),
    /// Requests for client certificates cannot be read.
    RequestsUnseen,
    /// Pods that may not trust the new cluster CA, and the commands that restart them.
    PodsWithOldAuthority {
        pods: NameSample,
        restart: Vec<String>,
    },
    /// Nodes and pods cannot be seen, and why, in a clause.
    NodesUnseen(String),
    /// The checklist names no clients outside this machine, or cannot be read.
    OtherClients {
        read: bool,
    },
    /// Clients on the checklist without credentials of this rotation.
    OpenClients(Vec<String>),
    /// All clients on the checklist have them.
    ClientsDone(usize),

    NodesToReplace {
        count: usize,
        takes: DurationRange,
    },
    /// Zones of a pool drain a node before its replacement exists.
    DrainsFirst {
        pool: String,
        surge: u32,
        unavailable: u32,
        zones: usize,
        draining: Vec<String>,
    },
    HibernationIn(SignedDuration),
    /// The maintenance window opens in this time; it is open when zero.
    MaintenanceIn(SignedDuration),
    /// A hibernation schedule that cannot be read here; its text.
    UnreadableSchedule(String),
    Capacity,
    PdbsNotVisible,
    /// Kinds whose first list is still being read.
    BeingRead(Vec<&'static str>),
    KindUnseen(&'static str, Unseen),
    /// Nodes on which no pod can be scheduled, although the platform does not remove them.
    CordonedNodes(NameSample),
    MisconfiguredPdbs(NameSample),
    ExhaustedPdbs(NameSample),
    UnreadablePdbs(NameSample),
    /// Their status cannot be computed, or counts no pods.
    UncomputedPdbs(NameSample),
    /// Pods that may stay on a drained node for long.
    LongGracePeriods(NameSample),
    PodsUnderSeveralPdbs(NameSample),
    NoPdbBlocks,
    /// Services without endpoints that webhooks call, and what that makes the API server refuse.
    Webhooks {
        services: NameSample,
        certain: bool,
        refused: BTreeSet<NodeResource>,
    },
    SingleReplicas(NameSample),
    BarePods(NameSample),
    PodsWithLocalVolumes(NameSample),
    PodsWithLocalData(NameSample),
    PoolAtMaximum(FullPool),

    NodesSinceStart(usize),
    NodesBeforeStart(NameSample),
    /// Nodes without a creation time; `None`: SKE does not report the start.
    NodesOfUnknownAge(Option<NameSample>),
    AnotherRoll(RollProgress),
    NodesNotReady(usize),
    UnschedulablePods(NameSample),
}

impl Finding {
    /// Whether *complete* takes something away from somebody, so that it is agreed to by itself.
    pub fn breaks(&self) -> bool {
        matches!(
            self,
            Self::BreakingCredentials(_)
                | Self::TokensInUse(_)
                | Self::UnclearTokens { in_use: true, .. }
                | Self::BreakingCertificates(_)
                | Self::PodsWithOldAuthority { .. }
                | Self::NodesBeforeStart(_)
                | Self::OpenClients(_)
        )
    }

    /// Its mark.
    pub fn mark(&self) -> FindingMark {
        match self {
            Self::Allowed { .. }
            | Self::State(ClusterState::Healthy)
            | Self::AccessHeld { .. }
            | Self::NodesToReplace { .. }
            | Self::NoPdbBlocks
            | Self::ClientsDone(_)
            | Self::NodesSinceStart(_) => FindingMark::Fine,
            Self::Refused(_) => FindingMark::Refused,
            Self::AccessUnclear { .. }
            | Self::NodesUnseen(_)
            | Self::OtherClients { .. }
            | Self::UnclearCredentials(_)
            | Self::UnclearTokens { .. }
            | Self::UnclearCertificates(_)
            | Self::RequestsUnseen
            | Self::FilesUnread
            | Self::UnreadableFiles(_)
            | Self::UnreadableSchedule(_)
            | Self::Capacity
            | Self::PdbsNotVisible
            | Self::BeingRead(_)
            | Self::KindUnseen(..)
            | Self::UnreadablePdbs(_)
            | Self::NodesOfUnknownAge(_) => FindingMark::Unknowable,
            Self::State(_)
            | Self::Reported(_)
            | Self::Times(_)
            | Self::NoAccess { .. }
            | Self::BreakingCredentials(_)
            | Self::TokensInUse(_)
            | Self::UnusedTokens(_)
            | Self::BreakingCertificates(_)
            | Self::PodsWithOldAuthority { .. }
            | Self::DrainsFirst { .. }
            | Self::HibernationIn(_)
            | Self::MaintenanceIn(_)
            | Self::CordonedNodes(_)
            | Self::MisconfiguredPdbs(_)
            | Self::ExhaustedPdbs(_)
            | Self::UncomputedPdbs(_)
            | Self::LongGracePeriods(_)
            | Self::PodsUnderSeveralPdbs(_)
            | Self::Webhooks { .. }
            | Self::SingleReplicas(_)
            | Self::BarePods(_)
            | Self::PodsWithLocalVolumes(_)
            | Self::PodsWithLocalData(_)
            | Self::PoolAtMaximum(_)
            | Self::NodesBeforeStart(_)
            | Self::OpenClients(_)
            | Self::AnotherRoll(_)
            | Self::NodesNotReady(_)
            | Self::UnschedulablePods(_) => FindingMark::Note,
        }
    }
}
