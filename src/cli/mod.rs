//! Arguments, configuration, wiring, exit status. The only layer that knows about the simulator as well as the real
//! cloud.

pub mod args;
pub mod commands;
pub mod config;
pub mod dashboard;
mod demo_folder;
mod output;
mod settings;
pub mod watched_config;
pub mod wiring;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};
use directories::{BaseDirs, ProjectDirs};
use tracing::level_filters::LevelFilter;

use crate::cli::args::{Arguments, Command, ConfigCommand, Flags, SceneOptions, WaitFor};
use crate::cli::commands::first_start::FirstStart;
use crate::cli::commands::guided_setup::Ended;
use crate::cli::commands::wait::printer::Printer;
use crate::cli::commands::wait::target::Target;
use crate::cli::commands::wait::{Services, TIMED_OUT};
use crate::cli::config::{ConfigProblem, ConfigSources, Loaded, join, load, load_with};
use crate::cli::watched_config::WatchedConfig;
use crate::clients::auth::{SOURCES, SourceKind};
use crate::clock::Clock;
use crate::domain::misplaced_secret::{SHOWN, looks_secret, show};
use crate::runtime::blocking::{FILE_LIMIT, run_blocking};
use crate::runtime::child;
use crate::runtime::log::Log;
use crate::runtime::signals;
use crate::runtime::stop;
use crate::runtime::terminal::force_restore;
use crate::runtime::watchdog::Watchdog;

/// Exit status for wrong input.
const USAGE: u8 = 2;

/// Runs the program.
pub fn main() -> ExitCode {
    child::become_detached();
    if let Some(problem) = misplaced_argument(std::env::args_os().skip(1)) {
        return ExitCode::from(output::print("", &problem, USAGE));
    }
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let status = if error.use_stderr() { USAGE } else { 0 };
            return ExitCode::from(output::exit_status(error.print(), status));
        }
    };
    forbid_core_dumps();
    signals::survive_file_size_limit();
    let opens_dashboard = match &arguments.command {
        Some(Command::Config(command)) => is_guided(command),
        command => matches!(command, None | Some(Command::Demo(_))),
    };
    if opens_dashboard {
        // Before any other thread starts.
        stop::block();
    }
    crate::clients::install_crypto();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return failed(&format!("starting threads: {error}")),
    };
    let status = match runtime.block_on(run(arguments)) {
        Ok(status) => ExitCode::from(status),
        Err(error) => match error.downcast_ref() {
            Some(Reported(status)) => ExitCode::from(*status),
            None => failed(&output::describe(&error)),
        },
    };
    // Do not wait for threads that block on the terminal, a file or a clipboard.
    runtime.shutdown_background();
    status
}

/// Refuses a key or token in an argument: arguments are visible to other users, and clap's errors quote the value.
fn misplaced_argument(mut arguments: impl Iterator<Item = OsString>) -> Option<String> {
    if !arguments.any(|argument| looks_secret(&argument.to_string_lossy())) {
        return None;
    }
    let variables: Vec<_> = SOURCES.iter().flat_map(|kind| kind.variables).copied().collect();
    Some(format!(
        "skeys: an argument has {SHOWN}, and arguments are visible to other users: replace it, and set {}\n",
        variables.join(" or ")
    ))
}

