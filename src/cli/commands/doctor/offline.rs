//! Checks that need no request.

use std::path::{Path, PathBuf};

use crate::app::settings::{ColorDepth, Settings};
use crate::cli::commands::doctor::{Check, text};
use crate::cli::config::{CA_FILE, Config, ConfigSources, Loaded};
use crate::cli::settings::read_settings;
use crate::cli::wiring::{extra_ca, find_kubeconfigs, kubeconfigs_of, usable_folder};
use crate::clients::http::safe_url;
use crate::clock::Clock;
use crate::domain::credential::FoundFile;
use crate::domain::misplaced_secret::show;
use crate::domain::text::plural;
use crate::runtime::blocking::{FILE_LIMIT, run_blocking};
use crate::runtime::clipboard::ClipboardRoute;
use crate::store::private_file::check_writable;
use crate::store::programs::find_program;

const ENDPOINTS: [&str; 5] = [
    "endpoints.ske",
    "endpoints.token",
    "endpoints.identity_provider",
    "endpoints.resource_manager",
    "endpoints.authorization",
];
const PROXIES: [&str; 8] = [
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "ALL_PROXY",
    "all_proxy",
    "NO_PROXY",
    "no_proxy",
];

/// Version and platform of the program.
pub fn program() -> Check {
    let version = env!("CARGO_PKG_VERSION");
    let version = text::version(version, std::env::consts::OS, std::env::consts::ARCH);
    Check::good(text::PROGRAM, version)
}

/// The configuration file, without errors.
pub fn file(file: Option<&Path>) -> Check {
    match file {
        Some(path) if path.exists() => {
            Check::good(text::CONFIGURATION, text::file_read(show(path.display())))
        }
        Some(path) => {
            let missing = text::file_missing(show(path.display()));
            Check::note(text::CONFIGURATION, missing, text::FILE_REMEDY)
        }
        None => Check::note(text::CONFIGURATION, text::FILE_NONE, ""),
    }
}

/// Checks of the configured values: keys, token source, projects, endpoints, proxy.
pub fn configured(loaded: &Loaded, sources: &ConfigSources<'_>) -> Vec<Check> {
    let config = &loaded.config;
    let note = |note: &String| Check::note(text::CONFIGURATION, note, text::SEE_CHECK);
    let mut checks: Vec<Check> = loaded.notes.iter().map(note).collect();
    match &config.auth {
        Some(source) => {
            checks.push(Check::good(text::TOKEN_SOURCE, &source.summary));
            let unused = source.unused.iter();
            checks.extend(
                unused.map(|summary| {
                    Check::note(text::TOKEN_SOURCE, text::source_unused(summary), "")
                }),
            );
        }
        None => {
            checks.push(Check::bad(text::TOKEN_SOURCE, text::SOURCE_NONE, text::SOURCE_REMEDY));
        }
    }
    checks.push(match config.list("projects").len() {
        0 => Check::good(text::PROJECTS, text::PROJECTS_ALL),
        count => {
            let projects = plural(count, text::ONE_PROJECT, text::MANY_PROJECTS);
            let regions = config.list("regions").join(" ");
            Check::good(text::PROJECTS, text::projects(projects, regions))
        }
    });
    checks.extend(endpoints(config));
    let proxies: Vec<String> = PROXIES
        .into_iter()
        .filter_map(|name| Some((name, (sources.environment)(name)?)))
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name}={}", show(without_credentials(&value))))
        .collect();
    let proxies = if proxies.is_empty() { text::PROXY_NONE.to_owned() } else { proxies.join(", ") };
    checks.push(Check::good(text::PROXY, proxies));
    checks
}

/// The log file, if one is set.
pub fn log(config: &Config, problem: Option<String>) -> Option<Check> {
    let file = config.text("log.file");
    let good = || (!file.is_empty()).then(|| Check::good(text::LOG, file));
    problem.map(|problem| Check::bad(text::LOG, problem, "")).or_else(good)
}

fn endpoints(config: &Config) -> Vec<Check> {
    let set = ENDPOINTS.into_iter().map(|key| (key, config.text(key)));
    set.filter(|(_, url)| !url.is_empty())
        .map(|(key, url)| match safe_url(url, key) {
            Ok(url) => Check::good(text::ENDPOINTS, format!("{key} = {url}")),
            Err(failure) => Check::failed(text::ENDPOINTS, &failure),
        })
        .collect()
}

/// The URL of a proxy without user and password.
fn without_credentials(value: &str) -> String {
    match value.rsplit_once('@') {
        Some((before, host)) => {
            let scheme = before.split_once("://").map_or("", |(scheme, _)| scheme);
            let scheme = if scheme.is_empty() { String::new() } else { format!("{scheme}://") };
            format!("{scheme}…@{host}")
        }
        None => value.to_owned(),
    }
}

