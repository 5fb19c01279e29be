//! Events between features. The dispatcher passes each event to the features concerned, so that no feature calls
//! another.

use jiff::SignedDuration;

use crate::app::credentials::state::ForgetQuestion;
use crate::app::menus::choices::ExportTarget;
use crate::app::menus::palette::PaletteItem;
use crate::app::requests::RequestId;
use crate::domain::cluster::{Cluster, ClusterId};
use crate::domain::credential::{Access, Reference};
use crate::domain::failure::Failure;
use crate::domain::table::TableFormat;

/// An event between features.
#[derive(Debug, Clone)]
pub enum Event {
    ClusterRead {
        cluster: Box<Cluster>,
        request: RequestId,
        /// The server's clock minus ours.
        skew: Option<SignedDuration>,
        /// Whether it differs from the previous reading.
        changed: bool,
    },
    ClusterNotRead {
        cluster: ClusterId,
        request: RequestId,
        failure: Failure,
    },
    /// The cluster is no longer listed; its row stays while in use.
    ClusterMissing(ClusterId),
    /// Another cluster has taken its name: anything meant for the old one is dropped.
    ClusterReplaced(ClusterId),
    /// Its row is gone.
    ClusterForgotten(ClusterId),
    /// The fleet's rows must be rebuilt before the next draw.
    RowsChanged,
    /// SKE answered (`None`) or refused the token.
    SignIn(Option<Failure>),
    /// Notifies users who watch the cluster.
    Announce {
        cluster: ClusterId,
        text: String,
    },
    /// The user agreed that requesting a kubeconfig disables static tokens.
    StaticTokensAgreed(ClusterId),
    /// A kubeconfig was delivered to the user.
    KubeconfigDelivered(Box<Access>),
    /// The user threw a kubeconfig away that is in no file.
    CredentialForgotten(Box<ForgetQuestion>),
    /// A kubeconfig of an observer identifies a generation of credentials.
    GenerationObserved(Box<Reference>),
    /// A persisted setting changed.
    PreferencesChanged,
    /// A palette item was chosen.
    Chosen(PaletteItem),
    /// An export was chosen.
    Export(TableFormat, ExportTarget),
}
