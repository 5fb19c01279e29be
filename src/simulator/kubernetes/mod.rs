//! A Kubernetes API per simulated cluster, over TLS: a thin skin over `cluster`.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "effects that are not about this answer are ignored"
)]

mod authenticate;
mod change_objects;
mod discovery;
mod json;
pub mod listener;
mod object_view;
mod object_writer;
mod patch;
mod protobuf;
mod read_objects;
mod render;
mod render_node;
mod render_pod;
mod render_service;
mod request;
mod resources;
mod review;
mod selectors;
mod status;
mod table;
mod tls;
mod watch;

use std::io;
use std::sync::Arc;

use http_body_util::{BodyExt, Limited, StreamBody};
use hyper::body::Incoming;
use hyper::{Request, Response};
use jiff::{SignedDuration, Timestamp};
use rustls::pki_types::CertificateDer;
use serde_json::{Value, json};

use crate::domain::cluster::ClusterId;
use crate::simulator::Shared;
use crate::simulator::cluster::SimulatedCluster;
use crate::simulator::cluster::objects::ObjectKind;
use crate::simulator::faults::{FaultEffect, kubernetes_paths};
use crate::simulator::kubernetes::authenticate::{PresentedCredentials, UserInfo, authenticate};
use crate::simulator::kubernetes::object_view::ObjectView;
use crate::simulator::kubernetes::read_objects::{ReadOutcome, WatchOptions};
use crate::simulator::kubernetes::request::{ApiRequest, RequestTarget};
use crate::simulator::kubernetes::status::ApiResponse;
use crate::simulator::kubernetes::tls::TlsMaterial;
use crate::simulator::kubernetes::watch::WatchStream;
use crate::simulator::server::{
    BODY_LIMIT, ResponseBody, ResponseDraft, apply_delays, build_response, injected_response,
    parse_form,
};
use crate::simulator::state::{RequestRecord, SimulatorState};

/// What the requests of one connection have in common.
#[derive(Debug)]
pub struct ApiConnection {
    /// Client certificate and what came with it.
    pub chain: Vec<CertificateDer<'static>>,
    /// The rollout of the API server that took it.
    pub material: TlsMaterial,
}

/// What a request comes to.
enum RequestOutcome {
    Answer(ResponseDraft),
    Watch(Box<WatchOptions>),
    /// The connection ends without an answer.
    Cut,
}

