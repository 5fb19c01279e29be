//! Layer 5: arguments, configuration, wiring, exit status. The only layer that knows the simulator exists
//! beside the real cloud.

pub mod args;
pub mod commands;
pub mod config;
mod demo_folder;
mod wiring;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use directories::{BaseDirs, ProjectDirs};

use crate::cli::args::{Arguments, Command, WaitFor};
use crate::cli::commands::wait::target::Target;
use crate::cli::config::{AuthChoice, Loaded, Places, load};

/// Exit status for wrong input.
const USAGE: u8 = 2;

/// Runs the program.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let status = if error.use_stderr() { USAGE } else { 0 };
            // Nothing can be done when nobody reads what we print.
            drop(error.print());
            return ExitCode::from(status);
        }
    };
    forbid_core_dumps();
    crate::clients::install_crypto();
    let environment = |name: &str| std::env::var(name).ok();
    let places = Places {
        environment: &environment,
        default_file: ProjectDirs::from("", "", "skeys")
            .map(|dirs| dirs.config_dir().join("config.toml")),
        home: BaseDirs::new().map(|dirs| dirs.home_dir().to_owned()),
    };
    let ended = match &arguments.command {
        Some(Command::Config(command)) => {
            let output = commands::config::run(command, &arguments.flags, &places);
            print(&output.out, &output.err);
            return ExitCode::from(output.status);
        }
        Some(Command::Simulate { listen, world }) => {
            block_on(commands::simulate::run(*listen, world))
        }
        Some(Command::Wait(words)) => return waited(&arguments, words, &places),
        Some(Command::Demo(world)) => match checked(&arguments, &places) {
            Ok(loaded) => terminal_problem().map_or_else(
                || block_on(wiring::demo(loaded, &places, world)),
                |problem| Err(anyhow::anyhow!(problem)),
            ),
            Err(status) => return status,
        },
        None => match checked(&arguments, &places) {
            Ok(loaded) => {
                let missing = no_sign_in(&loaded).or_else(|| no_project(&loaded));
                match missing.or_else(terminal_problem) {
                    Some(problem) => Err(anyhow::anyhow!(problem)),
                    None => block_on(wiring::dashboard(loaded, &places)),
                }
            }
            Err(status) => return status,
        },
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&format!("{error:#}")),
    }
}

/// `skeys wait`, which has exit statuses of its own.
fn waited(arguments: &Arguments, words: &WaitFor, places: &Places<'_>) -> ExitCode {
    let flags = &arguments.flags;
    if let Some(problem) = words.cluster.contradiction(&flags.project, &flags.region) {
        print("", &format!("skeys: {problem}\n"));
        return ExitCode::from(USAGE);
    }
    let loaded = match checked(arguments, places) {
        Ok(loaded) => loaded,
        Err(status) => return status,
    };
    let is_whole = matches!(words.cluster, Target::Whole(_));
    let missing = no_sign_in(&loaded).or_else(|| no_project(&loaded).filter(|_| !is_whole));
    if let Some(problem) = missing {
        return failed(&problem);
    }
    match block_on(wiring::wait(&loaded, places, words)) {
        Ok(status) => ExitCode::from(status),
        Err(error) => failed(&format!("{error:#}")),
    }
}

fn failed(problem: &str) -> ExitCode {
    print("", &format!("skeys: {problem}\n"));
    ExitCode::FAILURE
}

fn checked(arguments: &Arguments, places: &Places<'_>) -> Result<Loaded, ExitCode> {
    load(&arguments.flags, places).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        print(
            "",
            &format!(
                "{}\nskeys did not start; correct the above, or see `skeys config check`.\n",
                lines.join("\n")
            ),
        );
        ExitCode::from(USAGE)
    })
}

/// Why there is no token to be had, if there is none.
fn no_sign_in(loaded: &Loaded) -> Option<String> {
    let AuthChoice::Nothing(tried) = &loaded.config.auth else { return None };
    Some(format!(
        "no way to sign in was found. Looked for:\n  {}\n\
         Set STACKIT_ACCESS_TOKEN (for example with `stackit auth get-access-token`) or a service-account key. \
         To try skeys without an account: skeys demo",
        tried.join("\n  ")
    ))
}

/// Why nothing can be listed, if no project is named.
fn no_project(loaded: &Loaded) -> Option<String> {
    loaded.config.list("projects").is_empty().then(|| {
        "no project is named. Use --project ID, STACKIT_PROJECT_ID, or `projects` in the configuration \
         (`skeys config path`). To try skeys without an account: skeys demo"
            .to_owned()
    })
}

/// Why a dashboard cannot be drawn here, if it cannot.
fn terminal_problem() -> Option<String> {
    use std::io::IsTerminal;
    let hint = "`skeys wait`, `skeys simulate` and `skeys config` work without one";
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        return Some(format!("the dashboard needs a terminal for input and output; {hint}"));
    }
    match std::env::var("TERM") {
        Ok(term) if !term.is_empty() && term != "dumb" => None,
        _ if cfg!(windows) => None,
        Ok(term) if term == "dumb" => {
            Some(format!("TERM is dumb: this terminal cannot place the cursor; {hint}"))
        }
        _ => Some(format!("TERM is not set, so the terminal's abilities are unknown; {hint}")),
    }
}

fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let ended = runtime.block_on(work);
    // A thread that waits for the terminal or a clipboard must not hold the end up.
    runtime.shutdown_background();
    ended
}

/// Prints; a reader that went away is no error.
fn print(out: &str, err: &str) {
    drop(std::io::stdout().write_all(out.as_bytes()));
    drop(std::io::stdout().flush());
    drop(std::io::stderr().write_all(err.as_bytes()));
}

/// A core file would hold tokens and keys.
fn forbid_core_dumps() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, setrlimit};
        // Refused where a limit is fixed from outside; nothing can be done then.
        let _refused = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    }
}

/// Folder of state, journal and reports.
pub fn state_folder() -> Option<PathBuf> {
    ProjectDirs::from("", "", "skeys")
        .map(|dirs| dirs.state_dir().unwrap_or_else(|| dirs.data_local_dir()).to_owned())
}
