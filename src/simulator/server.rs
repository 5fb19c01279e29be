//! The HTTP server of the cloud's own APIs, and of the fault injection interface.

use std::io;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::simulator::faults::{Fault, FaultEffect, find_effect};
use crate::simulator::http::{
    HttpRequest, JsonResponse, ResponseBody, ResponseDraft, accept, parse_form,
};
use crate::simulator::kubernetes::listener::serve_new_ports;
use crate::simulator::rules::ApiError;
use crate::simulator::state::{RequestRecord, Shared, SimulatorState};
use crate::simulator::{projects_api, ske_api};

/// Maximum size of a body, in bytes.
const BODY_LIMIT: usize = 1024 * 1024;
/// Maximum size of a logged response, in bytes.
const LOGGED_ANSWER_LIMIT: usize = 256 * 1024;

/// Accepts connections until it is aborted.
pub async fn accept_connections(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        // Removes closed connections.
        while connections.try_join_next().is_some() {}
        let stream = accept(&shared.clock, || listener.accept()).await;
        let shared = Arc::clone(&shared);
        let service = service_fn(move |request| handle(Arc::clone(&shared), request));
        let mut server = http1::Builder::new();
        server.auto_date_header(false);
        connections.spawn(async move {
            // Connection errors affect only their client.
            drop(server.serve_connection(TokioIo::new(stream), service).await);
        });
    }
}

async fn handle(
    shared: Arc<Shared>,
    incoming: Request<Incoming>,
) -> io::Result<Response<ResponseBody>> {
    let request = HttpRequest::read(incoming, BODY_LIMIT).await?;
    // Faults must stay removable.
    let (effects, now) = if request.path.starts_with("/_simulator/") {
        (Vec::new(), shared.clock.now())
    } else {
        shared.receive(&request.method, std::slice::from_ref(&request.path)).await
    };
    let mut state = shared.lock();
    let drops = find_effect!(effects, FaultEffect::Drop {} => ()).is_some();
    let drops_response = find_effect!(effects, FaultEffect::DropAfter {} => ()).is_some();
    let response = (!drops)
        .then(|| {
            ResponseDraft::injected(&effects)
                .or_else(|| refused(&state, &request))
                .unwrap_or_else(|| dispatch(&mut state, &request, &effects, now).into())
        })
        .filter(|_| !drops_response);
    let logged = response.as_ref().filter(|draft| draft.body.len() <= LOGGED_ANSWER_LIMIT);
    let notifies = request.path.starts_with("/_simulator/");
    let status = response.as_ref().map(|draft| draft.status);
    let record = RequestRecord {
        answer: logged.and_then(|draft| serde_json::from_slice(&draft.body).ok()),
        ..RequestRecord::new(now, request.path.clone(), request, status)
    };
    state.log_request(record);
    serve_new_ports(&mut state, &shared);
    if notifies {
        shared.notify_all();
    }
    let response = response.ok_or(io::ErrorKind::ConnectionReset)?;
    let trace = state.rng.hex(32);
    drop(state);
    response.build(&effects, ("x-trace-id", &trace), now)
}

/// The rejection of requests that must not reach any API.
fn refused(state: &SimulatorState, request: &HttpRequest) -> Option<ResponseDraft> {
    if request.is_of_another_site(state.ports.host) {
        let message = "the Host or Origin of the request is not the simulator's";
        let answer: JsonResponse = ApiError::new(403, "PermissionDenied", message).into();
        return Some(answer.into());
    }
    let allow = methods(&request.segments())?;
    if allow.split(", ").any(|method| method == request.method) {
        return None;
    }
    let message = format!("the methods of this path are {allow}");
    let answer: JsonResponse = ApiError::new(405, "Unimplemented", message).into();
    Some(ResponseDraft { allow: Some(allow), ..answer.into() })
}

/// The allowed methods of a path; `None` if there is no such path.
fn methods(path: &[&str]) -> Option<&'static str> {
    let rest = match path {
        ["token"] | ["oauth", "v2", "token"] => return Some("POST"),
        ["_simulator", "faults"] => return Some("DELETE, POST"),
        ["v1", "projects", _, "clusters", _, "credentials"]
        | ["v2", "projects" | "organizations" | "folders"]
        | ["v2", "projects", _]
        | ["v2", "users", _, "permissions" | "memberships"]
        | ["v2", "regions", _, "provider-options"] => return Some("GET"),
        ["v2", "projects", _, "regions", _, "clusters", rest @ ..] => rest,
        _ => return None,
    };
    match rest {
        [] | [_, "kubeconfig", "login" | "idp"] => Some("GET"),
        [_] => Some("DELETE, GET, PUT"),
        [
            _,
            "complete-credentials-rotation"
            | "hibernate"
            | "kubeconfig"
            | "maintenance"
            | "reconcile"
            | "start-credentials-rotation"
            | "wakeup",
        ] => Some("POST"),
        _ => None,
    }
}

fn dispatch(
    state: &mut SimulatorState,
    request: &HttpRequest,
    effects: &[FaultEffect],
    now: Timestamp,
) -> JsonResponse {
    let HttpRequest { method, query, bearer, body, .. } = request;
    let authenticated = bearer.as_ref().is_some_and(|bearer| state.tokens.is_valid(bearer, now));
    let not_found = || ApiError::not_found("Not Found").into();
    if request.too_large {
        return ApiError::new(413, "Invalid argument", "the body is too large").into();
    }
    match (method.as_str(), request.segments().as_slice()) {
        ("POST", ["token"]) => state.tokens.exchange(&parse_form(body), now),
        ("POST", ["oauth", "v2", "token"]) => state.tokens.federate(&parse_form(body), now),
        (_, ["_simulator", "faults"]) if bearer.as_ref() != Some(&state.fault_token) => {
            let message = "faults need the bearer that SKEYS_SIMULATOR_TOKEN has";
            ApiError::new(401, "Unauthenticated", message).into()
        }
        ("POST", ["_simulator", "faults"]) => {
            let fault = serde_json::from_slice::<Fault>(body).map_err(|error| error.to_string());
            match fault.and_then(|fault| fault.check().map(|()| fault)) {
                Ok(fault) => {
                    state.faults.add(fault, now);
                    (202, json!({}))
                }
                Err(why) => ApiError::invalid_argument(why).into(),
            }
        }
        ("DELETE", ["_simulator", "faults"]) => {
            state.faults.clear();
            (200, json!({}))
        }
        (_, ["v2", path @ ..]) if authenticated => {
            projects_api::route(&state.cloud, method, path, query)
                .or_else(|| ske_api::route(state, method, path, query, body, effects, now))
                .unwrap_or_else(not_found)
        }
        ("GET", ["v1", "projects", project, "clusters", name, "credentials"]) if authenticated => {
            ske_api::static_credentials(state, project, name)
        }
        (_, ["v2", ..]) | ("GET", ["v1", "projects", _, "clusters", _, "credentials"]) => {
            ApiError::new(401, "Unauthenticated", "the token is missing, unknown or expired").into()
        }
        _ => not_found(),
    }
}
