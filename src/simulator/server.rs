//! HTTP on loopback: takes requests, lets ordered faults act on them, hands them to the APIs.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::StreamExt;
use http_body_util::{BodyExt, Full, Limited, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use serde_json::Value;
use tokio::net::TcpListener;

use crate::simulator::Inner;
use crate::simulator::faults::{Effect, Fault};
use crate::simulator::state::{Call, Shared};
use crate::simulator::{projects_api, ske_api};

/// Largest request body, bytes.
pub const BODY_LIMIT: usize = 1024 * 1024;
/// Answers up to this size are kept in the ledger, bytes.
const KEPT_ANSWER: usize = 256 * 1024;

/// Body of an answer.
pub type Body = http_body_util::combinators::UnsyncBoxBody<Bytes, io::Error>;

/// Takes connections until it is aborted.
pub async fn accept(listener: TcpListener, inner: Arc<Inner>) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        // Waiting connections that ended are let go, so that the set stays small.
        while connections.try_join_next().is_some() {}
        let Ok((stream, _)) = listener.accept().await else {
            inner.clock.sleep(Duration::from_millis(50)).await;
            continue;
        };
        let inner = Arc::clone(&inner);
        connections.spawn(async move {
            let service = service_fn(move |request| answer(Arc::clone(&inner), request));
            // A connection that breaks is the client's matter.
            drop(
                hyper::server::conn::http1::Builder::new()
                    .auto_date_header(false)
                    .serve_connection(TokioIo::new(stream), service)
                    .await,
            );
        });
    }
}

/// An answer before it is sent.
pub struct Draft {
    pub status: u16,
    pub content_type: String,
    pub retry_after: Option<String>,
    pub body: Vec<u8>,
    /// The body, if it is JSON.
    pub json: Option<Value>,
}

impl Draft {
    /// An answer in JSON.
    pub fn json(status: u16, json: Value) -> Self {
        Self {
            status,
            content_type: "application/json".to_owned(),
            retry_after: None,
            body: json.to_string().into_bytes(),
            json: Some(json),
        }
    }
}

async fn answer(inner: Arc<Inner>, request: Request<Incoming>) -> io::Result<Response<Body>> {
    let method = request.method().to_string();
    let path = request.uri().path().to_owned();
    let query = pairs(request.uri().query().unwrap_or(""));
    let bearer = request
        .headers()
        .get("authorization")
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .map(str::to_owned);
    let body = match Limited::new(request.into_body(), BODY_LIMIT).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => return Err(io::Error::other(error)),
    };
    let keys = [path.clone()];
    let effects = inner.lock().faults.effects(&method, &keys, inner.clock.now());
    hold(&inner, &effects).await;
    let now = inner.clock.now();
    let mut shared = inner.lock();
    let cut = |shared: &mut Shared| {
        shared.note(Call {
            at: now,
            method: method.clone(),
            path: path.clone(),
            query: query.clone(),
            status: None,
            body: serde_json::from_slice(&body).ok(),
            answer: None,
        });
        Err(io::Error::from(io::ErrorKind::ConnectionReset))
    };
    if effects.iter().any(|effect| matches!(effect, Effect::Drop {})) {
        return cut(&mut shared);
    }
    let draft = ordered(&effects).unwrap_or_else(|| {
        let asked = Asked { method: &method, path: &path, query: &query, body: &body };
        dispatch(&mut shared, &asked, bearer.as_deref(), &effects, now)
    });
    if effects.iter().any(|effect| matches!(effect, Effect::DropAfter {})) {
        return cut(&mut shared);
    }
    shared.doors.serve_fresh(&inner);
    if path.starts_with("/_simulator/") {
        inner.pulse();
    }
    let trace = shared.dice.hex(32);
    shared.note(Call {
        at: now,
        method,
        path,
        query,
        status: Some(draft.status),
        body: serde_json::from_slice(&body).ok(),
        answer: draft.json.clone().filter(|_| draft.body.len() <= KEPT_ANSWER),
    });
    drop(shared);
    finish(draft, &effects, ("x-trace-id", &trace), now)
}

/// Holds a request as long as ordered delays say.
pub async fn hold(inner: &Inner, effects: &[Effect]) {
    for effect in effects {
        if let Effect::Delay { milliseconds } = effect {
            inner.parked.fetch_add(1, Ordering::SeqCst);
            let parked = Parked(inner);
            inner.clock.sleep(Duration::from_millis(*milliseconds)).await;
            drop(parked);
        }
    }
}

/// Counts a held request down even when its connection goes away.
struct Parked<'a>(&'a Inner);

