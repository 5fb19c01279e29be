//! Carries effects out: one match, one task each, every result a message. The only place that awaits a client.

use jiff::Timestamp;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::sync::{Notify, Semaphore};

use crate::app::effect::{Effect, Request};
use crate::app::message::{Answer, IssuedKubeconfig, Listing, Message, RotateOutcome};
use crate::app::requests::RequestId;
use crate::app::state::State;
use crate::app::update::invalidates_confirmation;
use crate::clients::auth::TokenSource;
use crate::clients::projects::ProjectsClient;
use crate::clients::ske::SkeClient;
use crate::clock::Clock;
use crate::domain::action::Action;
use crate::domain::cluster::{Cluster, ClusterId, ProjectId};
use crate::domain::credential::{CredentialFacts, Credentials, Issuance};
use crate::domain::failure::{Failure, FailureKind};
use crate::domain::kubeconfig::{
    ClusterIdentity, Destination, KubeconfigKind, NotSaved, ParsedKubeconfig,
};
use crate::domain::lifetime::Lifetime;
use crate::domain::persisted::PersistedState;
use crate::domain::record::Record;
use crate::domain::rotation::Step;
use crate::domain::snapshot::{ObserverEvent, Unavailable};
use crate::runtime::clipboard::Clipboard;
use crate::runtime::loop_input::{LoopInput, LoopSender};
use crate::runtime::notify::Notifier;
use crate::runtime::observers::Observers;
use crate::store::journal::Journal;
use crate::store::kubeconfigs::Kubeconfigs;
use crate::store::state_file;

/// What effects are carried out with.
pub struct Services {
    pub clock: Clock,
    pub ske: SkeClient,
    pub tokens: TokenSource,
    /// Names of projects, where a resource manager is known.
    pub projects: Option<ProjectsClient>,
    pub kubeconfigs: Kubeconfigs,
    /// The journal; `None` where nothing can be kept.
    pub journal: Option<Journal>,
    /// Folder of what is kept between runs; `None` where nothing can be kept.
    pub state_folder: Option<PathBuf>,
    pub clipboard: Clipboard,
    /// How a person who looks elsewhere is told.
    pub notifier: Notifier,
    /// Whether nothing may be sent that changes something, and nothing written for the user.
    pub read_only: bool,
    /// Lists and reads under way at once, at most.
    pub concurrency: usize,
}

/// Carries effects out. Clones share the tasks.
#[derive(Clone)]
pub struct Performer(Arc<Inner>);

struct Inner {
    tools: Services,
    observers: Observers,
    reads: Semaphore,
    sender: LoopSender,
    in_flight: AtomicUsize,
    writes: AtomicUsize,
    write_ended: Notify,
    broken_memory: AtomicBool,
    told_of_lock: AtomicBool,
}

impl Performer {
    /// A performer that sends results to `sender`.
    pub fn new(tools: Services, sender: LoopSender) -> Self {
        let reads = Semaphore::new(tools.concurrency.max(1));
        Self(Arc::new(Inner {
            tools,
            observers: Observers::default(),
            reads,
            sender,
            in_flight: AtomicUsize::new(0),
            writes: AtomicUsize::new(0),
            write_ended: Notify::new(),
            broken_memory: AtomicBool::new(false),
            told_of_lock: AtomicBool::new(false),
        }))
    }

    /// Tasks whose result the loop has not taken in yet.
    pub fn in_flight(&self) -> usize {
        self.0.in_flight.load(Ordering::SeqCst)
    }

    /// The loop took the results of this many tasks in and showed them.
    pub fn settle(&self, tasks: usize) {
        self.0.in_flight.fetch_sub(tasks, Ordering::SeqCst);
    }

    /// Sends a message to the loop.
    pub fn tell(&self, message: Message) {
        drop(self.0.sender.send(LoopInput::Message(message)));
    }

    /// Whether a request that was sent is not answered, or a file is being written.
    pub fn writes_under_way(&self) -> bool {
        self.0.writes.load(Ordering::SeqCst) > 0
    }

    /// Waits for requests that were sent and files that are being written.
    pub async fn finish_writes(&self) {
        loop {
            let notified = self.0.write_ended.notified();
            if !self.writes_under_way() {
                return;
            }
            notified.await;
        }
    }

