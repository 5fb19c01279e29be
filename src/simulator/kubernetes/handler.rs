//! Answers requests to a cluster's Kubernetes API.

use std::io;
use std::sync::Arc;

use http_body_util::{BodyExt, StreamBody};
use hyper::body::Incoming;
use hyper::{Request, Response};
use jiff::{SignedDuration, Timestamp};
use rustls::pki_types::CertificateDer;
use serde_json::json;

use crate::domain::cluster::ClusterId;
use crate::simulator::cluster::SimulatedCluster;
use crate::simulator::cluster::objects::ObjectKind;
use crate::simulator::faults::{FaultEffect, find_effect, kubernetes_paths};
use crate::simulator::http::{HttpRequest, JsonResponse, ResponseBody, ResponseDraft, date_header};
use crate::simulator::kubernetes::authenticate::{authenticate, impersonate};
use crate::simulator::kubernetes::authorize::RequestAttributes;
use crate::simulator::kubernetes::object_view::ObjectView;
use crate::simulator::kubernetes::read_objects::{ReadOutcome, WatchOptions, read};
use crate::simulator::kubernetes::request::RequestTarget;
use crate::simulator::kubernetes::tls::TlsMaterial;
use crate::simulator::kubernetes::user::UserInfo;
use crate::simulator::kubernetes::watch::WatchStream;
use crate::simulator::kubernetes::{change_objects, config_maps, discovery, review, status};
use crate::simulator::state::{RequestRecord, Shared, SimulatorState};

/// Maximum size of a body, in bytes.
const BODY_LIMIT: usize = 3 * 1024 * 1024;

/// Shared by the requests of one connection.
#[derive(Debug)]
pub struct ApiConnection {
    pub id: ClusterId,
    pub chain: Vec<CertificateDer<'static>>,
    pub material: TlsMaterial,
}

enum RequestOutcome {
    Answer(ResponseDraft),
    Watch(Box<WatchOptions>),
    /// Close the connection without a response.
    Reset,
}

impl From<JsonResponse> for RequestOutcome {
    fn from(response: JsonResponse) -> Self {
        Self::Answer(response.into())
    }
}

/// Answers one request; an error if the connection is to be closed.
pub async fn handle(
    shared: Arc<Shared>,
    connection: Arc<ApiConnection>,
    incoming: Request<Incoming>,
) -> io::Result<Response<ResponseBody>> {
    let request = HttpRequest::read(incoming, BODY_LIMIT).await?;
    let id = &connection.id;
    let paths = kubernetes_paths(id, &request.path);
    let (effects, now) = shared.receive(&request.method, &paths).await;
    let clock = view(&effects, now).clock();
    let mut state = shared.lock();
    let mut outcome = RequestOutcome::Reset;
    if find_effect!(effects, FaultEffect::Drop {} => ()).is_none() {
        outcome = dispatch(&mut state, &connection, &request, &effects, now)
            .unwrap_or_else(RequestOutcome::Answer);
    }
    if find_effect!(effects, FaultEffect::DropAfter {} => ()).is_some() {
        outcome = RequestOutcome::Reset;
    }
    let status = match &outcome {
        RequestOutcome::Answer(draft) => Some(draft.status),
        RequestOutcome::Watch(_) => Some(200),
        RequestOutcome::Reset => None,
    };
    let path = format!("/kubernetes/{}/{}/{}{}", id.project(), id.region(), id.name, request.path);
    state.log_request(RequestRecord::new(now, path, request, status));
    match outcome {
        RequestOutcome::Reset => Err(io::ErrorKind::ConnectionReset.into()),
        RequestOutcome::Answer(draft) => {
            let trace = state.rng.hex(32);
            draft.build(&effects, ("audit-id", &trace), clock)
        }
        RequestOutcome::Watch(options) => {
            let cut = find_effect!(effects, FaultEffect::CutWatches { seconds } => *seconds);
            state.last_watch += 1;
            let number = state.last_watch;
            let cluster = state.cloud.cluster(id).ok_or(io::ErrorKind::ConnectionReset)?;
            let stream = WatchStream::open(&shared, number, cluster, *options, cut, now);
            // Dropping a stream takes the lock.
            drop(state);
            let frames = futures_util::stream::unfold(stream, WatchStream::next_frame);
            Response::builder()
                .status(200)
                .header("content-type", "application/json")
                .header("cache-control", "no-cache, private")
                .header("date", date_header(clock))
                .body(BodyExt::boxed_unsync(StreamBody::new(Box::pin(frames))))
                .map_err(io::Error::other)
        }
    }
}

/// How faults change a request's view of objects.
fn view(effects: &[FaultEffect], now: Timestamp) -> ObjectView {
    let skew = find_effect!(effects, FaultEffect::ClockSkew { seconds } => i64::from(*seconds));
    ObjectView {
        now,
        skew: SignedDuration::from_secs(skew.unwrap_or(0)),
        strip_labels: find_effect!(effects, FaultEffect::StripLabels {} => ()).is_some(),
        escape: find_effect!(effects, FaultEffect::EscapeBytes {} => ()).is_some(),
    }
}

