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
use crate::simulator::Inner;
use crate::simulator::kubernetes::tls::{Material, material};
use crate::simulator::kubernetes::{Connection, answer};

/// A port that could not be had is tried again after this long; a closed door looks at the world this often.
const RETRY: Duration = Duration::from_millis(200);
const LONGEST_SLEEP: Duration = Duration::from_mins(1);

/// The ports.
#[derive(Debug, Default)]
pub struct Doors {
    ports: BTreeMap<ClusterId, u16>,
    fresh: Vec<(ClusterId, Place)>,
    keepers: Vec<AbortHandle>,
}

/// A port of ours.
#[derive(Debug)]
pub struct Place {
    address: SocketAddr,
    held: Held,
}

#[derive(Debug)]
enum Held {
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

impl Place {
    fn new() -> io::Result<Self> {
        let listener = socket(SocketAddr::from(([127, 0, 0, 1], 0)))?.listen(1024)?;
        Ok(Self { address: listener.local_addr()?, held: Held::Listening(listener) })
    }

    /// Takes connections from now on.
    fn open(&mut self) -> Option<&TcpListener> {
        if !matches!(self.held, Held::Listening(_)) {
            self.held = Held::Lost;
            let listener = socket(self.address).and_then(|socket| socket.listen(1024));
            self.held = Held::Listening(listener.ok()?);
        }
        if let Held::Listening(listener) = &self.held { Some(listener) } else { None }
    }

    /// Refuses connections from now on.
    fn close(&mut self) {
        if matches!(self.held, Held::Listening(_)) {
            self.held = Held::Lost;
            if let Ok(socket) = socket(self.address) {
                self.held = Held::Reserved(socket);
            }
        }
    }
}

impl Doors {
    /// The port of a cluster's API server; it is taken when it is first asked for.
    ///
    /// # Errors
    /// The system gives no port.
    pub fn port(&mut self, id: &ClusterId) -> io::Result<u16> {
        if let Some(port) = self.ports.get(id) {
            return Ok(*port);
        }
        let place = Place::new()?;
        let port = place.address.port();
        self.ports.insert(id.clone(), port);
        self.fresh.push((id.clone(), place));
        Ok(port)
    }

    /// Lets every port that was taken since the last time be served.
    pub(in crate::simulator) fn serve_fresh(&mut self, inner: &Arc<Inner>) {
        for (id, place) in std::mem::take(&mut self.fresh) {
            let keeper = tokio::spawn(keep(Arc::clone(inner), id, place));
            self.keepers.push(keeper.abort_handle());
        }
    }

