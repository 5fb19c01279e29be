//! The shared HTTP client: timeouts on our clock, bounded bodies, no redirects, and a cooldown per host and region.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, LOCATION};
use reqwest::{Method, Url};
use rustls::CertificateError;
use rustls::pki_types::UnixTime;
use serde_json::Value;
use tokio_util::bytes::Bytes;
use tracing::Instrument as _;
use zeroize::Zeroizing;

use crate::clients::error_chain::{describe_error, find_source, shorten};
use crate::clients::redact::Redactor;
use crate::clients::request::HttpRequest;
use crate::clients::request_log::RequestLog;
use crate::clients::response::HttpResponse;
use crate::clock::Clock;
use crate::domain::age;
use crate::domain::failure::{Failure, FailureKind};
use crate::domain::misplaced_secret::show;
use crate::domain::secret::Secret;
use crate::domain::text::clean;

const CONNECT: Duration = Duration::from_secs(5);
/// HTTP/2 pings detect a dead shared connection, as after a sleep; otherwise every request on it would time out.
const PING: Duration = Duration::from_secs(5);
/// Timeout for the rest of a response, after the first byte: 60 s in total for ordinary calls.
const REST_OF_ANSWER: Duration = Duration::from_secs(45);

/// Idle connections kept per host. More may be opened than requests run concurrently: if one becomes idle first, the
/// new one is kept, too.
const KEPT_CONNECTIONS: usize = 8;

/// Sends requests. Clones share connections, cooldowns and clock.
#[derive(Clone)]
pub struct Http {
    client: reqwest::Client,
    /// For loopback: a proxy from the environment cannot reach this machine's servers.
    direct: reqwest::Client,
    clock: Clock,
    /// Monotonic time before which nothing is sent, by host and region.
    cooldowns: Arc<std::sync::Mutex<HashMap<String, Duration>>>,
    redactor: Redactor,
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Http")
    }
}

impl Http {
    /// Builds the client; the certificates in `extra_ca_pem` are trusted in addition to the system's.
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
                // The only timeout not on our clock: the connector cannot use it.
                .connect_timeout(CONNECT)
                .pool_max_idle_per_host(KEPT_CONNECTIONS)
                .http2_keep_alive_interval(PING)
                .http2_keep_alive_timeout(PING);
            let builder =
                if extra.is_empty() { builder } else { builder.tls_certs_merge(extra.clone()) };
            builder.build().map_err(|error| {
                let message = format!("could not set up TLS: {}", describe_error(&error));
                Failure::new(FailureKind::NotPossible, message)
                    .hint("check the system certificates and endpoints.ca_file")
                    .caused_by(error)
            })
        };
        Ok(Self {
            client: build(reqwest::Client::builder())?,
            direct: build(reqwest::Client::builder().no_proxy())?,
            clock,
            cooldowns: Arc::default(),
            redactor: Redactor::default(),
        })
    }

    /// The clock for timeouts.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Registers a secret that is redacted from every response.
    pub fn learn_secret(&self, secret: &Secret) {
        self.redactor.learn(secret);
    }

    /// Sends once and returns the response whatever its status; redirects are failures.
    ///
    /// # Errors
    /// Nothing was sent (cooldown, no connection), or no complete response arrived in time.
    pub async fn send(&self, request: &HttpRequest) -> Result<HttpResponse, Failure> {
        let (method, host) = (request.method.as_str(), request.host());
        let log = RequestLog::begin(&self.clock, method, &host, &request.purpose);
        let result = self.exchange(request).instrument(log.span()).await;
        match &result {
            Ok(answer) => log.answered(answer.status, answer.trace.as_deref()),
            Err(failure) => log.failed(failure),
        }
        result
    }

    async fn exchange(&self, request: &HttpRequest) -> Result<HttpResponse, Failure> {
        self.check_cooldown(request)?;
        let built = build(request)?;
        request
            .bearer
            .iter()
            .chain(&request.secrets)
            .for_each(|secret| self.redactor.learn(secret));
        let client = if is_loopback(&request.url) { &self.direct } else { &self.client };
        let client = client.clone();
        let started = self.clock.monotonic();
        let response = match self.clock.timeout(request.first_byte, client.execute(built)).await {
            Some(Ok(response)) => response,
            Some(Err(error)) => return Err(sending_failure(request, &error).caused_by(error)),
            None => {
                let detail = format!(
                    "{} did not answer within {} s",
                    request.host(),
                    request.first_byte.as_secs()
                );
                return Err(request.failure(FailureKind::TimedOut, detail));
            }
        };
        let mut answer = HttpResponse::from_head(&response, self.clock.now());
        answer.trace = answer.trace.map(|trace| self.redactor.redact_text(&trace));
        if response.status().is_redirection() {
            let failure = redirect_failure(request, &response, &self.redactor);
            return Err(answer.decorate(failure));
        }
        if answer.status == 429
            && let Some(at) = answer.retry_at
        {
            self.begin_cooldown(request, at);
        }
        let left = request
            .first_byte
            .saturating_add(REST_OF_ANSWER)
            .saturating_sub(self.clock.monotonic().saturating_sub(started));
        let announced = response.content_length();
        // Reallocation would leave copies of a secret in memory.
        let room = if request.answers_secret { request.limit } else { 0 };
        let mut body = Zeroizing::new(Vec::with_capacity(room));
        match self.clock.timeout(left, read_body(request, response, announced, &mut body)).await {
            Some(Ok(())) => {
                answer.body = match answer.status {
                    200..300 if request.answers_secret => body,
                    200..300 if request.method == Method::GET => {
                        self.redactor.redact_whole(std::mem::take(&mut body)).into()
                    }
                    _ => self.redactor.redact(without_escapes(std::mem::take(&mut body))).into(),
                };
                Ok(answer)
            }
            // Too large or truncated: the status still tells the outcome of the request.
            Some(Err(_)) | None if answer.status >= 400 => Ok(answer),
            Some(Err(failure)) => Err(answer.decorate(failure)),
            None => {
                let detail = format!(
                    "the answer of {} timed out ({} bytes received)",
                    request.host(),
                    body.len()
                );
                Err(answer.decorate(request.failure(FailureKind::TimedOut, detail)))
            }
        }
    }

    fn check_cooldown(&self, request: &HttpRequest) -> Result<(), Failure> {
        let mut cooldowns =
            self.cooldowns.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let key = request.cooldown_key();
        let Some(until) = cooldowns.get(&key).copied() else { return Ok(()) };
        let left = until.saturating_sub(self.clock.monotonic());
        if left.is_zero() {
            cooldowns.remove(&key);
            return Ok(());
        }
        let detail = format!("{} requests a pause; nothing was sent", request.host());
        let mut failure = request.failure(FailureKind::RateLimited, detail);
        let left = SignedDuration::try_from(left).unwrap_or(SignedDuration::ZERO);
        failure.retry_at = self.clock.now().saturating_add(left).ok();
        Err(failure)
    }

    fn begin_cooldown(&self, request: &HttpRequest, at: Timestamp) {
        let until = self
            .clock
            .monotonic()
            .saturating_add(non_negative(at.duration_since(self.clock.now())));
        let mut cooldowns =
            self.cooldowns.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let cooldown = cooldowns.entry(request.cooldown_key()).or_default();
        *cooldown = until.max(*cooldown);
    }
}