/// Checks of this machine: additional CA, terminal, clipboard, state, kubeconfigs, programs.
pub async fn machine(
    loaded: &Loaded,
    sources: &ConfigSources<'_>,
    terminal_problem: Option<String>,
    state_folder: Option<PathBuf>,
    clock: &Clock,
) -> Vec<Check> {
    let config = &loaded.config;
    let settings = read_settings(config, sources.environment);
    let mut checks = Vec::new();
    match extra_ca(config, sources.home.as_deref(), clock).await {
        Ok(None) => {}
        Ok(Some(_)) => checks.push(Check::good(text::CA_FILE, config.text(CA_FILE))),
        Err(failure) => checks.push(Check::failed(text::CA_FILE, &failure)),
    }
    checks.push(terminal(&settings, sources, terminal_problem));
    let routes = ClipboardRoute::available(sources.environment);
    let routes: Vec<&str> = routes.into_iter().map(ClipboardRoute::label).collect();
    checks.push(Check::good(text::CLIPBOARD, routes.join(", ")));
    let (usable, refused) = usable_folder(state_folder, clock).await;
    checks.push(match (usable.clone(), refused) {
        (_, Some(why)) => Check::bad(text::STATE, why, ""),
        (Some(folder), None) => {
            let shown = show(folder.display());
            let probe = move || check_writable(&folder);
            match run_blocking(clock, FILE_LIMIT, &shown, probe).await.flatten() {
                Ok(()) => Check::good(text::STATE, text::state_ready(&shown)),
                Err(failure) => Check::failed(text::STATE, &failure),
            }
        }
        (None, None) => Check::note(text::STATE, text::STATE_NONE, ""),
    });
    let kubeconfigs = kubeconfigs_of(sources, clock);
    match find_kubeconfigs(kubeconfigs, settings.search, usable, clock).await {
        Ok(found) => {
            checks.extend(found.not_recorded.map(|why| Check::bad(text::STATE, why, "")));
            checks.extend(kubeconfig_files(&found.files));
        }
        Err(failure) => checks.push(Check::failed(text::KUBECONFIGS, &failure)),
    }
    let folders = (sources.environment)("PATH").unwrap_or_default();
    for (name, remedy) in [("stackit", text::STACKIT_REMEDY), ("kubectl", text::KUBECTL_REMEDY)] {
        checks.push(match find_program(&folders, name) {
            Some(path) => Check::good(text::PROGRAMS, text::program_at(name, path.display())),
            None => Check::note(text::PROGRAMS, text::program_missing(name), remedy),
        });
    }
    checks
}

fn terminal(settings: &Settings, sources: &ConfigSources<'_>, problem: Option<String>) -> Check {
    if let Some(problem) = problem {
        return Check::note(text::TERMINAL, problem, "");
    }
    let term = show((sources.environment)("TERM").unwrap_or_default());
    let colors = match settings.depth {
        ColorDepth::Full => text::COLORS_FULL,
        ColorDepth::Indexed => text::COLORS_INDEXED,
        ColorDepth::Sixteen => text::COLORS_SIXTEEN,
        ColorDepth::None => text::COLORS_NONE,
    };
    if settings.ascii {
        let terminal = text::terminal(term, colors, text::CHARSET_ASCII);
        Check::note(text::TERMINAL, terminal, text::CHARSET_REMEDY)
    } else {
        Check::good(text::TERMINAL, text::terminal(term, colors, text::CHARSET_UTF8))
    }
}

/// Numbers of files and contexts; and each file that cannot be read, or that others can read.
fn kubeconfig_files(files: &[FoundFile]) -> Vec<Check> {
    let contexts = files.iter().filter_map(|file| file.contexts.as_ref().ok()).map(Vec::len).sum();
    let contexts = plural(contexts, text::ONE_CONTEXT, text::CONTEXTS);
    let count = plural(files.len(), text::ONE_FILE, text::FILES);
    let mut checks = vec![Check::good(text::KUBECONFIGS, text::kubeconfigs(count, contexts))];
    for file in files {
        if let Err(why) = &file.contexts {
            checks.push(Check::note(
                text::KUBECONFIGS,
                text::unreadable(show(&file.path), why),
                "",
            ));
        }
        if let Some(mode) = file.wide_mode {
            let text = text::wide_mode(show(&file.path), format!("{mode:03o}"));
            checks.push(Check::note(text::KUBECONFIGS, text, text::WIDE_MODE_REMEDY));
        }
    }
    checks
}

#[cfg(test)]
mod tests {
    use crate::cli::commands::doctor::offline::without_credentials;

    #[test]
    fn a_proxy_is_shown_without_its_password() {
        for (value, shown) in [
            ("http://proxy:3128", "http://proxy:3128"),
            ("http://ops:hunter2@proxy:3128", "http://…@proxy:3128"),
            ("ops:hunter2@proxy:3128", "…@proxy:3128"),
            ("http://ops:p@ss@proxy:3128", "http://…@proxy:3128"),
        ] {
            assert_eq!(without_credentials(value), shown);
        }
    }
}
