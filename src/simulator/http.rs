//! Shared code of the simulator's HTTP servers: reading requests, and building responses with injected faults.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures_util::StreamExt;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::http::HeaderValue;
use hyper::http::uri::Authority;
use hyper::{HeaderMap, Request, Response, Uri};
use jiff::Timestamp;
use serde_json::Value;

use crate::clock::Clock;
use crate::simulator::faults::{FaultEffect, find_effect};

/// Pause after a failed accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Body of a response.
pub type ResponseBody = UnsyncBoxBody<Bytes, io::Error>;

/// Status and body of a JSON response.
pub type JsonResponse = (u16, Value);

/// A response before it is built.
pub struct ResponseDraft {
    pub status: u16,
    pub content_type: String,
    pub retry_after: Option<String>,
    /// Allowed methods of the path, if another one was used.
    pub allow: Option<&'static str>,
    /// Texts of `Warning` headers.
    pub warnings: Vec<String>,
    pub body: Vec<u8>,
}

impl ResponseDraft {
    /// A response without `Retry-After`.
    pub fn new(status: u16, content_type: &str, body: String) -> Self {
        let (content_type, body) = (content_type.to_owned(), body.into_bytes());
        let (retry_after, allow, warnings) = (None, None, Vec::new());
        Self { status, content_type, retry_after, allow, warnings, body }
    }

    /// The response injected by a fault, if any.
    pub fn injected(effects: &[FaultEffect]) -> Option<Self> {
        find_effect!(effects, FaultEffect::Answer { status, body, retry_after, content_type } => {
            let retry_after = retry_after.clone();
            Self { retry_after, ..Self::new(*status, content_type, body.clone()) }
        })
        .or_else(|| {
            find_effect!(effects, FaultEffect::Huge { bytes } => {
                Self::new(200, "application/json", " ".repeat(*bytes))
            })
        })
    }

    /// The response to send; a fault may truncate its body.
    pub fn build(
        self,
        effects: &[FaultEffect],
        (trace_header, trace): (&str, &str),
        now: Timestamp,
    ) -> io::Result<Response<ResponseBody>> {
        let mut response = Response::builder()
            .status(self.status)
            .header("content-type", self.content_type)
            .header("content-length", self.body.len())
            .header("date", date_header(now))
            .header(trace_header, trace);
        if let Some(retry_after) = self.retry_after {
            response = response.header("retry-after", retry_after);
        }
        if let Some(allow) = self.allow {
            response = response.header("allow", allow);
        }
        for warning in &self.warnings {
            let text = warning.replace('\\', "\\\\").replace('"', "\\\"");
            response = response.header("warning", format!("299 - \"{text}\""));
        }
        let mut body = self.body;
        let body = match find_effect!(effects, FaultEffect::Truncate { bytes } => *bytes) {
            Some(bytes) => {
                body.truncate(bytes);
                // The head and the rest of the body must be sent before the connection breaks.
                let reset = futures_util::stream::once(async {
                    tokio::task::yield_now().await;
                    Err(io::ErrorKind::ConnectionReset.into())
                });
                let frames = futures_util::stream::iter([Ok(Frame::data(Bytes::from(body)))]);
                BodyExt::boxed_unsync(StreamBody::new(Box::pin(frames.chain(reset))))
            }
            None => Full::new(Bytes::from(body)).map_err(|never| match never {}).boxed_unsync(),
        };
        response.body(body).map_err(io::Error::other)
    }
}

impl From<JsonResponse> for ResponseDraft {
    fn from((status, json): JsonResponse) -> Self {
        let retry_after = json.pointer("/details/retryAfterSeconds").map(Value::to_string);
        Self { retry_after, ..Self::new(status, "application/json", json.to_string()) }
    }
}