fn build(request: &HttpRequest) -> Result<reqwest::Request, Failure> {
    let mut built = reqwest::Request::new(request.method.clone(), request.url.clone());
    let headers = built.headers_mut();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    if let Some(token) = &request.bearer {
        let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose())).map_err(
            |_holds_the_token| {
                request.failure(
                    FailureKind::SignedOut,
                    "the token contains characters that are invalid in an HTTP header",
                )
            },
        )?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    if let Some((kind, text)) = &request.body {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        *built.body_mut() =
            Some(Bytes::from_owner(Zeroizing::new(text.expose().to_owned())).into());
    }
    Ok(built)
}

/// Parses an absolute URL that may receive a token: https, or http on loopback.
///
/// # Errors
/// Names `what` and the problem.
pub fn safe_url(text: &str, what: &str) -> Result<Url, Failure> {
    let refuse = |reason: &str| {
        Failure::new(FailureKind::NotPossible, format!("{what} {} {reason}", show(text)))
            .hint("use https://HOST; http is allowed only for loopback")
    };
    let url =
        Url::parse(text.trim()).map_err(|error| refuse(&format!("is not a URL ({error})")))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Failure::new(
            FailureKind::NotPossible,
            format!("{what} contains a user name or password"),
        ));
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback(&url) => Ok(url),
        "http" => Err(refuse("would send the token unencrypted")),
        _ => Err(refuse("is neither https nor http")),
    }
}

/// Whether the host is loopback.
pub fn is_loopback(url: &Url) -> bool {
    url.host_str().is_some_and(|host| {
        host == "localhost"
            || host
                .trim_matches(['[', ']'])
                .parse::<std::net::IpAddr>()
                .is_ok_and(|address| address.is_loopback())
    })
}

/// Whether a file contains certificates.
///
/// # Errors
/// It contains none that can be read.
pub fn check_certificates(pem: &[u8]) -> Result<(), Failure> {
    read_certificates(pem).map(drop)
}

