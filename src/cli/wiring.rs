//! Builds clients and store from the configuration, for commands and dashboards.

use std::path::{Path, PathBuf};

use crate::app::settings::Settings;
use crate::cli::config::{CA_FILE, CA_LIMIT, Config, ConfigSources, Loaded, expand};
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
use crate::domain::text::clean;
use crate::runtime::blocking::{FILE_LIMIT, run_blocking};
use crate::store::files;
use crate::store::kubeconfigs::Kubeconfigs;
use crate::store::private_file::check_private;
use crate::store::state_file;

/// What commands that read from SKE work with.
pub struct Session {
    pub config: Config,
    pub settings: Settings,
    pub http: Http,
    pub tokens: TokenSource,
    pub ske: SkeClient,
    /// Most concurrent list requests.
    pub concurrency: usize,
    /// The user's kubeconfigs.
    pub kubeconfigs: Kubeconfigs,
    pub state_folder: Option<PathBuf>,
    pub clock: Clock,
    /// Notes on the configuration.
    notes: Vec<String>,
}

impl Session {
    /// Opens the token source; no request is made.
    pub(super) async fn open(
        loaded: &Loaded,
        sources: &ConfigSources<'_>,
        (clock, state_folder): (Clock, Option<PathBuf>),
    ) -> Result<Self, Failure> {
        let config = &loaded.config;
        let (http, tokens) = sign_in(config, sources, &clock).await?;
        Ok(Self {
            config: config.clone(),
            settings: read_settings(config, sources.environment),
            ske: SkeClient::new(config.text("endpoints.ske"), http.clone(), tokens.clone())?,
            http,
            tokens,
            concurrency: config.number("poll.concurrency"),
            kubeconfigs: kubeconfigs_of(sources, &clock),
            state_folder,
            clock,
            notes: loaded.notes.clone(),
        })
    }

    /// Notes on configuration and sign-in that do not prevent either from working.
    pub(super) fn notes(&self) -> Vec<String> {
        self.notes.iter().cloned().chain(self.tokens.notes()).collect()
    }

    /// The notes as lines for standard error.
    pub(super) fn noted(&self) -> String {
        self.notes().iter().fold(String::new(), |all, note| all + "skeys: " + &clean(note) + "\n")
    }

    /// The kubeconfig files of this machine, and what skeys recorded.
    pub(super) async fn find_kubeconfigs(&self) -> Result<Found, Failure> {
        let (kubeconfigs, search) = (self.kubeconfigs.clone(), self.settings.search.clone());
        find_kubeconfigs(kubeconfigs, search, self.state_folder.clone(), &self.clock).await
    }

    /// Scopes in which clusters are searched.
    pub(super) async fn scopes(&self) -> Result<Vec<Scope>, Failure> {
        scopes(&self.config, &self.http, &self.tokens).await
    }
}

/// The user's kubeconfigs.
pub(super) fn kubeconfigs_of(sources: &ConfigSources<'_>, clock: &Clock) -> Kubeconfigs {
    let listed = (sources.environment)("KUBECONFIG").map(Into::into);
    Kubeconfigs::new(sources.home.clone(), listed, clock.clone())
        .with_programs((sources.environment)("PATH"))
}

/// The kubeconfig files of this machine, and skeys's records.
pub(super) struct Found {
    pub(super) files: Vec<FoundFile>,
    pub(super) recorded: Credentials,
    /// Why the records could not be read.
    pub(super) not_recorded: Option<String>,
}

/// Reads the kubeconfig files of this machine, and skeys's records.
pub(super) async fn find_kubeconfigs(
    kubeconfigs: Kubeconfigs,
    search: Vec<String>,
    state_folder: Option<PathBuf>,
    clock: &Clock,
) -> Result<Found, Failure> {
    let read = move || {
        let read = |folder: &Path| match check_private(folder) {
            Ok(()) => state_file::credentials(folder),
            // Records that others can write must not decide a verdict.
            Err(failure) => (Credentials::default(), Some(failure.to_string())),
        };
        let (recorded, not_recorded) = state_folder.as_deref().map(read).unwrap_or_default();
        let more = search.into_iter().chain(recorded.files()).collect::<Vec<_>>();
        Found { files: kubeconfigs.find_all(&more), recorded, not_recorded }
    };
    run_blocking(clock, FILE_LIMIT, "kubeconfigs of this machine", read).await
}

/// Scopes in which clusters are searched: every project in every configured region. Without configured projects, those
/// in which the account may list clusters.
///
/// # Errors
/// The projects of the account cannot be found, or there is nothing to list, which is not the same as no clusters.
pub(super) async fn scopes(
    config: &Config,
    http: &Http,
    tokens: &TokenSource,
) -> Result<Vec<Scope>, Failure> {
    let regions: Vec<Region> = config.list("regions").iter().map(Region::new).collect();
    if regions.is_empty() {
        let hint = "Set regions: --region REGION, STACKIT_REGION or `regions` in the configuration";
        return Err(Failure::new(FailureKind::NotPossible, "no region is configured").hint(hint));
    }
    let mut projects: Vec<ProjectId> = config.list("projects").iter().map(ProjectId::new).collect();
    if projects.is_empty() {
        projects = discovery(config, http, tokens)?.projects().await?;
    }
    if projects.is_empty() {
        let text = "the account may not list clusters in any project";
        let hint = "Request ske.cluster.list, or set projects: --project ID, STACKIT_PROJECT_ID or `projects` in the \
                    configuration";
        return Err(Failure::new(FailureKind::NotPossible, text).hint(hint));
    }
    let in_regions = |project: ProjectId| {
        regions.iter().map(move |region| Scope { project: project.clone(), region: region.clone() })
    };
    Ok(projects.into_iter().flat_map(in_regions).collect())
}

/// A client for projects, their names, and the permissions of the account.
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

/// The HTTP client and the token source, which may both read files.
pub(super) async fn sign_in(
    config: &Config,
    sources: &ConfigSources<'_>,
    clock: &Clock,
) -> Result<(Http, TokenSource), Failure> {
    let source = config.auth.clone().ok_or_else(|| {
        let names: Vec<&str> = SOURCES.iter().map(|kind| kind.name).collect();
        let text = format!("no credentials found; checked: {}", names.join(", "));
        Failure::new(FailureKind::SignedOut, text).hint("Run `stackit auth login`, or set one")
    })?;
    let ca = extra_ca(config, sources.home.as_deref(), clock).await?;
    let http = Http::new(clock.clone(), ca)?;
    let summary = source.summary.clone();
    let (client, time) = (http.clone(), clock.clone());
    let open = move || TokenSource::new(source, client, time);
    let tokens = run_blocking(clock, FILE_LIMIT, &summary, open).await.flatten()?;
    Ok((http, tokens))
}

/// Certificates to trust in addition to the system's, if a file is configured.
pub(super) async fn extra_ca(
    config: &Config,
    home: Option<&Path>,
    clock: &Clock,
) -> Result<Option<Vec<u8>>, Failure> {
    let file = config.text(CA_FILE);
    if file.is_empty() {
        return Ok(None);
    }
    let path = expand(file, home);
    let name = format!("{CA_FILE}, {}", show(path.display()));
    let read = run_blocking(clock, FILE_LIMIT, &name, move || files::read(&path, CA_LIMIT)).await?;
    let failed = |error| Failure::new(FailureKind::File, format!("reading {name}: {error}"));
    read.map(|bytes| Some(bytes.to_vec())).map_err(failed)
}
