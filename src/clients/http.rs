//! The one HTTP client: time-outs by our clock, bounded bodies, no redirects, and a cooldown per host and region.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, LOCATION};
use reqwest::{Method, Url};
use tracing::Instrument as _;

use crate::clients::redact::Redactor;
use crate::clients::request_log::RequestLog;
use crate::clients::response::HttpResponse;
use crate::clock::Clock;
use crate::domain::backoff;
use crate::domain::failure::{Failure, FailureKind};
use crate::domain::secret::Secret;
use crate::domain::text::clean;

/// Most bytes of a list answer.
pub const LIST_LIMIT: usize = 64 * 1024 * 1024;
/// Most bytes of every other answer.
pub const ANSWER_LIMIT: usize = 1024 * 1024;
/// Longest wait for the first byte of an answer.
pub const FIRST_BYTE: Duration = Duration::from_secs(15);
const CONNECT: Duration = Duration::from_secs(5);
/// Time for the rest of an answer beyond the first byte's limit: 60 s in all for ordinary calls.
const REST_OF_ANSWER: Duration = Duration::from_secs(45);
const MOST_RETRIES: u32 = 4;

/// One request: what to send, and how far to trust the answer.
#[derive(Debug, Clone)]
pub struct Call {
    pub method: Method,
    pub url: Url,
    /// What it is for, as it follows "could not" ("list the clusters of project p in eu01").
    pub purpose: String,
    /// Region for the cooldown; empty where there is none.
    pub region: String,
    /// Token for the `Authorization` header.
    pub bearer: Option<Secret>,
    /// Content type and text of the body.
    pub body: Option<(&'static str, Secret)>,
    /// What else of it is secret, beside the token.
    pub secrets: Vec<Secret>,
    /// Whether a good answer is a secret itself, and left as it is.
    pub answers_secret: bool,
    /// Most bytes that are read of the answer.
    pub limit: usize,
    /// Longest wait for the first byte.
    pub first_byte: Duration,
}

impl Call {
    /// A call with the ordinary limits and without a body.
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

    /// Host (and port) as people read it.
    pub fn host(&self) -> String {
        let host = clean(self.url.host_str().unwrap_or("?"));
        self.url.port().map_or_else(|| host.clone(), |port| format!("{host}:{port}"))
    }

    /// Starts a failure of this call.
    pub fn failure(&self, kind: FailureKind, detail: impl fmt::Display) -> Failure {
        Failure::new(kind, detail.to_string()).tried(format!("could not {}", self.purpose))
    }

    fn cooldown_key(&self) -> String {
        format!("{} {}", self.host(), self.region)
    }
}

/// Sends calls. Clones share connections, cooldowns and time.
#[derive(Clone)]
pub struct Http {
    client: reqwest::Client,
    /// For loopback: a proxy from the environment cannot reach this machine's own servers.
    direct: reqwest::Client,
    clock: Clock,
    /// Steady moment before which nothing is sent, by host and region.
    cooldowns: Arc<std::sync::Mutex<HashMap<String, Duration>>>,
    waiting: Arc<AtomicUsize>,
    redactor: Redactor,
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Http")
    }
}

impl Http {
    /// Builds the client; `extra_ca_pem` holds certificates that are trusted beside those of the machine.
    ///
    /// # Errors
    /// The extra certificates cannot be read, or TLS cannot be set up.
    pub fn new(clock: Clock, extra_ca_pem: Option<Vec<u8>>) -> Result<Self, Failure> {
        crate::clients::install_crypto();
        let extra = match extra_ca_pem {
            Some(pem) => read_certificates(&pem)?,
            None => Vec::new(),
        };
        let build = |builder: reqwest::ClientBuilder| {
            let builder = builder
                .user_agent(concat!("skeys/", env!("CARGO_PKG_VERSION")))
                .redirect(reqwest::redirect::Policy::none())
                .retry(reqwest::retry::never())
                .referer(false)
                // The only limit that the clock does not hold: the connector is out of its reach.
                .connect_timeout(CONNECT);
            let builder =
                if extra.is_empty() { builder } else { builder.tls_certs_merge(extra.clone()) };
            builder.build().map_err(|error| {
                Failure::new(
                    FailureKind::NotPossible,
                    format!("could not set up TLS: {}", chain(&error)),
                )
                .hint("check the certificates of this machine and the extra ones in the configuration")
            })
        };
        Ok(Self {
            client: build(reqwest::Client::builder())?,
            direct: build(reqwest::Client::builder().no_proxy())?,
            clock,
            cooldowns: Arc::default(),
            waiting: Arc::default(),
            redactor: Redactor::default(),
        })
    }

