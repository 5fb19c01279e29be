//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Arg, ArgMatches, Args, FromArgMatches, Parser, Subcommand, ValueEnum, value_parser};

use crate::app::settings::ThemeChoice;
use crate::cli::commands::wait::target::Target;
use crate::cli::config::keys::LOG_LEVELS;
use crate::clients::auth::{SOURCES, Setting};

/// Rotates the credentials of STACKIT Kubernetes Engine clusters and shows the status of each rotation
#[derive(Debug, Parser)]
#[command(name = "skeys", version, about, max_term_width = 100)]
pub struct Arguments {
    /// Global options.
    #[command(flatten)]
    pub flags: Flags,
    /// Without a command, the dashboard opens.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Options that override environment and file. No option takes a token: arguments are visible to other users.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Global options")]
pub struct Flags {
    /// Project ID to list; repeatable
    #[arg(long, global = true, value_name = "ID")]
    pub project: Vec<String>,
    /// Region to list; repeatable
    #[arg(long, global = true, value_name = "REGION")]
    pub region: Vec<String>,
    /// Configuration file
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Profile of the configuration file
    #[arg(long, global = true, value_name = "NAME")]
    pub profile: Option<String>,
    /// Send only reads; save no kubeconfig
    #[arg(long, global = true)]
    pub read_only: bool,
    /// Flags of the token sources.
    #[command(flatten)]
    pub auth: AuthFlags,
    /// Colour theme
    #[arg(long, global = true, value_parser = ThemeChoice::WORDS, hide_possible_values = false)]
    pub theme: Option<String>,
    /// Draw with ASCII only
    #[arg(long, global = true)]
    pub ascii: bool,
    /// Show times in UTC
    #[arg(long, global = true)]
    pub utc: bool,
    /// File of the diagnostic log, which contains no secrets
    #[arg(long, global = true, value_name = "FILE")]
    pub log_file: Option<String>,
    /// Log level
    #[arg(long, global = true, value_name = "LEVEL", value_parser = LOG_LEVELS)]
    pub log_level: Option<String>,
}

/// The flags of all token sources.
#[derive(Debug, Clone, Default)]
pub struct AuthFlags(pub Vec<(&'static Setting, PathBuf)>);

fn auth_flags() -> impl Iterator<Item = (&'static Setting, &'static str)> {
    let settings = SOURCES.iter().flat_map(|kind| kind.settings);
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

/// What to run instead of the dashboard on SKE.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Open the dashboard on an embedded simulator, without an account
    Demo(SceneOptions),
    /// Serve the simulator to other clients until Ctrl-C, and print its environment variables
    Simulate {
        /// Address to listen on; port 0 selects a free one
        #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:0")]
        listen: SocketAddr,
        /// Allow listening where other machines can connect; anyone who can connect can use the simulator
        #[arg(long)]
        allow_remote: bool,
        /// The simulated clusters.
        #[command(flatten)]
        options: SceneOptions,
    },
    /// Wait without a dashboard until a rotation is prepared or completed
    ///
    /// In a terminal, skeys draws a bar on standard error and prints one line on standard output at the end. Elsewhere,
    /// and where TERM is dumb, it prints one line for each change on standard output.
    ///
    /// For some minutes after an accepted start, SKE may still show the previous phase. If no rotation is in progress,
    /// skeys waits 5 minutes for SKE to show a start, then fails. A rotation that was observed in progress, or started
    /// during the wait, counts as prepared once it is past PREPARED; the output says so. A cluster that is COMPLETED on
    /// the first read counts as completed. Outages, blocked drains, unknown phases, and errors that SKE reports are
    /// reported and do not end the wait.
    #[command(after_help = WAIT_STATUS)]
    Wait(WaitFor),
    /// List every credential that can be found for a cluster, and what a rotation does to it
    ///
    /// Reads the kubeconfig files of this machine and, with a ten-minute kubeconfig that is kept in memory, the cluster
    /// itself. Verdicts compare certificates and keys. Nothing that a kubeconfig names is run; no secret is printed.
    #[command(after_help = CREDENTIALS_STATUS)]
    Credentials(CredentialsOf),
    /// List what is due: rotations to complete, old credentials, and what expires soon
    ///
    /// Reads the clusters of all configured projects and regions, or of those of --project and --region, and the
    /// kubeconfig files of this machine. Ages are set with `overdue_after` and `overdue_rules`, the time before the expiry
    /// of a kubeconfig with `kubeconfig.warn_before`; a Kubernetes version or image is due 30 days before it expires.
    #[command(after_help = DUE_STATUS)]
    Due {
        /// Output format; prometheus is the text format that the textfile collector of node exporter reads
        #[arg(short = 'o', long = "output", value_enum, default_value = "table")]
        format: DueFormat,
    },
    /// Print what the journal records about the rotations of a cluster, as evidence for an audit
    ///
    /// Reads only the journal of this machine: no sign-in, no network. Who started and completed, when, phases and how long
    /// they lasted, findings that were accepted, kubeconfigs, blockers, outcome, trace IDs; no secrets. A name must be that
    /// of one cluster in the journal.
    #[command(after_help = REPORT_STATUS)]
    Report(ReportOf),
    /// Check everything that skeys needs: configuration, sign-in, network, projects, terminal, files
    ///
    /// One line for each check, with what to do. The report holds no secret and can be pasted into a support ticket.
    #[command(after_help = DOCTOR_STATUS)]
    Doctor {
        /// Send no request
        #[arg(long)]
        offline: bool,
    },
    /// Show, check or create the configuration file
    #[command(subcommand)]
    Config(ConfigCommand),
}

/// Help on the exit status of `skeys wait`.
const WAIT_STATUS: &str = "\
Exit status:
  0    reached
  1    cannot be reached: no such cluster, several of that name, deleted, no rotation in progress,
       no credentials, or the output is closed
  2    wrong usage or configuration
  74   output cannot be written, for example because the disk is full
  124  timed out
  130  interrupted by Ctrl-C; 143 by SIGTERM: 128 plus the signal number

The rotation continues without skeys. To resume, run the same command again.";

/// Help on the exit status of `skeys credentials`.
const CREDENTIALS_STATUS: &str = "\
Exit status:
  0   no known credential stops working, and everything could be checked
  1   the cluster cannot be found or read
  2   wrong usage or configuration
  3   something stops working on start or complete, no longer works, a verdict was wrong, or a
      client of the checklist has no new credentials
  4   nothing known stops working, but not everything could be checked: the cluster, a file, the
      checklist or what skeys recorded was not read, the rotation or a verdict is unknown, or
      trying a credential gave no answer
  74  output cannot be written";

/// Help on the exit status of `skeys due`.
const DUE_STATUS: &str = "\
Exit status:
  0   nothing is due
  1   failed, or a project and region could not be listed in full: standard error says which,
      and the rest is printed
  2   wrong usage or configuration
  3   something is due
  74  output cannot be written";

/// Help on the exit status of `skeys doctor`.
const DOCTOR_STATUS: &str = "\
Exit status:
  0   nothing to fix
  1   something to fix
  2   wrong usage
  74  output cannot be written";

/// Help on the exit status of `skeys report`.
const REPORT_STATUS: &str = "\
Exit status:
  0   printed
  1   the journal cannot be read, has no record of the cluster, or has several of that name
  2   wrong usage
  74  output cannot be written";

/// Arguments of `skeys report`.
#[derive(Debug, Clone, Args)]
pub struct ReportOf {
    /// Name of the cluster, or PROJECT/REGION/NAME
    #[arg(value_name = "CLUSTER")]
    pub cluster: Target,
    /// Output format
    #[arg(short = 'o', long = "output", value_enum, default_value = "markdown")]
    pub format: ReportFormat,
}

/// How `skeys report` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    Markdown,
    Json,
}

/// How `skeys due` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DueFormat {
    Table,
    Json,
    Prometheus,
}

/// Arguments of `skeys credentials`.
#[derive(Debug, Clone, Args)]
pub struct CredentialsOf {
    /// Name of the cluster, or PROJECT/REGION/NAME
    #[arg(value_name = "CLUSTER")]
    pub cluster: Target,
    /// Try each certificate and token against the cluster: a handshake and one read
    #[arg(long)]
    pub r#try: bool,
    /// Output format
    #[arg(short = 'o', long = "output", value_enum, default_value = "table")]
    pub format: Format,
}

/// How a report is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Table,
    Json,
    Markdown,
}

