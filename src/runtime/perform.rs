//! Performs effects: one match, one task each, every result a message. Apart from observers, nothing else in the
//! dashboard awaits a client.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Mutex, Notify, Semaphore, mpsc, oneshot};
use tracing::{Instrument as _, debug, info_span, warn};

use crate::app::credentials::state::content_at;
use crate::app::effect::{ChecklistWrite, Effect, Request};
use crate::app::message::{Answer, IssuedKubeconfig, Message, RotateOutcome, TriedCredential};
use crate::app::requests::RequestId;
use crate::app::rotation::outcome::invalidates_confirmation;
use crate::clients::auth::TokenSource;
use crate::clients::discovery::DiscoveryClient;
use crate::clients::kubernetes::{ExpectedServer, check_server};
use crate::clients::ske::SkeClient;
use crate::clock::Clock;
use crate::domain::action::Trigger;
use crate::domain::checklist::{LocalChecklist, SharedWrite};
use crate::domain::cluster::{Cluster, ClusterId, ProjectId};
use crate::domain::credential::{FoundFile, Issuance, KubeconfigLocation};
use crate::domain::failure::{Failure, FailureKind, causes};
use crate::domain::kubeconfig::{
    FileTarget, InvalidKubeconfig, KubeconfigKind, MergeOptions, MergeQuery, NotSaved,
    ParsedKubeconfig, Plan, Saved,
};
use crate::domain::last_known::LastFleet;
use crate::domain::lifetime::Lifetime;
use crate::domain::persisted::PersistedState;
use crate::domain::preflight::SeenFiles;
use crate::domain::record::Record;
use crate::domain::rotation::Step;
use crate::domain::secret::Secret;
use crate::domain::snapshot::{ObserverEvent, Unavailable};
use crate::domain::table::{Exported, TableFormat};
use crate::domain::text::clean;
use crate::runtime::blocking::{
    FILE_LIMIT, catch_panic, retry, retry_while_locked, run_blocking, run_to_its_end,
};
use crate::runtime::clipboard::Clipboard;
use crate::runtime::configuration::{ConfigurationCheck, ConfigurationWatch};
use crate::runtime::log::LogBuffer;
use crate::runtime::loop_input::{LoopInput, LoopSender};
use crate::runtime::notify::Notifier;
use crate::runtime::observers::Observers;
use crate::runtime::stackit;
use crate::runtime::terminal::Surface;
use crate::runtime::trials::try_location;
use crate::store::checklists;
use crate::store::exports;
use crate::store::fleet_file;
use crate::store::journal::Journal;
use crate::store::kubeconfigs::Kubeconfigs;
use crate::store::lock::LockOutcome;
use crate::store::private_file::unobserved;
use crate::store::state_file;

/// Timeout for the locks of journal and state.
const LOCK_WAIT: Duration = Duration::from_secs(2);
/// Timeout for client-go's lock of a kubeconfig.
const KUBECONFIG_LOCK_WAIT: Duration = Duration::from_secs(10);

/// Concurrent reads of project names.
const NAMES_AT_ONCE: usize = 4;

/// What effects are performed with.
pub struct Services {
    pub clock: Clock,
    pub ske: SkeClient,
    pub tokens: TokenSource,
    /// Permissions of the account, and names of projects.
    pub discovery: DiscoveryClient,
    pub kubeconfigs: Kubeconfigs,
    /// The journal; `None` if nothing can be saved.
    pub journal: Option<Journal>,
    /// State folder; `None` if nothing can be saved.
    pub state_folder: Option<PathBuf>,
    /// Folder of exported files.
    pub export_folder: PathBuf,
    pub clipboard: Clipboard,
    /// Latest lines of the diagnostic log.
    pub log: LogBuffer,
    /// Notifies a user who is looking elsewhere.
    pub notifier: Notifier,
    /// Whether requests that change something, and writes of the user's files, are forbidden.
    pub read_only: bool,
    /// Most concurrent lists and reads.
    pub concurrency: usize,
    /// Where restarts are requested.
    pub restarts: mpsc::Sender<RestartRequest>,
}

