//! What the simulator's HTTP servers share: reading requests, and building responses with injected faults.

use std::io;

use futures_util::StreamExt;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::{HeaderMap, Request, Response};
use jiff::Timestamp;
use serde_json::Value;

use crate::simulator::faults::{FaultEffect, find_effect};

/// Body of a response.
pub type ResponseBody = UnsyncBoxBody<Bytes, io::Error>;

/// Status and body of a JSON response.
pub type JsonResponse = (u16, Value);

/// A response before it is sent.
pub struct ResponseDraft {
    pub status: u16,
    pub content_type: String,
    pub retry_after: Option<String>,
    /// Texts of `Warning` headers.
    pub warnings: Vec<String>,
    pub body: Vec<u8>,
}

impl ResponseDraft {
    /// A response without `Retry-After`.
    pub fn new(status: u16, content_type: &str, body: String) -> Self {
        let (content_type, body) = (content_type.to_owned(), body.into_bytes());
        Self { status, content_type, retry_after: None, warnings: Vec::new(), body }
    }

    /// The response that a fault injects instead of the true one.
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
        for warning in &self.warnings {
            let text = warning.replace('\\', "\\\\").replace('"', "\\\"");
            response = response.header("warning", format!("299 - \"{text}\""));
        }
        let mut body = self.body;
        let body = match find_effect!(effects, FaultEffect::Truncate { bytes } => *bytes) {
            Some(bytes) => {
                body.truncate(bytes);
                // The head and the rest of the body are sent before the connection breaks.
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

/// Value of the header `Date`.
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
    /// Whether the body was longer than the limit, and is left out.
    pub too_large: bool,
}

impl HttpRequest {
    /// Reads a request with a body of so many bytes at most; an error if the connection broke.
    pub async fn read(incoming: Request<Incoming>, limit: usize) -> io::Result<Self> {
        let (head, mut incoming) = incoming.into_parts();
        let header = |name: &str| {
            let value = head.headers.get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or_default()
        };
        let (mut body, mut too_large) = (Vec::new(), false);
        while let Some(frame) = incoming.frame().await {
            let Ok(data) = frame.map_err(io::Error::other)?.into_data() else { continue };
            // What is too much is read, but not kept, so that the client gets to read the answer.
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
                .map(|(_, token)| token.trim().to_owned()),
            accept: header("accept").to_owned(),
            content_type: header("content-type").to_owned(),
            headers: head.headers.clone(),
            body,
            too_large,
        })
    }

    /// The segments of the path.
    pub fn segments(&self) -> Vec<&str> {
        self.path.split('/').filter(|segment| !segment.is_empty()).collect()
    }
}

/// Names and values of a query or form.
pub fn parse_form(text: &[u8]) -> Vec<(String, String)> {
    form_urlencoded::parse(text).into_owned().collect()
}