/// Arguments of `skeys wait`.
#[derive(Debug, Clone, Args)]
pub struct WaitFor {
    /// Name of the cluster, or PROJECT/REGION/NAME
    ///
    /// A name is searched in all configured projects and regions, or in those of --project and --region. A name that matches two
    /// clusters is refused.
    #[arg(value_name = "CLUSTER")]
    pub cluster: Target,
    /// Phase to wait for
    #[arg(long = "for", value_name = "PHASE", value_enum, ignore_case = true)]
    pub goal: Goal,
    /// Longest time to wait, for example 90m or "2h 30m"; unlimited by default
    #[arg(long, value_name = "DURATION", value_parser = parse_timeout)]
    pub timeout: Option<Duration>,
}

/// A phase that can be waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Goal {
    /// All nodes are new; old and new credentials work
    Prepared,
    /// Old credentials no longer work
    Completed,
}

/// The simulated clusters.
#[derive(Debug, Clone, Parser)]
pub struct SceneOptions {
    /// Random seed
    #[arg(long, default_value_t = 7)]
    pub seed: u64,
    /// Speed factor of rotations; 1 is real time
    #[arg(long, default_value_t = 30.0, value_parser = parse_speed)]
    pub speed: f64,
    /// Scene file (TOML) instead of the built-in fleet
    #[arg(long, value_name = "FILE")]
    pub scene: Option<PathBuf>,
    /// Number of clusters, in all phases, instead of the built-in fleet
    #[arg(long, value_name = "N", conflicts_with = "scene", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub clusters: Option<u32>,
    /// Number of projects to spread the clusters over; by default one per 50 clusters
    #[arg(long, value_name = "N", requires = "clusters", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub projects: Option<u32>,
    /// Network latency of each request, for example 50ms
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = parse_latency)]
    pub latency: Duration,
    /// Share of requests that fail, for example 2%: a 503, a reset connection or a slow answer
    #[arg(long, value_name = "PERCENT", default_value = "0%", value_parser = parse_loss)]
    pub loss: f64,
}

