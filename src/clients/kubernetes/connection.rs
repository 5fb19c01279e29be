//! One connection to a cluster's API server: requests that end in time, bounded answers, and the server's clock.
//!
//! Requests go through `kube::Client::send` and not through its typed calls: those have no time limit that our
//! clock could hold, no bound on a body, and write bodies that they cannot read into the log.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use http::header::{ACCEPT_ENCODING, HeaderMap, RETRY_AFTER};
use http_body_util::BodyExt as _;
use kube::client::Body;
use tracing::Instrument as _;

use crate::clients::kubernetes::access::CheckedKubeconfig;
use crate::clients::kubernetes::error::{KubeError, Reason};
use crate::clients::kubernetes::handshake::diagnose_handshake;
use crate::clients::request::FIRST_BYTE;
use crate::clients::request_log::RequestLog;
use crate::clients::response::clock_skew;
use crate::clock::Clock;
use crate::domain::cluster::ClusterName;
use crate::domain::failure::Failure;

/// Longest wait for a whole answer.
const WHOLE_ANSWER: Duration = Duration::from_mins(1);
/// Most bytes of one page of a list.
pub const PAGE_LIMIT: usize = 64 * 1024 * 1024;
/// Most bytes of other answers and of the text of an error.
pub const ANSWER_LIMIT: usize = 1024 * 1024;
/// No skew is known.
const UNKNOWN: i64 = i64::MIN;

/// An API server and the credentials for it. `Debug` shows the host alone.
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
    /// A proxy of a kind that is not supported.
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

    /// What it connects with.
    pub fn access(&self) -> &CheckedKubeconfig {
        &self.access
    }

    /// The server's clock minus ours in whole seconds, once a response had a `Date`.
    pub fn skew_seconds(&self) -> Option<i64> {
        Some(self.skew.load(Ordering::Relaxed)).filter(|skew| *skew != UNKNOWN)
    }

    /// Asks for a path and reads the whole answer.
    ///
    /// # Errors
    /// Every status but success, and everything that prevents a whole answer in time.
    pub async fn get(&self, path: &str) -> Result<Vec<u8>, KubeError> {
        let request = http::Request::get(path)
            .body(Vec::new())
            .map_err(|error| KubeError::Format(error.to_string()))?;
        self.read(request, ANSWER_LIMIT).await
    }

    /// Sends a read and takes its whole answer, at most `limit` bytes.
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

    /// Sends a read and gives its body once a success has begun; for watches, which have no end.
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
        // The status suffices if the text does not come.
        let text = self.clock.timeout(FIRST_BYTE, read_body(body, ANSWER_LIMIT)).await;
        let text = text.and_then(Result::ok).unwrap_or_default();
        Err(KubeError::from_answer(head.status, retry_after(&head.headers), &text))
    }

    /// Sends a request and waits until the answer begins.
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

    /// Whether the API server is ready (`/readyz`); `None` when it does not say. Any answer but 401 shows that it
    /// takes the credentials.
    ///
    /// # Errors
    /// It cannot be asked, or refuses the credentials. A connection that broke is diagnosed, since a server
    /// that refuses the certificate in the handshake looks like one that is unreachable.
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
