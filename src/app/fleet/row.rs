//! A row of the fleet: a cluster with everything that its cells and its sort position depend on.

use jiff::{SignedDuration, Timestamp};

use crate::app::credentials::state::InventoryState;
use crate::app::fleet::state::{Entry, Fleet};
use crate::app::nodes::observed::ObservedCluster;
use crate::app::nodes::state::NodesState;
use crate::app::rotation::pending::{Pending, PendingSteps};
use crate::app::shared::Shared;
use crate::domain::attention::{Attention, NextStep, attention, next_step, stuck};
use crate::domain::cluster::Cluster;
use crate::domain::credential::{Credentials, KnownCredential, SignIn, Verdict, VerdictReason};
use crate::domain::due::DueLimits;
use crate::domain::rotation::Phase;

/// Where rows are made from.
#[derive(Clone, Copy)]
pub struct RowSource<'a> {
    pub shared: &'a Shared,
    pub fleet: &'a Fleet,
    pub nodes: &'a NodesState,
    pub pending: &'a PendingSteps,
    pub credentials: &'a Credentials,
    pub inventory: &'a InventoryState,
}

/// The source of rows, borrowed from the state beside what is made from it.
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
    /// Now by SKE's clock.
    pub fn now(self) -> Timestamp {
        self.fleet.server_now(self.shared.now.wall)
    }

    /// The row of a cluster.
    pub fn row(self, entry: &'a Entry) -> Row<'a> {
        Row { entry, source: self }
    }

    /// Every credential that is known for a cluster.
    pub fn known_credentials(self, cluster: &Cluster) -> Vec<KnownCredential> {
        let files = self.inventory.files.as_deref().unwrap_or_default();
        let snapshot = self.nodes.current_snapshot(&cluster.id);
        let keys = snapshot.as_ref().and_then(|seen| seen.control_plane.signing_keys.as_ref());
        self.credentials.inventory(cluster, files, keys, self.now())
    }

    /// What becomes of a way to sign in to a cluster that is in no file.
    pub fn judge_alone(self, cluster: &Cluster, way: &SignIn) -> (Verdict, Vec<VerdictReason>) {
        let snapshot = self.nodes.current_snapshot(&cluster.id);
        let keys = snapshot.as_ref().and_then(|seen| seen.control_plane.signing_keys.as_ref());
        self.credentials.judge_alone(cluster, way, keys, self.now())
    }
}

impl<'a> Row<'a> {
    /// The cluster as last read.
    pub fn cluster(&self) -> &'a Cluster {
        &self.entry.cluster
    }

    /// Now by SKE's clock: all moments of a cluster are of that clock.
    pub fn now(&self) -> Timestamp {
        self.source.now()
    }

    /// Name of its project, or its id.
    pub fn project(&self) -> &'a str {
        self.source.fleet.project_name(self.entry.cluster.id.project())
    }

    /// The step that was sent and is not settled.
    pub fn pending(&self) -> Option<&'a Pending> {
        self.source.pending.get(&self.entry.cluster.id)
    }

    /// What was observed of its nodes.
    pub fn observed(&self) -> Option<&'a ObservedCluster> {
        self.source.nodes.observed.get(&self.entry.cluster.id)
    }

    /// Whether its roll is blocked, according to its own API.
    pub fn is_held(&self) -> bool {
        self.source.nodes.is_held(&self.entry.cluster.id)
    }

    /// The allowed age of its credentials.
    pub fn overdue_after(&self) -> SignedDuration {
        self.source.shared.settings.overdue_after.limit(&self.entry.cluster)
    }

    /// When something on the cluster becomes due.
    pub fn due_limits(&self) -> DueLimits {
        let kubeconfig = self.source.shared.settings.warn_before;
        DueLimits { age: self.overdue_after(), kubeconfig }
    }

    /// How many known kubeconfigs of the cluster stop working on *complete*, if that is the next step.
    fn breaking(&self) -> usize {
        if self.cluster().rotation.phase != Phase::Prepared {
            return 0;
        }
        let known = self.source.known_credentials(self.cluster());
        known.iter().filter(|known| known.verdict == Verdict::BreaksOnComplete).count()
    }

    /// What somebody would do next; `None` when there is nothing to do.
    pub fn next_step(&self) -> Option<NextStep> {
        next_step(self.cluster(), self.breaking(), self.now(), self.overdue_after())
    }

    /// The group it belongs to, by what SKE and its own API show.
    pub fn attention(&self) -> Attention {
        if self.is_held() {
            return Attention::Stuck;
        }
        attention(self.cluster(), self.now(), self.overdue_after())
    }

    /// Whether its roll is stuck.
    pub fn is_stuck(&self) -> bool {
        self.is_held() || stuck(self.cluster(), self.now()).is_some()
    }
}
