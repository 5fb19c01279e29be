//! The guided set-up: asks line by line in the plain terminal, signs in immediately, and writes the configuration.

mod answers;
#[cfg(test)]
mod tests;
pub mod text;

use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cli::args::Flags;
use crate::cli::commands::guided_setup::answers::{
    Answers, absolute, parse_choice, parse_projects, parse_regions,
};
use crate::cli::config::{Config, ConfigSources, Loaded, expand, load_with};
use crate::cli::output;
use crate::cli::settings::read_settings;
use crate::cli::wiring::{discovery, sign_in};
use crate::clients::auth::key::lacks_private_key;
use crate::clients::auth::{
    SourceConfig, TokenProgram, TokenSource, service_account_key, stackit_cli, token_file,
    workload_identity,
};
use crate::clients::http::Http;
use crate::clock::Clock;
use crate::domain::age::utc;
use crate::domain::cluster::ProjectId;
use crate::domain::failure::{Failure, FailureKind};
use crate::domain::misplaced_secret::show;
use crate::domain::text::{clean, width};
use crate::runtime::blocking::{FILE_LIMIT, run_blocking};
use crate::runtime::line;
use crate::runtime::signals;
use crate::runtime::stackit;
use crate::runtime::terminal::run_in_foreground;
use crate::runtime::user_input::UserInput;
use crate::store::private_file;
use crate::ui::text::wrap;
use crate::ui::theme::plain;

/// Timeout for sign-in, and for finding the projects.
const LIMIT: Duration = Duration::from_secs(30);
/// Most projects listed by name.
const MOST_LISTED: usize = 40;

/// The person leaves, with this exit status.
pub struct Ended(pub u8);

/// How to sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// By the source that environment, credentials file or configuration set.
    AsSet,
    StackitCli,
    KeyFile,
    TokenFile,
    WorkloadIdentity,
}

impl Way {
    /// Kind of the required token source.
    fn kind(self) -> Option<&'static str> {
        Some(match self {
            Self::AsSet => return None,
            Self::StackitCli => stackit_cli::KIND.name,
            Self::KeyFile => service_account_key::KIND.name,
            Self::TokenFile => token_file::KIND.name,
            Self::WorkloadIdentity => workload_identity::KIND.name,
        })
    }
}

/// A successful sign-in, and the configuration it used.
struct SignedIn {
    answers: Answers,
    config: Config,
    http: Http,
    tokens: TokenSource,
}

/// Asks, and writes the configuration to `path`.
///
/// # Errors
/// The user quit before it was written.
pub async fn run(
    path: &Path,
    loaded: &Loaded,
    flags: &Flags,
    sources: &ConfigSources<'static>,
    clock: &Clock,
) -> Result<(), Ended> {
    let ascii = read_settings(&loaded.config, sources.environment).ascii;
    let setup = Setup { flags, sources, clock, ascii };
    setup.say(text::INTRODUCTION)?;
    if path.symlink_metadata().is_ok() {
        setup.say(&text::will_stay(show(path.display())))?;
    }
    let set = loaded.config.auth.as_ref();
    let signed_in = loop {
        let way = setup.ask_way(set).await?;
        match setup.sign_in(way).await {
            Ok(signed_in) => break signed_in,
            Err(Some(left)) => return Err(left),
            Err(None) => {}
        }
    };
    let answers = setup.ask_projects(&signed_in).await?;
    let answers = setup.ask_regions(&signed_in.config, answers).await?;
    setup.write(path, &answers).await
}

struct Setup<'a> {
    flags: &'a Flags,
    sources: &'a ConfigSources<'static>,
    clock: &'a Clock,
    ascii: bool,
}

