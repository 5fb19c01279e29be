//! The renewal of kubeconfig entries as data: which ones, what changes in each file, and how far each is.

use jiff::Timestamp;
use tui_input::Input;

use crate::app::kubeconfig::text;
use crate::app::requests::{DialogId, RequestId};
use crate::app::shared::Guard;
use crate::domain::cluster::Cluster;
use crate::domain::failure::Failure;
use crate::domain::kubeconfig::{
    ClusterIdentity, FileTarget, KubeconfigKind, MergeOptions, MergeQuery, Plan,
};
use crate::domain::lifetime::{Lifetime, LifetimeError};

/// An entry of a kubeconfig that is renewed in place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenewedEntry {
    pub kind: KubeconfigKind,
    /// The file in shown form (`~/…`).
    pub file: String,
    pub context: String,
}

/// Entries that are renewed, one after the other.
#[derive(Debug, Clone)]
pub struct Renewal {
    /// What it asks for is answered to it alone.
    pub id: DialogId,
    /// The cluster, pinned, as read when the dialog opened.
    pub cluster: Cluster,
    pub lifetime: Input,
    pub items: Vec<RenewalItem>,
    pub focus: RenewalField,
    pub stage: RenewalStage,
    /// First line of the changes that is shown.
    pub scroll: usize,
    pub guard: Guard,
}

/// One entry, and how far it is.
#[derive(Debug, Clone)]
pub struct RenewalItem {
    pub entry: RenewedEntry,
    /// What its file looks like and what changes, once it was looked at.
    pub plan: Option<Box<Plan>>,
    /// The request that brought what is not saved yet.
    pub issued: Option<RequestId>,
    pub stage: RenewalItemStage,
}

/// How far an entry is.
#[derive(Debug, Clone)]
pub enum RenewalItemStage {
    /// Its file is being looked at.
    Checking(RequestId),
    Ready,
    Issuing(RequestId),
    Saving(RequestId),
    /// The changes differ from those shown; they are shown again.
    Changed,
    /// It is renewed, and when it ends.
    Done(Option<Timestamp>),
    Failed(Failure),
}

/// Fields of the dialog, in the order of Tab.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RenewalField {
    /// Lifetime; only where a kubeconfig of the admin kind is renewed.
    Lifetime,
    Cancel,
    Confirm,
}

/// How far a renewal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RenewalStage {
    /// What changes is shown; nothing was asked for since.
    Reviewing,
    Running,
    Ended,
}

impl Renewal {
    /// The fields that the dialog has now, in the order of Tab.
    pub fn fields(&self) -> &'static [RenewalField] {
        match self.stage {
            RenewalStage::Reviewing if self.has_lifetime() => {
                &[RenewalField::Lifetime, RenewalField::Cancel, RenewalField::Confirm]
            }
            RenewalStage::Reviewing => &[RenewalField::Cancel, RenewalField::Confirm],
            RenewalStage::Running | RenewalStage::Ended => &[RenewalField::Cancel],
        }
    }

    /// Whether one of them is of the kind that ends by itself.
    pub fn has_lifetime(&self) -> bool {
        self.items.iter().any(|item| item.entry.kind == KubeconfigKind::Admin)
    }

    /// The lifetime as typed.
    ///
    /// # Errors
    /// The sentence to show.
    pub fn lifetime(&self) -> Result<Lifetime, LifetimeError> {
        Lifetime::parse(self.lifetime.value())
    }

    /// Whether issuing switches static tokens off for good.
    pub fn is_one_way(&self) -> bool {
        self.cluster.issuing_is_one_way() && self.items.iter().any(|item| item.issued.is_none())
    }

    /// Why nothing can be renewed now, if it cannot.
    pub fn problem(&self) -> Option<String> {
        let stages = || self.items.iter().map(|item| &item.stage);
        if self.has_lifetime()
            && let Err(error) = self.lifetime()
        {
            Some(error.to_string())
        } else if stages().any(|stage| matches!(stage, RenewalItemStage::Checking(_))) {
            Some(text::CHECKING_FILES.to_owned())
        } else if stages().all(|stage| !matches!(stage, RenewalItemStage::Ready)) {
            Some(text::NOTHING_TO_RENEW.to_owned())
        } else {
            None
        }
    }
}

impl RenewedEntry {
    /// The file that is written.
    pub fn target(&self) -> FileTarget {
        FileTarget::MergeInto(self.file.clone())
    }

    /// What is to be merged.
    pub fn query(&self, known: ClusterIdentity) -> MergeQuery {
        MergeQuery {
            context: self.context.clone(),
            known,
            kind: self.kind,
            make_current: false,
            in_place: true,
        }
    }

    /// How it is merged: no entry of another cluster is replaced.
    pub fn options(&self) -> MergeOptions {
        MergeOptions {
            context: self.context.clone(),
            make_current: false,
            replace: true,
            replace_another: false,
            in_place: true,
        }
    }

    /// In words ("~/.kube/config, context shop-prod").
    pub fn words(&self) -> String {
        format!("{}, context {}", self.file, self.context)
    }
}
