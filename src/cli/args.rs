//! Words of the command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Arg, ArgMatches, Args, FromArgMatches, Parser, Subcommand, ValueEnum, value_parser};

use crate::cli::commands::wait::target::Target;
use crate::clients::auth::{PathSetting, SOURCES};

/// Rotates the credentials of STACKIT Kubernetes Engine clusters, and shows where each rotation stands.
#[derive(Debug, Parser)]
#[command(name = "skeys", version, about, max_term_width = 100)]
pub struct Arguments {
    /// Options of every command.
    #[command(flatten)]
    pub flags: Flags,
    /// What to do; without a command the dashboard opens.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Options that go over environment and file. No option takes a token: arguments are visible to others.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Options of every command")]
pub struct Flags {
    /// Project id to list; repeat it for several
    #[arg(long, global = true, value_name = "ID")]
    pub project: Vec<String>,
    /// Region to ask; repeat it for several
    #[arg(long, global = true, value_name = "REGION")]
    pub region: Vec<String>,
    /// Configuration file
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Send and write nothing
    #[arg(long, global = true)]
    pub read_only: bool,
    /// Those of the token sources.
    #[command(flatten)]
    pub auth: AuthFlags,
    /// Colours
    #[arg(long, global = true, value_parser = ["auto", "dark", "light", "high-contrast", "mono"], hide_possible_values = false)]
    pub theme: Option<String>,
    /// Draw with ASCII only
    #[arg(long, global = true)]
    pub ascii: bool,
    /// Show moments in UTC
    #[arg(long, global = true)]
    pub utc: bool,
    /// File for a diagnostic log; nothing secret gets into it
    #[arg(long, global = true, value_name = "FILE")]
    pub log_file: Option<String>,
    /// How much is logged
    #[arg(long, global = true, value_name = "LEVEL", value_parser = ["error", "warn", "info", "debug", "trace"])]
    pub log_level: Option<String>,
}

/// The flags of all token sources.
#[derive(Debug, Clone, Default)]
pub struct AuthFlags(pub Vec<(&'static PathSetting, PathBuf)>);

fn auth_flags() -> impl Iterator<Item = (&'static PathSetting, &'static str)> {
    let settings = SOURCES.iter().flat_map(|kind| kind.paths);
    settings.filter_map(|setting| Some((setting, setting.flag?)))
}

impl Args for AuthFlags {
    fn augment_args(command: clap::Command) -> clap::Command {
        command.args(auth_flags().map(|(setting, flag)| {
            Arg::new(flag)
                .long(flag)
                .global(true)
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help(setting.help)
        }))
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for AuthFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = |(setting, flag)| Some((setting, matches.get_one::<PathBuf>(flag)?.clone()));
        Ok(Self(auth_flags().filter_map(given).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// What to do instead of opening the dashboard on the real SKE.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Open the dashboard on an embedded simulator: rehearse without an account
    Demo(SceneOptions),
    /// Serve the simulator for other clients until Ctrl-C, and print how to reach it
    Simulate {
        /// Address to listen on; port 0 picks a free one
        #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:0")]
        listen: SocketAddr,
        /// What is simulated.
        #[command(flatten)]
        world: SceneOptions,
    },
    /// Wait without a screen until a rotation is prepared or completed
    ///
    /// At a terminal it draws a bar on standard error and prints one line on standard output when it is over; elsewhere
    /// (and where TERM is dumb) it prints one line for each change on standard output.
    ///
    /// For some minutes after a start was accepted SKE may still show the phase from before it. So where nothing is
    /// under way, it waits 5 minutes for SKE to show a start and then fails. A rotation that was seen under way, or was
    /// started since, and goes past PREPARED counts as prepared; that is said. A cluster that is COMPLETED at the first
    /// look counts as completed. Outages are told and waited through; so are blocked drains, phases that skeys does not
    /// know, and clusters on which SKE gave up.
    #[command(after_help = WAIT_STATUS)]
    Wait(WaitFor),
    /// The configuration: where it is, whether it is right, a first one
    #[command(subcommand)]
    Config(ConfigCommand),
}

/// What the exit status of `skeys wait` means.
const WAIT_STATUS: &str = "\
Exit status:
  0    it is there
  1    it cannot be: no such cluster, several of that name, deleted, nothing under way,
       no way to sign in, or nobody reads what is printed
  2    wrong usage or configuration
  74   what is printed cannot be written, as on a full disk
  124  the time is over
  130  ended by Ctrl-C; 143 by SIGTERM: 128 and the number of the signal

A rotation goes on whatever becomes of skeys: start the same wait again to go on waiting.";

/// What is waited for.
#[derive(Debug, Clone, Args)]
pub struct WaitFor {
    /// Name of the cluster, or PROJECT/REGION/NAME
    ///
    /// A name is looked for in all projects and regions that are configured, or that --project and --region name. One
    /// that two clusters bear is refused.
    #[arg(value_name = "CLUSTER")]
    pub cluster: Target,
    /// Phase to wait for
    #[arg(long = "for", value_name = "PHASE", value_enum, ignore_case = true)]
    pub goal: Goal,
    /// How long to wait at most, such as 90m or "2h 30m"; for ever if it is not given
    #[arg(long, value_name = "DURATION", value_parser = parse_timeout)]
    pub timeout: Option<Duration>,
}

/// A phase that can be waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Goal {
    /// All nodes are new; old and new credentials both work
    Prepared,
    /// The old credentials have stopped working
    Completed,
}

/// What is simulated.
#[derive(Debug, Clone, Args)]
pub struct SceneOptions {
    /// Number that everything random follows from
    #[arg(long, default_value_t = 7)]
    pub seed: u64,
    /// How many times faster than in reality nodes are replaced and steps pass
    #[arg(long, default_value_t = 30.0, value_parser = parse_speed)]
    pub speed: f64,
    /// Scene file (TOML) instead of the built-in fleet
    #[arg(long, value_name = "FILE")]
    pub scene: Option<PathBuf>,
}

/// What to do with the configuration.
#[derive(Debug, Clone, Subcommand)]
pub enum ConfigCommand {
    /// Print the path of the file
    Path,
    /// Read everything and print each value with its origin, or what is wrong
    Check,
    /// Write a commented file with every key at its default
    Init {
        /// Replace a file that is there
        #[arg(long)]
        force: bool,
    },
}

fn parse_speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(speed) if speed.is_finite() && (0.01..=100_000.0).contains(&speed) => Ok(speed),
        _ => Err("it must be a number from 0.01 to 100000".to_owned()),
    }
}

fn parse_timeout(text: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if duration < Duration::from_secs(1) {
        return Err("it must be 1s at least".to_owned());
    }
    Ok(duration)
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use crate::cli::args::{Arguments, Command};

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_speed_must_be_a_positive_number() {
        for wrong in ["0", "-1", "NaN", "inf", "fast"] {
            assert!(
                Arguments::try_parse_from(["skeys", "demo", &format!("--speed={wrong}")]).is_err()
            );
        }
        let parsed = Arguments::try_parse_from(["skeys", "demo", "--speed", "600"]).unwrap();
        assert!(matches!(parsed.command, Some(Command::Demo(world)) if world.speed > 599.0));
    }
}