/// Answers one request to a cluster's API.
///
/// # Errors
/// The connection is to be closed.
pub(in crate::simulator) async fn handle(
    shared: Arc<Shared>,
    id: ClusterId,
    connection: Arc<ApiConnection>,
    incoming: Request<Incoming>,
) -> io::Result<Response<ResponseBody>> {
    let header = |name: &str| {
        let value = incoming.headers().get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let mut request = ApiRequest {
        method: incoming.method().to_string(),
        path: incoming.uri().path().to_owned(),
        query: parse_form(incoming.uri().query().unwrap_or("")),
        accept: header("accept"),
        content_type: header("content-type"),
        body: Vec::new(),
    };
    let bearer = header("authorization").strip_prefix("Bearer ").map(str::to_owned);
    request.body = match Limited::new(incoming.into_body(), BODY_LIMIT).collect().await {
        Ok(body) => body.to_bytes().to_vec(),
        Err(error) => return Err(io::Error::other(error)),
    };
    let keys = kubernetes_paths(&id, &request.path);
    let effects = shared.lock().faults.take_effects(&request.method, &keys, shared.clock.now());
    apply_delays(&shared, &effects).await;
    let now = shared.clock.now();
    let is = |wanted: fn(&FaultEffect) -> bool| effects.iter().any(wanted);
    let mut state = shared.lock();
    let outcome = if is(|effect| matches!(effect, FaultEffect::Drop {})) {
        RequestOutcome::Cut
    } else {
        let presented =
            PresentedCredentials { chain: &connection.chain, bearer: bearer.as_deref() };
        dispatch(&mut state, &id, &connection, &presented, &request, &effects, now)
    };
    let outcome = if is(|effect| matches!(effect, FaultEffect::DropAfter {})) {
        RequestOutcome::Cut
    } else {
        outcome
    };
    let status = match &outcome {
        RequestOutcome::Answer(draft) => Some(draft.status),
        RequestOutcome::Watch(_) => Some(200),
        RequestOutcome::Cut => None,
    };
    state.log_request(RequestRecord {
        at: now,
        method: request.method.clone(),
        path: format!("/kubernetes/{}/{}/{}{}", id.project(), id.region(), id.name, request.path),
        query: request.query.clone(),
        status,
        body: serde_json::from_slice(&request.body).ok(),
        answer: None,
    });
    match outcome {
        RequestOutcome::Cut => Err(io::Error::from(io::ErrorKind::ConnectionReset)),
        RequestOutcome::Answer(draft) => {
            let trace = state.rng.hex(32);
            drop(state);
            build_response(draft, &effects, ("audit-id", &trace), view(&effects, now).clock())
        }
        RequestOutcome::Watch(options) => {
            let cut = effects.iter().find_map(|effect| match effect {
                FaultEffect::CutWatches { seconds } => Some(*seconds),
                _ => None,
            });
            state.watches_begun += 1;
            let number = state.watches_begun;
            let stream = state
                .cloud
                .cluster(&id)
                .map(|cluster| WatchStream::begin(&shared, number, cluster, *options, cut, now));
            drop(state);
            let stream = stream.ok_or(io::ErrorKind::ConnectionReset)?;
            watch_response(stream, view(&effects, now).clock())
        }
    }
}

fn watch_response(stream: WatchStream, clock: Timestamp) -> io::Result<Response<ResponseBody>> {
    let pieces = futures_util::stream::unfold(stream, WatchStream::next_frame);
    Response::builder()
        .status(200)
        .header("content-type", "application/json")
        .header("cache-control", "no-cache, private")
        .header("date", clock.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string())
        .body(BodyExt::boxed_unsync(StreamBody::new(Box::pin(pieces))))
        .map_err(io::Error::other)
}

/// How the ordered effects let a cluster's objects be seen.
fn view(effects: &[FaultEffect], now: Timestamp) -> ObjectView {
    let mut view = ObjectView::plain(now);
    for effect in effects {
        match effect {
            FaultEffect::StripLabels {} => view.strip_labels = true,
            FaultEffect::EscapeBytes {} => view.escape = true,
            FaultEffect::ClockSkew { seconds } => {
                view.skew = SignedDuration::from_secs(i64::from(*seconds));
            }
            _ => {}
        }
    }
    view
}

fn dispatch(
    state: &mut SimulatorState,
    id: &ClusterId,
    connection: &ApiConnection,
    presented: &PresentedCredentials<'_>,
    request: &ApiRequest,
    effects: &[FaultEffect],
    now: Timestamp,
) -> RequestOutcome {
    let (cloud, faults) = (&mut state.cloud, &state.faults);
    let Some(cluster) = cloud.cluster_mut(id) else { return RequestOutcome::Cut };
    cluster.advance(now);
    let material = &connection.material;
    if cluster.shoot != material.shoot
        || cluster.credentials.rollouts != material.rollout
        || !cluster.has_api_server()
    {
        return RequestOutcome::Cut;
    }
    if let Some(draft) = injected_response(effects) {
        return RequestOutcome::Answer(draft);
    }
    cluster.build_data_plane();
    let view = view(effects, now);
    let fresh = effects.iter().find_map(|effect| match effect {
        FaultEffect::RefuseNewCertificates { seconds } => {
            Some(SignedDuration::from_secs(i64::from(*seconds)))
        }
        _ => None,
    });
    let verifier = &*connection.material.verifier;
    let Some(user) = authenticate(cluster, verifier, presented, view.clock(), fresh) else {
        return json_outcome(status::unauthorized());
    };
    let path: Vec<&str> = request.path.split('/').filter(|part| !part.is_empty()).collect();
    let compacts = effects.iter().any(|effect| matches!(effect, FaultEffect::Compact {}));
    if compacts {
        cluster.data_plane.store.compact();
    }
    if let Some(outcome) =
        answer_self_description(cluster, &user, &path, request, |method, path| {
            faults.forbids(method, &kubernetes_paths(id, path), now)
        })
    {
        return outcome;
    }
    let Some(target) = RequestTarget::find(&path) else { return json_outcome(status::no_path()) };
    let forbidden = effects.iter().any(|effect| matches!(effect, FaultEffect::Forbid {}));
    if forbidden || !user.admin {
        let resource = target.resource;
        let verb = verb(&request.method, target.name.is_empty(), request.is_on("watch"));
        let (plural, group) = (resource.plural, resource.group);
        let user = &user.user;
        return json_outcome(status::forbidden(user, verb, plural, group, target.namespace));
    }
    if compacts && !request.value("continue").is_empty() {
        return json_outcome(status::gone(
            "The provided continue parameter is too old to display a consistent list result.",
        ));
    }
    cluster.data_plane.remove_expired_events(now);
    resource(cluster, target, request, view, compacts, now)
}

/// Reads or changes a resource.
fn resource(
    cluster: &mut SimulatedCluster,
    target: RequestTarget<'_>,
    request: &ApiRequest,
    view: ObjectView,
    compacted: bool,
    now: Timestamp,
) -> RequestOutcome {
    if request.method == "GET" && target.subresource.is_empty() {
        return match read_objects::read(&cluster.data_plane.store, target, request, view) {
            ReadOutcome::Answer(answer) => json_outcome(answer),
            ReadOutcome::Watch(options) => {
                RequestOutcome::Watch(Box::new(WatchOptions { compacted, ..*options }))
            }
        };
    }
    let is_token =
        target.resource.kind == ObjectKind::ServiceAccount && target.subresource == "token";
    let answer = if is_token && request.method == "POST" {
        review::create_token(cluster, target, request, view, now)
    } else {
        change_objects::change(cluster, target, request, view, now)
    };
    cluster.notify_changed();
    json_outcome(answer)
}

fn verb(method: &str, collection: bool, watch: bool) -> &'static str {
    match (method, collection) {
        ("GET", _) if watch => "watch",
        ("GET", true) => "list",
        ("GET", false) => "get",
        ("POST", _) => "create",
        ("PUT", _) => "update",
        ("PATCH", _) => "patch",
        ("DELETE", true) => "deletecollection",
        _ => "delete",
    }
}