impl Setup<'_> {
    async fn ask_way(&self, set: Option<&SourceConfig>) -> Result<Way, Ended> {
        let of_stackit = set.is_some_and(|source| source.kind == stackit_cli::KIND.name);
        let mut ways = Vec::new();
        if let Some(source) = set.filter(|_| !of_stackit) {
            ways.push((Way::AsSet, text::as_set(&source.summary)));
        }
        let program = self.find_stackit();
        ways.extend([
            (
                Way::StackitCli,
                program.map_or(text::STACKIT_NOT_THERE.to_owned(), |path| {
                    text::stackit_there(show(path.display()))
                }),
            ),
            (Way::KeyFile, text::KEY_FILE.to_owned()),
            (Way::TokenFile, text::TOKEN_FILE.to_owned()),
            (Way::WorkloadIdentity, text::WORKLOAD_IDENTITY.to_owned()),
        ]);
        self.say(text::HOW)?;
        for (number, (_, what)) in (1..).zip(&ways) {
            self.item(number, what)?;
        }
        let last = ways.len();
        // A source that is already set is listed first.
        let default = set.map(|_| 1);
        let prompt =
            default.map_or_else(|| text::number(last), |default| text::number_or(last, default));
        let parse = |line: &str| parse_choice(line, default, last);
        let number = self.ask(&prompt, default.is_some(), parse).await?;
        Ok(ways.get(number - 1).map_or(Way::AsSet, |(way, _)| *way))
    }

    /// Asks what this way needs, and signs in with the configuration that the answers give; [`None`] where that fails, which
    /// was said: another way is to be chosen.
    async fn sign_in(&self, way: Way) -> Result<SignedIn, Option<Ended>> {
        let answers = self.ask_answers(way).await?;
        self.say(text::SIGNING_IN)?;
        let (flags, sources, lines) = (self.flags.clone(), self.sources.clone(), answers.lines());
        let load = move || load_with(&flags, &sources, Some(&lines));
        let loaded = run_blocking(self.clock, FILE_LIMIT, "configuration", load).await;
        let config = match self.checked(loaded)? {
            Ok(loaded) => loaded.config,
            Err(problems) => {
                problems.iter().try_for_each(|problem| self.say(&problem.to_string()))?;
                return Err(None);
            }
        };
        let source = config.auth.as_ref().ok_or(None::<Ended>)?;
        let is_other = way.kind().is_some_and(|kind| kind != source.kind);
        if is_other || !answers.hold_in(&config) {
            return self.refuse(&text::other_goes_first(&source.summary));
        }
        let opened = self.limited(sign_in(&config, self.sources, self.clock)).await?;
        let (http, tokens) = self.checked(opened.flatten())?;
        if let Err(stop) = self.get_token(&tokens).await {
            let program = tokens.login_program().filter(|_| stop.is_none());
            self.log_in(program.ok_or(stop)?).await?;
            tokens.try_again();
            self.get_token(&tokens).await?;
        }
        Ok(SignedIn { answers, config, http, tokens })
    }

    async fn ask_answers(&self, way: Way) -> Result<Answers, Option<Ended>> {
        let answers = Answers::default();
        Ok(match way {
            Way::StackitCli if self.find_stackit().is_none() => {
                return self.refuse(text::STACKIT_MISSING);
            }
            Way::AsSet | Way::StackitCli => answers,
            Way::KeyFile => {
                let key = self.ask_path(text::KEY_PATH).await?;
                let answers = answers.text(service_account_key::KEY.key, &key);
                let file = expand(&key, self.sources.home.as_deref());
                let lacks = move || lacks_private_key(&file);
                // A file that does not answer is reported by the sign-in.
                if !run_blocking(self.clock, FILE_LIMIT, &key, lacks).await.unwrap_or(false) {
                    return Ok(answers);
                }
                self.say(text::PRIVATE_KEY)?;
                let pem = self.ask_path(text::PRIVATE_KEY_PATH).await?;
                answers.text(service_account_key::PRIVATE_KEY.key, &pem)
            }
            Way::TokenFile => {
                answers.text(token_file::FILE.key, &self.ask_path(text::TOKEN_PATH).await?)
            }
            Way::WorkloadIdentity => {
                let file = self.ask_path(text::FEDERATED_PATH).await?;
                let parse = |line: &str| {
                    let is_email = line.contains('@') && !line.contains(char::is_whitespace);
                    let wrong = || text::not_an_email(show(line));
                    is_email.then(|| line.to_owned()).ok_or_else(wrong)
                };
                let email = self.ask(text::EMAIL, false, parse).await?;
                let answers = answers.text(workload_identity::TOKEN_FILE.key, &file);
                answers.text(workload_identity::EMAIL.key, &email)
            }
        })
    }

    /// Gets a token, and reports whose it is or why there is none.
    async fn get_token(&self, tokens: &TokenSource) -> Result<(), Option<Ended>> {
        self.checked(self.limited(tokens.token()).await?.flatten())?;
        let identity = tokens.identity();
        self.say(&match identity.expires {
            Some(until) => text::signed_in_until(identity.who, identity.source, utc(until)),
            None => text::signed_in(identity.who, identity.source),
        })?;
        tokens.notes().iter().try_for_each(|note| self.say(&text::note(note)))?;
        Ok(())
    }

    /// Gives the terminal to `stackit auth login`, if the person agrees.
    async fn log_in(&self, program: &TokenProgram) -> Result<(), Option<Ended>> {
        let parse = |line: &str| match line.to_lowercase().as_str() {
            "" | "y" | "yes" => Ok(true),
            "n" | "no" => Ok(false),
            _ => Err(text::NOT_YES_OR_NO.to_owned()),
        };
        if !self.ask(text::LOG_IN, true, parse).await? {
            return Err(None);
        }
        match run_in_foreground(stackit::login(program).as_std_mut()) {
            Ok(_) => Ok(()),
            Err(error) => self.refuse(&text::login_failed(error)),
        }
    }

    async fn ask_projects(&self, signed_in: &SignedIn) -> Result<Answers, Ended> {
        const KEY: &str = "projects";
        let SignedIn { answers, config, .. } = signed_in;
        if let Some((set, by)) = set_elsewhere(config, KEY) {
            self.say(&text::projects_set(set, by))?;
            return Ok(answers.clone());
        }
        let found = self.limited(discover(signed_in)).await?.flatten();
        self.say(&match found.as_ref().map(Vec::len) {
            Ok(0) => text::NO_PROJECTS.to_owned(),
            Ok(1) => text::ONE_PROJECT.to_owned(),
            Ok(count) => text::projects_found(count),
            Err(failure) => failure.to_string(),
        })?;
        let found = found.unwrap_or_default();
        let ids: Vec<ProjectId> = found.iter().map(|(id, _)| id.clone()).collect();
        for (number, (id, name)) in (1..).zip(found.iter().take(MOST_LISTED)) {
            let name = name.as_ref().map_or_else(String::new, |name| format!("{name} "));
            self.item(number, &format!("{name}{id}"))?;
        }
        if found.len() > MOST_LISTED {
            self.say(&text::and_more(found.len() - MOST_LISTED))?;
        }
        let prompt = if ids.is_empty() { text::PROJECT_IDS } else { text::WHICH_PROJECTS };
        let parse = |line: &str| parse_projects(line, &ids);
        let chosen = self.ask(prompt, !ids.is_empty(), parse).await?;
        Ok(set_unless_so(config, answers.clone(), KEY, &chosen))
    }

    async fn ask_regions(&self, config: &Config, answers: Answers) -> Result<Answers, Ended> {
        const KEY: &str = "regions";
        if let Some((set, by)) = set_elsewhere(config, KEY) {
            self.say(&text::regions_set(set, by))?;
            return Ok(answers);
        }
        let mut defaults = config.clone();
        defaults.ignore_stackit();
        let defaults = defaults.list(KEY);
        let prompt = text::which_regions(defaults.join(", "));
        let chosen = self.ask(&prompt, true, parse_regions).await?;
        let chosen = if chosen.is_empty() { defaults.to_vec() } else { chosen };
        Ok(set_unless_so(config, answers, KEY, &chosen))
    }

    /// Writes the file, unless there is one.
    async fn write(&self, path: &Path, answers: &Answers) -> Result<(), Ended> {
        let shown = show(path.display());
        let lines = answers.lines();
        let at = path.to_owned();
        match run_blocking(self.clock, FILE_LIMIT, &shown, move || at.exists()).await {
            Ok(false) => {}
            Ok(true) => return self.refuse_to_replace(&shown, &lines),
            Err(failure) => return self.say(&failure.to_string()).and(Err(Ended(1))),
        }
        self.say(&text::will_write(&shown))?;
        self.print_lines(&lines, text::NO_LINES)?;
        let parse = |line: &str| match line {
            "" => Ok(()),
            _ => Err(text::NOT_ENTER.to_owned()),
        };
        self.ask(text::WRITE, true, parse).await?;
        let (at, content) = (path.to_owned(), answers.file());
        let write = move || {
            if let Some(folder) = private_file::parent(&at) {
                private_file::create_folder(&folder)?;
            }
            private_file::create_new(&at, content.as_bytes())
        };
        match run_blocking(self.clock, FILE_LIMIT, &shown, write).await.and_then(|done| done) {
            Ok(true) => self.say(&text::written(&shown)),
            Ok(false) => self.refuse_to_replace(&shown, &lines),
            Err(failure) => self.say(&failure.to_string()).and(Err(Ended(1))),
        }
    }

    fn refuse_to_replace(&self, shown: &str, lines: &str) -> Result<(), Ended> {
        self.say(&text::exists(shown))?;
        self.print_lines(lines, text::NOTHING_TO_ADD)?;
        Err(Ended(1))
    }

    async fn ask_path(&self, prompt: &str) -> Result<String, Ended> {
        let folder = std::env::current_dir().unwrap_or_default();
        loop {
            let parse = |line: &str| Ok(absolute(line, &folder));
            let path = self.ask(prompt, false, parse).await?;
            let file = expand(&path, self.sources.home.as_deref());
            let open = move || {
                // Opening a FIFO blocks until it has a writer.
                if !std::fs::metadata(&file)?.is_file() {
                    return Err(std::io::Error::other("it is not a regular file"));
                }
                std::fs::File::open(file).map(drop)
            };
            let opened = self.limited(run_blocking(self.clock, FILE_LIMIT, &path, open)).await?;
            match opened.flatten() {
                Ok(Ok(())) => return Ok(path),
                Ok(Err(error)) => self.say(&text::no_file(&path, error))?,
                Err(failure) => self.say(&failure.to_string())?,
            }
        }
    }

    /// Asks until the answer is valid. An empty line quits unless empty answers are allowed.
    async fn ask<T>(
        &self,
        prompt: &str,
        may_be_empty: bool,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, Ended> {
        loop {
            let line = match line::read(|| self.prompt(prompt)).await? {
                Ok(UserInput::Given(line)) => line,
                Ok(UserInput::Signal(number)) => {
                    self.print("")?;
                    return Err(Ended(signals::exit_status(number)));
                }
                Ok(UserInput::Cancelled) | Err(_) => {
                    self.print("")?;
                    return Err(Ended(1));
                }
            };
            if line == "q" || line.is_empty() && !may_be_empty {
                return Err(Ended(1));
            }
            match parse(&line) {
                Ok(answer) => return Ok(answer),
                Err(problem) => self.say(&problem)?,
            }
        }
    }

    /// Waits for something, for a limited time, or until a signal ends the program.
    async fn limited<T>(&self, work: impl Future<Output = T>) -> Result<Result<T, Failure>, Ended> {
        let ended = tokio::select! {
            ended = self.clock.timeout(LIMIT, work) => ended,
            number = signals::wait_for_end() => return Err(Ended(signals::exit_status(number))),
        };
        let text = || text::no_sign_in(LIMIT.as_secs());
        Ok(ended.ok_or_else(|| Failure::new(FailureKind::TimedOut, text())))
    }

    fn find_stackit(&self) -> Option<PathBuf> {
        stackit::find(&(self.sources.environment)("PATH")?)
    }

    /// What came of something, or says why it failed.
    fn checked<T>(&self, result: Result<T, Failure>) -> Result<T, Option<Ended>> {
        result.or_else(|failure| self.refuse(&failure.to_string()))
    }

    /// Says why this is not the way to sign in.
    fn refuse<T>(&self, why: &str) -> Result<T, Option<Ended>> {
        self.say(why)?;
        Err(None)
    }

    /// Prints a text as a paragraph.
    fn say(&self, text: &str) -> Result<(), Ended> {
        self.print(&wrap(&clean(text), columns()).join("\n"))
    }

    /// Prints an item of a numbered list.
    fn item(&self, number: usize, text: &str) -> Result<(), Ended> {
        let mark = format!("{number:>3}  ");
        let lines = wrap(&clean(text), columns().saturating_sub(width(&mark)));
        let gap = format!("\n{}", " ".repeat(width(&mark)));
        self.print(&format!("{mark}{}", lines.join(&gap)))
    }

    /// Prints lines of a configuration, which are not to be broken.
    fn print_lines(&self, lines: &str, none: &str) -> Result<(), Ended> {
        if lines.is_empty() {
            return self.say(none);
        }
        lines.lines().try_for_each(|line| self.print(&format!("  {}", clean(line))))
    }

    /// Prints a text as it is.
    fn print(&self, text: &str) -> Result<(), Ended> {
        self.put(&format!("{text}\n"))
    }

    fn prompt(&self, text: &str) -> Result<(), Ended> {
        self.put(&format!("{} ", wrap(text, columns().saturating_sub(1)).join("\n")))
    }

    fn put(&self, text: &str) -> Result<(), Ended> {
        let text = if self.ascii { plain(text) } else { text.to_owned() };
        match output::print(&text, "", 0) {
            0 => Ok(()),
            status => Err(Ended(status)),
        }
    }
}

/// A list that is set for skeys, in the file or by an override, and its origin.
fn set_elsewhere(config: &Config, key: &str) -> Option<(String, String)> {
    let mut own = config.clone();
    own.ignore_stackit();
    let by = own.set_by(key).filter(|_| !own.list(key).is_empty())?;
    Some((own.list(key).join(", "), by.to_owned()))
}

/// Sets a list unless it already has this value.
fn set_unless_so(
    config: &Config,
    answers: Answers,
    key: &'static str,
    chosen: &[String],
) -> Answers {
    if config.list(key) == chosen { answers } else { answers.list(key, chosen) }
}

/// Projects in which the account may list clusters, with known names.
async fn discover(signed_in: &SignedIn) -> Result<Vec<(ProjectId, Option<String>)>, Failure> {
    let SignedIn { config, http, tokens, .. } = signed_in;
    discovery(config, http, tokens)?.discover().await?.projects
}

/// Width of the terminal; 80 if unknown.
fn columns() -> usize {
    let size = crossterm::terminal::size().ok().filter(|(columns, _)| *columns > 0);
    size.map_or(80, |(columns, _)| usize::from(columns))
}
