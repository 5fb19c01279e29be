//! Effects and requests as data.

use std::sync::Arc;

use jiff::Timestamp;

use crate::app::requests::RequestId;
use crate::app::session::window::WindowStatus;
use crate::domain::action::Trigger;
use crate::domain::checklist::{ChecklistChange, SharedWrite};
use crate::domain::cluster::{Cluster, ClusterId, ProjectId, Scope};
use crate::domain::credential::KubeconfigLocation;
use crate::domain::kubeconfig::{
    FileTarget, KubeconfigKind, MergeOptions, MergeQuery, ParsedKubeconfig,
};
use crate::domain::last_known::LastFleet;
use crate::domain::lifetime::Lifetime;
use crate::domain::persisted::PersistedState;
use crate::domain::preflight::SeenFiles;
use crate::domain::record::Record;
use crate::domain::rotation::Step;
use crate::domain::secret::Secret;
use crate::domain::table::{Exported, TableFormat};

/// Work for the runtime.
#[derive(Debug, Clone)]
pub enum Effect {
    /// A request, answered by `Message::Answered` with the same id.
    Request(RequestId, Request),
    /// Passes a newer reading to the cluster's observer.
    Reading(Box<Cluster>),
    /// Stop observing a cluster.
    Unobserve(ClusterId),
    /// Notify the user: bell, terminal, desktop.
    Notify {
        title: String,
        text: String,
    },
    Journal(Box<Record>),
    /// A terminal effect, performed by the event loop itself.
    Terminal(TerminalEffect),
}

/// A request. Each variant names its answer.
#[derive(Debug, Clone)]
pub enum Request {
    /// Identify the account (`Identity`).
    Identify,
    /// Look up project names (`ProjectNames`).
    NameProjects(Vec<ProjectId>),
    /// Discover the account's permissions and projects (`Discovered`).
    Discover,
    /// Prepare a restart with the current configuration and this profile (`RestartReady`).
    PrepareRestart {
        profile: Option<String>,
    },
    /// List one scope (`Clusters`).
    List(Scope),
    Read(ClusterId),
    /// Read the kubeconfig files and the cluster, compare them with what the user saw, then send the step once
    /// (`Rotation`).
    Rotate {
        step: Step,
        shown: Box<Cluster>,
        /// `None` if no files were read.
        seen: Option<Box<SeenFiles>>,
        /// Journal record, written before anything is sent.
        intent: Box<Record>,
    },
    /// Wake up or reconcile (`Action`).
    Act {
        id: ClusterId,
        action: Trigger,
        intent: Box<Record>,
    },
    /// Read the credentials of the default kubeconfig files and of these (`Inventory`).
    ReadInventory(Vec<String>),
    /// Try credentials of this machine, and read their content (`Tried`).
    TryCredentials(Vec<KubeconfigLocation>),
    /// Read a cluster's checklist on this machine (`Checklist`).
    ReadChecklist(ClusterId),
    /// Write a checklist (`Checklist`): in the cluster if it is shared there.
    WriteChecklist {
        id: ClusterId,
        write: Box<ChecklistWrite>,
        intent: Box<Record>,
    },
    /// Observe a cluster through its own API until `Effect::Unobserve` (`Observed`, repeatedly).
    Observe {
        cluster: Box<Cluster>,
        /// Whether the user agreed that requesting a kubeconfig disables static tokens.
        agreed: bool,
    },
    /// Preview a file before and after a merge (`Plan`).
    Plan {
        file: FileTarget,
        query: MergeQuery,
    },
    /// Request a kubeconfig from SKE, once (`Kubeconfig`).
    Issue {
        shown: Box<Cluster>,
        kind: KubeconfigKind,
        lifetime: Lifetime,
        /// File to check for a successful merge before the request is sent.
        file: Option<(FileTarget, MergeQuery)>,
        intent: Box<Record>,
    },
    /// Write a kubeconfig (`Saved`).
    Save {
        /// Whether the same batch already saved an entry in this file; then its backup is kept.
        keeps_backup: bool,
        file: FileTarget,
        fresh: Arc<ParsedKubeconfig>,
        options: MergeOptions,
        /// Fingerprint of the content shown to the user before confirmation.
        fingerprint: Option<String>,
    },
    /// Copy a secret, to be cleared later under this request's id (`Copied`).
    CopySecret(Secret),
    /// Copy text that is not secret (`Copied`).
    CopyText(String),
    /// Save a table to a new file; `name` has no extension (`TableSaved`).
    SaveTable {
        table: Box<Exported>,
        format: TableFormat,
        name: String,
    },
    /// Copy a table (`Copied`).
    CopyTable(Box<Exported>, TableFormat),
    /// Clear what a request copied, if it is still in the clipboard (`ClipboardCleared`).
    ClearClipboard(RequestId),
    /// Persist between runs, except what has expired at this time by SKE's clock (`Credentials`).
    Persist(Box<PersistedState>, Option<Timestamp>),
    /// Load credentials issued by other instances in the meantime (`Credentials`).
    LoadCredentials,
    /// Load the last readings of an earlier run (`LastFleet`).
    LoadFleet,
    /// Save the last readings of the fleet (`FleetSaved`).
    SaveFleet(Box<LastFleet>),
    /// Read the latest lines of the diagnostic log (`Log`).
    ReadLog,
}

/// A write to a checklist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChecklistWrite {
    Local(ChecklistChange),
    Shared(SharedWrite),
}

impl Request {
    /// Whether it changes anything outside the program; quitting waits for such requests.
    pub fn is_write(&self) -> bool {
        match self {
            Self::Rotate { .. }
            | Self::Act { .. }
            | Self::Issue { .. }
            | Self::Save { .. }
            | Self::WriteChecklist { .. }
            | Self::SaveTable { .. }
            | Self::ClearClipboard(_)
            | Self::SaveFleet(_)
            | Self::Persist(..) => true,
            Self::Identify
            | Self::NameProjects(_)
            | Self::Discover
            | Self::PrepareRestart { .. }
            | Self::List(_)
            | Self::Read(_)
            | Self::ReadInventory(_)
            | Self::TryCredentials(_)
            | Self::ReadChecklist(_)
            | Self::Observe { .. }
            | Self::Plan { .. }
            | Self::CopySecret(_)
            | Self::CopyText(_)
            | Self::CopyTable(..)
            | Self::LoadCredentials
            | Self::LoadFleet
            | Self::ReadLog => false,
        }
    }
}

/// Terminal work, performed in order before the next message.
#[derive(Debug, Clone)]
pub enum TerminalEffect {
    Mouse(bool),
    /// Window title and terminal progress; `None` restores both.
    Status(Option<WindowStatus>),
    Redraw,
    /// Suspend to the background (Ctrl-Z).
    Suspend,
    /// Hand the terminal to the login program until it exits (`LoggedIn`).
    LogIn,
    /// End the program.
    Quit,
    /// End this dashboard; the prepared one follows.
    Restart,
}
