//! What a token source is: how it is set, and what it gives once it is open.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use jiff::Timestamp;

use crate::clients::http::Http;
use crate::domain::failure::Failure;
use crate::domain::secret::Secret;

/// One way to sign in: everything that command line, configuration and messages say about it.
pub struct SourceKind {
    /// "service-account key".
    pub name: &'static str,
    /// Secrets in the environment; they are never in a file or a flag.
    pub variables: &'static [&'static str],
    /// Files. The first one is what sets the source, others add to it.
    pub paths: &'static [PathSetting],
    /// The source, if it is set.
    pub find: fn(&AuthSettings<'_>) -> Option<SourceConfig>,
}

/// The path of a file with a secret in it.
#[derive(Debug)]
pub struct PathSetting {
    /// Its key in the configuration ("`auth.token_file`").
    pub key: &'static str,
    pub environment: &'static [&'static str],
    /// A flag of every command ("token-file").
    pub flag: Option<&'static str>,
    pub help: &'static str,
}

/// What is set, wherever it was set.
pub struct AuthSettings<'a> {
    /// The value of a [`PathSetting`] by its key, and whether a flag gave it.
    pub path: &'a dyn Fn(&str) -> Option<(PathBuf, bool)>,
    /// A variable of the environment.
    pub variable: &'a dyn Fn(&str) -> Option<Secret>,
    pub token_endpoint: Option<String>,
}

impl SourceKind {
    /// Whether a flag names this source.
    pub fn is_named(&self, set: &AuthSettings<'_>) -> bool {
        self.paths.iter().any(|setting| (set.path)(setting.key).is_some_and(|(_, flag)| flag))
    }

    /// How to set it, in one line.
    pub fn describe_settings(&self) -> String {
        let mut ways: Vec<String> = self.variables.iter().map(ToString::to_string).collect();
        if let Some(PathSetting { key, environment, flag, .. }) = self.paths.first() {
            ways.extend(flag.map(|flag| format!("--{flag}")));
            ways.extend(environment.iter().chain([key]).map(ToString::to_string));
        }
        format!("{}: {}", self.name, ways.join(", "))
    }
}

type Open = dyn Fn(&Http) -> Result<Source, Failure> + Send + Sync;

/// A source that was chosen. Nothing was read yet.
#[derive(Clone)]
pub struct SourceConfig {
    /// Behind "signs in with": "the token of `STACKIT_ACCESS_TOKEN`".
    pub summary: String,
    /// Reads what the source needs; no request is made.
    pub open: Arc<Open>,
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
    /// The account, where it is known without a token.
    pub account: Option<String>,
    /// When the source itself ends.
    pub ends: Option<Timestamp>,
    /// Warnings found while it was opened.
    pub notes: Vec<String>,
}

/// Reads a token; may block.
pub type Read = dyn Fn() -> Result<Secret, Failure> + Send + Sync;

/// How a source comes by tokens.
pub enum Tokens {
    /// It has this one and no other.
    Given(Secret),
    /// Read each time, since it may be replaced. May block.
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
}
