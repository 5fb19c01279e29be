//! Builds a dashboard for the configured SKE or the embedded simulator, and runs it, and those after its restarts, on
//! the same terminal.

use crate::app::keymap::Keymap;
use crate::app::now::Now;
use crate::app::settings::{SetForRun, ThemeChoice};
use crate::app::state::State;
use crate::cli::args::{Flags, SceneOptions};
use crate::cli::commands::simulate::start;
use crate::cli::config::file::Value;
use crate::cli::config::{ConfigSources, Loaded, join, load, path};
use crate::cli::demo_folder::DemoFolder;
use crate::cli::output;
use crate::cli::watched_config::{WatchedConfig, is_usable};
use crate::cli::wiring::{Session, discovery, usable_folder};
use crate::clients::auth::access_token;
use crate::clients::discovery::DiscoveryClient;
use crate::clock::Clock;
use crate::domain::age::DisplayZone;
use crate::domain::cluster::{ProjectId, Region};
use crate::domain::failure::{Failure, FailureKind};
use crate::domain::misplaced_secret::show;
use crate::domain::persisted::PersistedState;
use crate::domain::record::Record;
use crate::domain::secret::Secret;
use crate::domain::text::clean;
use crate::runtime::blocking::{FILE_LIMIT, run_blocking};
use crate::runtime::clipboard::{Clipboard, ClipboardRoute};
use crate::runtime::log::LogBuffer;
use crate::runtime::loop_input::LoopReceiver;
use crate::runtime::notify::Notifier;
use crate::runtime::perform::{Performer, RestartRequest, Services};
use crate::runtime::terminal::{Screen, Surface, force_restore, install_panic_hook};
use crate::runtime::watchdog::Watchdog;
use crate::runtime::{Console, Ended, input, loop_input, run, signals, stop};
use crate::store::journal::Journal;
use crate::store::kubeconfigs::Kubeconfigs;
use crate::store::stale_files;
use crate::store::state_file;
use anyhow::Context;
use crossterm::event::Event;
use futures_util::Stream;
use jiff::tz::TimeZone;
use ratatui::backend::Backend;
use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::io::{self};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::SystemTime;
use tokio::sync::mpsc;

/// What a dashboard uses of this machine besides its configuration. Tests substitute their own.
#[derive(Clone)]
pub struct LocalSystem {
    pub clock: Clock,
    pub zone: TimeZone,
    /// Available clipboard routes, best first.
    pub clipboard: Vec<ClipboardRoute>,
    /// Folder of state, journal and reports; `None` if nothing can be saved.
    pub state_folder: Option<PathBuf>,
    /// Folder of exported files.
    pub export_folder: PathBuf,
    pub log: LogBuffer,
}

impl LocalSystem {
    fn this(environment: &dyn Fn(&str) -> Option<String>, log: LogBuffer) -> Self {
        Self {
            clock: Clock::machine(),
            zone: TimeZone::system(),
            clipboard: ClipboardRoute::available(environment),
            state_folder: crate::cli::state_folder(),
            // A removed working directory has no path.
            export_folder: std::env::current_dir().unwrap_or_else(|_| PathBuf::from(".")),
            log,
        }
    }
}

/// A dashboard with a valid configuration, keymap and clients; saved state is not read yet.
struct UnstartedDashboard {
    session: Session,
    keymap: Keymap,
    discovery: DiscoveryClient,
    notifier: Notifier,
    notes: Vec<String>,
}

/// What differs in the demo.
struct Demo {
    kubeconfigs: Kubeconfigs,
    /// Folder for kubeconfigs written as separate files.
    folder: String,
    /// Time factor of the simulator.
    speed: f64,
}

impl UnstartedDashboard {
    async fn new(
        loaded: &Loaded,
        sources: &ConfigSources<'_>,
        system: &LocalSystem,
        demo: Option<Demo>,
    ) -> anyhow::Result<Self> {
        let config = &loaded.config;
        let keymap = config.keymap();
        let mut session = Session::open(loaded, sources, (system.clock.clone(), None)).await?;
        let discovery = discovery(config, &session.http, &session.tokens)?;
        let settings = &mut session.settings;
        let ids = config.list("projects").iter();
        settings.projects = ids.map(|id| (ProjectId::new(id), None)).collect();
        config.text("endpoints.ske").clone_into(&mut settings.ske);
        settings.regions = config.list("regions").iter().map(Region::new).collect();
        if let Some(Demo { kubeconfigs, folder, speed }) = demo {
            (settings.folder, settings.demo) = (folder, Some(speed));
            session.kubeconfigs = kubeconfigs;
        } else {
            let ((origin, projects), (_, regions)) =
                (config.origin("projects"), config.origin("regions"));
            origin.clone_into(&mut settings.projects_origin);
            settings.set_for_run = SetForRun { projects, regions };
            settings.profile.clone_from(&loaded.profile);
            settings.profiles.clone_from(&loaded.profiles);
        }
        let settings = &mut session.settings;
        let clipboard = system.clipboard.first().map_or("", |route| route.label());
        clipboard.clone_into(&mut settings.clipboard_route);
        settings.export_folder = system.export_folder.display().to_string();
        settings.local_zone = DisplayZone::new(system.zone.clone());
        let notifier = Notifier::of(sources.environment, config.switch("notify.desktop"));
        Ok(Self { session, keymap, discovery, notifier, notes: loaded.notes.clone() })
    }

