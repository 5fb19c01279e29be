//! Carries effects out: one match, one task each, every result a message. The only place that awaits a client.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use jiff::SignedDuration;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{Notify, Semaphore};

use crate::app::effect::Effect;
use crate::app::message::{Issued, Listing, Message, RotateOutcome};
use crate::app::update::is_material;
use crate::clients::auth::TokenSource;
use crate::clients::projects::ProjectsClient;
use crate::clients::ske::SkeClient;
use crate::clock::Clock;
use crate::domain::action::Action;
use crate::domain::cluster::{Cluster, ClusterId};
use crate::domain::failure::{Failure, FailureKind};
use crate::domain::kept::Kept;
use crate::domain::kubeconfig::{Destination, Fresh, Kind, Known, NotSaved};
use crate::domain::lifetime::Lifetime;
use crate::domain::record::Record;
use crate::domain::rotation::Step;
use crate::runtime::clipboard::Clipboard;
use crate::runtime::notify::Notifier;
use crate::runtime::observers::Observers;
use crate::store::journal::Journal;
use crate::store::kubeconfigs::Kubeconfigs;
use crate::store::memory;

/// What comes to the loop beside keys and time.
#[derive(Debug)]
pub enum Incoming {
    /// Something happened.
    Message(Message),
    /// A task ended with this; the loop counts it off after taking it in.
    Settled(Message),
    /// An escape sequence to be sent between frames.
    Send(String),
}

/// What effects are carried out with.
pub struct Tools {
    /// Time.
    pub clock: Clock,
    /// The SKE API.
    pub ske: SkeClient,
    /// Who we are.
    pub tokens: TokenSource,
    /// Names of projects, where a resource manager is known.
    pub projects: Option<ProjectsClient>,
    /// The user's kubeconfigs.
    pub kubeconfigs: Kubeconfigs,
    /// The journal; `None` where nothing can be kept.
    pub journal: Option<Journal>,
    /// Folder of what is kept between runs; `None` where nothing can be kept.
    pub state_folder: Option<PathBuf>,
    /// The clipboard.
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
    tools: Tools,
    observers: Observers,
    reads: Semaphore,
    sender: UnboundedSender<Incoming>,
    in_flight: AtomicUsize,
    writes: AtomicUsize,
    write_ended: Notify,
    broken_memory: AtomicBool,
}

impl Performer {
    /// A performer that sends results to `sender`.
    pub fn new(tools: Tools, sender: UnboundedSender<Incoming>) -> Self {
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
        drop(self.0.sender.send(Incoming::Message(message)));
    }

    /// Waits for requests that were sent and files that are being written, at most `limit`.
    pub async fn finish_writes(&self, limit: Duration) {
        let ended = async {
            loop {
                let notified = self.0.write_ended.notified();
                if self.0.writes.load(Ordering::SeqCst) == 0 {
                    return;
                }
                notified.await;
            }
        };
        let _in_time = self.0.tools.clock.timeout(limit, ended).await;
    }

    /// How a person who looks elsewhere is told.
    pub fn notifier(&self) -> Notifier {
        self.0.tools.notifier
    }

    /// Carries one effect out in a task of its own.
    pub fn perform(&self, effect: Effect) {
        let Some(effect) = self.look(effect) else { return };
        let is_write = matches!(
            effect,
            Effect::Rotate { .. }
                | Effect::Act { .. }
                | Effect::Issue { .. }
                | Effect::Save { .. }
                | Effect::Journal(_)
                | Effect::Remember(_)
                | Effect::ClearClipboard
        );
        self.0.in_flight.fetch_add(1, Ordering::SeqCst);
        if is_write {
            self.0.writes.fetch_add(1, Ordering::SeqCst);
        }
        let this = self.clone();
        tokio::spawn(async move {
            let performer = this.clone();
            let broken = broken(&effect);
            let message = guarded(broken, async move { performer.carry_out(effect).await }).await;
            if is_write {
                this.0.writes.fetch_sub(1, Ordering::SeqCst);
                this.0.write_ended.notify_waiters();
            }
            match message {
                Some(message) => drop(this.0.sender.send(Incoming::Settled(message))),
                None => this.settle(1),
            }
        });
    }

