//! The one table of open requests and their owners. An answer is applied only through its entry here, so it cannot
//! reach the wrong owner.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::Timestamp;

use crate::domain::action::Trigger;
use crate::domain::cluster::{Cluster, ClusterId, Region, Scope};
use crate::domain::kubeconfig::KubeconfigKind;
use crate::domain::lifetime::Lifetime;
use crate::domain::record::Record;
use crate::domain::rotation::Step;

/// Number of a request. Ids increase, so that the answer to the later of two requests wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct RequestId(pub u64);

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "r{}", self.0)
    }
}

/// Number of a dialog, unique even among dialogs about the same thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct DialogId(pub u64);

/// Who sent a request, and for what.
#[derive(Debug, Clone, PartialEq)]
pub enum RequestOwner {
    Identity,
    ProjectNames,
    /// The account's permissions and projects.
    Discovery,
    /// A restart with a new configuration or another profile.
    Restart,
    Clusters(Scope),
    Cluster(ClusterId),
    Rotation {
        cluster: ClusterId,
        step: Step,
    },
    Action {
        cluster: ClusterId,
        action: Trigger,
    },
    /// The kubeconfig files of this machine.
    Inventory,
    /// Credentials tried after a rotation was completed.
    Trials(ClusterId),
    /// A cluster's checklist on this machine.
    Checklist(ClusterId),
    /// A change of a checklist, and the dialog that sent it.
    ChecklistChange {
        cluster: ClusterId,
        dialog: Option<DialogId>,
    },
    /// The check of a destination, for a form or a renewal.
    Plan(DialogId),
    Kubeconfig(Box<KubeconfigRequest>),
    /// Delivery of a kubeconfig to a file or the clipboard. A late save is reported before the answer.
    Delivery {
        /// The request that returned it.
        kubeconfig: RequestId,
        /// The dialog that sent it.
        dialog: DialogId,
    },
    /// Text to be copied, with a description.
    Copy(String),
    /// A table to be saved, with a description.
    Export(String),
    ClearClipboard,
    /// Reads and writes of persisted state.
    PersistedState,
    Log,
    /// Observation of a cluster's own API; answered repeatedly until ended.
    Observer(ClusterId),
}

/// The request for a kubeconfig.
#[derive(Debug, Clone, PartialEq)]
pub struct KubeconfigRequest {
    pub cluster: Cluster,
    pub kind: KubeconfigKind,
    pub lifetime: Lifetime,
    /// When it was sent, by the local clock.
    pub asked: Timestamp,
    /// When it was sent, by SKE's clock, if known.
    pub asked_there: Timestamp,
    pub dialog: DialogId,
}

impl KubeconfigRequest {
    /// Its expiry if SKE grants the requested lifetime.
    pub fn until(&self) -> Option<Timestamp> {
        (self.kind == KubeconfigKind::Admin).then(|| self.lifetime.until(self.asked_there))
    }
}

/// The open requests.
#[derive(Debug, Clone, Default)]
pub struct Requests {
    /// Distinguishes this run from others that write the same journal: request ids start from one in each.
    run: u32,
    last: u64,
    last_dialog: u64,
    open: BTreeMap<RequestId, RequestOwner>,
    /// What the journal says of open requests that change something.
    intents: BTreeMap<RequestId, Record>,
    /// Scopes being listed, for fast lookup: a fleet has hundreds.
    listed: BTreeSet<Scope>,
}

impl Requests {
    /// An empty table; `seed` distinguishes this run from others.
    pub fn of_run(seed: u64) -> Self {
        // Consecutive runs have similar seeds.
        Self { run: fastrand::Rng::with_seed(seed).u32(..) & 0x00ff_ffff, ..Self::default() }
    }

    /// The name of a request in the journal, unique across runs.
    pub fn journal_name(&self, id: RequestId) -> String {
        format!("{:06x}-{id}", self.run)
    }

    /// Registers a new request.
    pub fn begin(&mut self, owner: RequestOwner) -> RequestId {
        self.last = self.last.saturating_add(1);
        let id = RequestId(self.last);
        if let RequestOwner::Clusters(scope) = &owner {
            self.listed.insert(scope.clone());
        }
        self.open.insert(id, owner);
        id
    }

    /// Keeps what the journal says of an open request.
    pub fn keep_intent(&mut self, id: RequestId, intent: Record) {
        self.intents.insert(id, intent);
    }

    /// What the journal says of an open request that changes something.
    pub fn intent(&self, id: RequestId) -> Option<&Record> {
        self.intents.get(&id)
    }

    /// The id of a new dialog.
    pub fn begin_dialog(&mut self) -> DialogId {
        self.last_dialog = self.last_dialog.saturating_add(1);
        DialogId(self.last_dialog)
    }

    /// Ends a request: its answer arrived, or is no longer awaited. `None` if it is not open, so that a second answer
    /// is a no-op.
    pub fn end(&mut self, id: RequestId) -> Option<RequestOwner> {
        let owner = self.open.remove(&id);
        self.intents.remove(&id);
        if let Some(RequestOwner::Clusters(scope)) = &owner {
            self.listed.remove(scope);
        }
        owner
    }

    /// The owner of an open request; for requests with several answers.
    pub fn owner(&self, id: RequestId) -> Option<&RequestOwner> {
        self.open.get(&id)
    }

    /// All open requests, in order.
    pub fn open(&self) -> impl Iterator<Item = (RequestId, &RequestOwner)> {
        self.open.iter().map(|(id, owner)| (*id, owner))
    }

    /// The id of the latest request.
    pub fn last(&self) -> RequestId {
        RequestId(self.last)
    }

    /// Whether a request later than `after` reads this cluster.
    pub fn reads_cluster(&self, cluster: &ClusterId, after: RequestId) -> bool {
        let later = (std::ops::Bound::Excluded(after), std::ops::Bound::Unbounded);
        self.open
            .range(later)
            .any(|(_, owner)| matches!(owner, RequestOwner::Cluster(id) if id == cluster))
    }

    /// Whether a scope is being listed.
    pub fn lists(&self, scope: &Scope) -> bool {
        self.listed.contains(scope)
    }

    /// Whether any scope of a region is being listed.
    pub fn lists_in(&self, region: &Region) -> bool {
        self.listed.iter().any(|scope| scope.region == *region)
    }

    /// Whether kubeconfigs are being requested or delivered.
    pub fn has_kubeconfigs(&self) -> bool {
        self.open.values().any(|owner| {
            matches!(owner, RequestOwner::Kubeconfig(_) | RequestOwner::Delivery { .. })
        })
    }

    /// Whether a wake-up or reconcile is pending.
    pub fn has_actions(&self) -> bool {
        self.open.values().any(|owner| matches!(owner, RequestOwner::Action { .. }))
    }
}

#[cfg(test)]
mod tests {
    use crate::app::requests::{RequestId, Requests};

    #[test]
    fn two_runs_name_their_requests_differently_in_the_journal() {
        let names: Vec<String> =
            (1..200).map(|seed| Requests::of_run(seed).journal_name(RequestId(13))).collect();
        let distinct: std::collections::BTreeSet<&String> = names.iter().collect();
        assert_eq!(distinct.len(), names.len());
        assert!(names.iter().all(|name| name.ends_with("-r13")), "{names:?}");
    }
}
