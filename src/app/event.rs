//! Events between features. The dispatcher passes each event to the features that it concerns, so that
//! no feature calls another.

use jiff::SignedDuration;

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
        /// Whether it differs from the reading before.
        changed: bool,
    },
    ClusterNotRead {
        cluster: ClusterId,
        request: RequestId,
        failure: Failure,
    },
    /// It is not listed any more; its row stays while it is in use.
    ClusterMissing(ClusterId),
    /// Another cluster has its name now: what was meant for the old one is dropped.
    ClusterReplaced(ClusterId),
    /// Its row is gone.
    ClusterForgotten(ClusterId),
    /// The fleet's rows have to be made again before they are drawn.
    RowsChanged,
    /// SKE answered (`None`) or refused the token.
    SignIn(Option<Failure>),
    /// To notify users who watch the cluster.
    Announce {
        cluster: ClusterId,
        text: String,
    },
    /// A person agreed that asking for a kubeconfig switches static tokens off.
    StaticTokensAgreed(ClusterId),
    /// A person got a kubeconfig.
    KubeconfigDelivered(Box<Access>),
    /// A kubeconfig of an observer identifies a generation of credentials.
    GenerationObserved(Box<Reference>),
    /// Something that is kept between runs was changed.
    PreferencesChanged,
    /// Something was chosen in a list.
    Chosen(PaletteItem),
    /// An export was chosen.
    Export(TableFormat, ExportTarget),
}
