//! The open form, and kubeconfigs that are on their way.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::app::kubeconfig::form::KubeconfigForm;
use crate::app::kubeconfig::unsaved::UnsavedKubeconfig;
use crate::app::requests::{DialogId, RequestId};
use crate::domain::secret::Secret;

/// The open form, and kubeconfigs that are on their way.
#[derive(Debug, Clone, Default)]
pub struct KubeconfigState {
    pub form: Option<Box<KubeconfigForm>>,
    /// Kubeconfigs that were issued and are nowhere yet, by the request that brought them: nothing of them is lost.
    pub unsaved: BTreeMap<RequestId, UnsavedKubeconfig>,
    /// Kubeconfigs that were copied to the clipboard, and when each is cleared, on the monotonic clock.
    pub clipboard: BTreeMap<RequestId, Duration>,
    /// Kubeconfigs to be printed after exit.
    pub print: Vec<Secret>,
}

impl KubeconfigState {
    /// The form that a request belongs to, if it is still open.
    pub fn form_of(&mut self, dialog: DialogId) -> Option<&mut KubeconfigForm> {
        self.form.as_deref_mut().filter(|form| form.id == dialog)
    }
}
