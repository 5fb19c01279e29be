//! The TCP ports of clusters' API servers on loopback: opened when a kubeconfig is first issued, closed while there is
//! no API server, the same port afterwards.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use jiff::Timestamp;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use crate::domain::cluster::ClusterId;
use crate::simulator::Shared;
use crate::simulator::kubernetes::tls::{TlsMaterial, build_material};
use crate::simulator::kubernetes::{ApiConnection, handle};

/// A port that could not be had is tried again after this long; a closed door looks at the world this often.
const RETRY: Duration = Duration::from_millis(200);
const LONGEST_SLEEP: Duration = Duration::from_mins(1);

/// The ports.
#[derive(Debug, Default)]
pub struct ApiServerPorts {
    ports: BTreeMap<ClusterId, u16>,
    fresh: Vec<(ClusterId, ReservedPort)>,
    listeners: Vec<AbortHandle>,
}

/// A port of ours.
#[derive(Debug)]
pub struct ReservedPort {
    address: SocketAddr,
    state: PortState,
}

#[derive(Debug)]
enum PortState {
    /// Connections are taken.
    Listening(TcpListener),
    /// Connections are refused, but nobody else gets the port.
    Reserved(#[expect(dead_code, reason = "it is there to be held")] TcpSocket),
    /// It has to be had again.
    Lost,
}

fn socket(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

impl ReservedPort {
    fn new() -> io::Result<Self> {
        let listener = socket(SocketAddr::from(([127, 0, 0, 1], 0)))?.listen(1024)?;
        Ok(Self { address: listener.local_addr()?, state: PortState::Listening(listener) })
    }

    /// Takes connections from now on.
    fn open(&mut self) -> Option<&TcpListener> {
        if !matches!(self.state, PortState::Listening(_)) {
            self.state = PortState::Lost;
            let listener = socket(self.address).and_then(|socket| socket.listen(1024));
            self.state = PortState::Listening(listener.ok()?);
        }
        if let PortState::Listening(listener) = &self.state { Some(listener) } else { None }
    }

    /// Refuses connections from now on.
    fn close(&mut self) {
        if matches!(self.state, PortState::Listening(_)) {
            self.state = PortState::Lost;
            if let Ok(socket) = socket(self.address) {
                self.state = PortState::Reserved(socket);
            }
        }
    }
}

impl ApiServerPorts {
    /// The port of a cluster's API server; it is taken when it is first asked for.
    ///
    /// # Errors
    /// The system gives no port.
    pub fn port(&mut self, id: &ClusterId) -> io::Result<u16> {
        if let Some(port) = self.ports.get(id) {
            return Ok(*port);
        }
        let reserved = ReservedPort::new()?;
        let port = reserved.address.port();
        self.ports.insert(id.clone(), port);
        self.fresh.push((id.clone(), reserved));
        Ok(port)
    }

    /// Lets every port that was taken since the last time be served.
    pub(in crate::simulator) fn serve_new_ports(&mut self, shared: &Arc<Shared>) {
        for (id, port) in std::mem::take(&mut self.fresh) {
            let task = tokio::spawn(run_listener(Arc::clone(shared), id, port));
            self.listeners.push(task.abort_handle());
        }
    }

    /// Ends all API servers.
    pub fn end(&mut self) {
        for task in self.listeners.drain(..) {
            task.abort();
        }
    }
}

/// What a door has to do.
enum ListenerMode {
    Serve(Box<TlsMaterial>),
    Refuse,
    Hang,
}

/// Keeps one door until it is aborted.
async fn run_listener(shared: Arc<Shared>, id: ClusterId, mut port: ReservedPort) {
    let mut connections = JoinSet::new();
    let mut fault_changes = shared.changes.subscribe();
    let mut known: Option<TlsMaterial> = None;
    loop {
        fault_changes.mark_unchanged();
        let (mode, until, changes) = evaluate(&shared, &id, known.as_ref());
        let sleep = sleep(&shared, until);
        match mode {
            ListenerMode::Serve(material) => {
                let same = |known: &TlsMaterial| {
                    known.rollout == material.rollout && known.shoot == material.shoot
                };
                if !known.as_ref().is_some_and(same) {
                    // A rollout of the API server takes its connections along.
                    connections.abort_all();
                    known = Some(*material);
                }
                let Some(listener) = port.open() else {
                    shared.clock.sleep(RETRY).await;
                    continue;
                };
                tokio::select! {
                    accepted = listener.accept() => {
                        if let Ok((stream, _)) = accepted {
                            accept_connection(&shared, &id, stream, &mut known, &mut connections);
                        }
                    }
                    () = wait_for_change(changes) => {}
                    _ = fault_changes.changed() => {}
                    Some(_) = connections.join_next() => {}
                    () = shared.clock.sleep(sleep) => {}
                }
            }
            ListenerMode::Refuse => {
                connections.abort_all();
                port.close();
                tokio::select! {
                    () = wait_for_change(changes) => {}
                    _ = fault_changes.changed() => {}
                    () = shared.clock.sleep(sleep) => {}
                }
            }
            ListenerMode::Hang => {
                connections.abort_all();
                let mut held = Vec::new();
                let Some(listener) = port.open() else {
                    shared.clock.sleep(RETRY).await;
                    continue;
                };
                tokio::pin! {
                    let over = async {
                        tokio::select! {
                            () = wait_for_change(changes) => {}
                            _ = fault_changes.changed() => {}
                            () = shared.clock.sleep(sleep) => {}
                        }
                    };
                }
                loop {
                    tokio::select! {
                        accepted = listener.accept() => held.extend(accepted.ok()),
                        () = &mut over => break,
                    }
                }
            }
        }
    }
}

fn sleep(shared: &Shared, until: Option<Timestamp>) -> Duration {
    until
        .and_then(|until| Duration::try_from(until.duration_since(shared.clock.now())).ok())
        .map_or(LONGEST_SLEEP, |sleep| sleep.clamp(Duration::from_millis(5), LONGEST_SLEEP))
}

/// Waits for a cluster to ring; for ever if there is none.
async fn wait_for_change(changes: Option<watch::Receiver<u64>>) {
    if let Some(mut changes) = changes
        && changes.changed().await.is_ok()
    {
        return;
    }
    std::future::pending::<()>().await;
}

/// What there is to do, until when at most, and what tells of changes.
fn evaluate(
    shared: &Shared,
    id: &ClusterId,
    known: Option<&TlsMaterial>,
) -> (ListenerMode, Option<Timestamp>, Option<watch::Receiver<u64>>) {
    let now = shared.clock.now();
    let mut state = shared.lock();
    let away = state.faults.unreachable(id, now);
    let Some(cluster) = state.cloud.cluster_mut(id) else {
        return (ListenerMode::Refuse, None, None);
    };
    cluster.advance(now);
    let mut changes = cluster.subscribe();
    changes.mark_unchanged();
    if let Some((hang, until)) = away {
        return (
            if hang { ListenerMode::Hang } else { ListenerMode::Refuse },
            until,
            Some(changes),
        );
    }
    if !cluster.has_api_server() {
        return (ListenerMode::Refuse, cluster.next_due(), Some(changes));
    }
    let current = known.filter(|known| {
        known.rollout == cluster.credentials.rollouts && known.shoot == cluster.shoot
    });
    let made = match current {
        Some(known) => Ok(known.clone()),
        None => build_material(cluster),
    };
    match made {
        Ok(material) => (ListenerMode::Serve(Box::new(material)), None, Some(changes)),
        Err(_) => (ListenerMode::Refuse, None, Some(changes)),
    }
}

/// Takes one connection, unless the world has changed in the meantime.
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
    let outdated = known
        .as_ref()
        .is_some_and(|known| known.rollout != material.rollout || known.shoot != material.shoot);
    if outdated {
        connections.abort_all();
    }
    *known = Some(material.clone());
    // As kube-apiserver does it: else the system would hold a line of a watch back until the one before is acknowledged.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let now = shared.clock.now();
    let refuses = shared.lock().faults.refuses_handshakes(id, now);
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
    // A connection that breaks is the client's matter.
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
    let chain = chain.iter().map(|certificate| certificate.clone().into_owned()).collect();
    let connection = Arc::new(ApiConnection { chain, material });
    let service = service_fn(move |request| {
        handle(Arc::clone(&shared), id.clone(), Arc::clone(&connection), request)
    });
    let server = auto::Builder::new(TokioExecutor::new());
    drop(server.serve_connection(TokioIo::new(stream), service).await);
}