    /// Begins and ends looking at clusters, in the order in which that is asked for; hands back other effects.
    fn look(&self, effect: Effect) -> Option<Effect> {
        let Inner { tools, observers, sender, .. } = &*self.0;
        if let Effect::Observe { cluster, number, agreed } = effect {
            if !tools.read_only {
                observers.begin(*cluster, (number, agreed), &tools.ske, &tools.clock, sender);
            }
            return None;
        }
        if let Effect::Reading(cluster) = effect {
            observers.reading(*cluster);
            return None;
        }
        if let Effect::Unobserve(id) = &effect {
            observers.end(id);
            return None;
        }
        Some(effect)
    }

    #[expect(clippy::too_many_lines, reason = "one arm for each effect, short ones")]
    async fn carry_out(&self, effect: Effect) -> Option<Message> {
        let tools = &self.0.tools;
        match effect {
            Effect::Identify => {
                // Makes the first token, so that the name is known; a failure shows at the first list.
                drop(tools.tokens.token().await);
                let identity = Box::new(tools.tokens.identity());
                Some(Message::Identified { identity, notes: tools.tokens.notes() })
            }
            Effect::NameProjects(ids) => {
                let client = tools.projects.as_ref()?;
                let mut names = Vec::new();
                for id in ids {
                    let _permit = self.0.reads.acquire().await.ok()?;
                    if let Ok(name) = client.name(&id).await {
                        names.push((id, name));
                    }
                }
                Some(Message::Named(names))
            }
            Effect::List { sequence, scope } => {
                let _permit = self.0.reads.acquire().await.ok()?;
                let result = tools.ske.list(&scope).await.map(|listing| Listing {
                    clusters: listing.clusters,
                    skipped: listing.skipped,
                    skew: listing.skew,
                });
                Some(Message::Listed { sequence, scope, result })
            }
            Effect::Read { sequence, id } => {
                let result = tools
                    .ske
                    .get(&id)
                    .await
                    .map(|reading| (Box::new(reading.cluster), reading.skew));
                Some(Message::Read { sequence, id, result })
            }
            Effect::Rotate { request, step, shown, intent } => {
                let outcome = match self.intend(*intent).await {
                    Ok(()) => self.rotate(&shown, step).await,
                    Err(failure) => RotateOutcome::NotSent(failure),
                };
                Some(Message::Rotated { request, id: shown.id.clone(), outcome })
            }
            Effect::Act { request, id, action, intent } => {
                let result = match self.intend(*intent).await {
                    Ok(()) => match action {
                        Action::WakeUp => tools.ske.wake_up(&id).await,
                        Action::Reconcile => tools.ske.reconcile(&id).await,
                        Action::Rotate(_) | Action::Issue => Ok(None),
                    },
                    Err(failure) => Err(failure),
                };
                Some(Message::Acted { request, id, action, result })
            }
            Effect::FindStaticTokens(id) => {
                let kubeconfigs = tools.kubeconfigs.clone();
                let (id, found) = blocking(move || {
                    let found = kubeconfigs.static_tokens(&id);
                    (id, found)
                })
                .await;
                Some(Message::StaticTokensFound(id, found))
            }
            Effect::Plan { sequence, destination, context, known } => {
                let kubeconfigs = tools.kubeconfigs.clone();
                let result =
                    blocking(move || kubeconfigs.plan(&destination, &context, &known)).await;
                Some(Message::Planned { sequence, result: result.map(Box::new) })
            }
            Effect::Issue { request, id, kind, lifetime, destination, intent } => {
                let result = self.issue(&id, kind, lifetime, destination, *intent).await;
                Some(Message::Issued { request, result })
            }
            Effect::Save { request, destination, fresh, options, fingerprint } => {
                let result = match self.may_write() {
                    Ok(()) => {
                        tools
                            .kubeconfigs
                            .save(&destination, &fresh, &options, fingerprint.as_deref())
                            .await
                    }
                    Err(failure) => Err(NotSaved::Failed(failure)),
                };
                Some(Message::Saved { request, result })
            }
            Effect::CopySecret { what, text } => {
                let result = tools.clipboard.copy(text.expose(), true).await;
                Some(Message::Copied { what, secret: true, result })
            }
            Effect::CopyText { what, text } => {
                let result = tools.clipboard.copy(&text, false).await;
                Some(Message::Copied { what, secret: false, result })
            }
            Effect::ClearClipboard => {
                let cleared = tools.clipboard.clear().await;
                Some(Message::ClipboardCleared { cleared })
            }
            Effect::Journal(record) => {
                self.write_journal(*record).await.err().map(Message::TaskFailed)
            }
            Effect::Remember(kept) => self.remember(*kept).await,
            Effect::Recall => {
                let folder = tools.state_folder.clone()?;
                let accesses = blocking(move || memory::accesses(&folder)).await;
                Some(Message::Recalled { accesses, note: None })
            }
            Effect::Notify { title, text } => {
                let sequence = tools.notifier.sequence(&title, &text);
                drop(self.0.sender.send(Incoming::Send(sequence)));
                tools.notifier.tell_desktop(&title, &text, &tools.clock).await;
                None
            }
            // Done before, or by the loop itself.
            Effect::Observe { .. }
            | Effect::Reading(_)
            | Effect::Unobserve(_)
            | Effect::Terminal(_) => None,
        }
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
        blocking(move || journal.append(&record)).await
    }