fn read_certificates(pem: &[u8]) -> Result<Vec<reqwest::Certificate>, Failure> {
    let refuse = || {
        Failure::new(
            FailureKind::File,
            "the extra certificate authority contains no readable certificate",
        )
        .hint("endpoints.ca_file must contain PEM certificates")
    };
    match reqwest::Certificate::from_pem_bundle(pem) {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) | Err(_) => Err(refuse()),
    }
}

fn sending_failure(request: &HttpRequest, error: &reqwest::Error) -> Failure {
    let reason = describe_error(error);
    if error.is_builder() || error.is_request() && reason.contains("invalid header") {
        return request.failure(FailureKind::NotPossible, format!("{reason}; nothing was sent"));
    }
    if !error.is_connect() {
        let detail =
            format!("the connection to {} broke before an answer ({reason})", request.host());
        return request.failure(FailureKind::Unreachable, detail);
    }
    let kind = if request.method == Method::GET {
        FailureKind::Unreachable
    } else {
        FailureKind::NotPossible
    };
    let host = request.host();
    if lacks_descriptors(error) {
        let detail = format!("too many open files: no connection to {host}; nothing was sent");
        return request.failure(kind, detail).hint("raise the limit of open files (ulimit -n)");
    }
    let because = |reason: &str| {
        request.failure(kind, format!("could not connect to {host}; nothing was sent ({reason})"))
    };
    match certificate_problem(error) {
        Some((reason, hint)) => because(&reason).hint(hint),
        None if reason.contains("certificate") => because(&reason).hint(CA_HINT),
        None => because(&reason).hint("check the network, the proxy and the address"),
    }
}

const CA_HINT: &str =
    "if the network uses its own certificate authority, set endpoints.ca_file to its certificate";

/// What is wrong with the server certificate, and the remedy.
fn certificate_problem(error: &reqwest::Error) -> Option<(String, String)> {
    let Some(rustls::Error::InvalidCertificate(problem)) = find_source::<rustls::Error>(error)
    else {
        return None;
    };
    let moment = |time: &UnixTime| {
        let seconds = i64::try_from(time.as_secs()).ok()?;
        Timestamp::from_second(seconds).ok().map(|time| format!(" at {}", age::utc(time)))
    };
    let clock = format!("check this machine's clock; {CA_HINT}");
    #[expect(clippy::wildcard_enum_match_arm, reason = "the enum of the library is not closed")]
    Some(match problem {
        CertificateError::UnknownIssuer => (
            "the issuer of its certificate is unknown to this machine".to_owned(),
            CA_HINT.to_owned(),
        ),
        CertificateError::BadSignature => (
            "its certificate was signed by another certificate authority of the same name"
                .to_owned(),
            CA_HINT.to_owned(),
        ),
        CertificateError::Expired => ("its certificate has expired".to_owned(), clock),
        CertificateError::ExpiredContext { not_after, .. } => {
            let end = moment(not_after).unwrap_or_default();
            (format!("its certificate expired{end}"), clock)
        }
        CertificateError::NotValidYet => ("its certificate is not valid yet".to_owned(), clock),
        CertificateError::NotValidYetContext { not_before, .. } => {
            let start = moment(not_before).unwrap_or_default();
            (format!("its certificate becomes valid{start}"), clock)
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => (
            "its certificate is for another name".to_owned(),
            format!("check the address, and whether a proxy answers in its place; {CA_HINT}"),
        ),
        other => {
            (shorten(&format!("its certificate is not accepted: {other}")), CA_HINT.to_owned())
        }
    })
}

/// Whether the process or the system has run out of file descriptors.
fn lacks_descriptors(error: &reqwest::Error) -> bool {
    use rustix::io::Errno;
    let errno = find_source::<std::io::Error>(error).and_then(Errno::from_io_error);
    matches!(errno, Some(Errno::MFILE | Errno::NFILE))
}

fn redirect_failure(
    request: &HttpRequest,
    response: &reqwest::Response,
    redactor: &Redactor,
) -> Failure {
    let target = response
        .headers()
        .get(LOCATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| request.url.join(text).ok())
        .map_or_else(
            || "an unnamed location".to_owned(),
            // Query and userinfo may contain secrets of a login page.
            |url| {
                let host = url.host_str().unwrap_or("?");
                let target = format!("{}://{host}{}", url.scheme(), url.path());
                clean(&redactor.redact_text(&target))
            },
        );
    // SKE never redirects; a proxy does, possibly to a login page. Whether it forwarded a write is unknown.
    request
        .failure(
            FailureKind::Server,
            format!(
                "{} redirects to {target}; not followed, the token was not sent there",
                request.host()
            ),
        )
        .hint("check the endpoints in the configuration (skeys config check prints them), and whether a proxy requires a login")
}

async fn read_body(
    request: &HttpRequest,
    mut response: reqwest::Response,
    announced: Option<u64>,
    body: &mut Vec<u8>,
) -> Result<(), Failure> {
    let too_large = || {
        request.failure(
            FailureKind::TooLarge,
            format!(
                "the answer is larger than {} MiB and was refused",
                request.limit / (1024 * 1024)
            ),
        )
    };
    if announced.is_some_and(|bytes| usize::try_from(bytes).map_or(true, |b| b > request.limit)) {
        return Err(too_large());
    }
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) => {
                if body.len().saturating_add(chunk.len()) > request.limit {
                    return Err(too_large());
                }
                body.extend_from_slice(&chunk);
            }
            Ok(None) => return Ok(()),
            Err(error) => {
                let of = announced
                    .map_or_else(|| "an unknown number".to_owned(), |bytes| bytes.to_string());
                let detail = format!(
                    "the answer was truncated: {} bytes received of {of} ({})",
                    body.len(),
                    describe_error(&error)
                );
                return Err(request.failure(FailureKind::Format, detail).caused_by(error));
            }
        }
    }
}