    /// The clock that this client lives by.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// What is to be taken out of every answer, should a server quote it.
    pub fn learn_secret(&self, secret: &Secret) {
        self.redactor.learn(secret);
    }

    /// How many reads wait for their next attempt.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Sends once and hands back the answer whatever its status; redirects are failures.
    ///
    /// # Errors
    /// Nothing was sent since the cooldown is closed or no connection came about, or no whole answer came in time.
    pub async fn send(&self, call: &Call) -> Result<HttpResponse, Failure> {
        let log = RequestLog::begin(&self.clock, call.method.as_str(), &call.host(), &call.purpose);
        let result = self.exchange(call).instrument(log.span()).await;
        match &result {
            Ok(answer) => log.answered(answer.status, answer.trace.as_deref()),
            Err(failure) => log.failed(failure),
        }
        result
    }

    async fn exchange(&self, call: &Call) -> Result<HttpResponse, Failure> {
        self.check_cooldown(call)?;
        let request = self.build(call)?;
        call.bearer.iter().chain(&call.secrets).for_each(|secret| self.redactor.learn(secret));
        let client = if is_loopback(&call.url) { &self.direct } else { &self.client };
        let client = client.clone();
        let started = self.clock.monotonic();
        let response = match self.clock.timeout(call.first_byte, client.execute(request)).await {
            Some(Ok(response)) => response,
            Some(Err(error)) => return Err(sending_failure(call, &error)),
            None => {
                let detail = format!(
                    "{} did not answer within {} s",
                    call.host(),
                    call.first_byte.as_secs()
                );
                return Err(call.failure(FailureKind::TimedOut, detail));
            }
        };
        let mut answer = HttpResponse::from_head(&response, self.clock.now());
        answer.trace = answer.trace.map(|trace| self.redactor.redact_text(&trace));
        if response.status().is_redirection() {
            let failure = redirect_failure(call, &response, &self.redactor);
            return Err(answer.decorate(failure));
        }
        if answer.status == 429
            && let Some(at) = answer.retry_at
        {
            self.begin_cooldown(call, at);
        }
        let left = call
            .first_byte
            .saturating_add(REST_OF_ANSWER)
            .saturating_sub(self.clock.monotonic().saturating_sub(started));
        let announced = response.content_length();
        let mut body = Vec::new();
        match self.clock.timeout(left, collect(call, response, announced, &mut body)).await {
            Some(Ok(())) => {
                answer.body = match answer.status {
                    200..300 if call.answers_secret => body,
                    200..300 => self.redactor.redact_whole(body),
                    _ => self.redactor.redact(body),
                };
                Ok(answer)
            }
            // Too large or cut: the status line still says what became of the request.
            Some(Err(_)) | None if answer.status >= 400 => Ok(answer),
            Some(Err(failure)) => Err(answer.decorate(failure)),
            None => {
                let detail = format!(
                    "the answer of {} was not complete in time ({} bytes received)",
                    call.host(),
                    body.len()
                );
                Err(answer.decorate(call.failure(FailureKind::TimedOut, detail)))
            }
        }
    }