    /// Reads the saved state and starts with it. The state of the dashboard `before` takes precedence: saving it may
    /// have failed.
    async fn start(self, system: LocalSystem, before: Option<PersistedState>) -> Dashboard {
        let LocalSystem { clock, clipboard, state_folder, export_folder, log, .. } = system;
        let session = self.session;
        let (state_folder, refused) = usable_folder(state_folder, &clock).await;
        let stored = match state_folder.clone() {
            Some(folder) => Stored::read(folder, &clock).await,
            None => Stored::default(),
        };
        let mut persisted = stored.state;
        if let Some(mut before) = before {
            before.credentials.join(persisted.credentials);
            persisted = before;
        }
        let (sender, receiver) = loop_input::channel();
        let (restarts, restart_requests) = mpsc::channel(1);
        let services = Services {
            clock: clock.clone(),
            ske: session.ske,
            tokens: session.tokens,
            discovery: self.discovery,
            kubeconfigs: session.kubeconfigs.with_state_folder(state_folder.clone()),
            journal: stored.journal,
            state_folder,
            export_folder,
            clipboard: Clipboard::new(clipboard, clock.clone(), sender.clone()),
            log,
            notifier: self.notifier,
            read_only: session.settings.read_only,
            concurrency: session.concurrency,
            restarts,
        };
        let performer = Performer::new(services, sender);
        let now = Now { wall: clock.now(), monotonic: clock.monotonic() };
        let seed = now.wall.as_nanosecond().unsigned_abs().try_into().unwrap_or(1);
        let mut state = State::new(session.settings, self.keymap, persisted, now, seed);
        // Records of earlier runs are older than those of this one.
        state.activity.records.extend(stored.records);
        let notes = refused.into_iter().chain(stored.notes).chain(self.notes);
        state.notices.errors.extend(notes.map(|note| Failure::new(FailureKind::File, note)));
        Dashboard { state, performer, receiver, restart_requests, clock, watched: None }
    }
}

/// A dashboard that is ready to run.
pub struct Dashboard {
    state: State,
    /// Performs its effects.
    pub performer: Performer,
    receiver: LoopReceiver,
    /// Requests for a restart.
    restart_requests: mpsc::Receiver<RestartRequest>,
    clock: Clock,
    /// Watches the configuration file for changes, if there is one.
    pub watched: Option<WatchedConfig>,
}

impl Dashboard {
    /// Creates a dashboard on the configured SKE.
    pub async fn new(
        loaded: &Loaded,
        sources: &ConfigSources<'_>,
        system: LocalSystem,
    ) -> anyhow::Result<Self> {
        let prepared = UnstartedDashboard::new(loaded, sources, &system, None).await?;
        Ok(prepared.start(system, None).await)
    }

    /// Runs in the terminal of this process; returns the exit status.
    async fn show(
        self,
        restarter: Option<&Restarter>,
        report_folder: Option<PathBuf>,
    ) -> anyhow::Result<u8> {
        let (sender, signals) = loop_input::channel();
        let status = signals::send_to_loop(&sender).context("watching for signals")?;
        let watchdog = Watchdog::start(force_restore).context("starting the watchdog")?;
        stop::send_to_loop(&sender).context("watching for stops")?;
        install_panic_hook(report_folder);
        let theme = self.state.shared.theme;
        let asks_background = matches!(theme, ThemeChoice::Auto | ThemeChoice::HighContrast);
        let mut screen = Screen::enter(watchdog).context("taking the terminal")?;
        let keys = input::open(asks_background, sender).context("reading the terminal")?;
        let console = Console { keys, signals, left: VecDeque::new() };
        // The state is large and lives as long as its dashboard.
        let ended = Box::pin(run_all(self, restarter, &mut screen, console, |_performer| {})).await;
        drop(screen);
        let mut status = status.load(Ordering::SeqCst);
        let (ended, performer) = ended.context("drawing on the terminal")?;
        let mut not_printed = Vec::new();
        for kubeconfig in ended.print {
            let printed = output::write(kubeconfig.text.expose());
            not_printed.extend(kubeconfig.not_printed.filter(|_| printed.is_err()));
            status = output::exit_status(printed, status);
        }
        performer.append_records(not_printed).await;
        let mut exit_messages = String::new();
        for words in ended.exit_messages {
            exit_messages.push_str(&format!("skeys: {words}\n"));
        }
        Ok(output::print("", &exit_messages, status))
    }
}

