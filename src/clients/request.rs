//! One HTTP request: what to send, its purpose, and how far to trust the response.

use std::fmt;
use std::time::Duration;

use reqwest::{Method, Url};

use crate::domain::failure::{Failure, FailureKind};
use crate::domain::secret::Secret;
use crate::domain::text::clean;

/// Maximum size of a list response, in bytes.
pub const LIST_LIMIT: usize = 64 * 1024 * 1024;
/// Maximum size of every other response, in bytes.
pub const ANSWER_LIMIT: usize = 1024 * 1024;
/// Timeout for the first byte of a response.
pub const FIRST_BYTE: Duration = Duration::from_secs(15);

/// The host of a URL in readable form, with its port unless it is the default.
pub fn host_and_port(url: &Url) -> String {
    let host = clean(url.host_str().unwrap_or("?"));
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host,
    }
}

/// One request: what to send, and how far to trust the response.
#[derive(Debug, Clone)]
pub struct HttpRequest {
    pub method: Method,
    pub url: Url,
    /// Purpose, as a continuation of "could not" ("list the clusters of project p in eu01").
    pub purpose: String,
    /// Region for the cooldown; empty if none.
    pub region: String,
    /// Token for the `Authorization` header.
    pub bearer: Option<Secret>,
    /// Content type and text of the body.
    pub body: Option<(&'static str, Secret)>,
    /// Other secrets of the request, besides the token.
    pub secrets: Vec<Secret>,
    /// Whether a successful response is a secret itself, and not redacted.
    pub answers_secret: bool,
    /// Maximum size of the response, in bytes.
    pub limit: usize,
    /// Timeout for the first byte.
    pub first_byte: Duration,
}

impl HttpRequest {
    /// A request with the ordinary limits and without a body.
    pub fn new(method: Method, url: Url, purpose: impl Into<String>) -> Self {
        Self {
            method,
            url,
            purpose: clean(&purpose.into()),
            region: String::new(),
            bearer: None,
            body: None,
            secrets: Vec::new(),
            answers_secret: false,
            limit: ANSWER_LIMIT,
            first_byte: FIRST_BYTE,
        }
    }

    /// Host (and port) in readable form.
    pub fn host(&self) -> String {
        host_and_port(&self.url)
    }

    /// Starts a failure of this request.
    pub fn failure(&self, kind: FailureKind, detail: impl fmt::Display) -> Failure {
        Failure::new(kind, detail.to_string()).tried(format!("could not {}", self.purpose))
    }

    /// Requests that share a cooldown have the same key.
    pub fn cooldown_key(&self) -> String {
        format!("{} {}", self.host(), self.region)
    }
}
