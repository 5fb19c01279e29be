//! The open form, and kubeconfigs that are on their way.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::app::kubeconfig::form::KubeconfigForm;
use crate::app::kubeconfig::renewal::{Renewal, RenewalItem, RenewalItemStage};
use crate::app::kubeconfig::unsaved::UnsavedKubeconfig;
use crate::app::requests::{DialogId, RequestId};
use crate::domain::cluster::Cluster;
use crate::domain::record::Record;
use crate::domain::secret::Secret;

/// The open form, and kubeconfigs that are on their way.
#[derive(Debug, Clone, Default)]
pub struct KubeconfigState {
    pub form: Option<Box<KubeconfigForm>>,
    /// Entries that are renewed in their places.
    pub renewal: Option<Box<Renewal>>,
    /// Kubeconfigs that were issued and not delivered yet, by the request that returned them, so that none is lost.
    pub unsaved: BTreeMap<RequestId, UnsavedKubeconfig>,
    /// Kubeconfigs whose saving takes long, by the request that saves each; with the request that returned it. They may
    /// be saved elsewhere, or discarded, before that is answered.
    pub late: BTreeMap<RequestId, (RequestId, UnsavedKubeconfig)>,
    /// Kubeconfigs that were copied to the clipboard, and when each is cleared, on the monotonic clock.
    pub clipboard: BTreeMap<RequestId, Duration>,
    /// Kubeconfigs to be printed after exit, in order.
    pub print: Vec<PrintOnExit>,
}

/// A kubeconfig to be printed after exit.
#[derive(Debug, Clone)]
pub struct PrintOnExit {
    pub text: Secret,
    /// What the journal is to keep if it cannot be printed; `None` once it is on its way there.
    pub not_printed: Option<Record>,
}

impl KubeconfigState {
    /// The form that a request belongs to, if it is still open.
    pub fn form_of(&mut self, dialog: DialogId) -> Option<&mut KubeconfigForm> {
        self.form.as_deref_mut().filter(|form| form.id == dialog)
    }

    /// Whether a kubeconfig of a cluster was issued and is nowhere yet.
    pub fn holds_one_of(&self, cluster: &Cluster) -> bool {
        self.unsaved.values().any(|held| held.request.cluster.is_same_cluster(cluster))
    }

    /// The renewal that a request belongs to, if it is still open.
    pub fn renewal_of(&mut self, dialog: DialogId) -> Option<&mut Renewal> {
        self.renewal.as_deref_mut().filter(|renewal| renewal.id == dialog)
    }

    /// The entry whose renewal waits for a request.
    pub fn renewal_item(&mut self, request: RequestId) -> Option<&mut RenewalItem> {
        use RenewalItemStage::{Issuing, Saving};
        let waits = |item: &&mut RenewalItem| matches!(item.stage, Issuing(id) | Saving(id) if id == request);
        self.renewal.as_mut()?.items.iter_mut().find(waits)
    }
}