    /// Sends a read. With `retries`, passing failures are tried up to four times more: full jitter, Retry-After honoured.
    ///
    /// # Errors
    /// As [`Http::send`]; statuses that pass by themselves (429, 5xx) are failures here once no retry is left.
    pub async fn read(&self, call: &Call, retries: bool) -> Result<HttpResponse, Failure> {
        let mut failures = 0;
        loop {
            self.check_cooldown(call)?;
            let failure = match self.send(call).await {
                Ok(answer) => match answer.failure(call) {
                    Some(failure) if failure.is_transient() => failure,
                    _ => return Ok(answer),
                },
                Err(failure) => failure,
            };
            failures += 1;
            if !retries || failures > MOST_RETRIES || !failure.is_transient() {
                return Err(failure);
            }
            let wait = failure.retry_at.map_or_else(
                || backoff::delay(failures, random()),
                |at| positive(at.duration_since(self.clock.now())),
            );
            self.waiting.fetch_add(1, Ordering::Relaxed);
            let _leaving = Leaving(&self.waiting);
            self.clock.sleep(wait).await;
        }
    }

    fn build(&self, call: &Call) -> Result<reqwest::Request, Failure> {
        let _ = self;
        let mut request = reqwest::Request::new(call.method.clone(), call.url.clone());
        let headers = request.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(token) = &call.bearer {
            let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose())).map_err(
                |_holds_the_token| {
                    call.failure(
                        FailureKind::SignedOut,
                        "the token holds characters that an HTTP header cannot carry",
                    )
                },
            )?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        if let Some((kind, text)) = &call.body {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
            *request.body_mut() = Some(text.expose().to_owned().into());
        }
        Ok(request)
    }

    fn check_cooldown(&self, call: &Call) -> Result<(), Failure> {
        let mut cooldowns =
            self.cooldowns.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let key = call.cooldown_key();
        let Some(until) = cooldowns.get(&key).copied() else { return Ok(()) };
        let left = until.saturating_sub(self.clock.monotonic());
        if left.is_zero() {
            cooldowns.remove(&key);
            return Ok(());
        }
        let detail = format!("{} asked to wait; nothing was sent", call.host());
        let mut failure = call.failure(FailureKind::RateLimited, detail);
        let left = SignedDuration::try_from(left).unwrap_or(SignedDuration::ZERO);
        failure.retry_at = self.clock.now().saturating_add(left).ok();
        Err(failure)
    }

    fn begin_cooldown(&self, call: &Call, at: Timestamp) {
        let until =
            self.clock.monotonic().saturating_add(positive(at.duration_since(self.clock.now())));
        let mut cooldowns =
            self.cooldowns.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let cooldown = cooldowns.entry(call.cooldown_key()).or_default();
        *cooldown = until.max(*cooldown);
    }
}

/// Counts a waiting read out again, also when it is dropped.
struct Leaving<'a>(&'a AtomicUsize);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Reads an absolute URL to which a token may be sent: https, or http to this machine itself.
///
/// # Errors
/// A sentence that names `what` and says what is wrong.
pub fn safe_url(text: &str, what: &str) -> Result<Url, Failure> {
    let refuse = |reason: &str| {
        Failure::new(FailureKind::NotPossible, format!("{what} {} {reason}", clean(text)))
            .hint("write it as https://HOST; http is for this machine alone")
    };
    let url =
        Url::parse(text.trim()).map_err(|error| refuse(&format!("is not a URL ({error})")))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Failure::new(
            FailureKind::NotPossible,
            format!("{what} holds a user name or password"),
        ));
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback(&url) => Ok(url),
        "http" => Err(refuse("would send the token unencrypted")),
        _ => Err(refuse("is neither https nor http")),
    }
}

/// Whether a URL names this machine itself.
pub fn is_loopback(url: &Url) -> bool {
    url.host_str().is_some_and(|host| {
        host == "localhost"
            || host
                .trim_matches(['[', ']'])
                .parse::<std::net::IpAddr>()
                .is_ok_and(|address| address.is_loopback())
    })
}

