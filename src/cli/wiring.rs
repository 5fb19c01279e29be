//! Puts clients, store and runtime together for the commands without a screen, and what dashboards share with them.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use tokio::sync::watch;

use crate::app::settings::{ObservationScope, Settings};
use crate::cli::args::WaitFor;
use crate::cli::commands::wait::printer::{self, Form, Printer};
use crate::cli::commands::wait::target::Target;
use crate::cli::commands::wait::tracker::PollIntervals;
use crate::cli::commands::wait::{self, ObservationPolicy, TIMED_OUT};
use crate::cli::config::{Config, Loaded, Places, expand};
use crate::cli::settings::read_settings;
use crate::clients::auth::{SOURCES, TokenSource};
use crate::clients::discovery::DiscoveryClient;
use crate::clients::http::Http;
use crate::clients::projects::ProjectsClient;
use crate::clients::ske::SkeClient;
use crate::clock::Clock;
use crate::domain::cluster::{ProjectId, Region, Scope};
use crate::domain::credential::{Credentials, FoundFile};
use crate::domain::failure::{Failure, FailureKind};
use crate::domain::misplaced_secret::show;
use crate::runtime::blocking::{FILE_LIMIT, run_blocking};
use crate::runtime::notify::Notifier;
use crate::runtime::signals;
use crate::runtime::watchdog::Watchdog;
use crate::store::files;
use crate::store::journal::Journal;
use crate::store::kubeconfigs::Kubeconfigs;
use crate::store::private_file::check_private;
use crate::store::state_file;
use crate::ui::theme::Theme;

/// Largest file of additional authorities, in bytes.
const CA_LIMIT: u64 = 4 * 1024 * 1024;

/// What a command works with that reads from SKE.
pub(super) struct Session {
    pub(super) config: Config,
    pub(super) settings: Settings,
    pub(super) http: Http,
    pub(super) tokens: TokenSource,
    pub(super) ske: SkeClient,
    /// Most concurrent lists.
    pub(super) concurrency: usize,
    /// The kubeconfigs of the person.
    pub(super) kubeconfigs: Kubeconfigs,
    pub(super) state_folder: Option<PathBuf>,
    pub(super) clock: Clock,
}

impl Session {
    /// Opens the token source; no request is made.
    pub(super) async fn open(
        loaded: &Loaded,
        places: &Places<'_>,
        (clock, state_folder): (Clock, Option<PathBuf>),
    ) -> Result<Self, Failure> {
        let config = &loaded.config;
        let (http, tokens) = sign_in(config, places, &clock).await?;
        Ok(Self {
            config: config.clone(),
            settings: read_settings(config, places.environment),
            ske: SkeClient::new(config.text("endpoints.ske"), http.clone(), tokens.clone())?,
            http,
            tokens,
            concurrency: config.number("poll.concurrency"),
            kubeconfigs: kubeconfigs_of(places, &clock),
            state_folder,
            clock,
        })
    }

    /// The kubeconfig files of this machine, and what skeys recorded.
    pub(super) async fn find_kubeconfigs(&self) -> Result<Found, Failure> {
        let (kubeconfigs, search) = (self.kubeconfigs.clone(), self.settings.search.clone());
        find_kubeconfigs(kubeconfigs, search, self.state_folder.clone(), &self.clock).await
    }

    /// Where clusters are searched.
    pub(super) async fn scopes(&self) -> Result<Vec<Scope>, Failure> {
        scopes(&self.config, &self.http, &self.tokens).await
    }

    /// Where a cluster is searched; nowhere, if it is named in full.
    pub(super) async fn scopes_of(&self, target: &Target) -> Result<Vec<Scope>, Failure> {
        match target {
            Target::Whole(_) => Ok(Vec::new()),
            Target::Name(_) => self.scopes().await,
        }
    }
}

/// With what is waited; also notes worth a line.
pub async fn prepare_wait(
    loaded: &Loaded,
    places: &Places<'_>,
    words: &WaitFor,
    machine: (Clock, Option<PathBuf>),
) -> Result<(wait::Services, Vec<String>), Failure> {
    let session = Session::open(loaded, places, machine).await?;
    let scopes = session.scopes_of(&words.cluster).await?;
    let Session { settings, tokens, .. } = session;
    let services = wait::Services {
        scopes,
        clock: session.clock,
        ske: session.ske,
        cadence: PollIntervals { running: settings.poll_running, idle: settings.poll_idle },
        concurrency: session.concurrency,
        looks: match settings.watch {
            _ if settings.read_only => ObservationPolicy::NotReadOnly,
            ObservationScope::Never => ObservationPolicy::NotConfigured,
            ObservationScope::Open | ObservationScope::Running => ObservationPolicy::AtNodes,
        },
        renews: tokens.can_change(),
        journal: session.state_folder.and_then(|folder| Journal::open(&folder).ok()),
        redraws: signals::watch_redraws(),
        rests: watch::Sender::default(),
    };
    let notes = loaded.notes.iter().cloned().chain(tokens.notes()).collect();
    Ok((services, notes))
}