/// What the dashboards after a restart are built from.
pub struct Restarter {
    flags: Flags,
    sources: ConfigSources<'static>,
    system: LocalSystem,
    /// The first dashboard's configuration file. If it is gone, a restart fails: without it, less would be protected.
    file: Option<PathBuf>,
}

impl Restarter {
    /// Restarts with these flags.
    pub fn new(flags: Flags, sources: ConfigSources<'static>, system: LocalSystem) -> Self {
        let (file, _) = path(&flags, &sources);
        let is_read = |data: std::fs::Metadata| !data.is_file() || data.len() > 0;
        let file = file.filter(|file| std::fs::metadata(file).is_ok_and(is_read));
        Self { flags, sources, system, file }
    }

    /// Reads the configuration again and does everything that can fail.
    async fn prepare(
        &self,
        profile: Option<String>,
    ) -> Result<(UnstartedDashboard, Option<WatchedConfig>), Failure> {
        let what = match &profile {
            Some(name) => format!("Profile {} cannot be used", show(name)),
            None => "The configuration cannot be used".to_owned(),
        };
        // An empty profile means none, even if the environment sets one.
        let profile = Some(profile.unwrap_or_default());
        let (flags, sources) = (Flags { profile, ..self.flags.clone() }, self.sources.clone());
        let watched = (flags.clone(), sources.clone());
        let file = self.file.clone();
        let load = move || match file.filter(|file| !is_usable(file)) {
            Some(file) => Err(format!(
                "{} is missing, empty or not a regular file; without it, less would be protected than before",
                show(file.display())
            )),
            None => load(&flags, &sources).map_err(|problems| join(&problems, "; ")),
        };
        let failed = |why: &str| {
            let text = format!("{what}: {}", clean(why));
            Failure::new(FailureKind::NotPossible, text)
                .hint("The dashboard keeps its previous configuration")
        };
        let loaded = run_blocking(&self.system.clock, FILE_LIMIT, "configuration", load)
            .await?
            .map_err(|why| failed(&why))?;
        let prepared = UnstartedDashboard::new(&loaded, &self.sources, &self.system, None).await;
        let prepared = prepared.map_err(|error| failed(&output::describe(&error)))?;
        Ok((prepared, WatchedConfig::new(watched.0, watched.1, &loaded)))
    }
}

/// Runs a dashboard, and those after its restarts, on the same terminal until the user quits or the terminal is gone.
/// Each has its own clients, tasks and channel, so that answers to one never reach another. `began` is called with each
/// performer. Returns how the last dashboard ended, and its performer, which completes pending work.
///
/// # Errors
/// Drawing on the terminal fails.
pub async fn run_all<S: Surface>(
    first: Dashboard,
    restarter: Option<&Restarter>,
    surface: &mut S,
    mut console: Console<impl Stream<Item = io::Result<Event>> + Unpin>,
    began: impl Fn(&Performer),
) -> io::Result<(Ended, Performer)>
where
    <S::Backend as Backend>::Error: std::error::Error + Send + Sync + 'static,
{
    let mut dashboard = first;
    loop {
        let Dashboard { state, performer, receiver, mut restart_requests, clock, watched } =
            dashboard;
        let watch = watched
            .map(|mut watched| performer.watch_configuration(Box::new(move || watched.check())));
        began(&performer);
        let mut next = None;
        let prepare = async {
            while let (Some(restarter), Some(request)) = (restarter, restart_requests.recv().await)
            {
                let prepared =
                    restarter.prepare(request.profile).await.map(|made| next = Some(made));
                // The receiver is gone if the dashboard has ended.
                drop(request.answer.send(prepared));
            }
            restart_requests.close();
            std::future::pending::<Infallible>().await
        };
        // The state is large and lives as long as its dashboard.
        let run = Box::pin(run(state, surface, &mut console, &performer, receiver, &clock));
        let ended = tokio::select! {
            ended = run => ended?,
            never = prepare => match never {},
        };
        performer.end_observers();
        drop(watch);
        let (true, Some((prepared, watched)), Some(restarter)) = (ended.restarts, next, restarter)
        else {
            return Ok((ended, performer));
        };
        dashboard = prepared.start(restarter.system.clone(), Some(ended.persisted)).await;
        dashboard.watched = watched;
        let State { shared, fleet, kubeconfig, .. } = &mut dashboard.state;
        kubeconfig.print = ended.print;
        shared.background = ended.background.or(shared.background);
        let (profile, selection) = ended.selection;
        if profile == shared.settings.profile {
            fleet.begin_with(selection, &shared.settings.regions);
        }
    }
}

