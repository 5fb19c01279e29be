//! What a token source is: how it is set, and what it gives once it is open.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt as _};
use jiff::Timestamp;
use zeroize::Zeroizing;

use crate::clients::http::Http;
use crate::clock::Clock;
use crate::domain::failure::Failure;
use crate::domain::secret::Secret;

/// One way to sign in: everything that command line, configuration and messages say about it.
pub struct SourceKind {
    /// "service-account key".
    pub name: &'static str,
    /// Secrets in the environment; they are never in a flag.
    pub variables: &'static [&'static str],
    /// Its settings. The first one sets the source, others add to it.
    pub settings: &'static [Setting],
    /// What else sets it, in words.
    pub places: &'static [&'static str],
    /// The source, if it is set.
    pub find: fn(&AuthSettings<'_>) -> Option<SourceConfig>,
}

/// A setting of a source; none is a secret itself.
#[derive(Debug)]
pub struct Setting {
    /// Its key in the configuration ("`auth.token_file`").
    pub key: &'static str,
    pub environment: &'static [&'static str],
    /// A flag of every command ("token-file"), for a path.
    pub flag: Option<&'static str>,
    pub kind: SettingKind,
    /// As in the configuration: a path or a text in quotes.
    pub default: &'static str,
    pub help: &'static str,
    /// The variable for what is in the file.
    pub content: Option<&'static str>,
}

impl Setting {
    /// A path that is not set by default, and has no flag.
    pub const fn path(
        key: &'static str,
        environment: &'static [&'static str],
        help: &'static str,
    ) -> Self {
        let (flag, kind, default, content) = (None, SettingKind::Path, "\"\"", None);
        Self { key, environment, flag, kind, default, help, content }
    }
}

/// What a setting may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettingKind {
    Path,
    Text,
    /// "true" or "false".
    Switch,
}

/// Who set a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetBy {
    Flag,
    /// Environment or configuration.
    Person,
    Default,
}

/// A program of another tool that prints a token.
#[derive(Clone)]
pub struct TokenProgram {
    pub path: PathBuf,
    /// Its own configuration; `None` for the active one.
    pub profile: Option<String>,
    /// Runs it to its end: for a limited time, without a terminal, and without secrets in its environment.
    pub run: Arc<RunProgram>,
}

/// Runs a program by this clock.
pub type RunProgram =
    dyn Fn(Clock) -> BoxFuture<'static, Result<ProgramOutput, Failure>> + Send + Sync;

/// What a program printed that ended.
pub struct ProgramOutput {
    pub success: bool,
    /// How it ended, in words.
    pub status: String,
    pub stdout: Zeroizing<Vec<u8>>,
    pub stderr: Zeroizing<Vec<u8>>,
}

/// What is set, wherever it was set.
pub struct AuthSettings<'a> {
    /// The value of a setting that is a path, by its key.
    pub path: &'a dyn Fn(&str) -> Option<(PathBuf, SetBy)>,
    /// The value of any other setting of the configuration.
    pub text: &'a dyn Fn(&str) -> Option<String>,
    /// A variable of the environment.
    pub variable: &'a dyn Fn(&str) -> Option<Secret>,
    /// `stackit auth get-access-token`, if there is a `stackit`.
    pub stackit: Option<TokenProgram>,
}

impl SourceKind {
    /// Whether a flag names this source.
    pub fn is_named(&self, set: &AuthSettings<'_>) -> bool {
        let by_flag = |setting: &Setting| (set.path)(setting.key).map(|(_, by)| by);
        self.settings.iter().any(|setting| by_flag(setting) == Some(SetBy::Flag))
    }

    /// How to set it, in one line.
    pub fn describe_settings(&self) -> String {
        let mut ways: Vec<String> = self.variables.iter().map(ToString::to_string).collect();
        if let Some(Setting { key, environment, flag, .. }) = self.settings.first() {
            ways.extend(flag.map(|flag| format!("--{flag}")));
            ways.extend(environment.iter().chain([key]).map(ToString::to_string));
        }
        ways.extend(self.places.iter().map(ToString::to_string));
        format!("{}: {}", self.name, ways.join(", "))
    }
}

