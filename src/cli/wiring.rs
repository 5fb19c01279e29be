//! Puts the layers together: clients, store, runtime, for the real cloud or for the embedded simulator.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use anyhow::Context;
use crossterm::event::Event;
use futures_util::Stream;
use jiff::tz::TimeZone;
use ratatui::backend::Backend;
use tokio::sync::{mpsc, watch};

use crate::app::keymap::Keymap;
use crate::app::now::Now;
use crate::app::settings::{ObservationScope, Settings, ThemeChoice};
use crate::app::state::State;
use crate::cli::args::{CredentialsOf, DueWhat, Flags, ReportOf, SceneOptions, WaitFor};
use crate::cli::commands::due::DueOutput;
use crate::cli::commands::simulate::scene;
use crate::cli::commands::wait::printer::{self, Form, Printer};
use crate::cli::commands::wait::target::Target;
use crate::cli::commands::wait::tracker::PollIntervals;
use crate::cli::commands::wait::{self, ObservationPolicy, Order, TIMED_OUT};
use crate::cli::commands::{credentials, due, report};
use crate::cli::config::{Config, Loaded, Places, expand, load, path};
use crate::cli::demo_folder::DemoFolder;
use crate::cli::output;
use crate::cli::settings::read_settings;
use crate::cli::watched_config::WatchedConfig;
use crate::clients::auth::{SOURCES, SourceConfig, TokenSource, access_token};
use crate::clients::discovery::DiscoveryClient;
use crate::clients::http::Http;
use crate::clients::projects::ProjectsClient;
use crate::clients::ske::SkeClient;
use crate::clock::Clock;
use crate::domain::age::DisplayZone;
use crate::domain::cluster::{ProjectId, Region, Scope};
use crate::domain::credential::{Credentials, FoundFile};
use crate::domain::failure::{Failure, FailureKind};
use crate::domain::persisted::PersistedState;
use crate::domain::record::Record;
use crate::domain::secret::Secret;
use crate::domain::text::clean;
use crate::runtime::blocking::{FILE_LIMIT, run_blocking};
use crate::runtime::clipboard::{Clipboard, ClipboardRoute};
use crate::runtime::log::LogBuffer;
use crate::runtime::loop_input::LoopReceiver;
use crate::runtime::notify::Notifier;
use crate::runtime::perform::{Performer, Services, SuccessorOrder};
use crate::runtime::terminal::{Screen, Surface, force_restore, install_panic_hook};
use crate::runtime::watchdog::Watchdog;
use crate::runtime::{Console, input, loop_input, run, signals, stop};
use crate::simulator::{SimulatorOptions, serve};
use crate::store::files;
use crate::store::journal::Journal;
use crate::store::kubeconfigs::Kubeconfigs;
use crate::store::private_file::check_private;
use crate::store::stale_files;
use crate::store::state_file;
use crate::ui::theme::Theme;

/// Largest file of additional authorities, in bytes.
const CA_LIMIT: u64 = 4 * 1024 * 1024;

/// What of this machine a dashboard works with, beside what is configured. Tests put in their own.
#[derive(Clone)]
pub struct Machine {
    pub clock: Clock,
    pub zone: TimeZone,
    /// How the clipboard can be reached, best first.
    pub clipboard: Vec<ClipboardRoute>,
    /// Folder of state, journal and reports; `None` where nothing can be kept.
    pub state_folder: Option<PathBuf>,
    /// Folder of exported files.
    pub export_folder: PathBuf,
    pub log: LogBuffer,
}

impl Machine {
    fn this(environment: &dyn Fn(&str) -> Option<String>, log: LogBuffer) -> Self {
        Self {
            clock: Clock::machine(),
            zone: TimeZone::system(),
            clipboard: ClipboardRoute::available(environment),
            state_folder: crate::cli::state_folder(),
            // A folder that was removed has no name.
            export_folder: std::env::current_dir().unwrap_or_else(|_| PathBuf::from(".")),
            log,
        }
    }
}

