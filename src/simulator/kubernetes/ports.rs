//! The TCP ports of clusters' API servers, constant while the simulator runs.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};

use tokio::net::{TcpListener, TcpSocket};
use tokio::task::AbortHandle;

use crate::domain::cluster::ClusterId;

/// The ports by cluster, and the tasks that serve them.
#[derive(Debug)]
pub struct ApiServerPorts {
    /// Address that they listen on, the same as for the cloud's own APIs.
    pub host: IpAddr,
    ports: BTreeMap<ClusterId, u16>,
    unserved: Vec<(ClusterId, ReservedPort)>,
    listeners: Vec<AbortHandle>,
}

impl ApiServerPorts {
    /// No ports yet; all will be on this host.
    pub fn new(host: IpAddr) -> Self {
        Self { host, ports: BTreeMap::new(), unserved: Vec::new(), listeners: Vec::new() }
    }

    /// The address of a cluster's API server, reserved on the first call.
    pub fn address(&mut self, id: &ClusterId) -> io::Result<SocketAddr> {
        if let Some(port) = self.ports.get(id) {
            return Ok((self.host, *port).into());
        }
        let reserved = ReservedPort::new(self.host)?;
        let address = reserved.address;
        self.ports.insert(id.clone(), address.port());
        self.unserved.push((id.clone(), reserved));
        Ok(address)
    }

    /// Calls `serve` to start a task for every port that has none.
    pub fn serve_new(&mut self, serve: impl FnMut((ClusterId, ReservedPort)) -> AbortHandle) {
        self.listeners.extend(self.unserved.drain(..).map(serve));
    }

    /// Stops all API servers.
    pub fn close(&mut self) {
        self.listeners.drain(..).for_each(|listener| listener.abort());
    }
}

/// A port of this process.
#[derive(Debug)]
pub struct ReservedPort {
    address: SocketAddr,
    state: PortState,
}

#[derive(Debug)]
enum PortState {
    Listening(TcpListener),
    /// Connections are refused, but no other process can bind the port.
    Bound(#[expect(dead_code, reason = "keeps the port")] TcpSocket),
    Unbound,
}

fn bind(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

impl ReservedPort {
    fn new(host: IpAddr) -> io::Result<Self> {
        let listener = bind((host, 0).into())?.listen(1024)?;
        Ok(Self { address: listener.local_addr()?, state: PortState::Listening(listener) })
    }

    /// Starts accepting connections; `None` while the port cannot be bound.
    pub fn listen(&mut self) -> Option<&TcpListener> {
        if !matches!(self.state, PortState::Listening(_)) {
            self.state = PortState::Unbound;
            let listener = bind(self.address).and_then(|socket| socket.listen(1024));
            self.state = PortState::Listening(listener.ok()?);
        }
        if let PortState::Listening(listener) = &self.state { Some(listener) } else { None }
    }

    /// Starts refusing connections.
    pub fn refuse(&mut self) {
        if matches!(self.state, PortState::Listening(_)) {
            self.state = PortState::Unbound;
            if let Ok(socket) = bind(self.address) {
                self.state = PortState::Bound(socket);
            }
        }
    }
}
