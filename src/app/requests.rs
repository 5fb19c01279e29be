//! The one table of what was asked for and is not answered: who asked, and for what. An answer is taken in through its
//! entry here and in no other way, so that it cannot land with anybody else.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::Timestamp;

use crate::domain::action::Action;
use crate::domain::cluster::{Cluster, ClusterId, Region, Scope};
use crate::domain::kubeconfig::KubeconfigKind;
use crate::domain::lifetime::Lifetime;
use crate::domain::rotation::Step;

/// Number of a request. Later requests have higher numbers, so that of two answers the one asked for later counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct RequestId(pub u64);

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "r{}", self.0)
    }
}

/// Number of a dialog: two that are opened one after the other are two, whatever they are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct DialogId(pub u64);

/// Who asked, and for what.
#[derive(Debug, Clone, PartialEq)]
pub enum RequestOwner {
    Identity,
    ProjectNames,
    /// What the account may do.
    Discovery,
    /// A new configuration or another profile.
    Restart,
    Clusters(Scope),
    Cluster(ClusterId),
    Rotation {
        cluster: ClusterId,
        step: Step,
    },
    Action {
        cluster: ClusterId,
        action: Action,
    },
    /// The kubeconfig files of this machine.
    Inventory,
    /// Credentials that are tried after a rotation was completed.
    Trials(ClusterId),
    /// The checklist of a cluster on this machine.
    Checklist(ClusterId),
    /// A change of a checklist, and the dialog that it was made in.
    ChecklistChange {
        cluster: ClusterId,
        dialog: Option<DialogId>,
    },
    /// What a destination looks like, for a kubeconfig form.
    Plan(DialogId),
    Kubeconfig(Box<KubeconfigRequest>),
    /// A kubeconfig on its way to a file or the clipboard; that saving takes long is told before it is answered.
    Delivery {
        /// The request that brought it.
        kubeconfig: RequestId,
        /// The form that sent it there.
        dialog: DialogId,
    },
    /// Text on its way to the clipboard: what it is, in words.
    Copy(String),
    /// A table on its way to a file: what it lists, in words.
    Export(String),
    ClearClipboard,
    /// Writing or reading what is kept between runs.
    PersistedState,
    Log,
    /// Observing a cluster's own API; it is answered again and again until it is ended.
    Observer(ClusterId),
}

/// A kubeconfig that was asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct KubeconfigRequest {
    pub cluster: Cluster,
    pub kind: KubeconfigKind,
    pub lifetime: Lifetime,
    /// When, by our clock.
    pub asked: Timestamp,
    /// When, by SKE's clock, if known.
    pub asked_there: Timestamp,
    pub dialog: DialogId,
}

impl KubeconfigRequest {
    /// When it ends if SKE grants what was asked for.
    pub fn until(&self) -> Option<Timestamp> {
        (self.kind == KubeconfigKind::Admin).then(|| self.lifetime.until(self.asked_there))
    }
}

/// What was asked for and is not answered.
#[derive(Debug, Clone, Default)]
pub struct Requests {
    /// Distinguishes this run from others that write the same journal: each counts its requests from one.
    run: u32,
    last: u64,
    last_dialog: u64,
    open: BTreeMap<RequestId, RequestOwner>,
    /// Scopes that are being listed: a fleet has hundreds.
    listed: BTreeSet<Scope>,
}

impl Requests {
    /// No requests yet; a random number distinguishes this run from others.
    pub fn of_run(seed: u64) -> Self {
        // Runs that begin one after the other have seeds that are close to each other.
        Self { run: fastrand::Rng::with_seed(seed).u32(..) & 0x00ff_ffff, ..Self::default() }
    }

    /// A request as the journal names it: unique among all runs.
    pub fn journal_name(&self, id: RequestId) -> String {
        format!("{:06x}-{id}", self.run)
    }

    /// Takes a number for a new request.
    pub fn begin(&mut self, owner: RequestOwner) -> RequestId {
        self.last = self.last.saturating_add(1);
        let id = RequestId(self.last);
        if let RequestOwner::Clusters(scope) = &owner {
            self.listed.insert(scope.clone());
        }
        self.open.insert(id, owner);
        id
    }

    /// Takes a number for a new dialog.
    pub fn begin_dialog(&mut self) -> DialogId {
        self.last_dialog = self.last_dialog.saturating_add(1);
        DialogId(self.last_dialog)
    }

    /// Ends a request: its answer came, or nobody waits for one any more. `None` if it is not open, so that a second
    /// answer changes nothing.
    pub fn end(&mut self, id: RequestId) -> Option<RequestOwner> {
        let owner = self.open.remove(&id);
        if let Some(RequestOwner::Clusters(scope)) = &owner {
            self.listed.remove(scope);
        }
        owner
    }

    /// Who waits for a request that is answered more than once.
    pub fn owner(&self, id: RequestId) -> Option<&RequestOwner> {
        self.open.get(&id)
    }

    /// All that is open, in the order in which it was asked for.
    pub fn open(&self) -> impl Iterator<Item = (RequestId, &RequestOwner)> {
        self.open.iter().map(|(id, owner)| (*id, owner))
    }

    /// Number of the latest request.
    pub fn last(&self) -> RequestId {
        RequestId(self.last)
    }

    /// Whether one cluster is being read by a request later than `after`.
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

    /// Kubeconfigs that were asked for, or are on their way to a file or the clipboard.
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