/// Where the cloud is, how to sign in, and where kubeconfigs go.
struct Cloud {
    source: SourceConfig,
    ske: String,
    resource_manager: String,
    authorization: String,
    projects: Vec<String>,
    kubeconfigs: Kubeconfigs,
    /// For the demo: its folder for kubeconfigs in files of their own.
    demo_folder: Option<String>,
}

/// A dashboard whose configuration, keys and clients are sound; what is kept between runs is not read yet.
struct Prepared {
    settings: Settings,
    keymap: Keymap,
    ske: SkeClient,
    tokens: TokenSource,
    discovery: DiscoveryClient,
    projects: ProjectsClient,
    kubeconfigs: Kubeconfigs,
    notifier: Notifier,
    concurrency: usize,
    notes: Vec<String>,
}

impl Prepared {
    /// On the configured SKE.
    async fn new(loaded: &Loaded, places: &Places<'_>, machine: &Machine) -> anyhow::Result<Self> {
        let config = &loaded.config;
        let cloud = Cloud {
            source: source(config)?,
            ske: config.text("endpoints.ske").to_owned(),
            resource_manager: config.text("endpoints.resource_manager").to_owned(),
            authorization: config.text("endpoints.authorization").to_owned(),
            projects: config.list("projects").to_vec(),
            kubeconfigs: kubeconfigs_of(places, &machine.clock),
            demo_folder: None,
        };
        Self::on(cloud, loaded, places, machine).await
    }

    async fn on(
        cloud: Cloud,
        loaded: &Loaded,
        places: &Places<'_>,
        machine: &Machine,
    ) -> anyhow::Result<Self> {
        let config = &loaded.config;
        let keymap = Keymap::new(&config.keys()).map_err(|problems| {
            anyhow::anyhow!("the configured keys conflict:\n  {}", problems.join("\n  "))
        })?;
        let (http, tokens) = sign_in(cloud.source, config, places, &machine.clock).await?;
        let ske = SkeClient::new(&cloud.ske, http.clone(), tokens.clone())?;
        let projects = ProjectsClient::new(&cloud.resource_manager, http.clone(), tokens.clone())?;
        let names = projects.clone();
        let discovery = DiscoveryClient::new(&cloud.authorization, http, tokens.clone(), names)?;
        let mut settings = read_settings(config, places.environment);
        settings.projects = cloud.projects.iter().map(|id| (ProjectId::new(id), None)).collect();
        settings.ske = cloud.ske;
        settings.regions = config.list("regions").iter().map(Region::new).collect();
        settings.demo = cloud.demo_folder.is_some();
        if !settings.demo {
            let ((origin, projects), (_, regions)) =
                (config.origin("projects"), config.origin("regions"));
            origin.clone_into(&mut settings.projects_origin);
            settings.set_for_run = (projects, regions);
            settings.profile.clone_from(&loaded.profile);
            settings.profiles.clone_from(&loaded.profiles);
        }
        settings.folder = cloud.demo_folder.unwrap_or(settings.folder);
        let clipboard = machine.clipboard.first().map_or("", |route| route.word());
        clipboard.clone_into(&mut settings.clipboard_way);
        settings.export_folder = machine.export_folder.display().to_string();
        settings.local_zone = DisplayZone::new(machine.zone.clone());
        Ok(Self {
            settings,
            keymap,
            ske,
            tokens,
            discovery,
            projects,
            kubeconfigs: cloud.kubeconfigs,
            notifier: Notifier::of(places.environment, config.switch("notify.desktop")),
            concurrency: config.number("poll.concurrency"),
            notes: loaded.notes.clone(),
        })
    }

