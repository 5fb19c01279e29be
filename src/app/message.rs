//! Every message to the state machine. Names are in the past tense.

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

/// An event from outside.
#[derive(Debug, Clone)]
pub enum Message {
    /// A key was pressed or repeated.
    Key(KeyEvent),
    /// Text was pasted, which may be a token.
    Pasted(Secret),
    Mouse(MouseEvent),
    Resized(u16, u16),
    /// The time requested by `State::next_wake` has come.
    Ticked,
    /// The program was resumed from the background (Ctrl-Z, fg).
    Resumed,
    /// The login program has ended.
    LoggedIn(Result<(), Failure>),
    BackgroundKnown(Background),
    /// The configuration file changed: its content, or why it is unusable.
    ConfigurationRead(Box<Result<ChangedConfiguration, Failure>>),
    /// A terminating signal other than SIGHUP was received.
    Terminated,
    /// SIGHUP was received, or the terminal is gone: output may not be visible to anybody.
    HungUp,
    /// The result of a request (`Effect::Request`). If its task died, it is unknown how far the task got.
    Answered(RequestId, Result<Answer, Failure>),
    /// A task without a requester failed (journal, notification), or a task panicked.
    TaskFailed(Failure),
}

/// The content of a changed configuration file.
#[derive(Debug, Clone)]
pub struct ChangedConfiguration {
    /// Name of the file.
    pub file: String,
    pub settings: Settings,
    pub keymap: Keymap,
    /// Paths of changed keys that take effect immediately.
    pub live: Vec<&'static str>,
    /// Paths of keys that differ from the start of the run, and take effect at the next one.
    pub at_start: Vec<&'static str>,
}

/// The answer to a request.
#[derive(Debug, Clone)]
pub enum Answer {
    /// To `Request::Identify`.
    Identity {
        identity: Box<Identity>,
        /// Messages to show once each.
        notes: Vec<String>,
    },
    /// To `Request::NameProjects`: the projects that have a name.
    ProjectNames(Vec<(ProjectId, String)>),
    /// To `Request::Discover`.
    Discovered(Discovered),
    /// To `Request::PrepareRestart`.
    RestartReady,
    /// To `Request::List`.
    Clusters(Listing),
    /// To `Request::Read`: the cluster, and the server's clock minus ours.
    Cluster(Box<Cluster>, Option<SignedDuration>),
    /// To `Request::Rotate`.
    Rotation(RotateOutcome),
    /// To `Request::Act`.
    Action(Accepted),
    /// To `Request::ReadInventory`.
    Inventory(Vec<FoundFile>),
    /// To `Request::TryCredentials`.
    Tried(Vec<TriedCredential>),
    /// To `Request::ReadChecklist` and `Request::WriteChecklist`: the resulting copy on this machine.
    Checklist(LocalChecklist),
    /// To `Request::Plan`: the preview of the file.
    Plan(Box<Plan>),
    /// To `Request::Issue`.
    Kubeconfig(IssuedKubeconfig),
    /// To `Request::Save`: the place, or why it is not saved.
    Saved(Result<Saved, NotSaved>),
    /// To `Request::Save`, before its answer: saving takes longer than expected.
    SaveIsLate(Failure),
    /// To `Request::SaveTable`: the path.
    TableSaved(String),
    /// To `Request::CopySecret`, `Request::CopyText` and `Request::CopyTable`.
    Copied(Copied),
    /// To `Request::ClearClipboard`: whether anything of ours was cleared.
    ClipboardCleared(bool),
    /// To `Request::Persist` and `Request::LoadCredentials`.
    Credentials {
        /// All kubeconfigs that are now persisted, whichever instance issued them.
        credentials: Credentials,
        /// A message about the file.
        note: Option<String>,
    },
    /// To `Request::LoadFleet`.
    LastFleet(LastFleet),
    /// To `Request::SaveFleet`.
    FleetSaved,
    /// To `Request::ReadLog`: lines, oldest first.
    Log(Vec<String>),
    /// To `Request::Observe`, repeatedly until `Effect::Unobserve`.
    Observed(ObserverEvent),
}

/// The result of trying a credential.
#[derive(Debug, Clone)]
pub struct TriedCredential {
    pub location: KubeconfigLocation,
    pub trial: Trial,
    /// The content of its file immediately before.
    pub content: Option<FoundContext>,
}

/// The outcome of a request to start or complete.
#[derive(Debug, Clone)]
pub enum RotateOutcome {
    /// The acceptance by SKE, and the server's clock minus ours.
    Accepted(Accepted, Option<SignedDuration>),
    /// The read immediately before showed another state; nothing was sent.
    Changed(Box<Cluster>),
    /// The kubeconfig files hold other credentials for the cluster than the user saw; nothing was sent.
    FilesChanged(Arc<[FoundFile]>),
    NotSent(Failure),
    Refused(Failure),
    /// The request was sent without a clear answer.
    Unknown(Failure, Option<SignedDuration>),
}

/// An issued kubeconfig.
#[derive(Debug, Clone)]
pub struct IssuedKubeconfig {
    pub fresh: Arc<ParsedKubeconfig>,
    /// `expirationTimestamp` as returned by the server; only for the admin kind.
    pub expires: Option<Timestamp>,
    /// Facts from its certificates, if readable.
    pub issuance: Option<Issuance>,
}

/// How the copy was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// "Copied" or "Sent to the terminal (tmux)".
    pub how: String,
    /// Whether the clipboard can be read back, so that only our own content is cleared.
    pub can_check: bool,
}