fn read_certificates(pem: &[u8]) -> Result<Vec<reqwest::Certificate>, Failure> {
    let refuse = || {
        Failure::new(
            FailureKind::File,
            "the extra certificate authority holds no readable certificate",
        )
        .hint("it must be one or more certificates in PEM form")
    };
    match reqwest::Certificate::from_pem_bundle(pem) {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) | Err(_) => Err(refuse()),
    }
}

fn sending_failure(call: &Call, error: &reqwest::Error) -> Failure {
    let reason = chain(error);
    if error.is_builder() || error.is_request() && reason.contains("invalid header") {
        return call.failure(FailureKind::NotPossible, format!("{reason}; nothing was sent"));
    }
    if !error.is_connect() {
        let detail = format!("the connection to {} broke before an answer ({reason})", call.host());
        return call.failure(FailureKind::Unreachable, detail);
    }
    let kind = if call.method == Method::GET {
        FailureKind::Unreachable
    } else {
        FailureKind::NotPossible
    };
    let host = call.host();
    let failure =
        call.failure(kind, format!("could not connect to {host}; nothing was sent ({reason})"));
    if reason.contains("certificate") {
        failure
            .hint("if the network has its own certificate authority, name it in the configuration")
    } else {
        failure.hint("check the network, the proxy and the address")
    }
}

fn redirect_failure(call: &Call, response: &reqwest::Response, redactor: &Redactor) -> Failure {
    let target = response
        .headers()
        .get(LOCATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| call.url.join(text).ok())
        .map_or_else(
            || "an unnamed place".to_owned(),
            // Query and user part may hold secrets of a login page.
            |url| {
                let host = url.host_str().unwrap_or("?");
                let target = format!("{}://{host}{}", url.scheme(), url.path());
                clean(&redactor.redact_text(&target))
            },
        );
    call.failure(
        FailureKind::Refused,
        format!(
            "{} redirects to {target}; not followed, the token was not sent there",
            call.host()
        ),
    )
    .hint("check the address of the API and whether a proxy wants a login")
}

async fn collect(
    call: &Call,
    mut response: reqwest::Response,
    announced: Option<u64>,
    body: &mut Vec<u8>,
) -> Result<(), Failure> {
    let too_large = || {
        call.failure(
            FailureKind::TooLarge,
            format!("the answer is larger than {} MiB and was refused", call.limit / (1024 * 1024)),
        )
    };
    if announced.is_some_and(|bytes| usize::try_from(bytes).map_or(true, |b| b > call.limit)) {
        return Err(too_large());
    }
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) => {
                if body.len().saturating_add(chunk.len()) > call.limit {
                    return Err(too_large());
                }
                body.extend_from_slice(&chunk);
            }
            Ok(None) => return Ok(()),
            Err(error) => {
                let of = announced
                    .map_or_else(|| "an unknown number".to_owned(), |bytes| bytes.to_string());
                let detail = format!(
                    "the answer was cut: {} bytes received of {of} ({})",
                    body.len(),
                    chain(&error)
                );
                return Err(call.failure(FailureKind::Format, detail));
            }
        }
    }
}

/// The innermost reasons of an error, cleaned; the outer words of reqwest repeat the URL.
fn chain(error: &reqwest::Error) -> String {
    let mut reasons: Vec<String> = Vec::new();
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        let text = inner.to_string();
        if reasons.last().is_none_or(|last| !last.contains(&text)) {
            reasons.push(text);
        }
        source = inner.source();
    }
    if reasons.is_empty() { "no reason given".to_owned() } else { clean(&reasons.join(": ")) }
}

fn positive(duration: SignedDuration) -> Duration {
    Duration::try_from(duration).unwrap_or(Duration::ZERO)
}

/// A number in 0..1 for jitter; nothing secret hangs on it.
pub fn random() -> f64 {
    f64::from(uuid::Uuid::new_v4().as_fields().0) / (f64::from(u32::MAX) + 1.0)
}