    /// Reads what is kept between runs, and begins with it. What the dashboard `before` had goes first: perhaps it could
    /// not be saved.
    async fn start(self, machine: Machine, before: Option<PersistedState>) -> Dashboard {
        let Machine { clock, clipboard, state_folder, export_folder, log, .. } = machine;
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
        let (successors, orders) = mpsc::channel(1);
        let services = Services {
            clock: clock.clone(),
            ske: self.ske,
            tokens: self.tokens,
            discovery: self.discovery,
            projects: Some(self.projects),
            kubeconfigs: self.kubeconfigs.with_state_folder(state_folder.clone()),
            journal: stored.journal,
            state_folder,
            export_folder,
            clipboard: Clipboard::new(clipboard, clock.clone(), sender.clone()),
            log,
            notifier: self.notifier,
            read_only: self.settings.read_only,
            concurrency: self.concurrency,
            successors,
        };
        let performer = Performer::new(services, sender);
        let now = Now { wall: clock.now(), monotonic: clock.monotonic() };
        let seed = now.wall.as_nanosecond().unsigned_abs().try_into().unwrap_or(1);
        let mut state = State::new(self.settings, self.keymap, persisted, now, seed);
        // What happened before, below what happens now.
        state.activity.records.extend(stored.records);
        let notes = refused.into_iter().chain(stored.notes).chain(self.notes);
        state.notices.errors.extend(notes.map(|note| Failure::new(FailureKind::File, note)));
        Dashboard { state, performer, receiver, orders, clock, watched: None }
    }
}

/// A dashboard that is ready to run.
pub struct Dashboard {
    state: State,
    /// Carries its effects out.
    pub performer: Performer,
    receiver: LoopReceiver,
    /// Dashboards that are to be made ready to follow it.
    orders: mpsc::Receiver<SuccessorOrder>,
    clock: Clock,
    /// The configuration file, if changes to it are noticed.
    pub watched: Option<WatchedConfig>,
}

impl Dashboard {
    /// A dashboard on the configured SKE.
    ///
    /// # Errors
    /// What keeps it from starting.
    pub async fn new(
        loaded: &Loaded,
        places: &Places<'_>,
        machine: Machine,
    ) -> anyhow::Result<Self> {
        Ok(Prepared::new(loaded, places, &machine).await?.start(machine, None).await)
    }

    /// Runs in the terminal of this process; gives the exit status.
    async fn show(
        self,
        reload: Option<&Reload>,
        report_folder: Option<PathBuf>,
    ) -> anyhow::Result<u8> {
        let watchdog = Watchdog::start(force_restore).context("starting the watchdog")?;
        let (sender, signals) = loop_input::channel();
        let status = signals::send_to_loop(&sender).context("watching for signals")?;
        stop::send_to_loop(&sender).context("watching for stops")?;
        install_panic_hook(report_folder);
        let theme = self.state.shared.theme;
        let asks_background = matches!(theme, ThemeChoice::Auto | ThemeChoice::HighContrast);
        let mut screen = Screen::enter(watchdog).context("taking the terminal")?;
        let keys = input::open(asks_background, sender).context("reading the terminal")?;
        let console = Console { keys, signals, left: VecDeque::new() };
        // The state is large, and lives as long as its dashboard.
        let ended = Box::pin(run_all(self, reload, &mut screen, console, |_performer| {})).await;
        drop(screen);
        let mut status = status.load(Ordering::SeqCst);
        for text in ended.context("drawing on the terminal")? {
            status = output::print(text.expose(), "", status);
        }
        Ok(status)
    }
}

/// What dashboards that follow the first one are made from.
pub struct Reload {
    flags: Flags,
    places: Places<'static>,
    machine: Machine,
    /// The file that the first one was configured by. Without it, less would be protected than it says.
    file: Option<PathBuf>,
}

impl Reload {
    /// For dashboards with these flags.
    pub fn new(flags: Flags, places: Places<'static>, machine: Machine) -> Self {
        let (file, _) = path(&flags, &places);
        let file = file.filter(|file| file.exists() && !is_empty(file));
        Self { flags, places, machine, file }
    }

    /// Fails where the file of the start cannot be read as it was.
    fn check_file(file: Option<&Path>) -> Result<(), String> {
        let Some(file) = file else { return Ok(()) };
        let name = clean(&file.display().to_string());
        if !file.exists() {
            Err(format!("{name} is missing"))
        } else if !file.is_file() {
            Err(format!("{name} is no regular file, and cannot be read a second time"))
        } else if is_empty(file) {
            Err(format!("{name} is empty"))
        } else {
            Ok(())
        }
    }

