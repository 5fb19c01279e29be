//! Findings of a preflight, as detected.

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

/// Mark of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FindingMark {
    Fine,
    Note,
    /// The step is refused.
    Refused,
    /// Cannot be determined from here.
    Unknowable,
}

/// Which kubeconfig files of this machine are not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnreadFiles {
    /// None is read yet.
    NotYet,
    /// None could be read when that was tried last: why.
    Failed(String),
    /// These could not be read, in shown form.
    These(Vec<String>),
}

/// Why the clients outside this machine are unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientsUnknown {
    /// The checklist is empty.
    NoneListed,
    NotRead,
    /// The shared checklist is not read; the one on this machine may differ.
    MayBeOutdated,
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
    /// A kubeconfig that works and survives the step; with its remaining lifetime.
    AccessHeld {
        step: Step,
        left: Option<SignedDuration>,
        location: KubeconfigLocation,
    },
    AccessUnclear {
        step: Step,
        location: KubeconfigLocation,
        reasons: Vec<VerdictReason>,
    },
    /// No kubeconfig that works and survives the step; requesting one may disable static tokens.
    NoAccess {
        step: Step,
        disables_static_tokens: bool,
    },
    /// Credentials on this machine that stop working on *complete*.
    BreakingCredentials(Vec<KubeconfigLocation>),
    /// Credentials on this machine for which this is unknown.
    UnclearCredentials(Vec<KubeconfigLocation>),
    FilesUnread(UnreadFiles),
    /// Tokens of service accounts from before the start that were used since.
    TokensInUse(NameSample),
    /// Such tokens with no recorded use since the start.
    UnusedTokens(NameSample),
    /// Tokens of unknown age relative to the start; and whether one was used since.
    UnclearTokens {
        tokens: NameSample,
        in_use: bool,
    },
    /// Client certificates signed by the old client CA of the cluster, by their requests.
    BreakingCertificates(NameSample),
    /// Client certificates whose CA is unknown.
    UnclearCertificates(NameSample),
    /// Requests for client certificates are not read.
    RequestsUnseen,
    /// Pods that may not trust the new cluster CA, and the commands to restart them.
    PodsWithOldAuthority {
        pods: NameSample,
        restart: Vec<String>,
    },
    /// Of some pods it is unknown whether they trust the new cluster CA.
    UnclearPods,
    /// What the step does in the cluster cannot be seen, with the reason as a clause.
    ClusterUnseen {
        step: Step,
        why: String,
    },
    OtherClients(ClientsUnknown),
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
    /// Time until the maintenance window opens; zero if it is open.
    MaintenanceIn(SignedDuration),
    /// A hibernation schedule that cannot be parsed; its text.
    UnreadableSchedule(String),
    Capacity,
    PdbsNotVisible,
    /// Kinds whose first list is in progress.
    BeingRead(Vec<&'static str>),
    KindUnseen(&'static str, Unseen),
    /// A kind that tells what *complete* breaks in the cluster.
    InClusterUnseen(&'static str, Unseen),
    /// Unschedulable nodes that the platform is not removing.
    CordonedNodes(NameSample),
    MisconfiguredPdbs(NameSample),
    ExhaustedPdbs(NameSample),
    UnreadablePdbs(NameSample),
    /// Their status cannot be computed, or counts no pods.
    UncomputedPdbs(NameSample),
    /// Pods with a long grace period on a drained node.
    LongGracePeriods(NameSample),
    PodsUnderSeveralPdbs(NameSample),
    NoPdbBlocks,
    /// Services without endpoints that webhooks call, and the requests that fail because of that.
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
    /// Whether *complete* takes access away from someone, or would do so unseen, so that it needs separate consent.
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
                | Self::ClusterUnseen { step: Step::Complete, .. }
                | Self::InClusterUnseen(..)
                | Self::RequestsUnseen
        )
    }

    /// Whether consent to one of them is consent to the other: why the cluster is not observed may change.
    pub fn is_same_risk(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::ClusterUnseen { .. }, Self::ClusterUnseen { .. }) => true,
            (Self::InClusterUnseen(kind, _), Self::InClusterUnseen(other, _)) => kind == other,
            (one, other) => one == other,
        }
    }

    /// Whether it still holds if the cluster was observed earlier: only a new credential changes it.
    pub fn is_lasting(&self) -> bool {
        matches!(
            self,
            Self::TokensInUse(_)
                | Self::UnclearTokens { in_use: true, .. }
                | Self::BreakingCertificates(_)
        )
    }

    /// The mark of this finding.
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
            | Self::ClusterUnseen { .. }
            | Self::OtherClients(_)
            | Self::UnclearCredentials(_)
            | Self::UnclearTokens { .. }
            | Self::UnclearCertificates(_)
            | Self::RequestsUnseen
            | Self::UnclearPods
            | Self::FilesUnread(_)
            | Self::UnreadableSchedule(_)
            | Self::Capacity
            | Self::PdbsNotVisible
            | Self::BeingRead(_)
            | Self::KindUnseen(..)
            | Self::InClusterUnseen(..)
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