type Open = dyn Fn(&Http) -> Result<Source, Failure> + Send + Sync;

/// A source that was chosen. Nothing was read yet.
#[derive(Clone)]
pub struct SourceConfig {
    /// Behind "signs in with": "the token of `STACKIT_ACCESS_TOKEN`".
    pub summary: String,
    /// [`SourceKind::name`] of its kind.
    pub kind: &'static str,
    /// Reads what the source needs; no request is made.
    pub open: Arc<Open>,
    /// Summaries of the sources that are set as well, and not used: another one may be another account.
    pub unused: Vec<String>,
}

impl SourceConfig {
    /// A source.
    pub fn new(
        summary: String,
        open: impl Fn(&Http) -> Result<Source, Failure> + Send + Sync + 'static,
    ) -> Self {
        Self { summary, kind: "", open: Arc::new(open), unused: Vec::new() }
    }

    /// The sources that are set as well, to follow a remedy; empty if there are none.
    pub fn describe_unused(&self) -> String {
        if self.unused.is_empty() {
            return String::new();
        }
        format!(" (also set, not used: {})", self.unused.join("; "))
    }
}

impl fmt::Debug for SourceConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SourceConfig({})", self.summary)
    }
}

/// An open source.
pub struct Source {
    /// Behind the account on the screen: "token file".
    pub name: String,
    pub tokens: Tokens,
    /// What to do when a token has expired or is refused.
    pub remedy: String,
    /// A program with which a person signs in anew: `stackit` of `stackit auth login`.
    pub login: Option<TokenProgram>,
    pub about: About,
}

impl Source {
    /// A source of which nothing else is known.
    pub fn new(name: &str, tokens: Tokens, remedy: impl Into<String>) -> Self {
        let (name, remedy) = (name.to_owned(), remedy.into());
        Self { name, tokens, remedy, login: None, about: About::default() }
    }

    /// The one token that `origin` gave. What a process was given at its start cannot be changed from outside.
    pub fn given(name: &str, token: Secret, origin: &str) -> Self {
        Self::new(name, Tokens::Given(token), format!("restart skeys with a new token in {origin}"))
    }

    /// A token that is read from `origin` each time.
    pub fn read(
        name: &str,
        read: impl Fn() -> Result<Secret, Failure> + Send + Sync + 'static,
        origin: &str,
    ) -> Self {
        Self::new(name, Tokens::Read(Arc::new(read)), format!("write a new token to {origin}"))
    }

    /// A source that issues a new token each time.
    pub fn issued<F>(
        name: &str,
        issue: impl Fn() -> F + Send + Sync + 'static,
        remedy: &str,
    ) -> Self
    where
        F: Future<Output = Result<Granted, Failure>> + Send + 'static,
    {
        Self::new(name, Tokens::Issued(Box::new(move || issue().boxed())), remedy)
    }
}

/// What is known of a source without a token; it changes with the file that the source is in.
#[derive(Clone, Default)]
pub struct About {
    pub account: Option<String>,
    /// When the source itself ends.
    pub ends: Option<Timestamp>,
    /// Warnings found while it was read.
    pub notes: Vec<String>,
}

/// Reads a token; may block.
pub type Read = dyn Fn() -> Result<Secret, Failure> + Send + Sync;

/// How a source comes by tokens.
pub enum Tokens {
    /// It has this one and no other.
    Given(Secret),
    /// Read each time, since it may be replaced. Reading may block.
    Read(Arc<Read>),
    /// Each time a new one is issued.
    Issued(Box<dyn Fn() -> BoxFuture<'static, Result<Granted, Failure>> + Send + Sync>),
}

/// A token that was issued.
pub struct Granted {
    pub secret: Secret,
    /// Its end on our clock.
    pub until: Option<Timestamp>,
    /// A detour that was taken.
    pub note: Option<String>,
    /// Where the source has been read anew.
    pub about: Option<About>,
    /// Why what was read before is used instead of what is there now.
    pub kept: Option<String>,
}

impl Granted {
    /// A token, and nothing to say of it.
    pub fn new(secret: Secret, until: Option<Timestamp>) -> Self {
        Self { secret, until, note: None, about: None, kept: None }
    }
}
