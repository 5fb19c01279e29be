//! State of a renewal: the entries, the changes to each file, and the progress of each entry.

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

/// A kubeconfig entry that is renewed in place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenewedEntry {
    pub kind: KubeconfigKind,
    /// The displayed path of the file (`~/…`).
    pub file: String,
    pub context: String,
}

/// Entries that are renewed one after the other.
#[derive(Debug, Clone)]
pub struct Renewal {
    /// Routes answers to the dialog that sent the request.
    pub id: DialogId,
    /// The cluster, pinned, as read when the dialog opened.
    pub cluster: Cluster,
    pub lifetime: Input,
    pub items: Vec<RenewalItem>,
    pub focus: RenewalField,
    pub stage: RenewalStage,
    /// First visible line of the changes.
    pub scroll: usize,
    pub guard: Guard,
}

/// An entry and its stage.
#[derive(Debug, Clone)]
pub struct RenewalItem {
    pub entry: RenewedEntry,
    /// The file and its changes, once checked.
    pub plan: Option<Box<Plan>>,
    /// The request that returned a kubeconfig that is not saved yet.
    pub issued: Option<RequestId>,
    pub stage: RenewalItemStage,
}

/// Stage of an entry.
#[derive(Debug, Clone)]
pub enum RenewalItemStage {
    /// The file is being checked.
    Checking(RequestId),
    Ready,
    Issuing(RequestId),
    Saving(RequestId),
    /// The changes differ from those shown, and are shown again.
    Changed,
    /// Renewed, with the new expiry.
    Done(Option<Timestamp>),
    Failed(Failure),
}

/// Fields of the dialog, in Tab order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RenewalField {
    /// Lifetime; only if an admin kubeconfig is renewed.
    Lifetime,
    Cancel,
    Confirm,
}

/// Stage of a renewal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RenewalStage {
    /// Changes are shown; nothing has been requested since.
    Reviewing,
    Running,
    Ended,
}

impl Renewal {
    /// The current fields of the dialog, in Tab order.
    pub fn fields(&self) -> &'static [RenewalField] {
        match self.stage {
            RenewalStage::Reviewing if self.has_lifetime() => {
                &[RenewalField::Lifetime, RenewalField::Cancel, RenewalField::Confirm]
            }
            RenewalStage::Reviewing => &[RenewalField::Cancel, RenewalField::Confirm],
            RenewalStage::Running | RenewalStage::Ended => &[RenewalField::Cancel],
        }
    }

    /// Whether an entry is of the admin kind, whose lifetime is requested.
    pub fn has_lifetime(&self) -> bool {
        self.items.iter().any(|item| item.entry.kind == KubeconfigKind::Admin)
    }

    /// The lifetime as entered.
    ///
    /// # Errors
    /// The sentence to show.
    pub fn lifetime(&self) -> Result<Lifetime, LifetimeError> {
        Lifetime::parse(self.lifetime.value())
    }

    /// Whether issuing permanently disables static tokens.
    pub fn disables_static_tokens(&self) -> bool {
        self.cluster.issuing_disables_static_tokens()
            && self.items.iter().any(|item| item.issued.is_none())
    }

    /// Why nothing can be renewed now, if so.
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
    /// The file to write.
    pub fn target(&self) -> FileTarget {
        FileTarget::MergeInto(self.file.clone())
    }

    /// What will be merged.
    pub fn query(&self, known: ClusterIdentity) -> MergeQuery {
        MergeQuery {
            context: self.context.clone(),
            known,
            kind: self.kind,
            make_current: false,
            in_place: true,
        }
    }

    /// How to merge: entries of another cluster are never replaced.
    pub fn options(&self) -> MergeOptions {
        MergeOptions {
            context: self.context.clone(),
            make_current: false,
            replace: true,
            replace_another: false,
            in_place: true,
        }
    }

    /// As text ("~/.kube/config, context shop-prod").
    pub fn describe(&self) -> String {
        format!("{}, context {}", self.file, self.context)
    }
}