fn dispatch(
    state: &mut SimulatorState,
    connection: &ApiConnection,
    request: &HttpRequest,
    effects: &[FaultEffect],
    now: Timestamp,
) -> Result<RequestOutcome, ResponseDraft> {
    let (cloud, faults, id) = (&mut state.cloud, &state.faults, &connection.id);
    let Some(cluster) = cloud.cluster_mut(id) else { return Ok(RequestOutcome::Reset) };
    cluster.advance(now);
    let material = &connection.material;
    if cluster.api_server_rollout() != material.rollout || !cluster.has_api_server() {
        return Ok(RequestOutcome::Reset);
    }
    if let Some(draft) = ResponseDraft::injected(effects) {
        return Ok(RequestOutcome::Answer(draft));
    }
    cluster.build_data_plane();
    let view = view(effects, now);
    let least_age = find_effect!(effects, FaultEffect::RefuseNewCertificates { seconds } => {
        i64::from(*seconds)
    });
    let verifier = &*material.verifier;
    let (chain, bearer) = (connection.chain.as_slice(), request.bearer.as_deref());
    let user = authenticate(cluster, verifier, chain, bearer, view.clock(), least_age)
        .ok_or_else(status::unauthorized)?;
    let user = impersonate(cluster, user, request)?;
    let attributes = RequestAttributes::of(request);
    if !attributes.are_allowed(&user) {
        return Err(attributes.forbidden(&user).into());
    }
    if request.too_large {
        return Err(status::too_large(BODY_LIMIT).into());
    }
    if request.path.contains("//") {
        return Err(status::no_path().into());
    }
    let path = request.segments();
    let compacted = find_effect!(effects, FaultEffect::Compact {} => ()).is_some();
    if compacted {
        cluster.data_plane.store.compact();
    }
    let is_forbidden =
        |method: &str, path: &str| faults.forbids(method, &kubernetes_paths(id, path), now);
    if let Some(draft) = answer_without_resource(cluster, &user, &path, request, is_forbidden)? {
        return Ok(RequestOutcome::Answer(draft));
    }
    let Some(target) = RequestTarget::find(&path) else {
        return Err(if discovery::is_document(&path) {
            status::no_method().into()
        } else if discovery::is_below_group(&path) {
            status::no_path().into()
        } else {
            not_found_as_text()
        });
    };
    if find_effect!(effects, FaultEffect::Forbid {} => ()).is_some() {
        return Err(attributes.forbidden(&user).into());
    }
    if !target.knows_subresource() {
        return Err(status::no_path().into());
    }
    if compacted && !request.value("continue").is_empty() {
        let message =
            "The provided continue parameter is too old to display a consistent list result.";
        return Err(status::gone(message).into());
    }
    if cluster.data_plane.remove_expired_events(now) {
        cluster.notify_changed();
    }
    if request.method == "GET" && matches!(target.subresource, "" | "status") {
        let streams_lists = streams_lists(&cluster.scene.version);
        return Ok(match read(&cluster.data_plane.store, target, request, view, streams_lists)? {
            ReadOutcome::Answer(answer) => answer.into(),
            ReadOutcome::Watch(options) => {
                RequestOutcome::Watch(Box::new(WatchOptions { compacted, ..*options }))
            }
        });
    }
    let answer = match (request.method.as_str(), target.resource.kind, target.subresource) {
        ("POST", ObjectKind::ServiceAccount, "token") => {
            review::create_token(cluster, target, request, view).map(Into::into)
        }
        ("POST", ObjectKind::ConfigMap, "") if target.name.is_empty() => {
            config_maps::create(&mut cluster.data_plane, target, request, view).map(Into::into)
        }
        _ => change_objects::change(cluster, target, request, view),
    };
    cluster.notify_changed();
    answer.map(RequestOutcome::Answer).map_err(Into::into)
}

/// Whether the feature gate `WatchList` is on by default.
fn streams_lists(version: &str) -> bool {
    let minor = version.split('.').nth(1).and_then(|minor| minor.parse::<u32>().ok());
    minor.is_some_and(|minor| minor == 32 || minor >= 34)
}

fn not_found_as_text() -> ResponseDraft {
    ResponseDraft::new(404, "text/plain; charset=utf-8", "404 page not found\n".to_owned())
}

/// Answers requests that all authenticated users may make.
fn answer_without_resource(
    cluster: &mut SimulatedCluster,
    user: &UserInfo,
    path: &[&str],
    request: &HttpRequest,
    is_forbidden: impl Fn(&str, &str) -> bool,
) -> Result<Option<ResponseDraft>, JsonResponse> {
    Ok(Some(match (request.method.as_str(), path) {
        ("POST", ["apis", "authorization.k8s.io", "v1", "selfsubjectaccessreviews"]) => {
            review::review_access(user, request, is_forbidden)?.into()
        }
        (
            _,
            ["apis", "authorization.k8s.io", "v1", "selfsubjectaccessreviews"]
            | ["apis", "authentication.k8s.io", "v1", "selfsubjectreviews"],
        ) if request.method != "POST" => {
            return Err(status::no_method());
        }
        ("POST", ["apis", "authentication.k8s.io", "v1", "selfsubjectreviews"]) => {
            review::review_self(user, request)?.into()
        }
        (_, ["healthz" | "livez" | "readyz"] | ["healthz" | "livez" | "readyz", "ping"]) => {
            ResponseDraft::new(200, "text/plain; charset=utf-8", "ok".to_owned())
        }
        ("GET", ["openid", "v1", "jwks"]) => {
            let keys = cluster.credentials.key_set().to_string();
            ResponseDraft::new(200, "application/jwk-set+json", keys)
        }
        ("GET", [".well-known", "openid-configuration"]) => {
            let issuer = cluster.token_issuer();
            let body = json!({
                "issuer": issuer, "jwks_uri": format!("{issuer}/openid/v1/jwks"),
                "response_types_supported": ["id_token"], "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["ES256"],
            });
            (200, body).into()
        }
        ("GET", _) => return Ok(discovery::route(path, &cluster.scene.version).map(Into::into)),
        _ => return Ok(None),
    }))
}