    /// Appends records to the journal, one after the other. Nobody is left to be told of a failure.
    pub async fn write_down(&self, records: Vec<Record>) {
        for record in records {
            drop(self.write_journal(record).await);
        }
    }

    /// How a person who looks elsewhere is told.
    pub fn notifier(&self) -> Notifier {
        self.0.tools.notifier
    }

    /// Carries one effect out, in a task of its own where it takes time.
    pub fn perform(&self, effect: Effect) {
        let Inner { tools, observers, sender, .. } = &*self.0;
        match effect {
            Effect::Request(id, Request::Observe { cluster, agreed }) => {
                if !tools.read_only {
                    observers.begin(*cluster, (id, agreed), &tools.ske, &tools.clock, sender);
                }
            }
            Effect::Reading(cluster) => observers.reading(*cluster),
            Effect::Unobserve(id) => observers.end(&id),
            Effect::Request(id, request) => {
                let this = self.clone();
                self.spawn(
                    request.is_write(),
                    async move {
                        let answer = this.answer(id, request).await;
                        Some(Message::Answered(id, answer))
                    },
                    move |defect| Message::Answered(id, Answer::Broken(defect)),
                );
            }
            Effect::Journal(record) => {
                let this = self.clone();
                let write =
                    async move { this.write_journal(*record).await.err().map(Message::TaskFailed) };
                self.spawn(true, write, Message::TaskFailed);
            }
            Effect::Notify { title, text } => {
                let this = self.clone();
                let notify = async move {
                    let tools = &this.0.tools;
                    let sequence = tools.notifier.sequence(&title, &text);
                    drop(this.0.sender.send(LoopInput::Send(sequence)));
                    tools.notifier.tell_desktop(&title, &text, &tools.clock).await;
                    None
                };
                self.spawn(false, notify, Message::TaskFailed);
            }
            // The loop does it itself.
            Effect::Terminal(_) => {}
        }
    }

    /// Runs work in a task of its own; a defect in it becomes the message that `broken` makes of it.
    fn spawn(
        &self,
        is_write: bool,
        work: impl Future<Output = Option<Message>> + Send + 'static,
        broken: impl FnOnce(Failure) -> Message + Send + 'static,
    ) {
        self.0.in_flight.fetch_add(1, Ordering::SeqCst);
        if is_write {
            self.0.writes.fetch_add(1, Ordering::SeqCst);
        }
        let this = self.clone();
        tokio::spawn(async move {
            let message = guarded(work, broken).await;
            // Sent before the write is counted off: whoever waits for writes finds what came of them.
            match message {
                Some(message) => drop(this.0.sender.send(LoopInput::Settled(message))),
                None => this.settle(1),
            }
            if is_write {
                this.0.writes.fetch_sub(1, Ordering::SeqCst);
                this.0.write_ended.notify_waiters();
            }
        });
    }