/// The same JSON without escapes, which could hide a secret from redaction.
fn without_escapes(body: Vec<u8>) -> Vec<u8> {
    let value = serde_json::from_slice::<Value>(&body);
    value.and_then(|value| serde_json::to_vec(&value)).unwrap_or(body)
}

fn non_negative(duration: SignedDuration) -> Duration {
    Duration::try_from(duration).unwrap_or(Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
    use reqwest::{Method, Url};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use crate::clients::http::Http;
    use crate::clients::request::HttpRequest;
    use crate::clients::scripted::{JSON, answer};
    use crate::clock::Clock;
    use crate::domain::failure::{Failure, FailureKind};
    use crate::domain::fixtures::now;
    use crate::domain::secret::Secret;

    /// A TLS server; returns its port and its CA.
    async fn serve(
        issuer: &str,
        name: &str,
        change: impl FnOnce(&mut CertificateParams),
    ) -> (u16, Vec<u8>) {
        crate::clients::install_crypto();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(rcgen::DnType::CommonName, issuer);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        change(&mut params);
        let certificate = params.signed_by(&key, &authority).unwrap();
        let config = rustls::ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let mut request = [0; 4096];
                let count = stream.read(&mut request).await.unwrap_or(0);
                if count > 0 {
                    drop(stream.write_all(answer("200 OK", JSON, "{}").as_bytes()).await);
                    drop(stream.shutdown().await);
                }
            }
        });
        (port, authority.pem().into_bytes())
    }

    async fn get(port: u16, ca: Option<Vec<u8>>) -> Result<u16, Failure> {
        let http = Http::new(Clock::manual(now()), ca).unwrap();
        let url = Url::parse(&format!("https://localhost:{port}/")).unwrap();
        let mut request = HttpRequest::new(Method::GET, url, "read it");
        request.bearer = Some(Secret::new("canary".to_owned()));
        http.send(&request).await.map(|answer| answer.status)
    }

    #[tokio::test]
    async fn api_25_what_is_wrong_with_a_certificate_is_told_and_how_to_trust_an_authority() {
        let ended = |params: &mut CertificateParams| {
            params.not_before = rcgen::date_time_ymd(2019, 1, 1);
            params.not_after = rcgen::date_time_ymd(2020, 1, 1);
        };
        let (good, authority) = serve("a", "localhost", |_| ()).await;
        let (expired, of_expired) = serve("b", "localhost", ended).await;
        let (_, of_namesake) = serve("a", "localhost", |_| ()).await;
        let (other, of_other) = serve("c", "other.example", |_| ()).await;
        assert_eq!(get(good, Some(authority)).await, Ok(200));
        for (port, ca, expected) in [
            (good, None, "the issuer of its certificate is unknown to this machine"),
            (
                good,
                Some(of_other.clone()),
                "the issuer of its certificate is unknown to this machine",
            ),
            (
                good,
                Some(of_namesake),
                "its certificate was signed by another certificate authority of the same name",
            ),
            (expired, Some(of_expired), "its certificate expired at 2020-01-01 00:00:00 UTC"),
            (other, Some(of_other), "its certificate is for another name"),
        ] {
            let failure = get(port, ca).await.unwrap_err();
            let text =
                format!("could not connect to localhost:{port}; nothing was sent ({expected})");
            assert_eq!((failure.kind, &failure.message), (FailureKind::Unreachable, &text));
            assert!(failure.hint.unwrap().contains("set endpoints.ca_file"));
        }
    }
}