    async fn rotate(&self, shown: &Cluster, step: Step) -> RotateOutcome {
        let ske = &self.0.tools.ske;
        let reading = match ske.get(&shown.id).await {
            Ok(reading) => reading,
            Err(failure) => return RotateOutcome::NotSent(failure),
        };
        if is_material(shown, &reading.cluster) {
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
        id: &ClusterId,
        kind: Kind,
        lifetime: Lifetime,
        destination: Destination,
        intent: Record,
    ) -> Result<Issued, Failure> {
        let tools = &self.0.tools;
        // Refused before anything is asked for, if it could not be kept.
        let kubeconfigs = tools.kubeconfigs.clone();
        let (context, known) = (id.name.to_string(), Known::Cluster(id.clone()));
        blocking(move || kubeconfigs.plan(&destination, &context, &known)).await?;
        self.intend(intent).await?;
        let issued = match kind {
            Kind::Admin => tools.ske.issue(id, lifetime).await?,
            Kind::Login => tools.ske.login_kubeconfig(id).await?,
            Kind::Idp => tools.ske.idp_kubeconfig(id).await?,
        };
        let fresh = Fresh::read(kind, &issued.kubeconfig)?;
        Ok(Issued { fresh: Box::new(fresh), expires: issued.expires })
    }

    async fn remember(&self, kept: Kept) -> Option<Message> {
        let folder = self.0.tools.state_folder.clone()?;
        let now = self.0.tools.clock.now();
        match blocking(move || memory::save(&folder, &kept, now)).await {
            Ok((accesses, note)) => Some(Message::Recalled { accesses, note }),
            Err(failure) => {
                // Said once: it is no reason to disturb an operator again and again.
                let told = self.0.broken_memory.swap(true, Ordering::SeqCst);
                (!told).then_some(Message::TaskFailed(failure))
            }
        }
    }
}

/// Awaits work in a task of its own, so that a defect in it becomes a message instead of silence.
async fn guarded(
    broken: Message,
    work: impl Future<Output = Option<Message>> + Send + 'static,
) -> Option<Message> {
    tokio::spawn(work).await.unwrap_or(Some(broken))
}

/// What the machine is told when carrying an effect out breaks: whoever waits for an answer gets one.
fn broken(effect: &Effect) -> Message {
    let defect = Failure::new(FailureKind::Bug, "a task of skeys broke; the rest goes on")
        .hint("Press r to read again; the report is in the state folder");
    match effect {
        Effect::List { sequence, scope } => {
            Message::Listed { sequence: *sequence, scope: scope.clone(), result: Err(defect) }
        }
        Effect::Read { sequence, id } => {
            Message::Read { sequence: *sequence, id: id.clone(), result: Err(defect) }
        }
        Effect::Rotate { request, shown, .. } => Message::Rotated {
            request: *request,
            id: shown.id.clone(),
            outcome: RotateOutcome::Unknown(defect, SignedDuration::ZERO),
        },
        Effect::Act { request, id, action, .. } => Message::Acted {
            request: *request,
            id: id.clone(),
            action: *action,
            result: Err(defect),
        },
        Effect::Issue { request, .. } => Message::Issued { request: *request, result: Err(defect) },
        Effect::Save { request, .. } => {
            Message::Saved { request: *request, result: Err(NotSaved::Failed(defect)) }
        }
        Effect::Plan { sequence, .. } => {
            Message::Planned { sequence: *sequence, result: Err(defect) }
        }
        Effect::CopySecret { what, .. } => {
            Message::Copied { what: what.clone(), secret: true, result: Err(defect) }
        }
        Effect::CopyText { what, .. } => {
            Message::Copied { what: what.clone(), secret: false, result: Err(defect) }
        }
        Effect::Identify
        | Effect::NameProjects(_)
        | Effect::FindStaticTokens(_)
        | Effect::ClearClipboard
        | Effect::Journal(_)
        | Effect::Remember(_)
        | Effect::Recall
        | Effect::Observe { .. }
        | Effect::Reading(_)
        | Effect::Unobserve(_)
        | Effect::Notify { .. }
        | Effect::Terminal(_) => Message::TaskFailed(defect),
    }
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
    use crate::app::effect::Effect;
    use crate::app::message::{Message, RequestId, RotateOutcome};
    use crate::domain::failure::FailureKind;
    use crate::domain::fixtures::{cluster, now};
    use crate::domain::record::{Outcome, Record};
    use crate::domain::rotation::{Phase, Step};
    use crate::runtime::perform::{blocking, broken, guarded};

    #[tokio::test]
    async fn tty_01_a_panic_in_a_task_becomes_a_notice_and_the_rest_goes_on() {
        let message = guarded(broken(&Effect::Identify), async { panic!("a defect") }).await;
        let Some(Message::TaskFailed(failure)) = message else { panic!("{message:?}") };
        assert_eq!(failure.kind, FailureKind::Bug);
        assert!(guarded(broken(&Effect::Identify), async { None }).await.is_none());
    }

    #[tokio::test]
    async fn tty_01_a_defect_in_work_that_blocks_is_one_of_its_task() {
        let work = async {
            let (): () = blocking(|| panic!("a defect")).await;
            None
        };
        let message = guarded(broken(&Effect::Identify), work).await;
        assert!(matches!(message, Some(Message::TaskFailed(_))), "{message:?}");
    }

    #[tokio::test]
    async fn tty_01_a_start_whose_task_breaks_is_of_unknown_outcome() {
        let shown = Box::new(cluster("a", Phase::Completed));
        let intent = Box::new(Record {
            at: now(),
            who: String::new(),
            cluster: None,
            step: String::new(),
            request: None,
            outcome: Outcome::Intended,
            text: String::new(),
            expires: None,
            trace: None,
        });
        let effect = Effect::Rotate { request: RequestId(3), step: Step::Start, shown, intent };
        let message = guarded(broken(&effect), async { panic!("a defect") }).await;
        let Some(Message::Rotated { request, outcome, .. }) = message else {
            panic!("{message:?}")
        };
        assert_eq!(request, RequestId(3));
        assert!(matches!(outcome, RotateOutcome::Unknown(..)));
    }
}
