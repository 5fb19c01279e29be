//! Puts the layers together: clients, store, runtime, for the real cloud or for the embedded simulator.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use anyhow::Context;
use jiff::SignedDuration;
use jiff::tz::TimeZone;
use tokio::sync::watch;

use crate::app::keymap::Keymap;
use crate::app::message::Now;
use crate::app::settings::{
    Background, ColorDepth, ObservationScope, Place, Settings, ThemeChoice,
};
use crate::app::state::State;
use crate::cli::args::{SceneOptions, WaitFor};
use crate::cli::commands::simulate::scene;
use crate::cli::commands::wait::printer::{self, Form, Printer};
use crate::cli::commands::wait::tracker::PollIntervals;
use crate::cli::commands::wait::{self, ObservationPolicy, Order};
use crate::cli::config::{AuthChoice, Config, Loaded, PathOrText, Places, expand};
use crate::cli::demo_folder::DemoFolder;
use crate::clients::auth::key::KeyText;
use crate::clients::auth::{SourceConfig, TokenSource};
use crate::clients::http::Http;
use crate::clients::projects::ProjectsClient;
use crate::clients::ske::SkeClient;
use crate::clock::Clock;
use crate::domain::age::DisplayZone;
use crate::domain::cluster::{ProjectId, Region, Scope};
use crate::domain::failure::{Failure, FailureKind};
use crate::domain::persisted::PersistedState;
use crate::domain::record::Record;
use crate::domain::secret::Secret;
use crate::runtime::blocking::{FILE_LIMIT, run_blocking};
use crate::runtime::clipboard::{Clipboard, ClipboardRoute};
use crate::runtime::log::LogBuffer;
use crate::runtime::notify::Notifier;
use crate::runtime::perform::{Performer, Services};
use crate::runtime::terminal::{Screen, force_restore, install_panic_hook};
use crate::runtime::watchdog::Watchdog;
use crate::runtime::{input, loop_input, run, signals};
use crate::simulator::{Options, serve};
use crate::store::files;
use crate::store::journal::Journal;
use crate::store::kubeconfigs::Kubeconfigs;
use crate::store::state_file;
use crate::ui::theme::Theme;

/// Largest file of additional authorities, in bytes.
const CA_LIMIT: u64 = 4 * 1024 * 1024;

/// Where the cloud is, and how to sign in.
struct Cloud {
    source: SourceConfig,
    ske: String,
    resource_manager: String,
    projects: Vec<(ProjectId, Option<String>)>,
    regions: Vec<Region>,
    rehearsal: bool,
    /// Folder for kubeconfigs in files of their own, if it is not the configured one.
    own_files: Option<String>,
}

/// Opens the dashboard on the real SKE.
///
/// # Errors
/// What keeps it from starting, or the terminal went away.
pub async fn dashboard(loaded: Loaded, places: &Places<'_>, log: LogBuffer) -> anyhow::Result<()> {
    let config = &loaded.config;
    let cloud = Cloud {
        source: source(config)?,
        ske: config.text("endpoints.ske").to_owned(),
        resource_manager: config.text("endpoints.resource_manager").to_owned(),
        projects: config.list("projects").iter().map(|id| (ProjectId::new(id), None)).collect(),
        regions: config.list("regions").iter().map(Region::new).collect(),
        rehearsal: false,
        own_files: None,
    };
    let kubeconfigs = Kubeconfigs::new(
        places.home.clone(),
        (places.environment)("KUBECONFIG").map(Into::into),
        Clock::machine(),
    );
    let files = Files { kubeconfigs, state: crate::cli::state_folder() };
    open(&loaded, places, cloud, files, log).await
}

