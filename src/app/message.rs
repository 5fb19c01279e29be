//! Everything that can happen to the machine. Names are past facts.

use std::sync::Arc;

use crossterm::event::{KeyEvent, MouseEvent};
use jiff::{SignedDuration, Timestamp};

use crate::app::keymap::Keymap;
use crate::app::requests::RequestId;
use crate::app::settings::{Background, Settings};
use crate::domain::action::Accepted;
use crate::domain::checklist::LocalChecklist;
use crate::domain::cluster::{Cluster, Listing, ProjectId};
use crate::domain::credential::{
    Credentials, FoundContext, FoundFile, Issuance, KubeconfigLocation, Trial,
};
use crate::domain::failure::Failure;
use crate::domain::identity::Identity;
use crate::domain::kubeconfig::{NotSaved, ParsedKubeconfig, Plan, Saved};
use crate::domain::last_known::LastFleet;
use crate::domain::permissions::Discovered;
use crate::domain::secret::Secret;
use crate::domain::snapshot::ObserverEvent;

/// Something that happened.
#[derive(Debug, Clone)]
pub enum Message {
    /// A key was pressed or repeated.
    Key(KeyEvent),
    /// Text was pasted, which may be a token.
    Pasted(Secret),
    Mouse(MouseEvent),
    Resized(u16, u16),
    /// A moment asked for by `State::next_wake` has come.
    Ticked,
    /// The program came back from the background (Ctrl-Z, fg).
    Resumed,
    /// The program with which a person logs in has ended.
    LoggedIn(Result<(), Failure>),
    BackgroundKnown(Background),
    /// The configuration file changed: what it says now, or why it cannot be used.
    ConfigurationRead(Box<Result<ChangedConfiguration, Failure>>),
    /// A signal that ends the program was received, but not HUP.
    Terminated,
    /// HUP was received, or the terminal is gone: perhaps nobody sees what is printed.
    HungUp,
    /// What came of a request (`Effect::Request`): its answer, or why there is none. Where the task that carried it out
    /// broke, it is not known what it did before.
    Answered(RequestId, Result<Answer, Failure>),
    /// A task without a requester failed (journal, notification), or a task panicked.
    TaskFailed(Failure),
}

/// What the configuration says after its file changed.
#[derive(Debug, Clone)]
pub struct ChangedConfiguration {
    /// Name of the file.
    pub file: String,
    pub settings: Settings,
    pub keymap: Keymap,
    /// Paths of the keys that have another value now and take effect at once.
    pub live: Vec<&'static str>,
    /// Paths of those that have another value than at the start, and take effect at the next one.
    pub at_start: Vec<&'static str>,
}

/// The answer to a request.
#[derive(Debug, Clone)]
pub enum Answer {
    /// To `Request::Identify`.
    Identity {
        identity: Box<Identity>,
        /// A message to show once.
        notes: Vec<String>,
    },
    /// To `Request::NameProjects`: those that have a name.
    ProjectNames(Vec<(ProjectId, String)>),
    /// To `Request::Discover`.
    Discovered(Discovered),
    /// To `Request::Prepare`.
    Prepared,
    /// To `Request::List`.
    Clusters(Listing),
    /// To `Request::Read`: the cluster and the server's clock minus ours.
    Cluster(Box<Cluster>, Option<SignedDuration>),
    /// To `Request::Rotate`.
    Rotation(RotateOutcome),
    /// To `Request::Act`.
    Action(Accepted),
    /// To `Request::ReadInventory`.
    Inventory(Vec<FoundFile>),
    /// To `Request::TryCredentials`.
    Tried(Vec<TriedCredential>),
    /// To `Request::ReadChecklist` and `Request::WriteChecklist`: what this machine keeps then.
    Checklist(LocalChecklist),
    /// To `Request::Plan`: what the destination looks like.
    Plan(Box<Plan>),
    /// To `Request::Issue`.
    Kubeconfig(IssuedKubeconfig),
    /// To `Request::Save`: where it is.
    Saved(Result<Saved, NotSaved>),
    /// To `Request::Save`, before its answer: it takes long.
    SaveIsLate(Failure),
    /// To `Request::SaveTable`: where it is.
    TableSaved(String),
    /// To `Request::CopySecret`, `Request::CopyText` and `Request::CopyTable`.
    Copied(Copied),
    /// To `Request::ClearClipboard`: whether something of ours was removed.
    ClipboardCleared(bool),
    /// To `Request::Persist` and `Request::LoadCredentials`.
    Credentials {
        /// Kubeconfigs that are kept now, whichever instance of the program issued them.
        credentials: Credentials,
        /// A message about the file.
        note: Option<String>,
    },
    /// To `Request::LoadFleet` and `Request::SaveFleet`.
    LastFleet(LastFleet),
    /// To `Request::SaveFleet`.
    FleetSaved,
    /// To `Request::ReadLog`: lines, oldest first.
    Log(Vec<String>),
    /// To `Request::Observe`, again and again until `Effect::Unobserve`.
    Observed(ObserverEvent),
}

/// A credential that was tried.
#[derive(Debug, Clone)]
pub struct TriedCredential {
    pub place: KubeconfigLocation,
    pub trial: Trial,
    /// What its file contained immediately before.
    pub content: Option<FoundContext>,
}

/// How a request to start or complete ended.
#[derive(Debug, Clone)]
pub enum RotateOutcome {
    /// How SKE took it, and the server's clock minus ours.
    Accepted(Accepted, Option<SignedDuration>),
    /// The re-read immediately before showed something else; nothing was sent.
    Changed(Box<Cluster>),
    NotSent(Failure),
    Refused(Failure),
    /// The request was sent and no clear answer came.
    Unknown(Failure, Option<SignedDuration>),
}

/// An issued kubeconfig.
#[derive(Debug, Clone)]
pub struct IssuedKubeconfig {
    pub fresh: Arc<ParsedKubeconfig>,
    /// `expirationTimestamp` as the server returned it; only the admin kind has one.
    pub expires: Option<Timestamp>,
    /// What its certificates say, where they can be read.
    pub issuance: Option<Issuance>,
}

/// How something was copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// "Copied" or "Sent to the terminal (tmux)".
    pub how: String,
    /// Whether the clipboard can be read back, so that only ours is cleared.
    pub can_check: bool,
}
