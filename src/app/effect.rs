//! Effects and requests of the app, as data.

use std::sync::Arc;

use jiff::Timestamp;

use crate::app::requests::RequestId;
use crate::app::session::window::WindowStatus;
use crate::domain::action::Action;
use crate::domain::checklist::{ChecklistChange, SharedWrite};
use crate::domain::cluster::{Cluster, ClusterId, ProjectId, Scope};
use crate::domain::credential::KubeconfigLocation;
use crate::domain::kubeconfig::{
    FileTarget, KubeconfigKind, MergeOptions, MergeQuery, ParsedKubeconfig,
};
use crate::domain::last_known::LastFleet;
use crate::domain::lifetime::Lifetime;
use crate::domain::persisted::PersistedState;
use crate::domain::record::Record;
use crate::domain::rotation::Step;
use crate::domain::secret::Secret;
use crate::domain::table::{Table, TableFormat};

/// Something to be done by the runtime.
#[derive(Debug, Clone)]
pub enum Effect {
    /// Something that is answered by `Message::Answered` under its number.
    Request(RequestId, Request),
    /// A newer reading for the observer of this cluster.
    Reading(Box<Cluster>),
    /// Observe a cluster no longer.
    Unobserve(ClusterId),
    /// Notify the user: bell, terminal, desktop.
    Notify {
        title: String,
        text: String,
    },
    Journal(Box<Record>),
    /// Something that the loop does itself, on the terminal it owns.
    Terminal(TerminalEffect),
}

/// Something that is answered. Each variant names its answer.
#[derive(Debug, Clone)]
pub enum Request {
    /// Find out who we are (`Identity`).
    Identify,
    /// Learn the names of projects (`ProjectNames`).
    NameProjects(Vec<ProjectId>),
    /// Find out what the account may do, and its projects (`Discovered`).
    Discover,
    /// Make a dashboard ready with the configuration as it is now and this profile (`Prepared`).
    Prepare {
        profile: Option<String>,
    },
    /// List one scope (`Clusters`).
    List(Scope),
    Read(ClusterId),
    /// Read the cluster, compare it with what the person saw, then send the step once (`Rotation`).
    Rotate {
        step: Step,
        shown: Box<Cluster>,
        /// Line for the journal, written before anything is sent.
        intent: Box<Record>,
    },
    /// Wake up or reconcile (`Action`).
    Act {
        id: ClusterId,
        action: Action,
        intent: Box<Record>,
    },
    /// Read which credentials the kubeconfig files of this machine hold, and these files (`Inventory`).
    ReadInventory(Vec<String>),
    /// Try credentials of this machine, and read what they are (`Tried`).
    TryCredentials(Vec<KubeconfigLocation>),
    /// Read the checklist of a cluster on this machine (`Checklist`).
    ReadChecklist(ClusterId),
    /// Write a checklist (`Checklist`): in the cluster, if it is shared there.
    WriteChecklist {
        id: ClusterId,
        write: Box<ChecklistWrite>,
        intent: Box<Record>,
    },
    /// Observe a cluster through its own API until `Effect::Unobserve` (`ObservedCluster`, again and again).
    Observe {
        cluster: Box<Cluster>,
        /// Whether a person agreed that asking for a kubeconfig switches static tokens off.
        agreed: bool,
    },
    /// See what a file looks like now and afterwards (`Plan`).
    Plan {
        file: FileTarget,
        query: MergeQuery,
    },
    /// Ask SKE for a kubeconfig, once (`Kubeconfig`).
    Issue {
        shown: Box<Cluster>,
        kind: KubeconfigKind,
        lifetime: Lifetime,
        /// File that must take it before anything is asked for.
        file: Option<(FileTarget, MergeQuery)>,
        intent: Box<Record>,
    },
    /// Write a kubeconfig (`Saved`).
    Save {
        /// Whether an entry of the same batch was saved there before, whose backup is kept.
        keeps_backup: bool,
        file: FileTarget,
        fresh: Arc<ParsedKubeconfig>,
        options: MergeOptions,
        /// Content that the person saw before confirming.
        fingerprint: Option<String>,
    },
    /// Copy a secret; it is cleared later, under this request's number (`Copied`).
    CopySecret(Secret),
    /// Copy something that is no secret (`Copied`).
    CopyText(String),
    /// Write a table into a new file of this name, without its ending (`TableSaved`).
    SaveTable {
        table: Box<Table>,
        format: TableFormat,
        name: String,
    },
    /// Copy a table (`Copied`).
    CopyTable(Box<Table>, TableFormat),
    /// Clear from the clipboard what a request copied, if it still holds that (`ClipboardCleared`).
    ClearClipboard(RequestId),
    /// Keep between runs, but for what has ended at a moment by SKE's clock (`Credentials`).
    Persist(Box<PersistedState>, Timestamp),
    /// Learn what other instances of the program have issued since (`Credentials`).
    LoadCredentials,
    /// Read what an earlier run saw of the fleet last (`LastFleet`).
    LoadFleet,
    /// Keep what was seen of the fleet last (`FleetSaved`).
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
    /// Whether it changes something outside the program, so that the end waits for it.
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
            | Self::Prepare { .. }
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

/// What is done on the terminal, in order, before the next message is taken.
#[derive(Debug, Clone)]
pub enum TerminalEffect {
    Mouse(bool),
    /// Window title and terminal progress; `None` takes both back.
    Status(Option<WindowStatus>),
    Redraw,
    /// Go to the background (Ctrl-Z).
    Suspend,
    /// Give the terminal to the program with which a person logs in, until it ends (`LoggedIn`).
    LogIn,
    /// End the program.
    Quit,
    /// End this dashboard; the one that was made ready follows.
    Restart,
}
