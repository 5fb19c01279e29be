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
use crate::domain::secret::Secret;
use crate::runtime::clipboard::{Clipboard, ClipboardRoute};
use crate::runtime::input::Input;
use crate::runtime::notify::Notifier;
use crate::runtime::perform::{Performer, Services};
use crate::runtime::terminal::{Screen, install_panic_hook};
use crate::runtime::{loop_input, run, signals};
use crate::simulator::{Options, serve};
use crate::store::bounded;
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
pub async fn dashboard(loaded: Loaded, places: &Places<'_>) -> anyhow::Result<()> {
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
    open(&loaded, places, cloud, Files { kubeconfigs, state: crate::cli::state_folder() }).await
}

/// Opens the dashboard on an embedded simulator. It knows the simulator's address and nothing else of it.
///
/// # Errors
/// What keeps it from starting, or the terminal went away.
pub async fn demo(loaded: Loaded, places: &Places<'_>, world: &SceneOptions) -> anyhow::Result<()> {
    let options = Options {
        seed: world.seed,
        speed: world.speed,
        scene: scene(world)?,
        listen: ([127, 0, 0, 1], 0).into(),
    };
    let simulator = serve(options, Clock::machine()).await?;
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
    let folder = DemoFolder::create(crate::cli::state_folder().as_deref(), home.clone())
        .context("creating a folder for the demo")?;
    let kubeconfigs = Kubeconfigs::only_in(folder.kubeconfigs(), home, Clock::machine());
    let own_files = folder.own_files();
    let files = Files { kubeconfigs, state: Some(folder.state()) };
    let ended = open(&loaded, places, Cloud { own_files: Some(own_files), ..cloud }, files).await;
    simulator.stop();
    if let Some(text) = folder.end() {
        crate::cli::print("", &text);
    }
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
    let http = Http::new(clock.clone(), extra_ca(config, places.home.as_deref())?)?;
    let tokens = TokenSource::new(source(config)?, http.clone(), clock.clone())?;
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
        redraws: signals::redraws(),
        rests: watch::Sender::default(),
    };
    let notifier = Notifier::of(places.environment, config.switch("notify.desktop"));
    let mut printer = printer(&settings, places.environment, notifier);
    for note in loaded.notes.iter().cloned().chain(tokens.notes()) {
        // Nobody who reads it is no reason not to wait.
        drop(printer.note(&note));
    }
    Ok(wait::run(order, tools, &mut printer, signals::ended()).await)
}

/// A bar where standard error is a terminal that can draw one, else lines.
fn printer(
    settings: &Settings,
    environment: &dyn Fn(&str) -> Option<String>,
    notifier: Notifier,
) -> Printer {
    let term = environment("TERM").unwrap_or_default();
    let can_draw = cfg!(windows) || !matches!(term.as_str(), "" | "dumb");
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
    #[cfg(unix)]
    let told = rustix::termios::tcgetwinsize(std::io::stderr()).ok().map(|size| size.ws_col);
    #[cfg(not(unix))]
    let told = crossterm::terminal::size().ok().map(|(columns, _)| columns);
    told.filter(|columns| *columns > 0).map_or(80, usize::from)
}

async fn open(
    loaded: &Loaded,
    places: &Places<'_>,
    cloud: Cloud,
    files: Files,
) -> anyhow::Result<()> {
    let Files { kubeconfigs, state: state_folder } = files;
    let config = &loaded.config;
    let keymap = Keymap::new(&config.keys()).map_err(|problems| {
        anyhow::anyhow!("the configured keys conflict:\n  {}", problems.join("\n  "))
    })?;
    let clock = Clock::machine();
    let http = Http::new(clock.clone(), extra_ca(config, places.home.as_deref())?)?;
    let tokens = TokenSource::new(cloud.source, http.clone(), clock.clone())?;
    let ske = SkeClient::new(&cloud.ske, http.clone(), tokens.clone())?;
    let projects = ProjectsClient::new(&cloud.resource_manager, http, tokens.clone())?;
    let (sender, receiver) = loop_input::channel();
    let chain = ClipboardRoute::chain(places.environment);
    let mut settings = settings(config, places.environment);
    settings.projects = cloud.projects;
    settings.ske = cloud.ske;
    settings.regions = cloud.regions;
    settings.rehearsal = cloud.rehearsal;
    settings.folder = cloud.own_files.unwrap_or(settings.folder);
    settings.clipboard_way = chain.first().map_or("", |way| way.word()).to_owned();
    let (kept, mut notes) = recall(state_folder.as_deref());
    notes.extend(loaded.notes.iter().cloned());
    let journal = match state_folder.as_deref().map(Journal::open).transpose() {
        Ok(journal) => journal,
        Err(failure) => {
            notes.push(failure.to_string());
            None
        }
    };
    let tools = Services {
        clock: clock.clone(),
        ske,
        tokens,
        projects: Some(projects),
        kubeconfigs,
        journal: journal.clone(),
        state_folder: state_folder.clone(),
        clipboard: Clipboard::new(chain, clock.clone(), sender.clone()),
        notifier: Notifier::of(places.environment, config.switch("notify.desktop")),
        read_only: settings.read_only,
        concurrency: config.number("poll.concurrency"),
    };
    let performer = Performer::new(tools, sender.clone());
    let now = Now { wall: clock.now(), monotonic: clock.monotonic() };
    let seed = now.wall.as_nanosecond().unsigned_abs().try_into().unwrap_or(1);
    let mut state = State::new(settings, keymap, kept, now, seed);
    // What happened before, below what happens now.
    match journal.map(|journal| journal.tail(200)) {
        Some(Ok((records, torn))) => {
            state.activity.extend(records);
            notes.extend(torn);
        }
        Some(Err(failure)) => notes.push(failure.to_string()),
        None => {}
    }
    state.errors.extend(notes.into_iter().map(|note| Failure::new(FailureKind::File, note)));
    let ask = state.theme == ThemeChoice::Auto;
    signals::watch(sender.clone()).context("watching for signals")?;
    install_panic_hook(state_folder);
    let mut screen = Screen::take().context("taking the terminal")?;
    let input = Input::open(ask, sender).context("reading the terminal")?;
    let ended = run(state, &mut screen, input, &performer, receiver, &clock).await;
    drop(screen);
    for text in ended.context("drawing on the terminal")? {
        use std::io::Write;
        std::io::stdout().write_all(text.expose().as_bytes()).context("printing the kubeconfig")?;
    }
    Ok(())
}

fn recall(folder: Option<&Path>) -> (PersistedState, Vec<String>) {
    let Some(folder) = folder else { return (PersistedState::default(), Vec::new()) };
    let (kept, note) = state_file::load(folder);
    (kept, note.into_iter().collect())
}

fn extra_ca(config: &Config, home: Option<&Path>) -> anyhow::Result<Option<Vec<u8>>> {
    let file = config.text("endpoints.ca_file");
    if file.is_empty() {
        return Ok(None);
    }
    let path = expand(file, home);
    let pem = bounded::read(&path, CA_LIMIT)
        .with_context(|| format!("reading endpoints.ca_file, {}", path.display()))?;
    Ok(Some(pem))
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
        None => cfg!(any(windows, target_os = "macos")),
    }
}