/// Runs a command; returns the exit status.
async fn run(arguments: Arguments) -> anyhow::Result<u8> {
    let sources = ConfigSources {
        // A variable that is not UTF-8 is invalid, which differs from unset.
        environment: &|name| Some(std::env::var_os(name)?.to_string_lossy().into_owned()),
        default_file: ProjectDirs::from("", "", "skeys")
            .map(|dirs| dirs.config_dir().join("config.toml")),
        home: BaseDirs::new().map(|dirs| dirs.home_dir().to_owned()),
    };
    let Arguments { flags, command } = arguments;
    match command {
        Some(Command::Config(command)) if is_guided(&command) => match terminal_problem() {
            Some(problem) => anyhow::bail!(problem),
            None => Box::pin(guided_setup(flags, sources)).await,
        },
        Some(Command::Config(command)) => {
            let run = move |flags: &Flags, sources: &ConfigSources<'_>| {
                commands::config::run(&command, flags, sources)
            };
            Ok(on_configuration(flags, sources, run).await?.print())
        }
        Some(Command::Simulate { listen, allow_remote, options }) => {
            match commands::simulate::refusal(listen, allow_remote) {
                Some(problem) => Err(wrong_usage(&format!("skeys: {problem}\n"))),
                None => commands::simulate::run(listen, &options).await,
            }
        }
        Some(Command::Wait(arguments)) => wait(flags, sources, arguments).await,
        Some(Command::Credentials(arguments)) => {
            check_target(&arguments.cluster, &flags)?;
            let (loaded, _log) = prepare(flags, &sources).await?;
            let machine = (Clock::machine(), state_folder());
            Ok(commands::credentials::run(&loaded, &sources, &arguments, machine).await?.print())
        }
        Some(Command::Due { format }) => {
            let (loaded, _log) = prepare(flags, &sources).await?;
            let machine = (Clock::machine(), state_folder());
            Ok(commands::due::run(&loaded, &sources, format, machine).await?.print())
        }
        // It reads no configuration: the journal is enough.
        Some(Command::Report(arguments)) => {
            check_target(&arguments.cluster, &flags)?;
            let machine = (Clock::machine(), state_folder());
            Ok(commands::report::run(&flags, &arguments, machine).await?.print())
        }
        Some(Command::Doctor { offline }) => doctor(flags, sources, !offline).await,
        Some(Command::Demo(options)) => {
            let loaded = read_configuration(flags.clone(), sources.clone()).await?;
            match terminal_problem() {
                Some(problem) => anyhow::bail!(problem),
                None => demo(loaded, &flags, &sources, &options).await,
            }
        }
        None => {
            let loaded = read_configuration(flags.clone(), sources.clone()).await?;
            match (no_sign_in(&loaded), terminal_problem()) {
                (Some(_), None) => Box::pin(first_start(loaded, flags, sources)).await,
                (Some(problem), Some(_)) | (None, Some(problem)) => anyhow::bail!(problem),
                (None, None) => Box::pin(dashboard(&loaded, (flags, sources))).await,
            }
        }
    }
}

