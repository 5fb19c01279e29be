//! Words of the command line.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::cli::config::file::Value;
use crate::cli::config::lay;

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
    /// Service-account key file (JSON)
    #[arg(long, global = true, value_name = "FILE")]
    pub service_account_key: Option<PathBuf>,
    /// File with an access token
    #[arg(long, global = true, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Colours
    #[arg(long, global = true, value_parser = ["auto", "dark", "light", "high-contrast", "mono"], hide_possible_values = false)]
    pub theme: Option<String>,
    /// Draw with ASCII only
    #[arg(long, global = true)]
    pub ascii: bool,
    /// Show moments in UTC
    #[arg(long, global = true)]
    pub utc: bool,
}

/// What to do instead of opening the dashboard on the real SKE.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Open the dashboard on an embedded simulator: rehearse without an account
    Demo(World),
    /// Serve the simulator for other clients until Ctrl-C, and print how to reach it
    Simulate {
        /// Address to listen on; port 0 picks a free one
        #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:0")]
        listen: SocketAddr,
        /// What is simulated.
        #[command(flatten)]
        world: World,
    },
    /// The configuration: where it is, whether it is right, a first one
    #[command(subcommand)]
    Config(ConfigCommand),
}

/// What is simulated.
#[derive(Debug, Clone, Args)]
pub struct World {
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

impl Flags {
    /// Lays the flags that were given over values from below.
    pub fn lay_over(&self, values: &mut BTreeMap<&'static str, (Value, String)>) {
        if !self.project.is_empty() {
            lay(values, "projects", Value::List(self.project.clone()), "--project");
        }
        if !self.region.is_empty() {
            lay(values, "regions", Value::List(self.region.clone()), "--region");
        }
        if self.read_only {
            lay(values, "read_only", Value::Switch(true), "--read-only");
        }
        if let Some(theme) = &self.theme {
            lay(values, "display.theme", Value::Text(theme.clone()), "--theme");
        }
        if self.ascii {
            lay(values, "display.ascii", Value::Text("always".to_owned()), "--ascii");
        }
        if self.utc {
            lay(values, "display.utc", Value::Switch(true), "--utc");
        }
    }
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
