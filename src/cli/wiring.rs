//! Puts clients, store and runtime together for the commands without a screen, and what dashboards share with them.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use anyhow::Context;
use tokio::sync::watch;

use crate::app::settings::{ObservationScope, Settings};
use crate::cli::args::{CredentialsOf, DueWhat, Flags, ReportOf, WaitFor};
use crate::cli::commands::wait::printer::{self, Form, Printer};
use crate::cli::commands::wait::target::Target;
use crate::cli::commands::wait::tracker::PollIntervals;
use crate::cli::commands::wait::{self, ObservationPolicy, Order, TIMED_OUT};
use crate::cli::commands::{credentials, due, report};
use crate::cli::config::{Config, Loaded, Places, expand};
use crate::cli::output::Output;
use crate::cli::settings::read_settings;
use crate::clients::auth::{SOURCES, SourceConfig, TokenSource};
use crate::clients::discovery::DiscoveryClient;
use crate::clients::http::Http;
use crate::clients::projects::ProjectsClient;
use crate::clients::ske::SkeClient;
use crate::clock::Clock;
use crate::domain::cluster::{ProjectId, Region, Scope};
use crate::domain::credential::{Credentials, FoundFile};
use crate::domain::failure::Failure;
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

/// What is waited for, and with what; also notes worth a line.
pub async fn prepare_wait(
    loaded: &Loaded,
    places: &Places<'_>,
    words: &WaitFor,
    (clock, state_folder): (Clock, Option<PathBuf>),
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
        journal: state_folder.and_then(|folder| Journal::open(&folder).ok()),
        redraws: signals::watch_redraws(),
        rests: watch::Sender::default(),
    };
    let notes = loaded.notes.iter().cloned().chain(tokens.notes()).collect();
    Ok((order, services, notes))
}

/// Waits for a phase without a screen, or until `end`; gives the exit status.
pub async fn wait(
    loaded: &Loaded,
    places: &Places<'_>,
    words: &WaitFor,
    state_folder: Option<PathBuf>,
    (end, watchdog): (impl Future<Output = u8>, &Watchdog),
) -> anyhow::Result<u8> {
    let (order, services, notes) =
        prepare_wait(loaded, places, words, (Clock::machine(), state_folder)).await?;
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
    Ok(wait::run(order, services, &mut printer, end).await)
}

/// Reports the credentials of a cluster; gives the report and the exit status.
pub async fn credentials(
    loaded: &Loaded,
    places: &Places<'_>,
    words: &CredentialsOf,
    (clock, state_folder): (Clock, Option<PathBuf>),
) -> anyhow::Result<(String, u8)> {
    let config = &loaded.config;
    let (http, tokens) = sign_in(source(config)?, config, places, &clock).await?;
    let settings = read_settings(config, places.environment);
    let kubeconfigs = kubeconfigs_of(places, &clock);
    let tries = words.r#try.then(|| kubeconfigs.clone());
    let search = settings.search.clone();
    let Found { files, recorded, not_recorded } =
        find_kubeconfigs(kubeconfigs, search, state_folder.clone(), &clock).await?;
    let scopes = scopes_of(&words.cluster, config, &http, &tokens).await?;
    let services = credentials::Services {
        state_folder,
        ske: SkeClient::new(config.text("endpoints.ske"), http, tokens)?,
        concurrency: config.number("poll.concurrency"),
        observes: !settings.read_only && settings.watch != ObservationScope::Never,
        tries,
        credentials: recorded,
        not_recorded,
        files,
        clock,
    };
    let order = credentials::Order { target: words.cluster.clone(), scopes, format: words.format };
    credentials::run(order, services).await.map_err(anyhow::Error::msg)
}

/// Says what is due in all configured projects and regions.
pub async fn due(
    loaded: &Loaded,
    places: &Places<'_>,
    words: &DueWhat,
    (clock, state_folder): (Clock, Option<PathBuf>),
) -> anyhow::Result<Output> {
    let config = &loaded.config;
    let (http, tokens) = sign_in(source(config)?, config, places, &clock).await?;
    let settings = read_settings(config, places.environment);
    let kubeconfigs = kubeconfigs_of(places, &clock);
    let Found { files, recorded, not_recorded } =
        find_kubeconfigs(kubeconfigs, settings.search, state_folder, &clock).await?;
    let scopes = scopes(config, &http, &tokens).await?;
    let services = due::Services {
        ske: SkeClient::new(config.text("endpoints.ske"), http, tokens)?,
        concurrency: config.number("poll.concurrency"),
        policy: settings.overdue_after,
        warn_before: settings.warn_before,
        credentials: recorded,
        not_recorded,
        files,
        clock,
    };
    Ok(due::run(scopes, words.format, services).await)
}

/// Tells what the journal has of the rotations of a cluster.
pub async fn report(
    flags: &Flags,
    words: &ReportOf,
    (clock, state_folder): (Clock, Option<PathBuf>),
) -> anyhow::Result<String> {
    let folder = state_folder.context(report::NO_FOLDER)?;
    let order = report::Order {
        target: words.cluster.clone(),
        projects: flags.project.clone(),
        regions: flags.region.clone(),
        format: words.format,
    };
    let now = clock.now();
    let read =
        move || report::run(&order, &Journal::open(&folder)?, now).map_err(anyhow::Error::msg);
    run_blocking(&clock, FILE_LIMIT, "journal", read).await?
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
    let name = format!("endpoints.ca_file, {}", show(path.display()));
    let read = run_blocking(clock, FILE_LIMIT, &name, move || files::read(&path, CA_LIMIT)).await?;
    read.map(Some).with_context(|| format!("reading {name}"))
}

/// What signs in, as it is configured.
pub(super) fn source(config: &Config) -> anyhow::Result<SourceConfig> {
    config.auth.clone().with_context(|| {
        let names: Vec<&str> = SOURCES.iter().map(|kind| kind.name).collect();
        let checked = names.join(", ");
        format!("no credentials found; checked: {checked}. Run `stackit auth login`, or set one")
    })
}
