//! A Kubernetes API per simulated cluster, over TLS: a thin skin over `cluster`.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "effects that are not about this answer are ignored"
)]

mod asked;
mod authenticate;
mod change;
mod discovery;
pub mod door;
mod json;
mod patch;
mod protobuf;
mod read;
mod render;
mod render_node;
mod render_pod;
mod render_service;
mod resources;
mod review;
mod selectors;
mod status;
mod table;
mod tls;
mod view;
mod watch;
mod write;

use std::io;
use std::sync::Arc;

use http_body_util::{BodyExt, Limited, StreamBody};
use hyper::body::Incoming;
use hyper::{Request, Response};
use jiff::{SignedDuration, Timestamp};
use rustls::pki_types::CertificateDer;
use serde_json::{Value, json};

use crate::domain::cluster::ClusterId;
use crate::simulator::Inner;
use crate::simulator::cluster::SimulatedCluster;
use crate::simulator::cluster::objects::Kind;
use crate::simulator::faults::{Effect, kubernetes_keys};
use crate::simulator::kubernetes::asked::{Asked, Target};
use crate::simulator::kubernetes::authenticate::{Identity, Presented, identify};
use crate::simulator::kubernetes::read::{Beginning, Read};
use crate::simulator::kubernetes::status::Answer;
use crate::simulator::kubernetes::tls::Material;
use crate::simulator::kubernetes::view::View;
use crate::simulator::kubernetes::watch::Watcher;
use crate::simulator::server::{BODY_LIMIT, Body, Draft, finish, hold, ordered, pairs};
use crate::simulator::state::{Call, Shared};

/// What the requests of one connection have in common.
#[derive(Debug)]
pub struct Connection {
    /// Client certificate and what came with it.
    pub chain: Vec<CertificateDer<'static>>,
    /// The rollout of the API server that took it.
    pub material: Material,
}

/// What a request comes to.
enum Outcome {
    Answer(Draft),
    Watch(Box<Beginning>),
    /// The connection ends without an answer.
    Cut,
}

