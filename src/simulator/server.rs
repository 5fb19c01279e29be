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

use crate::simulator::Shared;
use crate::simulator::faults::{Fault, FaultEffect};
use crate::simulator::state::{RequestRecord, SimulatorState};
use crate::simulator::{projects_api, ske_api};

/// Largest request body, bytes.
pub const BODY_LIMIT: usize = 1024 * 1024;
/// Answers up to this size are kept in the ledger, bytes.
const LOGGED_ANSWER_LIMIT: usize = 256 * 1024;

/// Body of an answer.
pub type ResponseBody = http_body_util::combinators::UnsyncBoxBody<Bytes, io::Error>;

/// Takes connections until it is aborted.
pub async fn accept_connections(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        // Waiting connections that ended are let go, so that the set stays small.
        while connections.try_join_next().is_some() {}
        let Ok((stream, _)) = listener.accept().await else {
            shared.clock.sleep(Duration::from_millis(50)).await;
            continue;
        };
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            let service = service_fn(move |request| handle(Arc::clone(&shared), request));
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
pub struct ResponseDraft {
    pub status: u16,
    pub content_type: String,
    pub retry_after: Option<String>,
    pub body: Vec<u8>,
    /// The body, if it is JSON.
    pub json: Option<Value>,
}

impl ResponseDraft {
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

async fn handle(
    shared: Arc<Shared>,
    request: Request<Incoming>,
) -> io::Result<Response<ResponseBody>> {
    let method = request.method().to_string();
    let path = request.uri().path().to_owned();
    let query = parse_form(request.uri().query().unwrap_or(""));
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
    let effects = shared.lock().faults.take_effects(&method, &keys, shared.clock.now());
    apply_delays(&shared, &effects).await;
    let now = shared.clock.now();
    let mut state = shared.lock();
    let cut = |state: &mut SimulatorState| {
        state.log_request(RequestRecord {
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
    if effects.iter().any(|effect| matches!(effect, FaultEffect::Drop {})) {
        return cut(&mut state);
    }
    let draft = injected_response(&effects).unwrap_or_else(|| {
        let request = HttpRequest { method: &method, path: &path, query: &query, body: &body };
        dispatch(&mut state, &request, bearer.as_deref(), &effects, now)
    });
    if effects.iter().any(|effect| matches!(effect, FaultEffect::DropAfter {})) {
        return cut(&mut state);
    }
    state.ports.serve_new_ports(&shared);
    if path.starts_with("/_simulator/") {
        shared.notify_all();
    }
    let trace = state.rng.hex(32);
    state.log_request(RequestRecord {
        at: now,
        method,
        path,
        query,
        status: Some(draft.status),
        body: serde_json::from_slice(&body).ok(),
        answer: draft.json.clone().filter(|_| draft.body.len() <= LOGGED_ANSWER_LIMIT),
    });
    drop(state);
    build_response(draft, &effects, ("x-trace-id", &trace), now)
}

/// Holds a request as long as ordered delays say.
pub async fn apply_delays(shared: &Shared, effects: &[FaultEffect]) {
    for effect in effects {
        if let FaultEffect::Delay { milliseconds } = effect {
            shared.delayed.fetch_add(1, Ordering::SeqCst);
            let delayed = DelayedRequest(shared);
            shared.clock.sleep(Duration::from_millis(*milliseconds)).await;
            drop(delayed);
        }
    }
}

/// Counts a held request down even when its connection goes away.
struct DelayedRequest<'a>(&'a Shared);

impl Drop for DelayedRequest<'_> {
    fn drop(&mut self) {
        self.0.delayed.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The answer that was ordered instead of the true one.
pub fn injected_response(effects: &[FaultEffect]) -> Option<ResponseDraft> {
    effects.iter().find_map(|effect| match effect {
        FaultEffect::Answer { status, body, retry_after, content_type } => Some(ResponseDraft {
            status: *status,
            content_type: content_type.clone(),
            retry_after: retry_after.clone(),
            body: body.clone().into_bytes(),
            json: None,
        }),
        FaultEffect::Huge { bytes } => Some(ResponseDraft {
            status: 200,
            content_type: "application/json".to_owned(),
            retry_after: None,
            body: vec![b' '; *bytes],
            json: None,
        }),
        FaultEffect::Delay { .. }
        | FaultEffect::Drop {}
        | FaultEffect::DropAfter {}
        | FaultEffect::Truncate { .. }
        | FaultEffect::UnknownValues {}
        | FaultEffect::Stale { .. }
        | FaultEffect::Reverse {}
        | FaultEffect::Kubeconfig { .. }
        | FaultEffect::DefectiveKubeconfig { .. }
        | FaultEffect::Unreachable { .. }
        | FaultEffect::RefuseHandshake {}
        | FaultEffect::CutWatches { .. }
        | FaultEffect::Compact {}
        | FaultEffect::RefuseNewCertificates { .. }
        | FaultEffect::Forbid {}
        | FaultEffect::StripLabels {}
        | FaultEffect::EscapeBytes {}
        | FaultEffect::ClockSkew { .. } => None,
    })
}

struct HttpRequest<'a> {
    method: &'a str,
    path: &'a str,
    query: &'a [(String, String)],
    body: &'a [u8],
}

fn dispatch(
    state: &mut SimulatorState,
    request: &HttpRequest<'_>,
    bearer: Option<&str>,
    effects: &[FaultEffect],
    now: Timestamp,
) -> ResponseDraft {
    let parts: Vec<&str> = request.path.split('/').filter(|part| !part.is_empty()).collect();
    let (status, json) = match (request.method, parts.as_slice()) {
        ("POST", ["token"]) => {
            let form = parse_form(&String::from_utf8_lossy(request.body));
            state.tokens.exchange(&form, now)
        }
        ("POST", ["_simulator", "faults"]) => match serde_json::from_slice::<Fault>(request.body) {
            Ok(fault) => {
                state.faults.add(fault, now);
                (202, serde_json::json!({}))
            }
            Err(error) => ske_api::error(400, "InvalidArgument", &error.to_string()),
        },
        ("DELETE", ["_simulator", "faults"]) => {
            state.faults.clear();
            (200, serde_json::json!({}))
        }
        (_, ["v2", path @ ..]) => {
            let open = matches!(path, ["regions", _, "provider-options"]);
            if !open && !bearer.is_some_and(|bearer| state.tokens.accepts(bearer, now)) {
                ske_api::error(401, "Unauthenticated", "the token is missing, unknown or expired")
            } else {
                projects_api::route(state, request.method, path, request.query)
                    .or_else(|| {
                        ske_api::route(state, request.method, path, request.body, effects, now)
                    })
                    .unwrap_or_else(|| ske_api::error(404, "NotFound", "Not Found"))
            }
        }
        ("GET", ["v1", "projects", project, "clusters", name, "credentials"]) => {
            if bearer.is_some_and(|bearer| state.tokens.accepts(bearer, now)) {
                ske_api::old_credentials(state, project, name)
            } else {
                ske_api::error(401, "Unauthenticated", "the token is missing, unknown or expired")
            }
        }
        _ => ske_api::error(404, "NotFound", "Not Found"),
    };
    ResponseDraft::json(status, json)
}

/// Makes the response; what is cut is cut here.
///
/// # Errors
/// A header cannot be written.
pub fn build_response(
    draft: ResponseDraft,
    effects: &[FaultEffect],
    (trace_name, trace): (&str, &str),
    now: Timestamp,
) -> io::Result<Response<ResponseBody>> {
    let truncate = effects.iter().find_map(|effect| {
        if let FaultEffect::Truncate { bytes } = effect { Some(*bytes) } else { None }
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
    let body: ResponseBody = match truncate {
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
pub fn parse_form(text: &str) -> Vec<(String, String)> {
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