/// Waits for a phase without a screen; gives the exit status.
pub(super) async fn wait(
    loaded: &Loaded,
    places: &Places<'_>,
    words: WaitFor,
    (watchdog, state_folder): (&Watchdog, Option<PathBuf>),
) -> Result<u8, Failure> {
    let machine = (Clock::machine(), state_folder);
    let (services, notes) = prepare_wait(loaded, places, &words, machine).await?;
    let notifier = Notifier::of(places.environment, loaded.config.switch("notify.desktop"));
    let settings = read_settings(&loaded.config, places.environment);
    let mut printer = printer(&settings, places.environment, notifier);
    for note in notes {
        // Nobody who reads it is no reason not to wait.
        drop(printer.note(&note));
    }
    if let Some(limit) = words.timeout {
        watchdog.set_limit(limit, TIMED_OUT);
    }
    Ok(wait::run(words, services, &mut printer, signals::wait_for_end()).await)
}

/// The kubeconfigs of the person.
pub(super) fn kubeconfigs_of(places: &Places<'_>, clock: &Clock) -> Kubeconfigs {
    let listed = (places.environment)("KUBECONFIG").map(Into::into);
    Kubeconfigs::new(places.home.clone(), listed, clock.clone())
}

/// The kubeconfig files of this machine, and what skeys recorded.
pub(super) struct Found {
    pub(super) files: Vec<FoundFile>,
    pub(super) recorded: Credentials,
    /// Why what was recorded is not known.
    pub(super) not_recorded: Option<String>,
}

/// Reads the kubeconfig files of this machine, and what skeys recorded.
pub(super) async fn find_kubeconfigs(
    kubeconfigs: Kubeconfigs,
    search: Vec<String>,
    state_folder: Option<PathBuf>,
    clock: &Clock,
) -> Result<Found, Failure> {
    let read = move || {
        let read = state_folder.as_deref().map(state_file::credentials);
        let (recorded, not_recorded) = read.unwrap_or_default();
        let more = search.into_iter().chain(recorded.files()).collect::<Vec<_>>();
        Found { files: kubeconfigs.find_all(&more), recorded, not_recorded }
    };
    run_blocking(clock, FILE_LIMIT, "kubeconfigs of this machine", read).await
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
        projects = discovery(config, http, tokens)?.projects().await?;
    }
    let in_regions = |project: ProjectId| {
        regions.iter().map(move |region| Scope { project: project.clone(), region: region.clone() })
    };
    Ok(projects.into_iter().flat_map(in_regions).collect())
}

/// Asks which projects there are, how they are called, and what the account may do.
pub(super) fn discovery(
    config: &Config,
    http: &Http,
    tokens: &TokenSource,
) -> Result<DiscoveryClient, Failure> {
    let of = |key| config.text(key);
    let names =
        ProjectsClient::new(of("endpoints.resource_manager"), http.clone(), tokens.clone())?;
    DiscoveryClient::new(of("endpoints.authorization"), http.clone(), tokens.clone(), names)
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

/// The folder of state and journal, or why it is not used.
pub(super) async fn usable_folder(
    folder: Option<PathBuf>,
    clock: &Clock,
) -> (Option<PathBuf>, Option<String>) {
    let Some(folder) = folder else { return (None, None) };
    let (name, path) = (show(folder.display()), folder.clone());
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
    config: &Config,
    places: &Places<'_>,
    clock: &Clock,
) -> Result<(Http, TokenSource), Failure> {
    let source = config.auth.clone().ok_or_else(|| {
        let names: Vec<&str> = SOURCES.iter().map(|kind| kind.name).collect();
        let text = format!("no credentials found; checked: {}", names.join(", "));
        Failure::new(FailureKind::SignedOut, text).hint("Run `stackit auth login`, or set one")
    })?;
    let ca = extra_ca(config, places.home.as_deref(), clock).await?;
    let http = Http::new(clock.clone(), ca)?;
    let summary = source.summary.clone();
    let (client, time) = (http.clone(), clock.clone());
    let open = move || TokenSource::new(source, client, time);
    let tokens = run_blocking(clock, FILE_LIMIT, &summary, open).await.flatten()?;
    Ok((http, tokens))
}

/// The certificates that are trusted beside those of the machine, if a file of them is set.
pub(super) async fn extra_ca(
    config: &Config,
    home: Option<&Path>,
    clock: &Clock,
) -> Result<Option<Vec<u8>>, Failure> {
    let file = config.text("endpoints.ca_file");
    if file.is_empty() {
        return Ok(None);
    }
    let path = expand(file, home);
    let name = format!("endpoints.ca_file, {}", show(path.display()));
    let read = run_blocking(clock, FILE_LIMIT, &name, move || files::read(&path, CA_LIMIT)).await?;
    let failed = |error| Failure::new(FailureKind::File, format!("reading {name}: {error}"));
    read.map(Some).map_err(failed)
}