/// Opens the dashboard on an embedded simulator. It knows the simulator's address and nothing else of it.
///
/// # Errors
/// What keeps it from starting, or the terminal went away.
pub async fn demo(
    loaded: Loaded,
    places: &Places<'_>,
    world: &SceneOptions,
    log: LogBuffer,
) -> anyhow::Result<()> {
    let clock = Clock::machine();
    let options = Options {
        seed: world.seed,
        speed: world.speed,
        scene: scene(world, &clock).await?,
        listen: ([127, 0, 0, 1], 0).into(),
    };
    let simulator = serve(options, clock.clone()).await?;
    let exports: BTreeMap<&str, String> = simulator.exports().into_iter().collect();
    let export = |name: &str| exports.get(name).cloned().unwrap_or_default();
    let cloud = Cloud {
        source: SourceConfig::Token {
            secret: Secret::new(export("STACKIT_ACCESS_TOKEN")),
            origin: "rehearsal".to_owned(),
        },
        ske: export("STACKIT_SKE_CUSTOM_ENDPOINT"),
        resource_manager: export("STACKIT_RESOURCE_MANAGER_CUSTOM_ENDPOINT"),
        projects: simulator
            .projects()
            .into_iter()
            .map(|(id, _)| (ProjectId::new(id), None))
            .collect(),
        regions: loaded.config.list("regions").iter().map(Region::new).collect(),
        rehearsal: true,
        own_files: None,
    };
    // What a rehearsal writes stays apart from the person's kubeconfigs, journal and state.
    let home = places.home.clone();
    let below_home = home.clone();
    let create = move || DemoFolder::create(crate::cli::state_folder().as_deref(), below_home);
    let folder = run_blocking(&clock, FILE_LIMIT, "the folder for the demo", create)
        .await?
        .context("creating a folder for the demo")?;
    let kubeconfigs = Kubeconfigs::only_in(folder.kubeconfigs(), home, clock.clone());
    let own_files = folder.own_files();
    let files = Files { kubeconfigs, state: Some(folder.state()) };
    let ended =
        open(&loaded, places, Cloud { own_files: Some(own_files), ..cloud }, files, log).await;
    simulator.stop();
    let left = run_blocking(&clock, FILE_LIMIT, "the folder of the demo", || folder.end()).await;
    crate::cli::print("", &left?.unwrap_or_default());
    ended
}

/// Where the dashboard reads and writes.
struct Files {
    kubeconfigs: Kubeconfigs,
    /// Folder of state, journal and reports; `None` where nothing can be kept.
    state: Option<PathBuf>,
}

/// Waits for a phase without a screen; gives the exit status.
///
/// # Errors
/// What keeps it from starting.
pub async fn wait(loaded: &Loaded, places: &Places<'_>, words: &WaitFor) -> anyhow::Result<u8> {
    let config = &loaded.config;
    let clock = Clock::machine();
    let ca = extra_ca(config, places.home.as_deref(), &clock).await?;
    let http = Http::new(clock.clone(), ca)?;
    let tokens = token_source(source(config)?, &http, &clock).await?;
    let ske = SkeClient::new(config.text("endpoints.ske"), http, tokens.clone())?;
    let settings = settings(config, places.environment);
    let regions: Vec<Region> = config.list("regions").iter().map(Region::new).collect();
    let scopes = config.list("projects").iter().map(ProjectId::new).flat_map(|project| {
        regions.iter().map(move |region| Scope { project: project.clone(), region: region.clone() })
    });
    let order = Order {
        target: words.cluster.clone(),
        goal: words.goal,
        timeout: words.timeout,
        scopes: scopes.collect(),
    };
    let tools = wait::Services {
        clock,
        ske,
        cadence: PollIntervals { running: settings.poll_running, idle: settings.poll_idle },
        concurrency: config.number("poll.concurrency"),
        looks: match settings.watch {
            _ if settings.read_only => ObservationPolicy::NotReadOnly,
            ObservationScope::Never => ObservationPolicy::NotConfigured,
            ObservationScope::Open | ObservationScope::Running => ObservationPolicy::AtNodes,
        },
        renews: !matches!(config.auth, AuthChoice::Token { .. }),
        redraws: signals::watch_redraws(),
        rests: watch::Sender::default(),
    };
    let notifier = Notifier::of(places.environment, config.switch("notify.desktop"));
    let mut printer = printer(&settings, places.environment, notifier);
    for note in loaded.notes.iter().cloned().chain(tokens.notes()) {
        // Nobody who reads it is no reason not to wait.
        drop(printer.note(&note));
    }
    let _watchdog = Watchdog::start(force_restore).context("starting the watchdog")?;
    Ok(wait::run(order, tools, &mut printer, signals::wait_for_end()).await)
}

/// A bar where standard error is a terminal that can draw one, else lines.
fn printer(
    settings: &Settings,
    environment: &dyn Fn(&str) -> Option<String>,
    notifier: Notifier,
) -> Printer {
    let term = environment("TERM").unwrap_or_default();
    let can_draw = !matches!(term.as_str(), "" | "dumb");
    let form = if can_draw && std::io::stderr().is_terminal() {
        let Settings { theme, background, depth, ascii, .. } = settings;
        Form::Bar(printer::Screen {
            theme: Theme::new(*theme, *background, *depth, *ascii),
            notifier,
            columns: Box::new(columns_of_stderr),
        })
    } else {
        Form::Lines
    };
    let streams = (Box::new(std::io::stdout()), Box::new(std::io::stderr()));
    Printer::new(streams.0, streams.1, form, settings.ascii)
}