    /// Reads the configuration anew, and makes everything ready that can fail.
    async fn prepare(
        &self,
        profile: Option<String>,
    ) -> Result<(Prepared, Option<WatchedConfig>), Failure> {
        let what = match &profile {
            Some(name) => format!("Profile {} cannot begin", clean(name)),
            None => "The configuration cannot be used".to_owned(),
        };
        // An empty one is none, whatever the environment says.
        let profile = Some(profile.unwrap_or_default());
        let (flags, places) = (Flags { profile, ..self.flags.clone() }, self.places.clone());
        let order = (flags.clone(), places.clone());
        let file = self.file.clone();
        let load = move || Self::check_file(file.as_deref()).map(|()| load(&flags, &places));
        let failed = |why: &str| {
            let text = format!("{what}: {}", clean(why));
            Failure::new(FailureKind::NotPossible, text).hint("The dashboard goes on as before")
        };
        let loaded = run_blocking(&self.machine.clock, FILE_LIMIT, "configuration", load)
            .await?
            .map_err(|why| failed(&why))?
            .map_err(|problems| {
                let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
                failed(&lines.join("; "))
            })?;
        let prepared = Prepared::new(&loaded, &self.places, &self.machine).await;
        let prepared = prepared.map_err(|error| failed(&output::describe(&error)))?;
        Ok((prepared, WatchedConfig::new(order.0, order.1, &loaded)))
    }
}

fn is_empty(file: &Path) -> bool {
    std::fs::metadata(file).is_ok_and(|data| data.is_file() && data.len() == 0)
}

/// Runs a dashboard, and those that follow it on the same terminal, until the user leaves or the terminal is gone; gives
/// back what is to be printed afterwards. Each has clients, tasks and a channel of its own, so that nothing that was
/// asked for by one is answered to another. `began` is told of each.
///
/// # Errors
/// The terminal cannot be drawn on any more.
pub async fn run_all<S: Surface>(
    first: Dashboard,
    reload: Option<&Reload>,
    surface: &mut S,
    mut console: Console<impl Stream<Item = io::Result<Event>> + Unpin>,
    began: impl Fn(&Performer),
) -> io::Result<Vec<Secret>>
where
    <S::Backend as Backend>::Error: std::error::Error + Send + Sync + 'static,
{
    let mut print = Vec::new();
    let mut dashboard = first;
    loop {
        let Dashboard { state, performer, receiver, mut orders, clock, watched } = dashboard;
        let watch = watched
            .map(|mut watched| performer.watch_configuration(Box::new(move || watched.look())));
        began(&performer);
        let mut next = None;
        let prepare = async {
            while let (Some(reload), Some(order)) = (reload, orders.recv().await) {
                let prepared = reload.prepare(order.profile).await.map(|made| next = Some(made));
                // Nobody waits for it any more where the dashboard has ended.
                drop(order.answer.send(prepared));
            }
            orders.close();
            std::future::pending::<Infallible>().await
        };
        // The state is large, and lives as long as its dashboard.
        let run = Box::pin(run(state, surface, &mut console, &performer, receiver, &clock));
        let mut ended = tokio::select! {
            ended = run => ended?,
            never = prepare => match never {},
        };
        print.append(&mut ended.print);
        performer.end_observers();
        drop(watch);
        let (true, Some((prepared, watched)), Some(reload)) = (ended.follows, next, reload) else {
            return Ok(print);
        };
        dashboard = prepared.start(reload.machine.clone(), Some(ended.persisted)).await;
        dashboard.watched = watched;
        let State { shared, fleet, .. } = &mut dashboard.state;
        shared.background = ended.background.or(shared.background);
        let (profile, selection) = ended.selection;
        if profile == shared.settings.profile {
            fleet.begin_with(selection, &shared.settings.regions);
        }
    }
}