/// What everybody may ask who is known.
fn answer_self_description(
    cluster: &mut SimulatedCluster,
    user: &UserInfo,
    path: &[&str],
    request: &ApiRequest,
    forbids: impl Fn(&str, &str) -> bool,
) -> Option<RequestOutcome> {
    match (request.method.as_str(), path) {
        ("POST", ["apis", "authorization.k8s.io", "v1", "selfsubjectaccessreviews"]) => {
            return Some(json_outcome(review::review_access(user, request, forbids)));
        }
        ("POST", ["apis", "authentication.k8s.io", "v1", "selfsubjectreviews"]) => {
            return Some(json_outcome(review::review_self(user)));
        }
        ("GET", ["healthz" | "livez" | "readyz", ..]) => {
            return Some(text("text/plain; charset=utf-8", "ok".to_owned()));
        }
        ("GET", ["openid", "v1", "jwks"]) => {
            let keys = cluster.credentials.key_set().to_string();
            return Some(text("application/jwk-set+json", keys));
        }
        ("GET", [".well-known", "openid-configuration"]) => {
            let issuer = review::issuer(cluster);
            let body = json!({
                "issuer": issuer, "jwks_uri": format!("{issuer}/openid/v1/jwks"),
                "response_types_supported": ["id_token"], "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["ES256"],
            });
            return Some(text("application/json", body.to_string()));
        }
        ("GET", _) => {}
        _ => return None,
    }
    discovery::route(path, &cluster.scene.version).map(json_outcome)
}

fn json_outcome((status, json): ApiResponse) -> RequestOutcome {
    RequestOutcome::Answer(ResponseDraft::json(status, json))
}

fn text(content_type: &str, body: String) -> RequestOutcome {
    RequestOutcome::Answer(ResponseDraft {
        status: 200,
        content_type: content_type.to_owned(),
        retry_after: None,
        body: body.into_bytes(),
        json: None::<Value>,
    })
}
