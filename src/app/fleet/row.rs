//! A row of the fleet: a cluster and everything its cells and sort position depend on.

use jiff::{SignedDuration, Timestamp};

use crate::app::credentials::state::InventoryState;
use crate::app::fleet::state::{Entry, Fleet};
use crate::app::nodes::observed::ObservedCluster;
use crate::app::nodes::state::NodesState;
use crate::app::rotation::pending::{PendingStep, PendingSteps};
use crate::app::shared::Shared;
use crate::domain::attention::{Attention, NextStep, attention, next_step, stuck};
use crate::domain::cluster::Cluster;
use crate::domain::credential::{Credentials, KnownCredential, SignIn, Verdict, VerdictReason};
use crate::domain::due::DueLimits;
use crate::domain::rotation::Phase;

/// The parts of the state that rows are built from.
#[derive(Clone, Copy)]
pub struct RowSource<'a> {
    pub shared: &'a Shared,
    pub fleet: &'a Fleet,
    pub nodes: &'a NodesState,
    pub pending: &'a PendingSteps,
    pub credentials: &'a Credentials,
    pub inventory: &'a InventoryState,
}

/// Builds a `RowSource` by borrowing from the state.
macro_rules! row_source {
    ($state:expr) => {
        $crate::app::fleet::row::RowSource {
            shared: &$state.shared,
            fleet: &$state.fleet,
            nodes: &$state.nodes,
            pending: &$state.rotation.pending,
            credentials: &$state.credentials,
            inventory: &$state.inventory,
        }
    };
}
pub(in crate::app) use row_source;

/// A row of the fleet.
#[derive(Clone, Copy)]
pub struct Row<'a> {
    pub entry: &'a Entry,
    pub source: RowSource<'a>,
}

impl<'a> RowSource<'a> {
    /// The current time by SKE's clock.
    pub fn now(self) -> Timestamp {
        self.fleet.server_now(self.shared.now.wall)
    }

    /// The row of a cluster.
    pub fn row(self, entry: &'a Entry) -> Row<'a> {
        Row { entry, source: self }
    }

    /// Every known credential of a cluster.
    pub fn known_credentials(self, cluster: &Cluster) -> Vec<KnownCredential> {
        let files = self.inventory.files.as_deref().unwrap_or_default();
        let snapshot = self.nodes.current_snapshot(&cluster.id);
        let keys = snapshot.as_ref().and_then(|seen| seen.control_plane.signing_keys.as_ref());
        self.credentials.inventory(cluster, files, keys, self.now())
    }

    /// The verdict on a way to sign in that is in no file.
    pub fn judge_alone(self, cluster: &Cluster, way: &SignIn) -> (Verdict, Vec<VerdictReason>) {
        let snapshot = self.nodes.current_snapshot(&cluster.id);
        let keys = snapshot.as_ref().and_then(|seen| seen.control_plane.signing_keys.as_ref());
        self.credentials.judge_alone(cluster, way, keys, self.now())
    }
}

impl<'a> Row<'a> {
    /// The last reading of the cluster.
    pub fn cluster(&self) -> &'a Cluster {
        &self.entry.cluster
    }

    /// The current time by SKE's clock, which all times of a cluster refer to.
    pub fn now(&self) -> Timestamp {
        self.source.now()
    }

    /// Project name, or its id.
    pub fn project(&self) -> &'a str {
        self.source.fleet.project_name(self.entry.cluster.id.project())
    }

    /// A sent step that is not settled yet.
    pub fn pending(&self) -> Option<&'a PendingStep> {
        self.source.pending.get(&self.entry.cluster.id)
    }

    /// What was observed of its nodes.
    pub fn observed(&self) -> Option<&'a ObservedCluster> {
        self.source.nodes.observed.get(&self.entry.cluster.id)
    }

    /// Whether the roll is blocked, according to the cluster's own API.
    pub fn is_blocked(&self) -> bool {
        self.source.nodes.is_blocked(&self.entry.cluster.id)
    }

    /// Maximum age of the credentials.
    pub fn overdue_after(&self) -> SignedDuration {
        self.source.shared.settings.overdue_after.limit(&self.entry.cluster)
    }

    /// The limits after which the cluster needs action.
    pub fn due_limits(&self) -> DueLimits {
        let kubeconfig = self.source.shared.settings.warn_before;
        DueLimits { age: self.overdue_after(), kubeconfig }
    }

    /// Number of known kubeconfigs that *complete* breaks; zero if that is not the next step.
    fn breaking(&self) -> usize {
        if self.cluster().rotation.phase != Phase::Prepared {
            return 0;
        }
        let known = self.source.known_credentials(self.cluster());
        known.iter().filter(|known| known.verdict == Verdict::BreaksOnComplete).count()
    }

    /// The next step for the user; `None` if there is nothing to do.
    pub fn next_step(&self) -> Option<NextStep> {
        next_step(self.cluster(), self.breaking(), self.now(), self.overdue_after())
    }

    /// Its attention group, from SKE and the cluster's own API.
    pub fn attention(&self) -> Attention {
        if self.is_blocked() {
            return Attention::Stuck;
        }
        attention(self.cluster(), self.now(), self.overdue_after())
    }

    /// Whether its roll is stuck.
    pub fn is_stuck(&self) -> bool {
        self.is_blocked() || stuck(self.cluster(), self.now()).is_some()
    }
}