    /// Ends all API servers.
    pub fn end(&mut self) {
        for keeper in self.keepers.drain(..) {
            keeper.abort();
        }
    }
}

/// What a door has to do.
enum Duty {
    Serve(Box<Material>),
    Refuse,
    Hang,
}

/// Keeps one door until it is aborted.
async fn keep(inner: Arc<Inner>, id: ClusterId, mut place: Place) {
    let mut connections = JoinSet::new();
    let mut pulse = inner.pulse.subscribe();
    let mut known: Option<Material> = None;
    loop {
        pulse.mark_unchanged();
        let (duty, until, bell) = look(&inner, &id, known.as_ref());
        let sleep = sleep(&inner, until);
        match duty {
            Duty::Serve(material) => {
                let same = |known: &Material| {
                    known.rollout == material.rollout && known.shoot == material.shoot
                };
                if !known.as_ref().is_some_and(same) {
                    // A rollout of the API server takes its connections along.
                    connections.abort_all();
                    known = Some(*material);
                }
                let Some(listener) = place.open() else {
                    inner.clock.sleep(RETRY).await;
                    continue;
                };
                tokio::select! {
                    accepted = listener.accept() => {
                        if let Ok((stream, _)) = accepted {
                            welcome(&inner, &id, stream, &mut known, &mut connections);
                        }
                    }
                    () = rings(bell) => {}
                    _ = pulse.changed() => {}
                    Some(_) = connections.join_next() => {}
                    () = inner.clock.sleep(sleep) => {}
                }
            }
            Duty::Refuse => {
                connections.abort_all();
                place.close();
                tokio::select! {
                    () = rings(bell) => {}
                    _ = pulse.changed() => {}
                    () = inner.clock.sleep(sleep) => {}
                }
            }
            Duty::Hang => {
                connections.abort_all();
                let mut held = Vec::new();
                let Some(listener) = place.open() else {
                    inner.clock.sleep(RETRY).await;
                    continue;
                };
                tokio::pin! {
                    let over = async {
                        tokio::select! {
                            () = rings(bell) => {}
                            _ = pulse.changed() => {}
                            () = inner.clock.sleep(sleep) => {}
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

fn sleep(inner: &Inner, until: Option<Timestamp>) -> Duration {
    until
        .and_then(|until| Duration::try_from(until.duration_since(inner.clock.now())).ok())
        .map_or(LONGEST_SLEEP, |sleep| sleep.clamp(Duration::from_millis(5), LONGEST_SLEEP))
}

/// Waits for a cluster to ring; for ever if there is none.
async fn rings(bell: Option<watch::Receiver<u64>>) {
    if let Some(mut bell) = bell
        && bell.changed().await.is_ok()
    {
        return;
    }
    std::future::pending::<()>().await;
}

/// What there is to do, until when at most, and what tells of changes.
fn look(
    inner: &Inner,
    id: &ClusterId,
    known: Option<&Material>,
) -> (Duty, Option<Timestamp>, Option<watch::Receiver<u64>>) {
    let now = inner.clock.now();
    let mut shared = inner.lock();
    let away = shared.faults.away(id, now);
    let Some(cluster) = shared.world.cluster_mut(id) else { return (Duty::Refuse, None, None) };
    cluster.advance(now);
    let mut bell = cluster.listen();
    bell.mark_unchanged();
    if let Some((hang, until)) = away {
        return (if hang { Duty::Hang } else { Duty::Refuse }, until, Some(bell));
    }
    if !cluster.has_server() {
        return (Duty::Refuse, cluster.next_due(), Some(bell));
    }
    let current = known.filter(|known| {
        known.rollout == cluster.credentials.rollouts && known.shoot == cluster.shoot
    });
    let made = match current {
        Some(known) => Ok(known.clone()),
        None => material(cluster),
    };
    match made {
        Ok(material) => (Duty::Serve(Box::new(material)), None, Some(bell)),
        Err(_) => (Duty::Refuse, None, Some(bell)),
    }
}

/// Takes one connection, unless the world has changed in the meantime.
fn welcome(
    inner: &Arc<Inner>,
    id: &ClusterId,
    stream: TcpStream,
    known: &mut Option<Material>,
    connections: &mut JoinSet<()>,
) {
    let (Duty::Serve(material), _, _) = look(inner, id, known.as_ref()) else { return };
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
    let now = inner.clock.now();
    let refuses = inner.lock().faults.refuses_handshakes(id, now);
    let config = if refuses { &material.refusing } else { &material.config };
    let acceptor = TlsAcceptor::from(Arc::clone(config));
    connections.spawn(serve(Arc::clone(inner), id.clone(), acceptor, stream, material));
}

async fn serve(
    inner: Arc<Inner>,
    id: ClusterId,
    acceptor: TlsAcceptor,
    stream: TcpStream,
    material: Material,
) {
    // A connection that breaks is the client's matter.
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
    let chain = chain.iter().map(|certificate| certificate.clone().into_owned()).collect();
    let connection = Arc::new(Connection { chain, material });
    let service = service_fn(move |request| {
        answer(Arc::clone(&inner), id.clone(), Arc::clone(&connection), request)
    });
    let server = auto::Builder::new(TokioExecutor::new());
    drop(server.serve_connection(TokioIo::new(stream), service).await);
}