/// A request for a restart with the current configuration.
pub struct RestartRequest {
    pub profile: Option<String>,
    /// Whether the next dashboard can start.
    pub answer: oneshot::Sender<Result<(), Failure>>,
}

/// Performs effects. Clones share the tasks.
#[derive(Clone)]
pub struct Performer(Arc<Inner>);

struct Inner {
    services: Services,
    observers: Observers,
    reads: Semaphore,
    /// Separate, since names of projects come from another server than clusters.
    names: Semaphore,
    sender: LoopSender,
    /// Initially as in the services; never reset once set.
    read_only: AtomicBool,
    in_flight: AtomicUsize,
    writes: AtomicUsize,
    write_ended: Notify,
    save_failed: AtomicBool,
    lock_noted: AtomicBool,
    /// Held while the kubeconfig files are read: a file system that hangs occupies one thread only.
    inventory_lock: Arc<Mutex<()>>,
    /// Serialize our own writers: file locks exclude other processes only.
    journal_lock: Mutex<()>,
    /// The request that was saved last.
    state_lock: Mutex<RequestId>,
}

impl Performer {
    /// A performer that sends results to `sender`.
    pub fn new(services: Services, sender: LoopSender) -> Self {
        let reads = Semaphore::new(services.concurrency.max(1));
        let read_only = AtomicBool::new(services.read_only);
        Self(Arc::new(Inner {
            services,
            observers: Observers::default(),
            reads,
            names: Semaphore::new(NAMES_AT_ONCE),
            sender,
            read_only,
            in_flight: AtomicUsize::new(0),
            writes: AtomicUsize::new(0),
            write_ended: Notify::new(),
            save_failed: AtomicBool::new(false),
            lock_noted: AtomicBool::new(false),
            inventory_lock: Arc::default(),
            journal_lock: Mutex::new(()),
            state_lock: Mutex::default(),
        }))
    }

    /// Tasks whose result the loop has not processed yet.
    pub fn in_flight(&self) -> usize {
        self.0.in_flight.load(Ordering::SeqCst)
    }

    /// Called when the loop has processed and shown the results of this many tasks.
    pub fn tasks_processed(&self, tasks: usize) {
        self.0.in_flight.fetch_sub(tasks, Ordering::SeqCst);
    }

    /// Whether a request is pending or a file is being written.
    pub fn writes_under_way(&self) -> bool {
        self.0.writes.load(Ordering::SeqCst) > 0
    }

    /// Waits for pending requests and file writes.
    pub async fn finish_writes(&self) {
        loop {
            let notified = self.0.write_ended.notified();
            if !self.writes_under_way() {
                return;
            }
            notified.await;
        }
    }

    /// Stops all observers: their events no longer have a receiver.
    pub fn end_observers(&self) {
        self.0.observers.end_all();
    }

    /// Watches the configuration file until the result is dropped.
    pub fn watch_configuration(&self, check: ConfigurationCheck) -> ConfigurationWatch {
        let (this, clock) = (self.clone(), self.0.services.clock.clone());
        let forbid = move || this.0.read_only.store(true, Ordering::SeqCst);
        ConfigurationWatch::begin(check, clock, self.0.sender.clone(), forbid)
    }

    fn is_read_only(&self) -> bool {
        self.0.read_only.load(Ordering::SeqCst)
    }

    /// Lends the terminal to the login program; returns its outcome.
    pub fn log_in<S: Surface>(&self, surface: &mut S) -> io::Result<Result<(), Failure>> {
        let tokens = &self.0.services.tokens;
        let failed = |what: &str| {
            let failure =
                Failure::new(FailureKind::SignedOut, format!("`stackit auth login` {what}"));
            Err(failure.hint("run it in another terminal to see why, then press r"))
        };
        let Some(program) = tokens.login_program() else { return Ok(failed("is not there")) };
        let ended = surface.lend(stackit::login(program))?;
        tokens.try_again();
        Ok(match ended {
            Ok(Some(0)) => Ok(()),
            Ok(Some(status)) => failed(&format!("ended with exit status {status}")),
            Ok(None) => failed("was ended by a signal"),
            Err(error) => failed(&format!("could not be run: {error}")),
        })
    }