/// Commands on the configuration file.
#[derive(Debug, Clone, Subcommand)]
pub enum ConfigCommand {
    /// Print the path of the configuration file
    Path,
    /// Print each value with its origin, or each error with its location
    Check,
    /// Write a file with every key commented out at its default
    Init {
        /// Replace an existing file
        #[arg(long)]
        force: bool,
        /// Ask how to sign in, which projects and which regions; write the answers, and open the dashboard
        ///
        /// Signs in before it writes. An existing file is not changed: the lines to add are printed.
        #[arg(long, conflicts_with = "force")]
        guided: bool,
    },
}

fn parse_speed(text: &str) -> Result<f64, &'static str> {
    let speed = text.parse().ok().filter(|speed| (0.01..=100_000.0).contains(speed));
    speed.ok_or("expected a number from 0.01 to 100000")
}

fn parse_latency(text: &str) -> Result<Duration, &'static str> {
    let latency = humantime::parse_duration(text).ok();
    latency.filter(|it| *it <= Duration::from_mins(1)).ok_or("expected a duration of at most 1m")
}

fn parse_loss(text: &str) -> Result<f64, &'static str> {
    let percent = text.strip_suffix('%').unwrap_or(text).trim().parse().ok();
    let share = percent.filter(|it| (0.0..=100.0).contains(it)).map(|percent: f64| percent / 100.0);
    share.ok_or("expected a percentage from 0% to 100%")
}

fn parse_timeout(text: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if duration < Duration::from_secs(1) {
        return Err("expected at least 1s".to_owned());
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
    fn cli_06_every_list_of_exit_statuses_has_that_of_output_that_cannot_be_written() {
        for command in Arguments::command().get_subcommands() {
            let text = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let (is_list, has_it) = (text.contains("Exit status:"), text.contains("\n  74 "));
            assert_eq!(is_list, has_it, "{}", command.get_name());
        }
    }

    #[test]
    fn a_loss_is_a_percentage() {
        let loss = |text: &str| {
            let parsed = Arguments::try_parse_from(["skeys", "demo", "--loss", text]).ok()?;
            match parsed.command {
                Some(Command::Demo(options)) => Some(options.loss),
                _ => None,
            }
        };
        assert_eq!(
            [loss("2%"), loss("50"), loss("101%"), loss("x")],
            [Some(0.02), Some(0.5), None, None]
        );
    }

    #[test]
    fn a_speed_must_be_a_positive_number() {
        for wrong in ["0", "-1", "NaN", "inf", "fast"] {
            assert!(
                Arguments::try_parse_from(["skeys", "demo", &format!("--speed={wrong}")]).is_err()
            );
        }
        let parsed = Arguments::try_parse_from(["skeys", "demo", "--speed", "600"]).unwrap();
        assert!(matches!(parsed.command, Some(Command::Demo(options)) if options.speed > 599.0));
    }
}