    async fn answer(&self, id: RequestId, request: Request) -> Answer {
        let tools = &self.0.tools;
        match request {
            Request::Identify => {
                // Makes the first token, so that the name is known; a failure shows at the first list.
                drop(tools.tokens.token().await);
                let identity = Box::new(tools.tokens.identity());
                Answer::Identity { identity, notes: tools.tokens.notes() }
            }
            Request::NameProjects(ids) => Answer::ProjectNames(self.project_names(ids).await),
            Request::List(scope) => {
                let _permit = self.0.reads.acquire().await;
                let result = tools.ske.list(&scope).await.map(|listing| Listing {
                    clusters: listing.clusters,
                    skipped: listing.skipped,
                    skew: listing.skew,
                });
                Answer::Clusters(result)
            }
            Request::Read(id) => {
                let read = tools.ske.get(&id).await;
                Answer::Cluster(read.map(|reading| (Box::new(reading.cluster), reading.skew)))
            }
            Request::Rotate { step, shown, intent } => {
                Answer::Rotation(match self.intend(*intent).await {
                    Ok(()) => self.rotate(&shown, step).await,
                    Err(failure) => RotateOutcome::NotSent(failure),
                })
            }
            Request::Act { id, action, intent } => {
                Answer::Action(match self.intend(*intent).await {
                    Ok(()) => match action {
                        Action::WakeUp => tools.ske.wake_up(&id).await,
                        Action::Reconcile => tools.ske.reconcile(&id).await,
                        Action::Rotate(_) | Action::Issue => Ok(None),
                    },
                    Err(failure) => Err(failure),
                })
            }
            Request::FindStaticTokens(id) => {
                let kubeconfigs = tools.kubeconfigs.clone();
                Answer::StaticTokens(blocking(move || kubeconfigs.static_tokens(&id)).await)
            }
            Request::Plan { destination, context, known } => {
                let kubeconfigs = tools.kubeconfigs.clone();
                let plan = blocking(move || kubeconfigs.plan(&destination, &context, &known)).await;
                Answer::Destination(plan.map(Box::new))
            }
            Request::Issue { shown, kind, lifetime, destination, intent } => {
                let issued = self.issue(&shown, kind, lifetime, destination, *intent).await;
                Answer::Kubeconfig(issued)
            }
            Request::Save { destination, fresh, options, fingerprint } => {
                Answer::Saved(match self.may_write() {
                    Ok(()) => {
                        tools
                            .kubeconfigs
                            .save(&destination, &fresh, &options, fingerprint.as_deref())
                            .await
                    }
                    Err(failure) => Err(NotSaved::Failed(failure)),
                })
            }
            Request::CopySecret(text) => {
                Answer::Copied(tools.clipboard.copy(text.expose(), Some(id)).await)
            }
            Request::CopyText(text) => Answer::Copied(tools.clipboard.copy(&text, None).await),
            Request::ClearClipboard(copy) => {
                Answer::ClipboardCleared(tools.clipboard.clear(copy).await)
            }
            Request::Persist(kept, now) => self.persist(*kept, now).await,
            Request::LoadCredentials => {
                let credentials = match tools.state_folder.clone() {
                    Some(folder) => blocking(move || state_file::credentials(&folder)).await,
                    None => Credentials::default(),
                };
                Answer::Credentials { credentials, note: None }
            }
            // Begun before, outside of any task.
            Request::Observe { .. } => {
                Answer::Observed(ObserverEvent::Unavailable(Unavailable::Connecting))
            }
        }
    }

    async fn project_names(&self, ids: Vec<ProjectId>) -> Vec<(ProjectId, String)> {
        let mut names = Vec::new();
        if let Some(client) = self.0.tools.projects.as_ref() {
            for id in ids {
                let _permit = self.0.reads.acquire().await;
                if let Ok(name) = client.name(&id).await {
                    names.push((id, name));
                }
            }
        }
        names
    }

    fn may_write(&self) -> Result<(), Failure> {
        if self.0.tools.read_only {
            Err(Failure::new(
                FailureKind::NotPossible,
                "read-only mode; nothing was sent or written",
            )
            .hint("Start skeys without --read-only"))
        } else {
            Ok(())
        }
    }

    /// Writes the journal before anything is sent. An action that cannot be written down is still carried
    /// out when the journal is absent by configuration, but not when writing it fails.
    async fn intend(&self, intent: Record) -> Result<(), Failure> {
        self.may_write()?;
        self.write_journal(intent).await.map_err(|failure| {
            Failure::new(failure.kind, format!("{}; nothing was sent", failure.sentence()))
                .hint(failure.hint.unwrap_or_else(|| "Free the journal's folder".to_owned()))
        })
    }

    async fn write_journal(&self, record: Record) -> Result<(), Failure> {
        let Some(journal) = self.0.tools.journal.clone() else { return Ok(()) };
        let note = blocking(move || journal.append(&record)).await?;
        if let Some(note) = note
            && !self.0.told_of_lock.swap(true, Ordering::SeqCst)
        {
            self.tell(Message::TaskFailed(Failure::new(FailureKind::File, note)));
        }
        Ok(())
    }

    async fn rotate(&self, shown: &Cluster, step: Step) -> RotateOutcome {
        let ske = &self.0.tools.ske;
        let reading = match ske.get(&shown.id).await {
            Ok(reading) => reading,
            Err(failure) => return RotateOutcome::NotSent(failure),
        };
        if invalidates_confirmation(shown, &reading.cluster) {
            return RotateOutcome::Changed(Box::new(reading.cluster));
        }
        match ske.rotate(&shown.id, step).await {
            Ok(trace) => RotateOutcome::Accepted { trace, skew: reading.skew },
            Err(failure) if failure.leaves_outcome_unknown() => {
                RotateOutcome::Unknown(failure, reading.skew)
            }
            Err(failure) => RotateOutcome::Refused(failure),
        }
    }