/// Value of the `Date` header.
pub fn date_header(now: Timestamp) -> String {
    now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// A request.
#[derive(Debug, Clone, Default)]
pub struct HttpRequest {
    pub method: String,
    pub path: String,
    pub query: Vec<(String, String)>,
    pub bearer: Option<String>,
    pub accept: String,
    pub content_type: String,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    /// Whether the body exceeded the limit and was dropped.
    pub too_large: bool,
}

impl HttpRequest {
    /// Reads a request with a body of at most `limit` bytes; an error if the connection broke.
    pub async fn read(incoming: Request<Incoming>, limit: usize) -> io::Result<Self> {
        let (head, mut incoming) = incoming.into_parts();
        let header = |name: &str| {
            let value = head.headers.get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or_default()
        };
        let (mut body, mut too_large) = (Vec::new(), false);
        while let Some(frame) = incoming.frame().await {
            let Ok(data) = frame.map_err(io::Error::other)?.into_data() else { continue };
            // An oversized body is read but not kept, so that the client receives the response.
            too_large |= body.len() + data.len() > limit;
            if too_large {
                body.clear();
            } else {
                body.extend_from_slice(&data);
            }
        }
        Ok(Self {
            method: head.method.to_string(),
            path: percent_encoding::percent_decode_str(head.uri.path())
                .decode_utf8_lossy()
                .into_owned(),
            query: parse_form(head.uri.query().unwrap_or("").as_bytes()),
            bearer: header("authorization")
                .split_once(' ')
                .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
                // Like Kubernetes: the text before the next blank, if any.
                .map(|(_, rest)| rest.split(' ').next().unwrap_or_default().to_owned()),
            accept: header("accept").to_owned(),
            content_type: header("content-type").to_owned(),
            headers: head.headers.clone(),
            body,
            too_large,
        })
    }

    /// Whether another site's web page sent it, or the host name is not this machine's: a page can resolve its own name
    /// to this address.
    pub fn is_of_another_site(&self, host: IpAddr) -> bool {
        let is_ours = |authority: Option<&Authority>| {
            let name = authority.map_or("", Authority::host).trim_matches(['[', ']']);
            match name.parse::<IpAddr>() {
                Ok(address) => address == host || address.is_loopback() && host.is_loopback(),
                Err(_) => name == "localhost" && host.is_loopback(),
            }
        };
        let header = |name: &str| self.headers.get(name).map(HeaderValue::as_bytes);
        let host = header("host").map(|text| Authority::try_from(text).ok());
        let origin = header("origin").map(|text| Uri::try_from(text).ok());
        host.is_some_and(|host| !is_ours(host.as_ref()))
            || origin.is_some_and(|origin| !is_ours(origin.as_ref().and_then(Uri::authority)))
    }

    /// The non-empty segments of the path.
    pub fn segments(&self) -> Vec<&str> {
        self.path.split('/').filter(|segment| !segment.is_empty()).collect()
    }
}

/// Accepts the next connection of a listener. If that fails, as without a free file descriptor, it retries after a
/// pause.
pub async fn accept<T, F>(clock: &Clock, next: impl Fn() -> F) -> T
where
    F: Future<Output = io::Result<(T, SocketAddr)>>,
{
    loop {
        match next().await {
            Ok((stream, _)) => return stream,
            Err(_) => clock.sleep(ACCEPT_PAUSE).await,
        }
    }
}

/// Names and values of a query or form.
pub fn parse_form(text: &[u8]) -> Vec<(String, String)> {
    form_urlencoded::parse(text).into_owned().collect()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::io;
    use std::task::Poll;

    use jiff::Timestamp;

    use crate::clock::Clock;
    use crate::simulator::http::{ACCEPT_PAUSE, accept};

    #[tokio::test]
    async fn sim_07_connections_that_cannot_be_accepted_are_tried_again_after_a_pause() {
        let (clock, tries) = (Clock::manual(Timestamp::UNIX_EPOCH), Cell::new(0));
        let next = || {
            tries.set(tries.get() + 1);
            let address = ([127, 0, 0, 1], 0).into();
            let no_descriptor =
                io::Error::from_raw_os_error(rustix::io::Errno::MFILE.raw_os_error());
            std::future::ready(if tries.get() < 4 { Err(no_descriptor) } else { Ok(((), address)) })
        };
        let mut accepted = Box::pin(accept(&clock, next));
        for tried in 1..4 {
            assert_eq!(futures_util::poll!(&mut accepted), Poll::Pending);
            assert_eq!(futures_util::poll!(&mut accepted), Poll::Pending);
            assert_eq!(tries.get(), tried);
            clock.turn(ACCEPT_PAUSE);
        }
        assert_eq!(futures_util::poll!(&mut accepted), Poll::Ready(()));
    }
}