async fn dashboard(
    loaded: &Loaded,
    sources: (Flags, ConfigSources<'static>),
) -> anyhow::Result<u8> {
    let log = start_log(loaded, &sources.1).await?;
    dashboard::open(loaded, sources, log.buffer.clone()).await
}

fn is_guided(command: &ConfigCommand) -> bool {
    matches!(command, ConfigCommand::Init { guided: true, .. })
}

/// `skeys config init --guided`: asks, writes the configuration, and opens the dashboard with it.
async fn guided_setup(flags: Flags, sources: ConfigSources<'static>) -> anyhow::Result<u8> {
    let (Some(path), _) = config::path(&flags, &sources) else {
        anyhow::bail!(commands::config::NO_PATH);
    };
    let read = |flags: &Flags, sources: &ConfigSources<'_>| load_with(flags, sources, Some(""));
    let loaded = on_configuration(flags.clone(), sources.clone(), read).await?;
    let loaded = loaded.map_err(|problems| print_problems(&problems))?;
    let clock = Clock::machine();
    let ended = commands::guided_setup::run(&path, &loaded, &flags, &sources, &clock).await;
    if let Err(Ended(status)) = ended {
        return Ok(status);
    }
    let loaded = read_configuration(flags.clone(), sources.clone()).await?;
    dashboard(&loaded, (flags, sources)).await
}

/// `skeys demo`.
async fn demo(
    mut loaded: Loaded,
    flags: &Flags,
    sources: &ConfigSources<'static>,
    options: &SceneOptions,
) -> anyhow::Result<u8> {
    // The demo has its own projects and regions.
    loaded.config.ignore_stackit();
    let log = start_log(&loaded, sources).await?;
    let watched = WatchedConfig::new(flags.clone(), sources.clone(), &loaded);
    let watched = watched.map(WatchedConfig::without_stackit);
    Box::pin(dashboard::demo(loaded, sources, options, (log.buffer.clone(), watched))).await
}

/// Start in a terminal without a token source.
async fn first_start(
    loaded: Loaded,
    flags: Flags,
    sources: ConfigSources<'static>,
) -> anyhow::Result<u8> {
    let (file, _) = config::path(&flags, &sources);
    let projects = loaded.config.list("projects").len();
    let file = file.as_deref().map(|file| (file, file.exists()));
    match commands::first_start::show(projects, file).await? {
        FirstStart::Demo => demo(loaded, &flags, &sources, &SceneOptions::parse_from([""])).await,
        FirstStart::GuidedSetup => Box::pin(guided_setup(flags, sources)).await,
        FirstStart::Ended(status) => Ok(status),
    }
}

/// `skeys wait`, which has exit statuses of its own.
async fn wait(
    flags: Flags,
    sources: ConfigSources<'static>,
    arguments: WaitFor,
) -> anyhow::Result<u8> {
    check_target(&arguments.cluster, &flags)?;
    let mut end = signals::wait_for_end();
    let watchdog = Watchdog::start(force_restore)?;
    let clock = Clock::machine();
    let began = clock.monotonic();
    if let Some(limit) = arguments.timeout {
        watchdog.set_limit(limit, TIMED_OUT);
    }
    let open = async {
        let (loaded, log) = prepare(flags, &sources).await?;
        let machine = (clock.clone(), state_folder());
        let services = Services::open(&loaded, &sources, machine).await?;
        anyhow::Ok((loaded, log, services))
    };
    let (loaded, _log, services) = tokio::select! {
        biased;
        number = &mut end => return Ok(signals::exit_status(number)),
        limit = commands::wait::time_out(&clock, began, arguments.timeout) => {
            let text = format!("skeys: {}\n", commands::wait::text::timed_out(limit));
            return Ok(output::print("", &text, TIMED_OUT));
        }
        opened = open => opened?,
    };
    let mut printer = Printer::of_process(&loaded, &sources);
    for note in services.session.notes() {
        // A closed standard error is no reason not to wait.
        drop(printer.note(&note));
    }
    Ok(commands::wait::run((arguments, began), services, &mut printer, end).await)
}

/// `skeys doctor`, which also works with a broken configuration.
async fn doctor(flags: Flags, sources: ConfigSources<'static>, online: bool) -> anyhow::Result<u8> {
    let (file, _) = config::path(&flags, &sources);
    let loaded = on_configuration(flags, sources.clone(), load).await?;
    let log = match &loaded {
        Ok(loaded) => Some(start_log(loaded, &sources).await),
        Err(_) => None,
    };
    let log_problem = log.as_ref().and_then(|log| log.as_ref().err()).map(output::describe);
    let subject = commands::doctor::Subject {
        file,
        loaded,
        log_problem,
        terminal_problem: terminal_problem(),
        state_folder: state_folder(),
        online,
    };
    let (report, status) = commands::doctor::run(subject, &sources, &Clock::machine()).await;
    Ok(output::print(&report, "", status))
}

/// Reads a configuration with a token source, and starts the diagnostic log.
async fn prepare(flags: Flags, sources: &ConfigSources<'static>) -> anyhow::Result<(Loaded, Log)> {
    let loaded = read_configuration(flags, sources.clone()).await?;
    if let Some(problem) = no_sign_in(&loaded) {
        anyhow::bail!(problem);
    }
    let log = start_log(&loaded, sources).await?;
    Ok((loaded, log))
}

/// Starts the diagnostic log; dropping the result flushes it.
async fn start_log(loaded: &Loaded, sources: &ConfigSources<'_>) -> anyhow::Result<Log> {
    let config = &loaded.config;
    let level = config.text("log.level").parse().unwrap_or(LevelFilter::INFO);
    let file = Some(config.text("log.file")).filter(|file| !file.is_empty());
    let file = file.map(|file| config::expand(file, sources.home.as_deref()));
    let log = Log::start(&Clock::machine(), level, file).await?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "started");
    Ok(log)
}

fn failed(problem: &str) -> ExitCode {
    ExitCode::from(output::print("", &format!("skeys: {problem}\n"), 1))
}

/// The problem has been printed; exit with this status.
#[derive(Debug, thiserror::Error)]
#[error("exit status {0}")]
struct Reported(u8);

/// Says what is wrong with the input.
fn wrong_usage(problem: &str) -> anyhow::Error {
    Reported(output::print("", problem, USAGE)).into()
}

/// Refuses a cluster that `--project` or `--region` exclude.
fn check_target(cluster: &Target, flags: &Flags) -> anyhow::Result<()> {
    match cluster.contradiction(&flags.project, &flags.region) {
        Some(problem) => Err(wrong_usage(&format!("skeys: {problem}\n"))),
        None => Ok(()),
    }
}