    /// Appends records to the journal, in order. Failures no longer have a receiver.
    pub async fn append_records(&self, records: Vec<Record>) {
        for record in records {
            drop(self.append_record(record).await);
        }
    }

    /// Notifies a user who is looking elsewhere.
    pub fn notifier(&self) -> Notifier {
        self.0.services.notifier
    }

    /// Performs one effect, in its own task if it takes time.
    pub fn perform(&self, effect: Effect) {
        let Inner { services, observers, sender, .. } = &*self.0;
        match effect {
            Effect::Request(id, Request::Observe { cluster, agreed }) => {
                if !self.is_read_only() {
                    observers.begin(*cluster, (id, agreed), &services.ske, &services.clock, sender);
                }
            }
            Effect::Reading(cluster) => observers.reading(*cluster),
            Effect::Unobserve(id) => observers.end(&id),
            Effect::Request(id, request) => {
                let this = self.clone();
                let span = info_span!("task", %id, kind = kind(&request));
                // Reading the log must not add to it.
                let is_logged = !matches!(request, Request::ReadLog);
                // Shutdown waits for a copy, then clears it.
                let is_awaited = request.is_write() || matches!(request, Request::CopySecret(_));
                self.spawn(
                    is_awaited,
                    async move {
                        let answer = this.answer(id, request).await;
                        if is_logged {
                            log_outcome(failure(&answer));
                        }
                        Some(Message::Answered(id, answer))
                    }
                    .instrument(span),
                    move |defect| Message::Answered(id, Err(defect)),
                );
            }
            Effect::Journal(record) => {
                let this = self.clone();
                let write = async move {
                    let note = this.append_record(*record).await.unwrap_or_else(Some);
                    log_outcome(note.as_ref());
                    note.map(Message::TaskFailed)
                };
                let write = write.instrument(info_span!("task", kind = "append to the journal"));
                self.spawn(true, write, Message::TaskFailed);
            }
            Effect::Notify { title, text } => {
                let this = self.clone();
                let notify = async move {
                    let services = &this.0.services;
                    let sequence = services.notifier.sequence(&title, &text);
                    drop(this.0.sender.send(LoopInput::Send(Secret::new(sequence))).await);
                    services.notifier.notify_desktop(&title, &text, &services.clock).await;
                    None
                };
                self.spawn(false, notify, Message::TaskFailed);
            }
            // Performed by the loop itself.
            Effect::Terminal(_) => {}
        }
    }