/// Opens the dashboard on the configured SKE; gives the exit status.
///
/// # Errors
/// What keeps it from starting, or the terminal went away.
pub async fn dashboard(
    loaded: &Loaded,
    (flags, places): (Flags, Places<'static>),
    log: LogBuffer,
) -> anyhow::Result<u8> {
    let machine = Machine::this(places.environment, log);
    let mut first = Dashboard::new(loaded, &places, machine.clone()).await?;
    first.watched = WatchedConfig::new(flags.clone(), places.clone(), loaded);
    let folder = machine.state_folder.clone();
    Box::pin(first.show(Some(&Reload::new(flags, places, machine)), folder)).await
}

/// Opens the dashboard on an embedded simulator; gives the exit status. It knows the simulator's address and nothing else of it.
///
/// # Errors
/// What keeps it from starting, or the terminal went away.
pub async fn demo(
    loaded: &Loaded,
    places: &Places<'_>,
    world: &SceneOptions,
    (log, watched): (LogBuffer, Option<WatchedConfig>),
) -> anyhow::Result<u8> {
    let machine = Machine::this(places.environment, log);
    let clock = machine.clock.clone();
    let options = SimulatorOptions {
        seed: world.seed,
        speed: world.speed,
        scene: scene(world, &clock).await?,
        listen: ([127, 0, 0, 1], 0).into(),
    };
    let simulator = serve(options, clock.clone()).await?;
    simulator.set_network(world.latency, world.loss);
    let exports: BTreeMap<&str, String> = simulator.exports().into_iter().collect();
    let export = |name: &str| exports.get(name).cloned().unwrap_or_default();
    // What the demo writes stays apart from the person's kubeconfigs, journal and state.
    let (base, home) = (machine.state_folder.clone(), places.home.clone());
    let create = move || DemoFolder::create(base.as_deref(), home);
    let folder = run_blocking(&clock, FILE_LIMIT, "the folder for the demo", create)
        .await?
        .context("creating a folder for the demo")?;
    let cloud = Cloud {
        source: access_token::source(Secret::new(export("STACKIT_ACCESS_TOKEN")), "demo"),
        ske: export("STACKIT_SKE_CUSTOM_ENDPOINT"),
        resource_manager: export("STACKIT_RESOURCE_MANAGER_CUSTOM_ENDPOINT"),
        authorization: export("STACKIT_AUTHORIZATION_CUSTOM_ENDPOINT"),
        projects: simulator.projects().into_iter().map(|(id, _name)| id).collect(),
        kubeconfigs: Kubeconfigs::only_in(folder.kubeconfigs(), places.home.clone(), clock.clone()),
        demo_folder: Some(folder.own_files()),
    };
    let machine = Machine { state_folder: Some(folder.state()), ..machine };
    let ended = match Prepared::on(cloud, loaded, places, &machine).await {
        Ok(prepared) => {
            let dashboard = Dashboard { watched, ..prepared.start(machine, None).await };
            Box::pin(dashboard.show(None, Some(folder.state()))).await
        }
        Err(error) => Err(error),
    };
    drop(simulator);
    let left = run_blocking(&clock, FILE_LIMIT, "the folder of the demo", || folder.end()).await;
    let status = ended?;
    Ok(output::print("", &left?.unwrap_or_default(), status))
}

/// What is waited for, and with what; also notes worth a line.
///
/// # Errors
/// What keeps it from starting.
pub async fn prepare_wait(
    loaded: &Loaded,
    places: &Places<'_>,
    words: &WaitFor,
    clock: Clock,
) -> anyhow::Result<(Order, wait::Services, Vec<String>)> {
    let config = &loaded.config;
    let (http, tokens) = sign_in(source(config)?, config, places, &clock).await?;
    let scopes = scopes_of(&words.cluster, config, &http, &tokens).await?;
    let ske = SkeClient::new(config.text("endpoints.ske"), http, tokens.clone())?;
    let settings = read_settings(config, places.environment);
    let order =
        Order { target: words.cluster.clone(), goal: words.goal, timeout: words.timeout, scopes };
    let services = wait::Services {
        clock,
        ske,
        cadence: PollIntervals { running: settings.poll_running, idle: settings.poll_idle },
        concurrency: config.number("poll.concurrency"),
        looks: match settings.watch {
            _ if settings.read_only => ObservationPolicy::NotReadOnly,
            ObservationScope::Never => ObservationPolicy::NotConfigured,
            ObservationScope::Open | ObservationScope::Running => ObservationPolicy::AtNodes,
        },
        renews: tokens.can_change(),
        redraws: signals::watch_redraws(),
        rests: watch::Sender::default(),
    };
    let notes = loaded.notes.iter().cloned().chain(tokens.notes()).collect();
    Ok((order, services, notes))
}

/// Waits for a phase without a screen; gives the exit status.
///
/// # Errors
/// What keeps it from starting.
pub async fn wait(
    loaded: &Loaded,
    places: &Places<'_>,
    words: &WaitFor,
    watchdog: &Watchdog,
) -> anyhow::Result<u8> {
    let (order, services, notes) = prepare_wait(loaded, places, words, Clock::machine()).await?;
    let notifier = Notifier::of(places.environment, loaded.config.switch("notify.desktop"));
    let settings = read_settings(&loaded.config, places.environment);
    let mut printer = printer(&settings, places.environment, notifier);
    for note in notes {
        // Nobody who reads it is no reason not to wait.
        drop(printer.note(&note));
    }
    if let Some(limit) = order.timeout {
        watchdog.set_limit(limit, TIMED_OUT);
    }
    Ok(wait::run(order, services, &mut printer, signals::wait_for_end()).await)
}

/// Reports the credentials of a cluster; gives the report and the exit status, or why there is none.
///
/// # Errors
/// What keeps it from starting.
pub async fn credentials(
    loaded: &Loaded,
    places: &Places<'_>,
    words: &CredentialsOf,
    (clock, state_folder): (Clock, Option<PathBuf>),
) -> anyhow::Result<Result<(String, u8), String>> {
    let config = &loaded.config;
    let (http, tokens) = sign_in(source(config)?, config, places, &clock).await?;
    let settings = read_settings(config, places.environment);
    let kubeconfigs = kubeconfigs_of(places, &clock);
    let tries = words.r#try.then(|| kubeconfigs.clone());
    let search = settings.search.clone();
    let (files, recorded) =
        find_kubeconfigs(kubeconfigs, search, state_folder.clone(), &clock).await?;
    let scopes = scopes_of(&words.cluster, config, &http, &tokens).await?;
    let services = credentials::Services {
        state_folder,
        ske: SkeClient::new(config.text("endpoints.ske"), http, tokens)?,
        concurrency: config.number("poll.concurrency"),
        observes: !settings.read_only && settings.watch != ObservationScope::Never,
        tries,
        credentials: recorded,
        files,
        clock,
    };
    let order = credentials::Order { target: words.cluster.clone(), scopes, format: words.format };
    Ok(credentials::run(order, services).await)
}

/// Says what is due in all configured projects and regions.
///
/// # Errors
/// What keeps it from starting.
pub async fn due(
    loaded: &Loaded,
    places: &Places<'_>,
    words: &DueWhat,
    (clock, state_folder): (Clock, Option<PathBuf>),
) -> anyhow::Result<DueOutput> {
    let config = &loaded.config;
    let (http, tokens) = sign_in(source(config)?, config, places, &clock).await?;
    let settings = read_settings(config, places.environment);
    let kubeconfigs = kubeconfigs_of(places, &clock);
    let (files, recorded) =
        find_kubeconfigs(kubeconfigs, settings.search, state_folder, &clock).await?;
    let scopes = scopes(config, &http, &tokens).await?;
    let services = due::Services {
        ske: SkeClient::new(config.text("endpoints.ske"), http, tokens)?,
        concurrency: config.number("poll.concurrency"),
        policy: settings.overdue_after,
        warn_before: settings.warn_before,
        credentials: recorded,
        files,
        clock,
    };
    Ok(due::run(scopes, words.format, services).await)
}

/// Tells what the journal has of the rotations of a cluster, or why there is nothing to tell.
///
/// # Errors
/// The journal does not answer, or is no file.
pub async fn report(
    flags: &Flags,
    words: &ReportOf,
    (clock, state_folder): (Clock, Option<PathBuf>),
) -> anyhow::Result<Result<String, String>> {
    let Some(folder) = state_folder else { return Ok(Err(report::NO_FOLDER.to_owned())) };
    let order = report::Order {
        target: words.cluster.clone(),
        projects: flags.project.clone(),
        regions: flags.region.clone(),
        format: words.format,
    };
    let now = clock.now();
    let read = move || Ok(report::run(&order, &Journal::open(&folder)?, now));
    run_blocking(&clock, FILE_LIMIT, "journal", read).await?
}

/// The kubeconfigs of the person.
pub(super) fn kubeconfigs_of(places: &Places<'_>, clock: &Clock) -> Kubeconfigs {
    let listed = (places.environment)("KUBECONFIG").map(Into::into);
    Kubeconfigs::new(places.home.clone(), listed, clock.clone())
}

/// The kubeconfig files of this machine, and what skeys recorded.
pub(super) async fn find_kubeconfigs(
    kubeconfigs: Kubeconfigs,
    search: Vec<String>,
    state_folder: Option<PathBuf>,
    clock: &Clock,
) -> Result<(Vec<FoundFile>, Credentials), Failure> {
    let read = move || {
        let recorded = state_folder.as_deref().map(state_file::credentials).unwrap_or_default();
        let more = search.into_iter().chain(recorded.files()).collect::<Vec<_>>();
        (kubeconfigs.find_all(&more), recorded)
    };
    run_blocking(clock, FILE_LIMIT, "kubeconfigs of this machine", read).await
}

/// Where a cluster is searched; nowhere, if it is named in full.
async fn scopes_of(
    target: &Target,
    config: &Config,
    http: &Http,
    tokens: &TokenSource,
) -> Result<Vec<Scope>, Failure> {
    match target {
        Target::Whole(_) => Ok(Vec::new()),
        Target::Name(_) => scopes(config, http, tokens).await,
    }
}

/// Where clusters are searched: every project in every configured region. Where no projects are configured, those in which
/// the account may list clusters.
pub(super) async fn scopes(
    config: &Config,
    http: &Http,
    tokens: &TokenSource,
) -> Result<Vec<Scope>, Failure> {
    let regions: Vec<Region> = config.list("regions").iter().map(Region::new).collect();
    let mut projects: Vec<ProjectId> = config.list("projects").iter().map(ProjectId::new).collect();
    if projects.is_empty() {
        let of = |key| config.text(key);
        let (http, tokens) = (http.clone(), tokens.clone());
        let names =
            ProjectsClient::new(of("endpoints.resource_manager"), http.clone(), tokens.clone())?;
        let client = DiscoveryClient::new(of("endpoints.authorization"), http, tokens, names)?;
        projects = client.projects().await?;
    }
    let in_regions = |project: ProjectId| {
        regions.iter().map(move |region| Scope { project: project.clone(), region: region.clone() })
    };
    Ok(projects.into_iter().flat_map(in_regions).collect())
}

/// A bar where standard error is a terminal that can draw one, else lines.
fn printer(
    settings: &Settings,
    environment: &dyn Fn(&str) -> Option<String>,
    notifier: Notifier,
) -> Printer {
    let term = environment("TERM").unwrap_or_default();
    let can_draw = !matches!(term.as_str(), "" | "dumb");
    let form = if can_draw && io::stderr().is_terminal() {
        Form::Bar(printer::Screen {
            theme: Theme::new(settings.theme, settings.background, settings),
            notifier,
            columns: Box::new(columns_of_stderr),
        })
    } else {
        Form::Lines
    };
    let streams = (Box::new(io::stdout()), Box::new(io::stderr()));
    Printer::new(streams.0, streams.1, form, settings.ascii)
}

/// Columns of the terminal behind standard error; 80 where it does not tell, none while another program has it.
fn columns_of_stderr() -> usize {
    let group = rustix::termios::tcgetpgrp(io::stderr());
    if group.is_ok_and(|group| group != rustix::process::getpgrp()) {
        return 0;
    }
    let told = rustix::termios::tcgetwinsize(io::stderr()).ok().map(|size| size.ws_col);
    told.filter(|columns| *columns > 0).map_or(80, usize::from)
}

/// What is kept between runs.
#[derive(Default)]
struct Stored {
    state: PersistedState,
    /// `None` where nothing can be recorded.
    journal: Option<Journal>,
    /// The latest of the journal.
    records: Vec<Record>,
    /// What should be said of the files.
    notes: Vec<String>,
}

impl Stored {
    async fn read(folder: PathBuf, clock: &Clock) -> Self {
        let name = folder.display().to_string();
        let read = run_blocking(clock, FILE_LIMIT, &name, move || Self::read_files(&folder)).await;
        read.unwrap_or_else(|failure| {
            let note = format!("{}; nothing is recorded in this run", failure.message);
            Self { notes: vec![note], ..Self::default() }
        })
    }

    fn read_files(folder: &Path) -> Self {
        stale_files::remove_all(folder);
        let (state, note) = state_file::load(folder);
        let mut stored = Self { state, notes: note.into_iter().collect(), ..Self::default() };
        match Journal::open(folder) {
            Ok(journal) => {
                match journal.tail(200) {
                    Ok((records, torn)) => {
                        stored.records = records;
                        stored.notes.extend(torn);
                    }
                    Err(failure) => stored.notes.push(failure.to_string()),
                }
                stored.journal = Some(journal);
            }
            Err(failure) => stored.notes.push(failure.to_string()),
        }
        stored
    }
}

/// The folder of state and journal, or why it is not used.
pub(super) async fn usable_folder(
    folder: Option<PathBuf>,
    clock: &Clock,
) -> (Option<PathBuf>, Option<String>) {
    let Some(folder) = folder else { return (None, None) };
    let (name, path) = (folder.display().to_string(), folder.clone());
    let checked = run_blocking(clock, FILE_LIMIT, &name, move || check_private(&path)).await;
    match checked.and_then(|checked| checked) {
        Ok(()) => (Some(folder), None),
        Err(failure) => {
            let hint = failure.hint.map(|hint| format!(". {hint}")).unwrap_or_default();
            let text = format!("{}; state and journal are off for this run{hint}", failure.message);
            (None, Some(text))
        }
    }
}

/// The HTTP client and the source of tokens, both of which may read files.
pub(super) async fn sign_in(
    source: SourceConfig,
    config: &Config,
    places: &Places<'_>,
    clock: &Clock,
) -> anyhow::Result<(Http, TokenSource)> {
    let ca = extra_ca(config, places.home.as_deref(), clock).await?;
    let http = Http::new(clock.clone(), ca)?;
    let summary = source.summary.clone();
    let (client, time) = (http.clone(), clock.clone());
    let open = move || TokenSource::new(source, client, time);
    let tokens = run_blocking(clock, FILE_LIMIT, &summary, open).await??;
    Ok((http, tokens))
}

/// The certificates that are trusted beside those of the machine, if a file of them is set.
pub(super) async fn extra_ca(
    config: &Config,
    home: Option<&Path>,
    clock: &Clock,
) -> anyhow::Result<Option<Vec<u8>>> {
    let file = config.text("endpoints.ca_file");
    if file.is_empty() {
        return Ok(None);
    }
    let path = expand(file, home);
    let name = format!("endpoints.ca_file, {}", path.display());
    let read = run_blocking(clock, FILE_LIMIT, &name, move || files::read(&path, CA_LIMIT)).await?;
    read.map(Some).with_context(|| format!("reading {name}"))
}

fn source(config: &Config) -> anyhow::Result<SourceConfig> {
    config.auth.clone().with_context(|| {
        let names: Vec<&str> = SOURCES.iter().map(|kind| kind.name).collect();
        let checked = names.join(", ");
        format!("no credentials found; checked: {checked}. Run `stackit auth login`, or set one")
    })
}
