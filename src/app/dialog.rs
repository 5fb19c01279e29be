//! Dialogs as data: what they are about, what has the focus, how far they are.

use std::time::Duration;

use jiff::Timestamp;
use tui_input::Input;

use crate::app::columns::COLUMNS;
use crate::app::keymap::Command;
use crate::app::message::IssuedKubeconfig;
use crate::app::requests::{DialogId, KubeconfigRequest, RequestId};
use crate::app::settings::Place;
use crate::domain::action::Action;
use crate::domain::cluster::{Cluster, ClusterId};
use crate::domain::failure::Failure;
use crate::domain::kubeconfig::{ClusterIdentity, Destination, EntryOwner, KubeconfigKind, Plan};
use crate::domain::lifetime::{Lifetime, LifetimeError};
use crate::domain::preflight::{Evidence, Finding};
use crate::domain::rotation::Step;

/// What lies over the screen.
#[derive(Debug, Clone)]
pub enum Dialog {
    /// Start or complete a rotation.
    Rotate(Box<RotationDialog>),
    /// Wake up or reconcile.
    Confirm(Box<ConfirmDialog>),
    Issue(Box<KubeconfigForm>),
    Menu(Menu),
}

/// Something is under way: leave all the same? It lies over everything, so that nothing below it is lost.
#[derive(Debug, Clone)]
pub struct QuitDialog {
    /// Whether the leaving button has the focus.
    pub leave: bool,
    /// What is under way, in words.
    pub why: String,
}

/// Which of two buttons, or the text field, has the focus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Focus {
    /// The field for the typed name.
    Name,
    /// Do nothing.
    Cancel,
    Confirm,
}

/// The dialog of a rotation step. It is about one pinned cluster, whatever moves beneath it.
#[derive(Debug, Clone)]
pub struct RotationDialog {
    /// Which dialog it is: what it asks for is answered to it alone.
    pub id: DialogId,
    pub step: Step,
    /// The cluster as the person sees it in this dialog; compared with a new reading before anything is sent.
    pub shown: Cluster,
    /// Name of its project.
    pub project: String,
    pub evidence: Evidence,
    pub findings: Vec<Finding>,
    /// Reads begun up to this one are no check of it.
    pub ignore_reads_through: RequestId,
    /// When the cluster was last read for this dialog; `None` until the first reading came.
    pub checked: Option<Timestamp>,
    /// Whether the name must be typed.
    pub wants_name: bool,
    pub typed: Input,
    /// Why the typed text was not taken.
    pub typed_note: Option<String>,
    pub focus: Focus,
    pub stage: RotationDialogStage,
    /// Keys pressed when the present stage began, and the moment: a held-down key must not confirm.
    pub guard: Guard,
    /// Rows of text above what is drawn, when it does not fit.
    pub scroll: u16,
}

/// How far a rotation dialog is.
#[derive(Debug, Clone)]
pub enum RotationDialogStage {
    /// Waiting for the first reading.
    Checking,
    /// Waiting for the person.
    Asking,
    /// What it shows is no longer so; the person must look again and then confirm.
    Changed(String),
    /// Sent, or about to be.
    Sending,
    /// No clear answer came; reading back.
    Unclear,
    /// Refused, or failed without effect. Stays until dismissed.
    Failed(Failure),
    /// It ended; the sentence says how.
    Settled(String),
}

/// Tells a decision from a held-down key or one typed ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guard {
    /// Keys pressed when it began.
    pub keys: u64,
    /// Steady moment when it began.
    pub at: Duration,
}

/// A question with one acting button, about one cluster.
#[derive(Debug, Clone)]
pub struct ConfirmDialog {
    /// Which cluster, pinned.
    pub cluster: ClusterId,
    pub action: Action,
    /// Whether the acting button has the focus.
    pub confirm: bool,
    pub guard: Guard,
}

/// A kubeconfig that was issued.
#[derive(Debug, Clone)]
pub struct UnsavedKubeconfig {
    pub request: KubeconfigRequest,
    pub issued: IssuedKubeconfig,
}

/// The kubeconfig form.
#[derive(Debug, Clone)]
pub struct KubeconfigForm {
    /// Which form it is: what it asks for is answered to it alone.
    pub id: DialogId,
    /// The cluster, pinned, as read when the form opened.
    pub cluster: Cluster,
    /// Name of its project.
    pub project: String,
    pub kind: KubeconfigKind,
    pub lifetime: Input,
    pub place: Place,
    /// Path of the file, as typed.
    pub path: Input,
    /// Name of context, user and cluster in the file.
    pub context: Input,
    pub make_current: bool,
    pub focus: KubeconfigField,
    pub plan: PlanState,
    /// The last look at the destination.
    pub plan_request: RequestId,
    pub stage: KubeconfigFormStage,
    /// What was issued and is not saved yet, and the request that brought it.
    pub issued: Option<(RequestId, UnsavedKubeconfig)>,
    /// Whether something was typed or chosen.
    pub touched: bool,
    /// Whether the person agreed to replace an entry or file of the same name.
    pub replace: bool,
    /// Whether the person agreed to the one-way switch.
    pub one_way_agreed: bool,
    pub guard: Guard,
}

/// Fields of the form, in the order of Tab.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KubeconfigField {
    KubeconfigKind,
    /// Lifetime; only for the admin kind.
    Lifetime,
    Place,
    /// Path; only for a file.
    Path,
    /// Context name; for merge and file.
    Context,
    /// Current context; only for merge.
    MakeCurrent,
    Cancel,
    Confirm,
}