/// Opens the dashboard on the configured SKE; returns the exit status.
pub async fn open(
    loaded: &Loaded,
    (flags, sources): (Flags, ConfigSources<'static>),
    log: LogBuffer,
) -> anyhow::Result<u8> {
    let system = LocalSystem::this(sources.environment, log);
    let mut first = Dashboard::new(loaded, &sources, system.clone()).await?;
    first.watched = WatchedConfig::new(flags.clone(), sources.clone(), loaded);
    let folder = system.state_folder.clone();
    Box::pin(first.show(Some(&Restarter::new(flags, sources, system)), folder)).await
}

/// Opens the dashboard on an embedded simulator, of which it knows only the address; returns the exit status.
pub async fn demo(
    mut loaded: Loaded,
    sources: &ConfigSources<'_>,
    scene: &SceneOptions,
    (log, watched): (LogBuffer, Option<WatchedConfig>),
) -> anyhow::Result<u8> {
    let system = LocalSystem::this(sources.environment, log);
    let clock = system.clock.clone();
    let simulator = start(scene, ([127, 0, 0, 1], 0).into(), &clock).await?;
    let exports: BTreeMap<&str, String> = simulator.exports().into_iter().collect();
    let export = |name: &str| exports.get(name).cloned().unwrap_or_default();
    // Keeps the demo's files apart from the user's kubeconfigs, journal and state.
    let (base, home) = (system.state_folder.clone(), sources.home.clone());
    let create = move || DemoFolder::create(base.as_deref(), home);
    let folder = run_blocking(&clock, FILE_LIMIT, "the folder for the demo", create)
        .await?
        .context("creating a folder for the demo")?;
    let config = &mut loaded.config;
    config.auth = Some(access_token::source(Secret::new(export("STACKIT_ACCESS_TOKEN")), "demo"));
    for (key, variable) in [
        ("endpoints.ske", "STACKIT_SKE_CUSTOM_ENDPOINT"),
        ("endpoints.resource_manager", "STACKIT_RESOURCE_MANAGER_CUSTOM_ENDPOINT"),
        ("endpoints.authorization", "STACKIT_AUTHORIZATION_CUSTOM_ENDPOINT"),
    ] {
        config.put(key, Value::Text(export(variable)));
    }
    let projects = simulator.projects().into_iter().map(|(id, _name)| id).collect();
    config.put("projects", Value::List(projects));
    let kubeconfigs =
        Kubeconfigs::only_in(folder.kubeconfigs(), sources.home.clone(), clock.clone())
            .with_programs((sources.environment)("PATH"));
    let system = LocalSystem { state_folder: Some(folder.state()), ..system };
    let demo = Demo { kubeconfigs, folder: folder.own_files(), speed: scene.speed };
    let ended = match UnstartedDashboard::new(&loaded, sources, &system, Some(demo)).await {
        Ok(prepared) => {
            let dashboard = Dashboard { watched, ..prepared.start(system, None).await };
            Box::pin(dashboard.show(None, Some(folder.state()))).await
        }
        Err(error) => Err(error),
    };
    drop(simulator);
    let left = run_blocking(&clock, FILE_LIMIT, "the folder of the demo", || folder.end()).await;
    let status = ended?;
    Ok(output::print("", &left?.unwrap_or_default(), status))
}

/// Data saved between runs.
#[derive(Default)]
struct Stored {
    state: PersistedState,
    /// `None` if nothing can be recorded.
    journal: Option<Journal>,
    /// The latest records of the journal.
    records: Vec<Record>,
    /// Problems with the files, for the user.
    notes: Vec<String>,
}

impl Stored {
    async fn read(folder: PathBuf, clock: &Clock) -> Self {
        let name = folder.display().to_string();
        let now = clock.now().into();
        let read = move || Self::read_files(&folder, now);
        let read = run_blocking(clock, FILE_LIMIT, &name, read).await;
        read.unwrap_or_else(|failure| {
            let note = format!("{}; nothing is recorded in this run", failure.message);
            Self { notes: vec![note], ..Self::default() }
        })
    }

    fn read_files(folder: &Path, now: SystemTime) -> Self {
        stale_files::remove_all(folder, now);
        let (state, note) = state_file::load(folder);
        let mut notes: Vec<String> = note.into_iter().collect();
        let mut noted = |failure: Failure| notes.push(failure.to_string());
        let journal = Journal::open(folder).map_err(&mut noted).ok();
        let tail = journal.as_ref().and_then(|journal| journal.tail(200).map_err(noted).ok());
        let (records, torn) = tail.unwrap_or_default();
        notes.extend(torn);
        Self { state, journal, records, notes }
    }
}
