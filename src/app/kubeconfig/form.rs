//! State of the kubeconfig form.

use tui_input::Input;

use crate::app::kubeconfig::destination::Destination;
use crate::app::kubeconfig::text;
use crate::app::kubeconfig::unsaved::UnsavedKubeconfig;
use crate::app::motion::neighbour;
use crate::app::requests::{DialogId, RequestId};
use crate::app::shared::Guard;
use crate::domain::cluster::Cluster;
use crate::domain::failure::Failure;
use crate::domain::kubeconfig::{
    ClusterIdentity, FileTarget, KubeconfigKind, MergeQuery, Plan, check_context_name,
};
use crate::domain::lifetime::{Lifetime, LifetimeError};
use crate::domain::text::clean;

/// The kubeconfig form.
#[derive(Debug, Clone)]
pub struct KubeconfigForm {
    /// Routes answers to the form that sent the request.
    pub id: DialogId,
    /// The cluster, pinned, as read when the form opened.
    pub cluster: Cluster,
    pub kind: KubeconfigKind,
    pub lifetime: Input,
    pub destination: Destination,
    /// Path of the file, as entered.
    pub path: Input,
    /// Name of context, user and cluster in the file.
    pub context: Input,
    pub make_current: bool,
    pub focus: KubeconfigField,
    pub plan: PlanState,
    /// The latest check of the file.
    pub plan_request: RequestId,
    pub stage: KubeconfigFormStage,
    /// The issued kubeconfig that is not saved yet, and the request that returned it.
    pub issued: Option<(RequestId, UnsavedKubeconfig)>,
    /// Whether the user changed anything.
    pub touched: bool,
    /// Whether the user agreed to replace an entry or file of the same name.
    pub replace: bool,
    /// Whether the user agreed to disable static tokens for good.
    pub may_disable_static_tokens: bool,
    pub guard: Guard,
}

/// Fields of the form, in Tab order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KubeconfigField {
    Kind,
    /// Lifetime; only for the admin kind.
    Lifetime,
    Destination,
    /// Path; only for a separate file.
    Path,
    /// Context name; for merge and separate file.
    Context,
    /// Set as current context; only for merge.
    MakeCurrent,
    Cancel,
    Confirm,
}

/// What is known about the file to be written.
#[derive(Debug, Clone)]
pub enum PlanState {
    Checking,
    Ready(Box<Plan>),
    /// The file cannot be written.
    Impossible(Failure),
}

/// Stage of the form.
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
    Failed(Failure),
}

/// Questions of the form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FormQuestion {
    /// Issuing permanently disables static tokens.
    DisableStaticTokens,
    /// The file already has such entries, or exists. Contains an apparently unused name.
    NameConflict(Option<String>),
    Discard,
    /// Close although an issued kubeconfig is not saved anywhere?
    Lose,
}

impl FormQuestion {
    /// The answers, the harmless one first.
    pub fn answers(&self) -> &'static [&'static str] {
        match self {
            Self::DisableStaticTokens => &["Cancel", text::ISSUE_DISABLING_STATIC_TOKENS],
            Self::NameConflict(_) => &["Cancel", text::USE_ANOTHER_NAME, "Replace"],
            Self::Discard => &[text::KEEP_EDITING, text::CLOSE_FORM],
            Self::Lose => &[text::CHOOSE_DESTINATION, text::DISCARD_KUBECONFIG],
        }
    }
}

impl KubeconfigForm {
    /// The current fields of the form, in Tab order.
    pub fn fields(&self) -> Vec<KubeconfigField> {
        let mut fields = vec![KubeconfigField::Kind];
        if self.kind == KubeconfigKind::Admin {
            fields.push(KubeconfigField::Lifetime);
        }
        fields.push(KubeconfigField::Destination);
        if self.destination == Destination::File {
            fields.push(KubeconfigField::Path);
        }
        fields.push(KubeconfigField::Context);
        if self.destination == Destination::Merge {
            fields.push(KubeconfigField::MakeCurrent);
        }
        fields.extend([KubeconfigField::Cancel, KubeconfigField::Confirm]);
        fields
    }