    /// Runs work in its own task; a defect becomes the message that `broken` returns.
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
            let message = catch_panic("carrying out", work).await;
            let message = message.unwrap_or_else(|defect| Some(broken(defect)));
            // Sent before `writes` is decremented, so that whoever waits for writes finds the result.
            match message {
                Some(message) => drop(this.0.sender.send(LoopInput::TaskResult(message)).await),
                None => this.tasks_processed(1),
            }
            if is_write {
                this.0.writes.fetch_sub(1, Ordering::SeqCst);
                this.0.write_ended.notify_waiters();
            }
        });
    }

    /// Requests a restart.
    async fn prepare_restart(&self, profile: Option<String>) -> Result<(), Failure> {
        let (answer, answered) = oneshot::channel();
        // Without a receiver, the answer's sender is dropped too.
        drop(self.0.services.restarts.send(RestartRequest { profile, answer }).await);
        answered.await.unwrap_or_else(|_dropped| {
            let text = "This dashboard cannot be restarted with another configuration";
            Err(Failure::new(FailureKind::NotPossible, text))
        })
    }

    /// Performs a request.
    async fn answer(&self, id: RequestId, request: Request) -> Result<Answer, Failure> {
        let services = &self.0.services;
        Ok(match request {
            Request::Identify => {
                // Gets the first token, so that the identity is known; a failure shows at the first list.
                drop(services.tokens.token().await);
                let identity = Box::new(services.tokens.identity());
                Answer::Identity { identity, notes: services.tokens.notes() }
            }
            Request::NameProjects(ids) => Answer::ProjectNames(self.project_names(ids).await),
            Request::Discover => Answer::Discovered(services.discovery.discover().await?),
            Request::PrepareRestart { profile } => {
                self.prepare_restart(profile).await?;
                Answer::RestartReady
            }
            Request::List(scope) => {
                let _permit = self.0.reads.acquire().await;
                Answer::Clusters(services.ske.list(&scope).await?)
            }
            Request::Read(id) => {
                let reading = services.ske.get(&id).await?;
                Answer::Cluster(Box::new(reading.cluster), reading.skew)
            }
            Request::Rotate { step, shown, seen, intent } => {
                Answer::Rotation(match self.record_intent(*intent).await {
                    Ok(()) => self.rotate(&shown, step, seen).await,
                    Err(failure) => RotateOutcome::NotSent(failure),
                })
            }
            Request::Act { id, action, intent } => {
                self.record_intent(*intent).await?;
                Answer::Action(match action {
                    Trigger::WakeUp => services.ske.wake_up(&id).await?,
                    Trigger::Reconcile => services.ske.reconcile(&id).await?,
                })
            }
            Request::ReadInventory(more) => Answer::Inventory(self.read_inventory(more).await?),
            Request::TryCredentials(locations) => {
                Answer::Tried(self.try_credentials(locations).await?)
            }
            Request::ReadChecklist(id) => Answer::Checklist(self.read_checklist(id).await?),
            Request::WriteChecklist { id, write, intent } => {
                self.record_intent(*intent).await?;
                Answer::Checklist(self.write_checklist(id, *write).await?)
            }
            Request::Plan { file, query } => Answer::Plan(Box::new(self.plan(file, query).await?)),
            Request::Issue { shown, kind, lifetime, file, intent } => {
                Answer::Kubeconfig(self.issue(&shown, kind, lifetime, file, *intent).await?)
            }
            Request::Save { file, fresh, options, fingerprint, keeps_backup } => {
                let save = self.save(id, file, fresh, options, (fingerprint, keeps_backup));
                Answer::Saved(save.await)
            }
            Request::CopySecret(text) => {
                Answer::Copied(services.clipboard.copy(text.expose(), Some(id)).await?)
            }
            Request::CopyText(text) => Answer::Copied(services.clipboard.copy(&text, None).await?),
            Request::SaveTable { table, format, name } => {
                Answer::TableSaved(self.save_table(table, format, name).await?)
            }
            Request::CopyTable(table, format) => {
                let text = self.run_blocking("the table", move || table.text(format)).await?;
                Answer::Copied(services.clipboard.copy(&text, None).await?)
            }
            Request::ClearClipboard(copy) => {
                Answer::ClipboardCleared(services.clipboard.clear(copy).await)
            }
            Request::Persist(kept, server_now) => self.save_state(id, *kept, server_now).await?,
            Request::LoadFleet => Answer::LastFleet(self.load_fleet().await?),
            Request::SaveFleet(fleet) => {
                self.save_fleet(fleet).await;
                Answer::FleetSaved
            }
            Request::LoadCredentials => self.load_credentials().await?,
            Request::ReadLog => Answer::Log(services.log.lines()),
            // Started elsewhere, outside of any task.
            Request::Observe { .. } => {
                Answer::Observed(ObserverEvent::Unavailable(Unavailable::Connecting))
            }
        })
    }

    /// Runs work on files.
    async fn run_blocking<T: Send + 'static>(
        &self,
        what: &str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Failure> {
        run_blocking(&self.0.services.clock, FILE_LIMIT, what, work).await
    }

    /// Runs work on the state folder; `None` if nothing can be saved.
    async fn on_state_folder<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Path) -> T + Send + 'static,
    ) -> Result<Option<T>, Failure> {
        let Some(folder) = self.0.services.state_folder.clone() else { return Ok(None) };
        let name = folder.display().to_string();
        self.run_blocking(&name, move || work(&folder)).await.map(Some)
    }

    async fn plan(&self, file: FileTarget, query: MergeQuery) -> Result<Plan, Failure> {
        let kubeconfigs = self.0.services.kubeconfigs.clone();
        let name = kubeconfigs.name(&file);
        self.run_blocking(&name, move || kubeconfigs.plan(&file, &query)).await?
    }

    /// Whether a file can take a kubeconfig: none is issued that could not be saved.
    async fn check_file(&self, file: FileTarget, query: MergeQuery) -> Result<(), Failure> {
        let Services { kubeconfigs, clock, .. } = &self.0.services;
        let name = kubeconfigs.name(&file);
        let files = kubeconfigs.clone();
        let check = move || files.check(&file, &query);
        retry_while_locked(clock, KUBECONFIG_LOCK_WAIT, &name, check).await?.into_result()
    }

    /// Saves a kubeconfig. A slow save is reported and awaited: it cannot be cancelled.
    async fn save(
        &self,
        id: RequestId,
        file: FileTarget,
        fresh: Arc<ParsedKubeconfig>,
        options: MergeOptions,
        (fingerprint, keeps_backup): (Option<String>, bool),
    ) -> Result<Saved, NotSaved> {
        self.may_write()?;
        let Services { kubeconfigs, clock, .. } = &self.0.services;
        let name = kubeconfigs.name(&file);
        let files = kubeconfigs.clone();
        let save = Arc::new(move || {
            files.save(&file, &fresh, &options, fingerprint.as_deref(), keeps_backup, &unobserved)
        });
        let late = |failure| async move {
            let message = Message::Answered(id, Ok(Answer::SaveIsLate(failure)));
            drop(self.0.sender.send(LoopInput::Message(message)).await);
        };
        let saved = retry(clock, KUBECONFIG_LOCK_WAIT, || {
            let save = Arc::clone(&save);
            async { run_to_its_end(clock, FILE_LIMIT, &name, move || save(), late).await? }
        })
        .await?;
        Ok(saved.into_result()?)
    }

    async fn save_table(
        &self,
        table: Box<Exported>,
        format: TableFormat,
        name: String,
    ) -> Result<String, Failure> {
        self.may_write()?;
        let folder = self.0.services.export_folder.clone();
        let shown = folder.display().to_string();
        let (_, ending) = format.names();
        let save = move || exports::save(&folder, &name, ending, &table.text(format));
        let path = self.run_blocking(&shown, save).await??;
        Ok(clean(&path.display().to_string()))
    }

    async fn read_checklist(&self, id: ClusterId) -> Result<LocalChecklist, Failure> {
        let read = self.on_state_folder(move |folder| checklists::read(folder, &id)).await?;
        read.unwrap_or_else(|| Ok(LocalChecklist::default()))
    }

    async fn write_checklist(
        &self,
        id: ClusterId,
        write: ChecklistWrite,
    ) -> Result<LocalChecklist, Failure> {
        let write = match write {
            ChecklistWrite::Local(change) => {
                let (id, folder) = (id, self.state_folder()?);
                return self
                    .keep_checklist(move || checklists::change(&folder, &id, &change))
                    .await;
            }
            ChecklistWrite::Shared(write) => write,
        };
        let shared = write != SharedWrite::Unshare;
        let list = Arc::new(self.0.observers.write_checklist(&id, write).await?);
        let (kept, folder) = (LocalChecklist { list, shared }, self.state_folder()?);
        self.keep_checklist(move || checklists::save(&folder, &id, &kept)).await
    }

    async fn keep_checklist(
        &self,
        write: impl Fn() -> Result<LockOutcome<LocalChecklist>, Failure> + Clone + Send + Sync + 'static,
    ) -> Result<LocalChecklist, Failure> {
        let clock = &self.0.services.clock;
        retry_while_locked(clock, LOCK_WAIT, "checklists", write).await?.into_result()
    }

    fn state_folder(&self) -> Result<PathBuf, Failure> {
        self.0.services.state_folder.clone().ok_or_else(|| {
            Failure::new(
                FailureKind::NotPossible,
                "Nothing is kept on this machine (no state folder)",
            )
        })
    }

    async fn project_names(&self, ids: Vec<ProjectId>) -> Vec<(ProjectId, String)> {
        let mut names = Vec::new();
        for id in ids {
            let _permit = self.0.names.acquire().await;
            if let Ok(name) = self.0.services.discovery.names.name(&id).await {
                names.push((id, name));
            }
        }
        names
    }

    fn may_write(&self) -> Result<(), Failure> {
        if self.is_read_only() {
            Err(Failure::new(
                FailureKind::NotPossible,
                "read-only mode; nothing was sent or written",
            )
            .hint("Start skeys without --read-only, SKEYS_READ_ONLY and read_only in the configuration"))
        } else {
            Ok(())
        }
    }

    /// Writes the journal before a request is sent. Without a journal the request is sent anyway, but not if writing
    /// fails.
    async fn record_intent(&self, intent: Record) -> Result<(), Failure> {
        self.may_write()?;
        let note = self.append_record(intent).await.map_err(|failure| {
            Failure::new(failure.kind, format!("{}; nothing was sent", failure.sentence())).hint(
                failure.hint.unwrap_or_else(|| "Make the journal's folder writable".to_owned()),
            )
        })?;
        if let Some(note) = note {
            drop(self.0.sender.send(LoopInput::Message(Message::TaskFailed(note))).await);
        }
        Ok(())
    }

    /// Appends to the journal; returns a note about its lock, once.
    async fn append_record(&self, record: Record) -> Result<Option<Failure>, Failure> {
        let Services { journal: Some(journal), clock, .. } = &self.0.services else {
            return Ok(None);
        };
        let _turn = self.0.journal_lock.lock().await;
        let (name, record) = (journal.name(), Arc::new(record));
        let (file, line) = (journal.clone(), Arc::clone(&record));
        let append = move || file.append(&line);
        if let LockOutcome::Locked(held) =
            retry_while_locked(clock, LOCK_WAIT, &name, append).await?
        {
            let file = journal.clone();
            self.run_blocking(&name, move || file.append_without_lock(&record)).await??;
            if !self.0.lock_noted.swap(true, Ordering::SeqCst) {
                let note = format!("{}; records are appended without it", held.message);
                return Ok(Some(Failure::new(FailureKind::File, note)));
            }
        }
        Ok(None)
    }

    async fn try_credentials(
        &self,
        locations: Vec<KubeconfigLocation>,
    ) -> Result<Vec<TriedCredential>, Failure> {
        let Services { kubeconfigs, clock, .. } = &self.0.services;
        let paths: Vec<String> = locations.iter().filter_map(path_of).collect();
        let files = kubeconfigs.clone();
        let find = move || files.find_all(&paths);
        // Without the files, it is unknown whether the tried content is what verdicts were predicted for.
        let files = self.run_blocking("kubeconfigs of this machine", find).await?;
        let mut tried = Vec::new();
        for location in locations {
            let content = content_at(&files, &location);
            let trial = try_location(&location, kubeconfigs, clock).await;
            tried.push(TriedCredential { location, trial, content });
        }
        Ok(tried)
    }

    async fn read_inventory(&self, more: Vec<String>) -> Result<Vec<FoundFile>, Failure> {
        let services = &self.0.services;
        let reading = tokio::select! {
            reading = Arc::clone(&self.0.inventory_lock).lock_owned() => reading,
            () = services.clock.sleep(FILE_LIMIT) => {
                return Err(Failure::new(FailureKind::File, "an earlier attempt to read them still waits"));
            }
        };
        let kubeconfigs = services.kubeconfigs.clone();
        let find = move || {
            let files = kubeconfigs.find_all(&more);
            drop(reading);
            files
        };
        self.run_blocking("kubeconfigs of this machine", find).await
    }

    async fn rotate(
        &self,
        shown: &Cluster,
        step: Step,
        seen: Option<Box<SeenFiles>>,
    ) -> RotateOutcome {
        let ske = &self.0.services.ske;
        if let Some(seen) = seen {
            match self.read_inventory(seen.more.clone()).await {
                Ok(files) if seen.differ(shown, &files) => {
                    return RotateOutcome::FilesChanged(files.into());
                }
                Ok(_) => {}
                Err(failure) => return RotateOutcome::NotSent(failure),
            }
        }
        let reading = match ske.get(&shown.id).await {
            Ok(reading) => reading,
            Err(failure) => return RotateOutcome::NotSent(failure),
        };
        if invalidates_confirmation(shown, &reading.cluster) {
            return RotateOutcome::Changed(Box::new(reading.cluster));
        }
        match ske.rotate(&shown.id, step).await {
            Ok(accepted) => RotateOutcome::Accepted(accepted, reading.skew),
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
        file: Option<(FileTarget, MergeQuery)>,
        intent: Record,
    ) -> Result<IssuedKubeconfig, Failure> {
        let services = &self.0.services;
        let id = &shown.id;
        if let Some((file, query)) = file {
            self.check_file(file, query).await?;
        }
        // The state read before the request shows the generation of the kubeconfig. If it cannot be read, the
        // kubeconfig is still useful.
        let rotation = match services.ske.get(id).await {
            Ok(reading) if shown.is_same_cluster(&reading.cluster) => {
                Some(reading.cluster.rotation)
            }
            Ok(_) => return Err(created_again(id)),
            Err(failure) if failure.kind == FailureKind::NotFound => return Err(failure),
            Err(_) => None,
        };
        self.record_intent(intent).await?;
        let issued = match kind {
            KubeconfigKind::Admin => services.ske.issue(id, lifetime).await?,
            KubeconfigKind::Login => services.ske.login_kubeconfig(id).await?,
            KubeconfigKind::Idp => services.ske.idp_kubeconfig(id).await?,
        };
        // It was issued but is discarded, which must not look like a refusal by SKE.
        let not_kept = |why: InvalidKubeconfig| Failure { kind: FailureKind::Format, ..why.into() };
        let fresh = ParsedKubeconfig::read(kind, &issued.kubeconfig).map_err(not_kept)?;
        let loopback = services.ske.is_on_loopback();
        let expected = ExpectedServer { cluster: id.name.clone(), loopback };
        check_server(fresh.server(), &expected).map_err(not_kept)?;
        let issuance = fresh.facts().ok().map(|facts| Issuance { facts, rotation });
        Ok(IssuedKubeconfig { fresh: Arc::new(fresh), expires: issued.expires, issuance })
    }

    async fn load_credentials(&self) -> Result<Answer, Failure> {
        let loaded = self.on_state_folder(state_file::credentials).await?;
        let (credentials, note) = loaded.unwrap_or_default();
        Ok(Answer::Credentials { credentials, note })
    }

    async fn load_fleet(&self) -> Result<LastFleet, Failure> {
        Ok(self.on_state_folder(fleet_file::load).await?.unwrap_or_default())
    }

    /// A failure to save the cache is only logged.
    async fn save_fleet(&self, fleet: Box<LastFleet>) {
        let saved = self.on_state_folder(move |folder| fleet_file::save(folder, *fleet)).await;
        if let Err(failure) = saved.and_then(Option::transpose) {
            log_outcome(Some(&failure));
        }
    }

    async fn save_state(
        &self,
        id: RequestId,
        kept: PersistedState,
        server_now: Option<Timestamp>,
    ) -> Result<Answer, Failure> {
        let credentials = kept.credentials.clone();
        let Services { state_folder: Some(folder), clock, .. } = &self.0.services else {
            return Ok(Answer::Credentials { credentials, note: None });
        };
        let mut saved_by = self.0.state_lock.lock().await;
        // Requests may get their turn in another order.
        if id < *saved_by {
            return Ok(Answer::Credentials { credentials, note: None });
        }
        *saved_by = id;
        let (name, location) = (folder.display().to_string(), folder.clone());
        let save = move || state_file::save(&location, &kept, server_now);
        let saved = retry_while_locked(clock, LOCK_WAIT, &name, save).await;
        match saved.and_then(LockOutcome::into_result) {
            Ok((credentials, note)) => Ok(Answer::Credentials { credentials, note }),
            // Reported once only.
            Err(_) if self.0.save_failed.swap(true, Ordering::SeqCst) => {
                Ok(Answer::Credentials { credentials, note: None })
            }
            Err(failure) => Err(failure),
        }
    }
}