impl Drop for Parked<'_> {
    fn drop(&mut self) {
        self.0.parked.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The answer that was ordered instead of the true one.
pub fn ordered(effects: &[Effect]) -> Option<Draft> {
    effects.iter().find_map(|effect| match effect {
        Effect::Answer { status, body, retry_after, content_type } => Some(Draft {
            status: *status,
            content_type: content_type.clone(),
            retry_after: retry_after.clone(),
            body: body.clone().into_bytes(),
            json: None,
        }),
        Effect::Huge { bytes } => Some(Draft {
            status: 200,
            content_type: "application/json".to_owned(),
            retry_after: None,
            body: vec![b' '; *bytes],
            json: None,
        }),
        Effect::Delay { .. }
        | Effect::Drop {}
        | Effect::DropAfter {}
        | Effect::Truncate { .. }
        | Effect::UnknownWords {}
        | Effect::Stale { .. }
        | Effect::Reverse {}
        | Effect::Kubeconfig { .. }
        | Effect::StrangeKubeconfig { .. }
        | Effect::Away { .. }
        | Effect::RefuseHandshake {}
        | Effect::CutWatches { .. }
        | Effect::Compact {}
        | Effect::RefuseFresh { .. }
        | Effect::Forbid {}
        | Effect::StripLabels {}
        | Effect::EscapeBytes {}
        | Effect::ClockSkew { .. } => None,
    })
}

struct Asked<'a> {
    method: &'a str,
    path: &'a str,
    query: &'a [(String, String)],
    body: &'a [u8],
}

fn dispatch(
    shared: &mut Shared,
    asked: &Asked<'_>,
    bearer: Option<&str>,
    effects: &[Effect],
    now: Timestamp,
) -> Draft {
    let parts: Vec<&str> = asked.path.split('/').filter(|part| !part.is_empty()).collect();
    let (status, json) = match (asked.method, parts.as_slice()) {
        ("POST", ["token"]) => {
            let form = pairs(&String::from_utf8_lossy(asked.body));
            shared.tokens.exchange(&form, now)
        }
        ("POST", ["_simulator", "faults"]) => match serde_json::from_slice::<Fault>(asked.body) {
            Ok(fault) => {
                shared.faults.order(fault, now);
                (202, serde_json::json!({}))
            }
            Err(error) => ske_api::error(400, "InvalidArgument", &error.to_string()),
        },
        ("DELETE", ["_simulator", "faults"]) => {
            shared.faults.clear();
            (200, serde_json::json!({}))
        }
        (_, ["v2", path @ ..]) => {
            if bearer.is_some_and(|bearer| shared.tokens.accepts(bearer, now)) {
                projects_api::route(shared, asked.method, path, asked.query)
                    .or_else(|| {
                        ske_api::route(shared, asked.method, path, asked.body, effects, now)
                    })
                    .unwrap_or_else(|| ske_api::error(404, "NotFound", "Not Found"))
            } else {
                ske_api::error(401, "Unauthenticated", "the token is missing, unknown or expired")
            }
        }
        ("GET", ["v1", "projects", project, "clusters", name, "credentials"]) => {
            if bearer.is_some_and(|bearer| shared.tokens.accepts(bearer, now)) {
                ske_api::old_credentials(shared, project, name)
            } else {
                ske_api::error(401, "Unauthenticated", "the token is missing, unknown or expired")
            }
        }
        _ => ske_api::error(404, "NotFound", "Not Found"),
    };
    Draft::json(status, json)
}

/// Makes the response; what is cut is cut here.
///
/// # Errors
/// A header cannot be written.
pub fn finish(
    draft: Draft,
    effects: &[Effect],
    (trace_name, trace): (&str, &str),
    now: Timestamp,
) -> io::Result<Response<Body>> {
    let truncate = effects.iter().find_map(|effect| {
        if let Effect::Truncate { bytes } = effect { Some(*bytes) } else { None }
    });
    let length = draft.body.len();
    let mut response = Response::builder()
        .status(draft.status)
        .header("content-type", draft.content_type)
        .header("content-length", length)
        .header("date", now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string())
        .header(trace_name, trace);
    if let Some(retry_after) = draft.retry_after {
        response = response.header("retry-after", retry_after);
    }
    let body: Body = match truncate {
        Some(bytes) => {
            let part = Bytes::from(draft.body.into_iter().take(bytes).collect::<Vec<u8>>());
            // The head and the part are on their way before the connection breaks.
            let cut = futures_util::stream::once(async {
                tokio::task::yield_now().await;
                Err(io::Error::from(io::ErrorKind::ConnectionReset))
            });
            let frames = futures_util::stream::iter([Ok(Frame::data(part))]).chain(cut);
            BodyExt::boxed_unsync(StreamBody::new(Box::pin(frames)))
        }
        None => Full::new(Bytes::from(draft.body)).map_err(|never| match never {}).boxed_unsync(),
    };
    response.body(body).map_err(io::Error::other)
}

/// Names and values of a query or form.
pub fn pairs(text: &str) -> Vec<(String, String)> {
    text.split('&')
        .filter(|part| !part.is_empty())
        .map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            (unescape(name), unescape(value))
        })
        .collect()
}

fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let escaped = |rest: &mut std::str::Bytes<'_>| {
            let digits = [rest.next()?, rest.next()?];
            u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()
        };
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => bytes.extend(escaped(&mut rest)),
            other => bytes.push(other),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