    /// The lifetime as entered.
    ///
    /// # Errors
    /// The sentence to show.
    pub fn lifetime(&self) -> Result<Lifetime, LifetimeError> {
        Lifetime::parse(self.lifetime.value())
    }

    /// The focused text input, if it can be changed.
    pub fn input(&mut self) -> Option<&mut Input> {
        let lifetime = Some(&mut self.lifetime).filter(|_| self.issued.is_none());
        let inputs = [
            (KubeconfigField::Lifetime, lifetime),
            (KubeconfigField::Path, Some(&mut self.path)),
            (KubeconfigField::Context, Some(&mut self.context)),
        ];
        inputs.into_iter().find(|(field, _)| *field == self.focus)?.1
    }

    /// The file to write, if any.
    pub fn target(&self) -> Option<FileTarget> {
        self.destination.target(self.path.value())
    }

    /// What will be merged, as far as known before issuing.
    pub fn query(&self) -> MergeQuery {
        MergeQuery {
            context: self.context.value().trim().to_owned(),
            known: self.known(),
            kind: self.kind,
            make_current: self.make_current,
            in_place: false,
        }
    }

    /// The result of the file check, if there is one.
    pub fn plan(&self) -> Option<&Plan> {
        match &self.plan {
            PlanState::Ready(plan) => Some(plan),
            PlanState::Checking | PlanState::Impossible(_) => None,
        }
    }

    /// Whether it becomes the current context regardless of the choice: the first entry of a new file does.
    pub fn becomes_current(&self) -> bool {
        self.is_named_current()
            || self.destination == Destination::Merge && self.plan().is_some_and(|plan| plan.blank)
    }

    /// Whether `current-context` already names it.
    pub fn is_named_current(&self) -> bool {
        let name = clean(self.context.value().trim());
        self.destination == Destination::Merge
            && self.plan().is_some_and(|plan| plan.current.as_ref() == Some(&name))
    }

    /// The known identity of the cluster: its server once a kubeconfig is issued, otherwise its id.
    fn known(&self) -> ClusterIdentity {
        match &self.issued {
            Some((_, held)) => ClusterIdentity::Server(held.issued.fresh.server().to_owned()),
            None => ClusterIdentity::Address(self.cluster.id.clone()),
        }
    }

    /// Why it cannot be issued as entered, if so.
    pub fn problem(&self) -> Option<String> {
        if self.kind == KubeconfigKind::Admin
            && self.issued.is_none()
            && let Err(error) = self.lifetime()
        {
            return Some(error.to_string());
        }
        if let Err(failure) = check_context_name(self.context.value().trim()) {
            return Some(failure.to_string());
        }
        if self.destination == Destination::File && self.path.value().trim().is_empty() {
            return Some(text::FILE_PATH_MISSING.to_owned());
        }
        match &self.plan {
            PlanState::Impossible(failure) => Some(failure.to_string()),
            PlanState::Checking => Some(text::CHECKING_DESTINATION.to_owned()),
            PlanState::Ready(_) => None,
        }
    }

    /// The field after Enter: the next one, and after the last one the confirm button, skipping Cancel.
    pub fn after(&self, field: KubeconfigField) -> KubeconfigField {
        let next = neighbour(&self.fields(), field, true);
        if next == KubeconfigField::Cancel { KubeconfigField::Confirm } else { next }
    }

    /// Moves the focus to the next or previous field.
    pub fn step_focus(&mut self, forward: bool) {
        self.focus = neighbour(&self.fields(), self.focus, forward);
    }

    /// Sets the lifetime to the next longer or shorter preset.
    pub fn choose_preset(&mut self, longer: bool) {
        if let Some(text) = Lifetime::preset_beside(self.lifetime().ok(), longer) {
            self.lifetime = Input::new(text.to_owned());
            self.touched = true;
        }
    }

    /// Asks a question, with the harmless answer focused.
    pub fn ask(&mut self, question: FormQuestion, guard: Guard) {
        self.stage = KubeconfigFormStage::Asking { question, answer: 0 };
        self.guard = guard;
    }
}