/// Runs work on the configuration file with a time limit: it may be a FIFO or on a disk that does not answer.
async fn on_configuration<T: Send + 'static>(
    flags: Flags,
    sources: ConfigSources<'static>,
    work: impl FnOnce(&Flags, &ConfigSources<'_>) -> T + Send + 'static,
) -> anyhow::Result<T> {
    let (file, _) = config::path(&flags, &sources);
    let name = file.map_or_else(|| "configuration".to_owned(), |file| show(file.display()));
    let work = move || work(&flags, &sources);
    run_blocking(&Clock::machine(), FILE_LIMIT, &name, work)
        .await
        .map_err(|failure| wrong_usage(&format!("{failure}\n")))
}

/// Reads the configuration, or prints its problems.
async fn read_configuration(
    flags: Flags,
    sources: ConfigSources<'static>,
) -> anyhow::Result<Loaded> {
    on_configuration(flags, sources, load).await?.map_err(|problems| print_problems(&problems))
}

fn print_problems(problems: &[ConfigProblem]) -> anyhow::Error {
    let remedy =
        "skeys did not start. Fix the errors above; `skeys config check` lists them again.";
    wrong_usage(&format!("{}\n{remedy}\n", join(problems, "\n")))
}

/// Why no token can be obtained, if so.
fn no_sign_in(loaded: &Loaded) -> Option<String> {
    if loaded.config.auth.is_some() {
        return None;
    }
    let ways: Vec<String> = SOURCES.iter().map(SourceKind::describe_settings).collect();
    Some(format!(
        "no credentials found. Checked:\n  {}\n\
         Install the stackit CLI and run `stackit auth login`, or set one of these. \
         To try skeys without an account: skeys demo",
        ways.join("\n  ")
    ))
}

/// Why a dashboard cannot be drawn here, if so.
fn terminal_problem() -> Option<String> {
    use std::io::IsTerminal;
    let hint = without_terminal();
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        return Some(format!("the dashboard needs a terminal for input and output; {hint}"));
    }
    match std::env::var("TERM") {
        Ok(term) if !term.is_empty() && term != "dumb" => None,
        Ok(term) if term == "dumb" => {
            Some(format!("TERM is dumb: the dashboard needs cursor positioning; {hint}"))
        }
        _ => Some(format!("TERM is not set, so the terminal type is unknown; {hint}")),
    }
}

/// The commands that need no terminal: all but the demo, which is a dashboard.
fn without_terminal() -> String {
    let commands = Arguments::command();
    let names = commands.get_subcommands().map(clap::Command::get_name);
    let mut names: Vec<String> =
        names.filter(|name| *name != "demo").map(|name| format!("`skeys {name}`")).collect();
    let last = names.pop().unwrap_or_default();
    format!("{} and {last} work without one", names.join(", "))
}

/// A core file would contain tokens and keys.
fn forbid_core_dumps() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    // Fails if the hard limit does not permit it; nothing can be done then.
    let _refused = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
}

/// Folder of state, journal and reports.
pub fn state_folder() -> Option<PathBuf> {
    ProjectDirs::from("", "", "skeys")
        .map(|dirs| dirs.state_dir().unwrap_or_else(|| dirs.data_local_dir()).to_owned())
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use crate::cli::{misplaced_argument, without_terminal};

    #[test]
    fn the_commands_without_a_dashboard_are_named_where_none_can_be_drawn() {
        assert_eq!(
            without_terminal(),
            "`skeys simulate`, `skeys wait`, `skeys credentials`, `skeys due`, `skeys report`, `skeys doctor` and \
             `skeys config` work without one"
        );
    }

    #[test]
    fn auth_17_a_token_in_an_argument_is_refused_and_not_shown() {
        let refused = |arguments: &[&str]| misplaced_argument(arguments.iter().map(OsString::from));
        for argument in ["eyJjYW5hcnk.Y2FuYXJ5.canary", "--theme=eyJjYW5hcnk.Y2FuYXJ5.canary"] {
            let text = refused(&["wait", argument]).unwrap();
            assert!(text.contains("STACKIT_ACCESS_TOKEN") && !text.contains("anary"), "{text}");
        }
        assert_eq!(refused(&["wait", "p-1/eu01/shop", "--timeout", "2h 30m"]), None);
    }
}
