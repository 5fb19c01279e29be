//! One connection to a cluster's API server: requests with timeouts, bounded responses, and the server's clock.
//!
//! Requests use `kube::Client::send` rather than its typed calls: those have no timeout on our clock, no limit on
//! bodies, and log bodies that they cannot parse.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use http::header::{ACCEPT_ENCODING, HeaderMap, RETRY_AFTER};
use http_body_util::BodyExt as _;
use kube::client::Body;
use tracing::Instrument as _;

use crate::clients::kubernetes::checked_kubeconfig::CheckedKubeconfig;
use crate::clients::kubernetes::error::{KubeError, Reason};
use crate::clients::kubernetes::handshake::diagnose_handshake;
use crate::clients::request::FIRST_BYTE;
use crate::clients::request_log::RequestLog;
use crate::clients::response::clock_skew;
use crate::clock::Clock;
use crate::domain::cluster::ClusterName;
use crate::domain::failure::Failure;

/// Timeout for a complete response.
const WHOLE_ANSWER: Duration = Duration::from_mins(1);
/// Maximum size of one page of a list, in bytes.
pub const PAGE_LIMIT: usize = 64 * 1024 * 1024;
/// Maximum size of other responses and of error bodies, in bytes.
pub const ANSWER_LIMIT: usize = 1024 * 1024;
/// Marks an unknown skew.
const UNKNOWN: i64 = i64::MIN;

/// An API server and the credentials for it. `Debug` shows only the host.
pub struct Connection {
    client: kube::Client,
    access: CheckedKubeconfig,
    cluster: ClusterName,
    clock: Clock,
    /// The server's clock minus ours in seconds.
    skew: AtomicI64,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connection({})", self.access.host())
    }
}

impl Connection {
    /// Prepares a connection; nothing is sent yet.
    ///
    /// # Errors
    /// An unsupported kind of proxy.
    pub fn new(
        access: CheckedKubeconfig,
        cluster: ClusterName,
        clock: Clock,
    ) -> Result<Arc<Self>, Failure> {
        let client = kube::Client::try_from(access.config().clone()).map_err(|_may_quote| {
            KubeError::Unreachable("the configured proxy type is not supported".into())
                .failure(&cluster, access.host())
        })?;
        Ok(Arc::new(Self { client, access, cluster, clock, skew: AtomicI64::new(UNKNOWN) }))
    }

    /// The kubeconfig in use.
    pub fn access(&self) -> &CheckedKubeconfig {
        &self.access
    }

    /// The server's clock minus ours in whole seconds, once a response had a `Date` header.
    pub fn skew_seconds(&self) -> Option<i64> {
        Some(self.skew.load(Ordering::Relaxed)).filter(|skew| *skew != UNKNOWN)
    }

    /// Sends a GET and reads the complete response.
    ///
    /// # Errors
    /// Every status but success, and everything that prevents a complete response in time.
    pub async fn get(&self, path: &str) -> Result<Vec<u8>, KubeError> {
        let request = http::Request::get(path)
            .body(Vec::new())
            .map_err(|error| KubeError::Format(error.to_string()))?;
        self.read(request, ANSWER_LIMIT).await
    }

    /// Sends a read and returns its complete response, at most `limit` bytes.
    pub async fn read(
        &self,
        request: http::Request<Vec<u8>>,
        limit: usize,
    ) -> Result<Vec<u8>, KubeError> {
        let whole = async {
            let body = self.open(request).await?;
            read_body(body, limit).await
        };
        self.clock
            .timeout(WHOLE_ANSWER, whole)
            .await
            .unwrap_or(Err(KubeError::TimedOut(WHOLE_ANSWER)))
    }

    /// Sends a read and returns its body as soon as a success status arrives; for watches, which have no end.
    pub async fn open(&self, request: http::Request<Vec<u8>>) -> Result<Body, KubeError> {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let log = RequestLog::begin(&self.clock, method.as_str(), self.access.host(), &path);
        let response = self.send(request).instrument(log.span()).await;
        match &response {
            Ok(response) => log.answered(response.status().as_u16(), None),
            Err(error) => log.failed(error),
        }
        let (head, body) = response?.into_parts();
        if let Some(skew) = clock_skew(&head.headers, self.clock.now()) {
            self.skew.store(skew.as_secs(), Ordering::Relaxed);
        }
        if head.status.is_success() {
            return Ok(body);
        }
        // The status suffices if the body does not arrive.
        let text = self.clock.timeout(FIRST_BYTE, read_body(body, ANSWER_LIMIT)).await;
        let text = text.and_then(Result::ok).unwrap_or_default();
        Err(KubeError::from_answer(head.status, retry_after(&head.headers), &text))
    }

    /// Sends a request and waits for the response head.
    async fn send(
        &self,
        mut request: http::Request<Vec<u8>>,
    ) -> Result<http::Response<Body>, KubeError> {
        request.headers_mut().insert(ACCEPT_ENCODING, http::HeaderValue::from_static("identity"));
        let sending = self.client.send(request.map(Body::from));
        match self.clock.timeout(FIRST_BYTE, sending).await {
            Some(Ok(response)) => Ok(response),
            Some(Err(error)) => Err(KubeError::from_sending(error)),
            None => Err(KubeError::TimedOut(FIRST_BYTE)),
        }
    }

    /// Whether the API server is ready (`/readyz`); `None` if unknown. Any response but 401 shows that it accepts the
    /// credentials.
    ///
    /// # Errors
    /// It is unreachable, or rejects the credentials. A broken connection is diagnosed, since a server that rejects the
    /// certificate in the handshake looks unreachable.
    pub async fn ready(&self) -> Result<Option<bool>, KubeError> {
        match self.get("/readyz").await {
            Ok(_) => Ok(Some(true)),
            Err(KubeError::Status { code: 500.., .. }) => Ok(Some(false)),
            Err(KubeError::Broken(reason)) => {
                match diagnose_handshake(&self.access, &self.clock).await {
                    Some(seen) => Err(seen),
                    None => Err(KubeError::Broken(reason)),
                }
            }
            Err(error) if error.is_about_the_connection() => Err(error),
            Err(_other_answer) => Ok(None),
        }
    }

    /// The failure for the screen.
    pub fn failure(&self, error: &KubeError) -> Failure {
        error.failure(&self.cluster, self.access.host())
    }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
}

async fn read_body(mut body: Body, limit: usize) -> Result<Vec<u8>, KubeError> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| KubeError::Broken(Reason::of(error)))?;
        if let Some(data) = frame.data_ref() {
            if bytes.len().saturating_add(data.len()) > limit {
                return Err(KubeError::TooLarge(limit));
            }
            bytes.extend_from_slice(data);
        }
    }
    Ok(bytes)
}