    async fn issue(
        &self,
        shown: &Cluster,
        kind: KubeconfigKind,
        lifetime: Lifetime,
        destination: Destination,
        intent: Record,
    ) -> Result<IssuedKubeconfig, Failure> {
        let tools = &self.0.tools;
        let id = &shown.id;
        // Refused before anything is asked for, if it could not be kept.
        let kubeconfigs = tools.kubeconfigs.clone();
        let (context, known) = (id.name.to_string(), ClusterIdentity::Address(id.clone()));
        blocking(move || kubeconfigs.plan(&destination, &context, &known)).await?;
        // What SKE shows before it is asked tells of which generation the answer is. Where it cannot be read, the
        // kubeconfig is still worth having.
        let rotation = match tools.ske.get(id).await {
            Ok(reading) if State::is_same(shown, &reading.cluster) => {
                Some(reading.cluster.rotation)
            }
            Ok(_) => return Err(created_again(id)),
            Err(failure) if failure.kind == FailureKind::NotFound => return Err(failure),
            Err(_) => None,
        };
        self.intend(intent).await?;
        let issued = match kind {
            KubeconfigKind::Admin => tools.ske.issue(id, lifetime).await?,
            KubeconfigKind::Login => tools.ske.login_kubeconfig(id).await?,
            KubeconfigKind::Idp => tools.ske.idp_kubeconfig(id).await?,
        };
        let fresh = ParsedKubeconfig::read(kind, &issued.kubeconfig)?;
        let issuance = CredentialFacts::read(fresh.authorities(), fresh.client_certificate())
            .ok()
            .map(|facts| Issuance { facts, rotation });
        Ok(IssuedKubeconfig { fresh: Arc::new(fresh), expires: issued.expires, issuance })
    }

    async fn persist(&self, kept: PersistedState, now: Timestamp) -> Answer {
        let credentials = kept.credentials.clone();
        let Some(folder) = self.0.tools.state_folder.clone() else {
            return Answer::Credentials { credentials, note: None };
        };
        match blocking(move || state_file::save(&folder, &kept, now)).await {
            Ok((credentials, note)) => Answer::Credentials { credentials, note },
            // Said once: it is no reason to disturb an operator again and again.
            Err(_) if self.0.broken_memory.swap(true, Ordering::SeqCst) => {
                Answer::Credentials { credentials, note: None }
            }
            Err(failure) => Answer::Broken(failure),
        }
    }
}

fn created_again(id: &ClusterId) -> Failure {
    Failure::new(
        FailureKind::NotPossible,
        format!("{} was deleted and created again; nothing was asked for", id.name),
    )
    .hint("Close the form and look at the new cluster")
}

/// Awaits work in a task of its own, so that a defect in it becomes a message instead of silence.
async fn guarded(
    work: impl Future<Output = Option<Message>> + Send + 'static,
    broken: impl FnOnce(Failure) -> Message,
) -> Option<Message> {
    tokio::spawn(work).await.unwrap_or_else(|_panic| {
        let defect = Failure::new(FailureKind::Bug, "a task of skeys broke; the rest goes on")
            .hint("Press r to read again; the report is in the state folder");
        Some(broken(defect))
    })
}

/// Awaits work that blocks. A defect in it is one of whoever awaits it.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime ends, and everything with it.
            Err(_cancelled) => std::future::pending().await,
        },
    }
}

#[cfg(test)]
mod tests {
    use crate::app::message::Message;
    use crate::domain::failure::FailureKind;
    use crate::runtime::perform::{blocking, guarded};

    #[tokio::test]
    async fn tty_01_a_panic_in_a_task_becomes_a_notice_and_the_rest_goes_on() {
        let message = guarded(async { panic!("a defect") }, Message::TaskFailed).await;
        let Some(Message::TaskFailed(failure)) = message else { panic!("{message:?}") };
        assert_eq!(failure.kind, FailureKind::Bug);
        assert!(guarded(async { None }, Message::TaskFailed).await.is_none());
    }

    #[tokio::test]
    async fn tty_01_a_defect_in_work_that_blocks_is_one_of_its_task() {
        let work = async {
            let (): () = blocking(|| panic!("a defect")).await;
            None
        };
        let message = guarded(work, Message::TaskFailed).await;
        assert!(matches!(message, Some(Message::TaskFailed(_))), "{message:?}");
    }
}
