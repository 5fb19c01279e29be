//! The open form, the open renewal, and undelivered kubeconfigs.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::app::kubeconfig::form::KubeconfigForm;
use crate::app::kubeconfig::renewal::{Renewal, RenewalItem, RenewalItemStage};
use crate::app::kubeconfig::unsaved::UnsavedKubeconfig;
use crate::app::requests::{DialogId, RequestId};
use crate::domain::cluster::Cluster;
use crate::domain::record::Record;
use crate::domain::secret::Secret;

/// The open form, the open renewal, and undelivered kubeconfigs.
#[derive(Debug, Clone, Default)]
pub struct KubeconfigState {
    pub form: Option<Box<KubeconfigForm>>,
    /// The open in-place renewal.
    pub renewal: Option<Box<Renewal>>,
    /// Issued but undelivered kubeconfigs by the request that returned them, so that none is lost.
    pub unsaved: BTreeMap<RequestId, UnsavedKubeconfig>,
    /// Kubeconfigs whose saving is late, by the saving request; with the request that returned each. Until the
    /// answer, they can be saved elsewhere or discarded.
    pub late: BTreeMap<RequestId, (RequestId, UnsavedKubeconfig)>,
    /// Kubeconfigs in the clipboard, with the time at which each is cleared (monotonic clock).
    pub clipboard: BTreeMap<RequestId, Duration>,
    /// Kubeconfigs to be printed after exit, in order.
    pub print: Vec<PrintOnExit>,
}

/// A kubeconfig to be printed after exit.
#[derive(Debug, Clone)]
pub struct PrintOnExit {
    pub text: Secret,
    /// The journal record if printing fails; `None` once it is being written.
    pub not_printed: Option<Record>,
}

impl KubeconfigState {
    /// The form that a request belongs to, if still open.
    pub fn form_of(&mut self, dialog: DialogId) -> Option<&mut KubeconfigForm> {
        self.form.as_deref_mut().filter(|form| form.id == dialog)
    }

    /// Whether a kubeconfig of the cluster is issued but undelivered.
    pub fn holds_one_of(&self, cluster: &Cluster) -> bool {
        self.unsaved.values().any(|held| held.request.cluster.is_same_cluster(cluster))
    }

    /// The renewal that a request belongs to, if still open.
    pub fn renewal_of(&mut self, dialog: DialogId) -> Option<&mut Renewal> {
        self.renewal.as_deref_mut().filter(|renewal| renewal.id == dialog)
    }

    /// The entry whose renewal waits for this request.
    pub fn renewal_item(&mut self, request: RequestId) -> Option<&mut RenewalItem> {
        use RenewalItemStage::{Issuing, Saving};
        let waits = |item: &&mut RenewalItem| matches!(item.stage, Issuing(id) | Saving(id) if id == request);
        self.renewal.as_mut()?.items.iter_mut().find(waits)
    }
}