/// Columns of the terminal behind standard error; 80 where it does not tell.
fn columns_of_stderr() -> usize {
    let told = rustix::termios::tcgetwinsize(std::io::stderr()).ok().map(|size| size.ws_col);
    told.filter(|columns| *columns > 0).map_or(80, usize::from)
}

async fn open(
    loaded: &Loaded,
    places: &Places<'_>,
    cloud: Cloud,
    files: Files,
    log: LogBuffer,
) -> anyhow::Result<()> {
    let Files { kubeconfigs, state: state_folder } = files;
    let config = &loaded.config;
    let keymap = Keymap::new(&config.keys()).map_err(|problems| {
        anyhow::anyhow!("the configured keys conflict:\n  {}", problems.join("\n  "))
    })?;
    let clock = Clock::machine();
    let ca = extra_ca(config, places.home.as_deref(), &clock).await?;
    let http = Http::new(clock.clone(), ca)?;
    let tokens = token_source(cloud.source, &http, &clock).await?;
    let ske = SkeClient::new(&cloud.ske, http.clone(), tokens.clone())?;
    let projects = ProjectsClient::new(&cloud.resource_manager, http, tokens.clone())?;
    let (sender, receiver) = loop_input::channel();
    let routes = ClipboardRoute::available(places.environment);
    let mut settings = settings(config, places.environment);
    settings.projects = cloud.projects;
    settings.ske = cloud.ske;
    settings.regions = cloud.regions;
    settings.rehearsal = cloud.rehearsal;
    settings.folder = cloud.own_files.unwrap_or(settings.folder);
    settings.clipboard_way = routes.first().map_or("", |route| route.word()).to_owned();
    let mut stored = match state_folder.clone() {
        Some(folder) => Stored::read(folder, &clock).await,
        None => Stored::default(),
    };
    stored.notes.extend(loaded.notes.iter().cloned());
    let tools = Services {
        clock: clock.clone(),
        ske,
        tokens,
        projects: Some(projects),
        kubeconfigs,
        journal: stored.journal,
        state_folder: state_folder.clone(),
        clipboard: Clipboard::new(routes, clock.clone(), sender.clone()),
        log,
        notifier: Notifier::of(places.environment, config.switch("notify.desktop")),
        read_only: settings.read_only,
        concurrency: config.number("poll.concurrency"),
    };
    let performer = Performer::new(tools, sender.clone());
    let now = Now { wall: clock.now(), monotonic: clock.monotonic() };
    let seed = now.wall.as_nanosecond().unsigned_abs().try_into().unwrap_or(1);
    let mut state = State::new(settings, keymap, stored.state, now, seed);
    // What happened before, below what happens now.
    state.activity.extend(stored.records);
    let notes = stored.notes.into_iter();
    state.errors.extend(notes.map(|note| Failure::new(FailureKind::File, note)));
    let ask = state.theme == ThemeChoice::Auto;
    let watchdog = Watchdog::start(force_restore).context("starting the watchdog")?;
    signals::send_to_loop(&sender).context("watching for signals")?;
    install_panic_hook(state_folder);
    let mut screen = Screen::enter(watchdog).context("taking the terminal")?;
    let input = input::open(ask, sender).context("reading the terminal")?;
    let program = Box::pin(run(state, &mut screen, input, &performer, receiver, &clock));
    let ended = program.await;
    drop(screen);
    for text in ended.context("drawing on the terminal")? {
        use std::io::Write;
        std::io::stdout().write_all(text.expose().as_bytes()).context("printing the kubeconfig")?;
    }
    Ok(())
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

/// Opens a source of tokens, which may lie in a file.
async fn token_source(
    source: SourceConfig,
    http: &Http,
    clock: &Clock,
) -> anyhow::Result<TokenSource> {
    let name = match &source {
        SourceConfig::File { path } | SourceConfig::Key { key: KeyText::Path(path), .. } => {
            path.display().to_string()
        }
        SourceConfig::Token { .. } | SourceConfig::Key { key: KeyText::Inline(_), .. } => {
            "private key".to_owned()
        }
    };
    let (http, time) = (http.clone(), clock.clone());
    let open = move || TokenSource::new(source, http, time);
    Ok(run_blocking(clock, FILE_LIMIT, &name, open).await??)
}

async fn extra_ca(
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
    let text = |given: &PathOrText| match given {
        PathOrText::Path(path) => KeyText::Path(path.clone()),
        PathOrText::Text(text) => KeyText::Inline(text.clone()),
    };
    match &config.auth {
        AuthChoice::Token { secret, origin } => {
            Ok(SourceConfig::Token { secret: secret.clone(), origin: origin.clone() })
        }
        AuthChoice::File(path) => Ok(SourceConfig::File { path: path.clone() }),
        AuthChoice::Key { key, private_key } => Ok(SourceConfig::Key {
            key: text(key),
            private_key: private_key.as_ref().map(text),
            token_url: Some(config.text("endpoints.token").to_owned())
                .filter(|url| !url.is_empty()),
        }),
        AuthChoice::Nothing(_) => anyhow::bail!("no way to sign in was found"),
    }
}

fn settings(config: &Config, environment: &dyn Fn(&str) -> Option<String>) -> Settings {
    let set = |name: &str| environment(name).is_some_and(|value| !value.is_empty());
    let theme = ThemeChoice::from_word(config.text("display.theme")).unwrap_or(ThemeChoice::Auto);
    let theme = match theme {
        ThemeChoice::Auto if set("NO_COLOR") => ThemeChoice::Mono,
        chosen @ (ThemeChoice::Auto
        | ThemeChoice::Dark
        | ThemeChoice::Light
        | ThemeChoice::HighContrast
        | ThemeChoice::Mono) => chosen,
    };
    Settings {
        protected: config.list("protected").to_vec(),
        read_only: config.switch("read_only"),
        overdue_after: SignedDuration::try_from(config.duration("overdue_after"))
            .unwrap_or(SignedDuration::MAX),
        poll_idle: config.duration("poll.idle"),
        poll_running: config.duration("poll.running"),
        watch: match config.text("kubernetes.watch") {
            "never" => ObservationScope::Never,
            "open" => ObservationScope::Open,
            _ => ObservationScope::Running,
        },
        watch_limit: config.number("kubernetes.limit"),
        lifetime: config.lifetime(),
        destination: match config.text("kubeconfig.destination") {
            "file" => Place::File,
            "clipboard" => Place::Clipboard,
            "stdout" => Place::Stdout,
            _ => Place::Merge,
        },
        folder: config.text("kubeconfig.folder").to_owned(),
        make_current: config.switch("kubeconfig.make_current"),
        clipboard_clear: config.duration("kubeconfig.clipboard_clear"),
        theme,
        depth: depth(environment),
        background: background(environment("COLORFGBG").as_deref()),
        ascii: match config.text("display.ascii") {
            "always" => true,
            "never" => false,
            _ => !is_utf8(environment),
        },
        utc: config.switch("display.utc"),
        mouse: config.switch("display.mouse"),
        local_zone: DisplayZone::new(TimeZone::system()),
        columns: config.list("display.columns").to_vec(),
        sort: config.text("display.sort").to_owned(),
        ..Settings::defaults()
    }
}

/// How many colours the terminal shows, as far as its variables tell. Inside tmux and screen those of the terminal
/// around them mean nothing.
fn depth(environment: &dyn Fn(&str) -> Option<String>) -> ColorDepth {
    let term = environment("TERM").unwrap_or_default();
    let nested = environment("TMUX").is_some() || environment("STY").is_some();
    let told = environment("COLORTERM").unwrap_or_default();
    // xterm shows 24 bits since its version 331 and sets TERM to plain "xterm" all the same.
    let xterm = environment("XTERM_VERSION")
        .and_then(|text| text.strip_prefix("XTerm(")?.strip_suffix(')')?.parse::<u32>().ok());
    if matches!(told.as_str(), "truecolor" | "24bit")
        || term.ends_with("-direct")
        || !nested && xterm.is_some_and(|version| version >= 331)
    {
        ColorDepth::Full
    } else if term.contains("256color") {
        ColorDepth::Indexed
    } else {
        ColorDepth::Sixteen
    }
}

/// `COLORFGBG` ends in the background's colour number; terminals that set it tell light from dark.
fn background(value: Option<&str>) -> Option<Background> {
    match value.and_then(|value| value.rsplit(';').next()).and_then(|last| last.parse::<u8>().ok())
    {
        Some(7 | 15) => Some(Background::Light),
        Some(0..=6 | 8) => Some(Background::Dark),
        _ => None,
    }
}

/// Whether the locale writes UTF-8; the first of the three variables that is set counts.
fn is_utf8(environment: &dyn Fn(&str) -> Option<String>) -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .find_map(|name| environment(name).filter(|value| !value.is_empty()));
    match locale {
        Some(locale) => {
            let locale = locale.to_lowercase();
            locale.contains("utf-8") || locale.contains("utf8")
        }
        None => cfg!(target_os = "macos"),
    }
}
