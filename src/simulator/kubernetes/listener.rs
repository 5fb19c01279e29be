//! Serves the ports of clusters' API servers: TLS connections while there is an API server, otherwise refused ones.

use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use jiff::Timestamp;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::domain::cluster::ClusterId;
use crate::simulator::http::accept;
use crate::simulator::kubernetes::handler::{ApiConnection, handle};
use crate::simulator::kubernetes::ports::ReservedPort;
use crate::simulator::kubernetes::tls::{TlsMaterial, build_material};
use crate::simulator::state::{Shared, SimulatorState};

/// Retry interval for a port that could not be bound.
const RETRY: Duration = Duration::from_millis(200);
const LONGEST_SLEEP: Duration = Duration::from_mins(1);

/// Starts serving ports reserved since the last call.
pub fn serve_new_ports(state: &mut SimulatorState, shared: &Arc<Shared>) {
    state.ports.serve_new(|(id, port)| {
        tokio::spawn(run_listener(Arc::clone(shared), id, port)).abort_handle()
    });
}

enum ListenerMode {
    Serve(Box<TlsMaterial>),
    Refuse,
    /// Connections are accepted but never answered.
    Hang,
}

async fn run_listener(shared: Arc<Shared>, id: ClusterId, mut port: ReservedPort) {
    let mut connections = JoinSet::new();
    let mut changes = shared.subscribe();
    let mut known: Option<TlsMaterial> = None;
    loop {
        changes.mark_unchanged();
        let (mode, until, cluster_changes) = evaluate(&shared, &id, known.as_ref());
        let sleep = until
            .and_then(|until| Duration::try_from(until.duration_since(shared.clock.now())).ok())
            .map_or(LONGEST_SLEEP, |sleep| sleep.clamp(Duration::from_millis(5), LONGEST_SLEEP));
        tokio::pin! {
            let change = async {
                tokio::select! {
                    () = wait_for_change(cluster_changes) => {}
                    _ = changes.changed() => {}
                    () = shared.clock.sleep(sleep) => {}
                }
            };
        }
        match mode {
            ListenerMode::Serve(material) => {
                update(&mut known, *material, &mut connections);
                let Some(listener) = port.listen() else {
                    shared.clock.sleep(RETRY).await;
                    continue;
                };
                tokio::select! {
                    stream = accept(&shared.clock, || listener.accept()) => {
                        accept_connection(&shared, &id, stream, &mut known, &mut connections);
                    }
                    Some(_) = connections.join_next() => {}
                    () = &mut change => {}
                }
            }
            ListenerMode::Refuse => {
                connections.abort_all();
                port.refuse();
                change.await;
            }
            ListenerMode::Hang => {
                connections.abort_all();
                let Some(listener) = port.listen() else {
                    shared.clock.sleep(RETRY).await;
                    continue;
                };
                let mut held = Vec::new();
                loop {
                    tokio::select! {
                        stream = accept(&shared.clock, || listener.accept()) => held.push(stream),
                        () = &mut change => break,
                    }
                }
            }
        }
    }
}

/// A rollout of the API server closes its connections.
fn update(known: &mut Option<TlsMaterial>, now: TlsMaterial, connections: &mut JoinSet<()>) {
    if known.as_ref().is_some_and(|known| known.rollout != now.rollout) {
        connections.abort_all();
    }
    *known = Some(now);
}

/// Waits for a change of a cluster; forever if there is no cluster.
async fn wait_for_change(changes: Option<watch::Receiver<()>>) {
    if let Some(mut changes) = changes
        && changes.changed().await.is_ok()
    {
        return;
    }
    std::future::pending::<()>().await;
}

/// The mode, its maximum duration, and the subscription to changes of the cluster.
fn evaluate(
    shared: &Shared,
    id: &ClusterId,
    known: Option<&TlsMaterial>,
) -> (ListenerMode, Option<Timestamp>, Option<watch::Receiver<()>>) {
    let now = shared.clock.now();
    let mut state = shared.lock();
    let host = state.ports.host;
    let fault = state.faults.unreachable(id, now);
    let Some(cluster) = state.cloud.cluster_mut(id) else {
        return (ListenerMode::Refuse, None, None);
    };
    cluster.advance(now);
    let changes = Some(cluster.subscribe());
    if let Some((hang, until)) = fault {
        return (if hang { ListenerMode::Hang } else { ListenerMode::Refuse }, until, changes);
    }
    if !cluster.has_api_server() {
        return (ListenerMode::Refuse, cluster.next_due(), changes);
    }
    let current = known.filter(|known| known.rollout == cluster.api_server_rollout());
    match current.map_or_else(|| build_material(cluster, host), |known| Ok(known.clone())) {
        Ok(material) => (ListenerMode::Serve(Box::new(material)), None, changes),
        Err(_) => (ListenerMode::Refuse, None, changes),
    }
}

/// Accepts one connection, unless the cluster has changed in the meantime.
fn accept_connection(
    shared: &Arc<Shared>,
    id: &ClusterId,
    stream: TcpStream,
    known: &mut Option<TlsMaterial>,
    connections: &mut JoinSet<()>,
) {
    let (ListenerMode::Serve(material), _, _) = evaluate(shared, id, known.as_ref()) else {
        return;
    };
    let material = *material;
    update(known, material.clone(), connections);
    // Like kube-apiserver: otherwise lines of a watch are delayed until earlier ones are acknowledged.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let refuses = shared.lock().faults.refuses_handshakes(id, shared.clock.now());
    let config = if refuses { &material.refusing } else { &material.config };
    let acceptor = TlsAcceptor::from(Arc::clone(config));
    connections.spawn(serve(Arc::clone(shared), id.clone(), acceptor, stream, material));
}

async fn serve(
    shared: Arc<Shared>,
    id: ClusterId,
    acceptor: TlsAcceptor,
    stream: TcpStream,
    material: TlsMaterial,
) {
    // Connection errors affect only their client.
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
    let chain = chain.iter().map(|certificate| certificate.clone().into_owned()).collect();
    let connection = Arc::new(ApiConnection { id, chain, material });
    let service =
        service_fn(move |request| handle(Arc::clone(&shared), Arc::clone(&connection), request));
    let server = auto::Builder::new(TokioExecutor::new());
    drop(server.serve_connection(TokioIo::new(stream), service).await);
}