/// What is known about the destination.
#[derive(Debug, Clone)]
pub enum PlanState {
    Looking,
    Ready(Box<Plan>),
    /// It cannot be written, and why.
    Impossible(Failure),
}

/// How far a kubeconfig form is.
#[derive(Debug, Clone)]
pub enum KubeconfigFormStage {
    Editing,
    /// A question before anything is sent or written.
    Asking {
        question: FormQuestion,
        answer: usize,
    },
    Issuing(RequestId),
    Saving(RequestId),
    /// It did not work; stays until dismissed.
    Failed(Failure),
}

/// Questions of the form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FormQuestion {
    /// Issuing switches static tokens off for ever.
    OneWay,
    /// Entries of that name exist.
    NameConflict(NameConflict),
    /// Something was typed; close all the same?
    Discard,
    /// An issued kubeconfig was not saved anywhere; close all the same?
    Lose,
}

/// What is in the way of saving.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NameConflict {
    /// The entries, or the file, in words.
    pub names: Vec<String>,
    /// Which cluster they belong to.
    pub whose: EntryOwner,
    /// Another name that is free, as far as can be seen.
    pub other: Option<String>,
}

impl FormQuestion {
    /// Answers, the harmless one first.
    pub fn answers(&self) -> &'static [&'static str] {
        match self {
            Self::OneWay => &["Cancel", "Issue, switch static tokens off"],
            Self::NameConflict(_) => &["Cancel", "Use another name", "Replace"],
            Self::Discard => &["Go on editing", "Close the form"],
            Self::Lose => &["Choose another destination", "Drop the kubeconfig"],
        }
    }
}

impl KubeconfigForm {
    /// The fields that this form has now, in the order of Tab.
    pub fn fields(&self) -> Vec<KubeconfigField> {
        let mut fields = vec![KubeconfigField::KubeconfigKind];
        if self.kind == KubeconfigKind::Admin {
            fields.push(KubeconfigField::Lifetime);
        }
        fields.push(KubeconfigField::Place);
        if self.place == Place::File {
            fields.push(KubeconfigField::Path);
        }
        fields.push(KubeconfigField::Context);
        if self.place == Place::Merge {
            fields.push(KubeconfigField::MakeCurrent);
        }
        fields.extend([KubeconfigField::Cancel, KubeconfigField::Confirm]);
        fields
    }

    /// The lifetime as typed.
    ///
    /// # Errors
    /// The sentence to show.
    pub fn lifetime(&self) -> Result<Lifetime, LifetimeError> {
        Lifetime::parse(self.lifetime.value())
    }

    /// The destination as chosen.
    pub fn destination(&self) -> Destination {
        match self.place {
            Place::Merge => Destination::Merge,
            Place::File => Destination::File(self.path.value().trim().to_owned()),
            Place::Clipboard => Destination::Clipboard,
            Place::Stdout => Destination::Stdout,
        }
    }

    /// What the destination looks like, once it was looked at.
    pub fn plan(&self) -> Option<&Plan> {
        match &self.plan {
            PlanState::Ready(plan) => Some(plan),
            PlanState::Looking | PlanState::Impossible(_) => None,
        }
    }

    /// Whether it becomes the current context whatever was chosen: the first one of a new file does.
    pub fn becomes_current(&self) -> bool {
        self.place == Place::Merge && self.plan().is_some_and(|plan| plan.blank)
    }

    /// What is known of the cluster: its server, once a kubeconfig is issued.
    pub fn known(&self) -> ClusterIdentity {
        match &self.issued {
            Some((_, held)) => ClusterIdentity::Server(held.issued.fresh.server().to_owned()),
            None => ClusterIdentity::Address(self.cluster.id.clone()),
        }
    }

    /// Why it cannot be issued as filled in, if it cannot.
    pub fn problem(&self) -> Option<String> {
        if self.kind == KubeconfigKind::Admin
            && self.issued.is_none()
            && let Err(error) = self.lifetime()
        {
            return Some(error.to_string());
        }
        if self.context.value().trim().is_empty() {
            return Some("the context needs a name".to_owned());
        }
        if self.place == Place::File && self.path.value().trim().is_empty() {
            return Some("the file needs a path".to_owned());
        }
        match &self.plan {
            PlanState::Impossible(failure) => Some(failure.to_string()),
            PlanState::Looking => Some("looking at the destination".to_owned()),
            PlanState::Ready(_) => None,
        }
    }
}

/// A list to choose from.
#[derive(Debug, Clone)]
pub struct Menu {
    pub kind: MenuItems,
    pub cursor: usize,
    /// Typed text that narrows the commands.
    pub query: Input,
}

/// Which list.
#[derive(Debug, Clone)]
pub enum MenuItems {
    Sort,
    Columns,
    /// What to copy: words and text.
    Copy(Vec<(String, String)>),
    /// All commands that can be named.
    Commands(Vec<(Command, String, String)>),
}

impl Menu {
    /// Number of lines.
    pub fn len(&self) -> usize {
        match &self.kind {
            MenuItems::Sort => COLUMNS.len(),
            MenuItems::Columns => COLUMNS.len().saturating_sub(2),
            MenuItems::Copy(items) => items.len(),
            MenuItems::Commands(items) => items.len(),
        }
    }

    /// Whether there is nothing to choose.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