/// Answers one request to a cluster's API.
///
/// # Errors
/// The connection is to be closed.
pub(in crate::simulator) async fn answer(
    inner: Arc<Inner>,
    id: ClusterId,
    connection: Arc<Connection>,
    request: Request<Incoming>,
) -> io::Result<Response<Body>> {
    let header = |name: &str| {
        let value = request.headers().get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let mut asked = Asked {
        method: request.method().to_string(),
        path: request.uri().path().to_owned(),
        query: pairs(request.uri().query().unwrap_or("")),
        accept: header("accept"),
        content_type: header("content-type"),
        body: Vec::new(),
    };
    let bearer = header("authorization").strip_prefix("Bearer ").map(str::to_owned);
    asked.body = match Limited::new(request.into_body(), BODY_LIMIT).collect().await {
        Ok(body) => body.to_bytes().to_vec(),
        Err(error) => return Err(io::Error::other(error)),
    };
    let keys = kubernetes_keys(&id, &asked.path);
    let effects = inner.lock().faults.effects(&asked.method, &keys, inner.clock.now());
    hold(&inner, &effects).await;
    let now = inner.clock.now();
    let is = |wanted: fn(&Effect) -> bool| effects.iter().any(wanted);
    let mut shared = inner.lock();
    let outcome = if is(|effect| matches!(effect, Effect::Drop {})) {
        Outcome::Cut
    } else {
        let presented = Presented { chain: &connection.chain, bearer: bearer.as_deref() };
        dispatch(&mut shared, &id, &connection, &presented, &asked, &effects, now)
    };
    let outcome =
        if is(|effect| matches!(effect, Effect::DropAfter {})) { Outcome::Cut } else { outcome };
    let status = match &outcome {
        Outcome::Answer(draft) => Some(draft.status),
        Outcome::Watch(_) => Some(200),
        Outcome::Cut => None,
    };
    shared.note(Call {
        at: now,
        method: asked.method.clone(),
        path: format!("/kubernetes/{}/{}/{}{}", id.project(), id.region(), id.name, asked.path),
        query: asked.query.clone(),
        status,
        body: serde_json::from_slice(&asked.body).ok(),
        answer: None,
    });
    match outcome {
        Outcome::Cut => Err(io::Error::from(io::ErrorKind::ConnectionReset)),
        Outcome::Answer(draft) => {
            let trace = shared.dice.hex(32);
            drop(shared);
            finish(draft, &effects, ("audit-id", &trace), view(&effects, now).clock())
        }
        Outcome::Watch(beginning) => {
            let cut = effects.iter().find_map(|effect| match effect {
                Effect::CutWatches { seconds } => Some(*seconds),
                _ => None,
            });
            shared.watches_begun += 1;
            let number = shared.watches_begun;
            let watcher = shared
                .world
                .cluster(&id)
                .map(|cluster| Watcher::begin(&inner, number, cluster, *beginning, cut, now));
            drop(shared);
            let watcher = watcher.ok_or(io::ErrorKind::ConnectionReset)?;
            stream(watcher, view(&effects, now).clock())
        }
    }
}

fn stream(watcher: Watcher, clock: Timestamp) -> io::Result<Response<Body>> {
    let pieces = futures_util::stream::unfold(watcher, Watcher::piece);
    Response::builder()
        .status(200)
        .header("content-type", "application/json")
        .header("cache-control", "no-cache, private")
        .header("date", clock.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string())
        .body(BodyExt::boxed_unsync(StreamBody::new(Box::pin(pieces))))
        .map_err(io::Error::other)
}

/// How the ordered effects let a cluster's objects be seen.
fn view(effects: &[Effect], now: Timestamp) -> View {
    let mut view = View::plain(now);
    for effect in effects {
        match effect {
            Effect::StripLabels {} => view.strip_labels = true,
            Effect::EscapeBytes {} => view.escape = true,
            Effect::ClockSkew { seconds } => {
                view.skew = SignedDuration::from_secs(i64::from(*seconds));
            }
            _ => {}
        }
    }
    view
}

fn dispatch(
    shared: &mut Shared,
    id: &ClusterId,
    connection: &Connection,
    presented: &Presented<'_>,
    asked: &Asked,
    effects: &[Effect],
    now: Timestamp,
) -> Outcome {
    let (world, faults) = (&mut shared.world, &shared.faults);
    let Some(cluster) = world.cluster_mut(id) else { return Outcome::Cut };
    cluster.advance(now);
    let material = &connection.material;
    if cluster.shoot != material.shoot
        || cluster.credentials.rollouts != material.rollout
        || !cluster.has_server()
    {
        return Outcome::Cut;
    }
    if let Some(draft) = ordered(effects) {
        return Outcome::Answer(draft);
    }
    cluster.look_inside();
    let view = view(effects, now);
    let fresh = effects.iter().find_map(|effect| match effect {
        Effect::RefuseFresh { seconds } => Some(SignedDuration::from_secs(i64::from(*seconds))),
        _ => None,
    });
    let judge = &*connection.material.judge;
    let Some(identity) = identify(cluster, judge, presented, view.clock(), fresh) else {
        return answered(status::unauthorized());
    };
    let path: Vec<&str> = asked.path.split('/').filter(|part| !part.is_empty()).collect();
    let compacts = effects.iter().any(|effect| matches!(effect, Effect::Compact {}));
    if compacts {
        cluster.inside.store.compact();
    }
    if let Some(outcome) = about_itself(cluster, &identity, &path, asked, |method, path| {
        faults.forbids(method, &kubernetes_keys(id, path), now)
    }) {
        return outcome;
    }
    let Some(target) = Target::find(&path) else { return answered(status::no_path()) };
    let forbidden = effects.iter().any(|effect| matches!(effect, Effect::Forbid {}));
    if forbidden || !identity.admin {
        let resource = target.resource;
        let verb = verb(&asked.method, target.name.is_empty(), asked.is_on("watch"));
        let (plural, group) = (resource.plural, resource.group);
        let user = &identity.user;
        return answered(status::forbidden(user, verb, plural, group, target.namespace));
    }
    if compacts && !asked.value("continue").is_empty() {
        return answered(status::gone(
            "The provided continue parameter is too old to display a consistent list result.",
        ));
    }
    cluster.inside.forget_old_events(now);
    resource(cluster, target, asked, view, compacts, now)
}

/// Reads or changes a resource.
fn resource(
    cluster: &mut SimulatedCluster,
    target: Target<'_>,
    asked: &Asked,
    view: View,
    compacted: bool,
    now: Timestamp,
) -> Outcome {
    if asked.method == "GET" && target.part.is_empty() {
        return match read::read(&cluster.inside.store, target, asked, view) {
            Read::Answer(answer) => answered(answer),
            Read::Watch(beginning) => {
                Outcome::Watch(Box::new(Beginning { compacted, ..*beginning }))
            }
        };
    }
    let is_token = target.resource.kind == Kind::ServiceAccount && target.part == "token";
    let answer = if is_token && asked.method == "POST" {
        review::token(cluster, target, asked, view, now)
    } else {
        change::change(cluster, target, asked, view, now)
    };
    cluster.ring();
    answered(answer)
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
fn about_itself(
    cluster: &mut SimulatedCluster,
    identity: &Identity,
    path: &[&str],
    asked: &Asked,
    forbids: impl Fn(&str, &str) -> bool,
) -> Option<Outcome> {
    match (asked.method.as_str(), path) {
        ("POST", ["apis", "authorization.k8s.io", "v1", "selfsubjectaccessreviews"]) => {
            return Some(answered(review::access(identity, asked, forbids)));
        }
        ("POST", ["apis", "authentication.k8s.io", "v1", "selfsubjectreviews"]) => {
            return Some(answered(review::oneself(identity)));
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
    discovery::route(path, &cluster.scene.version).map(answered)
}

fn answered((status, json): Answer) -> Outcome {
    Outcome::Answer(Draft::json(status, json))
}

fn text(content_type: &str, body: String) -> Outcome {
    Outcome::Answer(Draft {
        status: 200,
        content_type: content_type.to_owned(),
        retry_after: None,
        body: body.into_bytes(),
        json: None::<Value>,
    })
}
