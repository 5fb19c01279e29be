//! `skeys doctor`: checks everything that skeys needs, one line each, with a remedy. No line contains a secret.

mod offline;
mod online;
pub mod text;

use std::path::PathBuf;

use crate::cli::config::{ConfigProblem, ConfigSources, Loaded};
use crate::cli::settings::read_settings;
use crate::clock::Clock;
use crate::domain::failure::Failure;
use crate::domain::text::{clean, width};
use crate::ui::theme::plain;

/// What is checked.
pub struct Subject {
    /// The configuration file, and whether it was named.
    pub file: Option<PathBuf>,
    pub loaded: Result<Loaded, Vec<ConfigProblem>>,
    /// Why the configured log file is not written, if so.
    pub log_problem: Option<String>,
    /// Why no dashboard can be drawn here, if so.
    pub terminal_problem: Option<String>,
    /// Folder of state and journal.
    pub state_folder: Option<PathBuf>,
    /// Whether requests are sent.
    pub online: bool,
}

/// Works.
const GOOD: &str = "✓";
/// Works, but may be of interest.
const NOTE: &str = "!";
const BAD: &str = "✗";

/// One line.
#[derive(Debug, PartialEq, Eq)]
struct Check {
    mark: &'static str,
    name: &'static str,
    text: String,
    /// Suggested fix.
    remedy: Option<String>,
}

impl Check {
    fn new(mark: &'static str, name: &'static str, text: impl Into<String>, remedy: &str) -> Self {
        let remedy = Some(remedy.to_owned()).filter(|remedy| !remedy.is_empty());
        Self { mark, name, text: text.into(), remedy }
    }

    fn good(name: &'static str, text: impl Into<String>) -> Self {
        Self::new(GOOD, name, text, "")
    }

    fn note(name: &'static str, text: impl Into<String>, remedy: &str) -> Self {
        Self::new(NOTE, name, text, remedy)
    }

    fn bad(name: &'static str, text: impl Into<String>, remedy: &str) -> Self {
        Self::new(BAD, name, text, remedy)
    }

    fn failed(name: &'static str, failure: &Failure) -> Self {
        Self::bad(name, failure.sentence(), failure.hint.as_deref().unwrap_or_default())
    }
}

/// Checks everything; gives the report and the exit status.
pub async fn run(subject: Subject, sources: &ConfigSources<'_>, clock: &Clock) -> (String, u8) {
    let Subject { file, loaded, log_problem, terminal_problem, state_folder, online } = subject;
    let mut checks = vec![offline::program()];
    match &loaded {
        Err(problems) => {
            let bad =
                |problem: &ConfigProblem| Check::bad(text::CONFIGURATION, problem.to_string(), "");
            checks.extend(problems.iter().map(bad));
        }
        Ok(loaded) => {
            checks.push(offline::file(file.as_deref()));
            checks.extend(offline::configured(loaded, sources));
            checks.extend(offline::log(&loaded.config, log_problem));
            checks.extend(
                offline::machine(loaded, sources, terminal_problem, state_folder, clock).await,
            );
            if loaded.config.auth.is_some() {
                checks.extend(online::check(loaded, sources, clock, online).await);
            }
        }
    }
    let ascii = loaded.is_ok_and(|loaded| read_settings(&loaded.config, sources.environment).ascii);
    render(&checks, ascii)
}

fn render(checks: &[Check], ascii: bool) -> (String, u8) {
    let name = checks.iter().map(|check| width(check.name)).max().unwrap_or(0);
    let mut out = String::new();
    for check in checks {
        let gap = " ".repeat(name.saturating_sub(width(check.name)));
        out.push_str(&format!("{} {}{gap}  {}", check.mark, check.name, clean(&check.text)));
        if let Some(remedy) = &check.remedy {
            out.push_str(&format!(" → {}", clean(remedy)));
        }
        out.push('\n');
    }
    let bad = checks.iter().filter(|check| check.mark == BAD).count();
    let last = if bad == 0 { text::ALL_WELL.to_owned() } else { text::to_fix(bad) };
    out.push_str(&format!("\n{last}\n"));
    (if ascii { plain(&out) } else { out }, u8::from(bad > 0))
}

#[cfg(test)]
mod tests {
    use crate::cli::args::ConfigCommand;
    use crate::cli::args::Flags;
    use crate::cli::commands::config;
    use crate::cli::commands::doctor::{Check, render, text};
    use crate::cli::commands::doctor::{Subject, run};
    use crate::cli::config::keys::keys;
    use crate::cli::config::{ConfigSources, load, path};
    use crate::clock::Clock;
    use crate::domain::failure::{Failure, FailureKind};

    #[test]
    fn each_check_is_one_line_with_its_remedy_and_a_bad_one_sets_the_status() {
        let failure = Failure::new(FailureKind::Forbidden, "403\u{1b}[31m").hint("ask for it");
        let checks = [
            Check::good("program", "skeys"),
            Check::note("proxy", "none", ""),
            Check::failed("SKE API", &failure.tried("could not list")),
        ];
        let (report, status) = render(&checks, false);
        assert_eq!(
            report,
            "✓ program  skeys\n! proxy    none\n✗ SKE API  could not list: 403␛[31m → ask for it\n\n1 to fix\n"
        );
        assert_eq!(status, 1);
        let (report, status) = render(&checks[..2], true);
        assert!(report.is_ascii() && report.ends_with("nothing to fix\n"), "{report}");
        assert_eq!(status, 0);
    }

    #[tokio::test]
    async fn auth_17_a_secret_in_a_variable_is_neither_in_the_report_nor_in_the_configuration() {
        let home = tempfile::tempdir().unwrap();
        let secrets = [
            "{\n \"kid\": \"canary\",\n \"key\": \"https://canary:canary\"\n}",
            "eyJjYW5hcnk.Y2FuYXJ5.canary",
        ];
        let others = ["SKEYS_CONFIG", "SKEYS_PROFILE", "KUBECONFIG", "HTTPS_PROXY", "TERM"];
        let names = keys().flat_map(|key| key.environment).copied().chain(others);
        for name in names {
            for secret in secrets {
                let environment = move |variable: &str| {
                    let token =
                        (variable == "STACKIT_ACCESS_TOKEN").then(|| "e30.e30.c2ln".to_owned());
                    if variable == name { Some(secret.to_owned()) } else { token }
                };
                let sources = ConfigSources {
                    environment: &environment,
                    default_file: Some(home.path().join("config.toml")),
                    home: Some(home.path().to_owned()),
                };
                let flags = Flags::default();
                let subject = Subject {
                    file: path(&flags, &sources).0,
                    loaded: load(&flags, &sources),
                    log_problem: None,
                    terminal_problem: None,
                    state_folder: None,
                    online: false,
                };
                let (report, _) = run(subject, &sources, &Clock::machine()).await;
                let checked = config::run(&ConfigCommand::Check, &flags, &sources);
                let shown = [&report, &checked.out, &checked.err];
                let is_quoted =
                    |text: &&String| ["canary", "Y2FuYXJ5"].iter().any(|mark| text.contains(mark));
                assert!(!shown.iter().any(is_quoted), "{name}: {shown:?}");
            }
        }
    }

    #[test]
    fn texts() {
        let texts = text::ALL
            .iter()
            .fold(String::new(), |all, (name, text)| all + name + ": " + text + "\n");
        let mut settings = insta::Settings::clone_current();
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| insta::assert_snapshot!("texts", texts));
    }
}