/// The file of a location in shown form.
fn path_of(location: &KubeconfigLocation) -> Option<String> {
    match location {
        KubeconfigLocation::File { path, .. } => Some(path.clone()),
        KubeconfigLocation::Clipboard
        | KubeconfigLocation::Stdout
        | KubeconfigLocation::Other(_) => None,
    }
}

/// Kind of a request, for the log.
fn kind(request: &Request) -> &'static str {
    match request {
        Request::Identify => "identify",
        Request::NameProjects(_) => "name projects",
        Request::Discover => "find projects and permissions",
        Request::PrepareRestart { .. } => "prepare restart",
        Request::List(_) => "list clusters",
        Request::Read(_) => "read cluster",
        Request::Rotate { .. } => "rotate",
        Request::Act { .. } => "act",
        Request::ReadInventory(_) => "read kubeconfigs",
        Request::TryCredentials(_) => "try credentials",
        Request::Observe { .. } => "observe",
        Request::ReadChecklist(_) => "read checklist",
        Request::WriteChecklist { .. } => "write checklist",
        Request::Plan { .. } => "plan kubeconfig file",
        Request::Issue { .. } => "issue kubeconfig",
        Request::Save { .. } => "save kubeconfig",
        Request::CopySecret(_) | Request::CopyText(_) | Request::CopyTable(..) => "copy",
        Request::SaveTable { .. } => "export",
        Request::ClearClipboard(_) => "clear clipboard",
        Request::Persist(..) => "save state",
        Request::LoadCredentials => "load state",
        Request::LoadFleet => "load fleet",
        Request::SaveFleet(_) => "save fleet",
        Request::ReadLog => "read the log",
    }
}

/// The failure in an answer, in either variant.
fn failure(answer: &Result<Answer, Failure>) -> Option<&Failure> {
    match answer {
        Err(failure)
        | Ok(
            Answer::Saved(Err(NotSaved::Failed(failure)))
            | Answer::Rotation(
                RotateOutcome::NotSent(failure)
                | RotateOutcome::Refused(failure)
                | RotateOutcome::Unknown(failure, _),
            ),
        ) => Some(failure),
        Ok(_) => None,
    }
}

fn log_outcome(failure: Option<&Failure>) {
    if let Some(failure) = failure {
        warn!(error = %failure, causes = causes(failure), "failed");
    } else {
        debug!("done");
    }
}

fn created_again(id: &ClusterId) -> Failure {
    Failure::new(
        FailureKind::NotPossible,
        format!("{} was deleted and recreated; nothing was requested", id.name),
    )
    .hint("Close the form and check the new cluster")
}
