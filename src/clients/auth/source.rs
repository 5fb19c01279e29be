//! Types of a token source: how it is set, and what it provides once open.

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

/// One way to sign in, including everything that command line, configuration and messages need.
pub struct SourceKind {
    /// "service-account key".
    pub name: &'static str,
    /// Secret environment variables; never available as flags.
    pub variables: &'static [&'static str],
    /// Its settings. The first one selects the source, the others refine it.
    pub settings: &'static [Setting],
    /// Other ways to set it, in words.
    pub places: &'static [&'static str],
    /// The source, if it is set.
    pub find: fn(&AuthSettings<'_>) -> Option<SourceConfig>,
}

/// A setting of a source; never a secret itself.
#[derive(Debug)]
pub struct Setting {
    /// Configuration key ("`auth.token_file`").
    pub key: &'static str,
    pub environment: &'static [&'static str],
    /// Flag of every command ("token-file"), for a path.
    pub flag: Option<&'static str>,
    pub kind: SettingKind,
    /// As in the configuration: a quoted path or string.
    pub default: &'static str,
    pub help: &'static str,
    /// Environment variable for the content of the file.
    pub content: Option<&'static str>,
}

impl Setting {
    /// A path setting without default and flag.
    pub const fn path(
        key: &'static str,
        environment: &'static [&'static str],
        help: &'static str,
    ) -> Self {
        let (flag, kind, default, content) = (None, SettingKind::Path, "\"\"", None);
        Self { key, environment, flag, kind, default, help, content }
    }
}

/// Type of a setting's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettingKind {
    Path,
    Text,
    /// A URL that may receive a token.
    Address,
    /// "true" or "false".
    Switch,
}

/// Where a value was set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetBy {
    Flag,
    /// Environment or configuration.
    Configured,
    Default,
}

/// Another tool's program that prints a token.
#[derive(Clone)]
pub struct TokenProgram {
    pub path: PathBuf,
    /// Configuration profile of the tool; `None` for the active one.
    pub profile: Option<String>,
    /// Runs it to completion: with a timeout, without a terminal, and without secrets in its environment.
    pub run: Arc<RunProgram>,
}

/// Runs a program with a timeout on this clock.
pub type RunProgram =
    dyn Fn(Clock) -> BoxFuture<'static, Result<ProgramOutput, Failure>> + Send + Sync;

/// Output of a program that has exited.
pub struct ProgramOutput {
    pub success: bool,
    /// Exit status, in words.
    pub status: String,
    pub stdout: Zeroizing<Vec<u8>>,
    pub stderr: Zeroizing<Vec<u8>>,
}

/// Lookup of settings, from flags, environment and configuration.
pub struct AuthSettings<'a> {
    /// A path setting, by key.
    pub path: &'a dyn Fn(&str) -> Option<(PathBuf, SetBy)>,
    /// Any other configuration setting.
    pub text: &'a dyn Fn(&str) -> Option<String>,
    /// An environment variable.
    pub variable: &'a dyn Fn(&str) -> Option<Secret>,
    /// `stackit auth get-access-token`, if `stackit` is on PATH.
    pub stackit: Option<TokenProgram>,
}

impl SourceKind {
    /// Whether a flag selects this source.
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

/// A chosen source that is not open yet.
#[derive(Clone)]
pub struct SourceConfig {
    /// Follows "signs in with": "the token of `STACKIT_ACCESS_TOKEN`".
    pub summary: String,
    /// [`SourceKind::name`].
    pub kind: &'static str,
    /// Reads what the source needs; sends no request.
    pub open: Arc<Open>,
    /// Summaries of the other sources that are set but not used: they may be other accounts.
    pub unused: Vec<String>,
}

impl SourceConfig {
    /// A source that is not open yet, without [`Self::kind`] and [`Self::unused`].
    pub fn new(
        summary: String,
        open: impl Fn(&Http) -> Result<Source, Failure> + Send + Sync + 'static,
    ) -> Self {
        Self { summary, kind: "", open: Arc::new(open), unused: Vec::new() }
    }

    /// The other sources that are set, appended to a remedy; empty if there are none.
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
    /// Shown next to the account on the screen: "token file".
    pub name: String,
    pub tokens: Tokens,
    /// What to do if a token has expired or is refused.
    pub remedy: String,
    /// A program that the user can log in again with: `stackit` of `stackit auth login`.
    pub login: Option<TokenProgram>,
    pub about: SourceFacts,
}

impl Source {
    /// A source without further facts.
    pub fn new(name: &str, tokens: Tokens, remedy: impl Into<String>) -> Self {
        let (name, remedy) = (name.to_owned(), remedy.into());
        Self { name, tokens, remedy, login: None, about: SourceFacts::default() }
    }

    /// A literal token from `origin`, fixed at startup.
    pub fn given(name: &str, token: Secret, origin: &str) -> Self {
        Self::new(name, Tokens::Given(token), format!("restart skeys with a new token in {origin}"))
    }

    /// A token that is read from `origin` on each use.
    pub fn read(
        name: &str,
        read: impl Fn() -> Result<Secret, Failure> + Send + Sync + 'static,
        origin: &str,
    ) -> Self {
        Self::new(name, Tokens::Read(Arc::new(read)), format!("write a new token to {origin}"))
    }

    /// A source that issues tokens.
    pub fn issued<F>(
        name: &str,
        issue: impl Fn() -> F + Send + Sync + 'static,
        remedy: &str,
    ) -> Self
    where
        F: Future<Output = Result<IssuedToken, Failure>> + Send + 'static,
    {
        Self::new(name, Tokens::Issued(Box::new(move || issue().boxed())), remedy)
    }
}

/// Facts about a source apart from its token; they change with the file.
#[derive(Clone, Default)]
pub struct SourceFacts {
    pub account: Option<String>,
    /// When the source itself expires.
    pub ends: Option<Timestamp>,
    /// Warnings found while reading.
    pub notes: Vec<String>,
}

/// Reads a token; may block.
pub type Read = dyn Fn() -> Result<Secret, Failure> + Send + Sync;

/// How a source provides tokens.
pub enum Tokens {
    /// Literal and fixed.
    Given(Secret),
    /// Read on each use, since the file may be replaced. May block.
    Read(Arc<Read>),
    /// A new one is issued on each renewal.
    Issued(Box<dyn Fn() -> BoxFuture<'static, Result<IssuedToken, Failure>> + Send + Sync>),
}

/// A token that was issued.
pub struct IssuedToken {
    pub secret: Secret,
    /// Expiry on our clock.
    pub expires: Option<Timestamp>,
    /// A fallback that was used.
    pub note: Option<String>,
    /// Set if the source was reloaded.
    pub about: Option<SourceFacts>,
    /// Why the previous content is used instead of the current one.
    pub fallback_reason: Option<String>,
}

impl IssuedToken {
    /// A token without notes.
    pub fn new(secret: Secret, expires: Option<Timestamp>) -> Self {
        Self { secret, expires, note: None, about: None, fallback_reason: None }
    }
}
