//! A network on loopback addresses: real sockets without privileges, for clusters side by side on one machine.
//!
//! Each cluster leases a block of 127.0.0.0/8 and gives every pod an address of its own in it. It isolates nothing:
//! whoever is on the machine reaches every pod. Linux only, where all of 127.0.0.0/8 is local. Invariant: two clusters,
//! in one process or in several, never share an address.

mod lease;
mod listener;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use ipnet::IpNet;
use orch_core::network::{Attachment, Connection, HostNetwork, Join, Listener, Network, Ranges};
use orch_core::{Env, Str};
use tokio::net::TcpSocket;

use crate::address::Pool;
use crate::{Error, Names};
use lease::Lease;
use listener::{Closer, LoopbackListener};

/// Ports below are the system's: a user may need a privilege to bind them.
const FIRST_USER_PORT: u16 = 1024;
/// Added to a port that cannot be bound; the sum is tried before any free one, so that people find it.
pub(crate) const MAPPED_BY: u16 = 20_000;
/// Connections that wait to be accepted: Linux' `somaxconn`.
const BACKLOG: u32 = 4096;

/// A network on loopback addresses. Cloning copies a pointer; the addresses are given back with the last clone, which
/// also closes every listener.
///
/// ```
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
/// # runtime.block_on(async {
/// use orch_core::network::{Join, Network};
/// use orch_core::{Env, Key, kind};
/// use orch_net::{LoopbackNetwork, LoopbackOptions};
/// let network = LoopbackNetwork::lease(&Env::real(), LoopbackOptions::default()).unwrap();
/// let pod = network.attach(&Join::new(Key::new(kind::PODS, "shop", "web"), "u1".into(), "n1".into())).await.unwrap();
/// let mut listener = network.listen((pod.address(), 80).into()).await.unwrap();
/// let real = network.published((pod.address(), 80).into()).unwrap();
/// let (client, server) = tokio::join!(tokio::net::TcpStream::connect(real), listener.accept());
/// assert_eq!(client.unwrap().local_addr().unwrap(), server.unwrap().1);
/// # });
/// ```
#[derive(Clone)]
pub struct LoopbackNetwork(Arc<Inner>);

struct Inner {
    lease: Lease,
    names: Names,
    system_ports: SystemPorts,
    other_names: OtherNames,
    state: Mutex<State>,
}

struct State {
    pods: Pool,
    nodes: Pool,
    by_uid: BTreeMap<Str, Attachment>,
    by_node: BTreeMap<Str, IpAddr>,
    listeners: BTreeMap<SocketAddr, Closer>,
}

/// How a network on loopback addresses behaves.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct LoopbackOptions {
    /// What names stand for.
    pub names: Names,
    /// What becomes of ports below 1024.
    pub system_ports: SystemPorts,
    /// Who knows names that are not the cluster's.
    pub other_names: OtherNames,
}

/// Who knows names that are not the cluster's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OtherNames {
    /// Nobody: they do not exist, and no question leaves the machine.
    #[default]
    Unknown,
    /// The machine's resolver, as CoreDNS forwards to the node's. Names without a dot are not asked for.
    Machine,
}

/// What becomes of ports below 1024.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SystemPorts {
    /// Bound where the user may, else mapped to another port.
    #[default]
    Try,
    /// Always mapped to another port.
    Mapped,
}

impl LoopbackOptions {
    /// With these names.
    #[must_use]
    pub fn names(mut self, names: Names) -> Self {
        self.names = names;
        self
    }

    /// With ports below 1024 dealt with in this way.
    #[must_use]
    pub fn system_ports(mut self, system_ports: SystemPorts) -> Self {
        self.system_ports = system_ports;
        self
    }

    /// With names that are not the cluster's known to the machine, or to nobody.
    #[must_use]
    pub fn other_names(mut self, other_names: OtherNames) -> Self {
        self.other_names = other_names;
        self
    }
}

impl LoopbackNetwork {
    /// Leases a block of addresses that no other cluster of this machine has.
    ///
    /// # Errors
    /// `NoBlock` when every block is leased, `NoLoopback` when the system has no such addresses.
    pub fn lease(env: &Env, options: LoopbackOptions) -> Result<Self, Error> {
        let lease = Lease::take(&env.child("network"))?;
        let mut nodes = Pool::new(lease.nodes());
        // The lock's own address.
        nodes.take_exactly(lease.address());
        let state = State {
            pods: Pool::new(lease.pods()),
            nodes,
            by_uid: BTreeMap::new(),
            by_node: BTreeMap::new(),
            listeners: BTreeMap::new(),
        };
        let LoopbackOptions { names, system_ports, other_names } = options;
        Ok(Self(Arc::new(Inner { lease, names, system_ports, other_names, state: Mutex::new(state) })))
    }

    /// The names it resolves.
    #[must_use]
    pub fn names(&self) -> &Names {
        &self.0.names
    }

    /// Where a listener of the cluster is found by programs outside of it: the same address, and the same port unless that
    /// could not be bound. `None` when nobody listens there.
    #[must_use]
    pub fn published(&self, at: SocketAddr) -> Option<SocketAddr> {
        self.0.state().listeners.get(&at).map(Closer::real)
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Binds the address itself, or one with another port.
    fn bind(&self, at: SocketAddr) -> io::Result<tokio::net::TcpListener> {
        let is_mapped = self.system_ports == SystemPorts::Mapped && (1..FIRST_USER_PORT).contains(&at.port());
        let own = (!is_mapped).then_some(at.port());
        let mut last = None;
        // A listener of another program at 0.0.0.0 takes its port from every loopback address.
        for port in own.into_iter().chain(at.port().checked_add(MAPPED_BY)).chain([0]) {
            match bind(SocketAddr::new(at.ip(), port)) {
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::AddrInUse) =>
                {
                    last = Some(error);
                }
                bound => return bound,
            }
        }
        Err(last.unwrap_or_else(|| io::ErrorKind::AddrInUse.into()))
    }
}

fn bind(at: SocketAddr) -> io::Result<tokio::net::TcpListener> {
    let socket = TcpSocket::new_v4()?;
    // Connections of an earlier listener that linger do not keep a new one from its port.
    socket.set_reuseaddr(true)?;
    socket.bind(at)?;
    socket.listen(BACKLOG)
}

impl State {
    fn node(&mut self, name: &str) -> io::Result<IpAddr> {
        if let Some(address) = self.by_node.get(name) {
            return Ok(*address);
        }
        let address = self.nodes.take().ok_or_else(|| exhausted("node"))?;
        self.by_node.insert(name.into(), address);
        Ok(address)
    }
}

fn exhausted(what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::AddrNotAvailable,
        format!("no {what} address is left in this cluster's block"),
    )
}

#[async_trait]
impl Network for LoopbackNetwork {
    fn ranges(&self) -> Ranges {
        Ranges { pods: self.0.lease.pods().into(), services: self.0.lease.services().into() }
    }

    async fn node(&self, name: &str) -> io::Result<IpAddr> {
        self.0.state().node(name)
    }

    async fn attach(&self, join: &Join) -> io::Result<Attachment> {
        let mut state = self.0.state();
        if let Some(attachment) = state.by_uid.get(&join.uid) {
            return Ok(attachment.clone());
        }
        let address = match join.host {
            HostNetwork::Shared => state.node(&join.node)?,
            HostNetwork::Own => state.pods.take().ok_or_else(|| exhausted("pod"))?,
        };
        let attachment = Attachment::new(join.pod.clone(), join.uid.clone(), address);
        state.by_uid.insert(join.uid.clone(), attachment.clone());
        Ok(attachment)
    }

    async fn detach(&self, attachment: &Attachment) -> io::Result<()> {
        let mut state = self.0.state();
        if let Some(attachment) = state.by_uid.remove(&attachment.uid) {
            let pods = IpNet::from(self.0.lease.pods());
            for address in attachment.addresses.iter().filter(|address| pods.contains(*address)) {
                state.pods.free(*address);
                state.listeners.retain(|at, _| at.ip() != *address);
            }
        }
        Ok(())
    }

    async fn listen(&self, at: SocketAddr) -> io::Result<Box<dyn Listener>> {
        let mut state = self.0.state();
        let services = IpNet::from(self.0.lease.services());
        if !state.pods.is_taken(at.ip()) && !state.nodes.is_taken(at.ip()) && !services.contains(&at.ip()) {
            let text = format!("{} is not an address of this network", at.ip());
            return Err(io::Error::new(io::ErrorKind::AddrNotAvailable, text));
        }
        if state.listeners.contains_key(&at) {
            return Err(io::Error::new(io::ErrorKind::AddrInUse, format!("somebody listens at {at}")));
        }
        let socket = self.0.bind(at)?;
        let real = socket.local_addr()?;
        let address = if at.port() == 0 { real } else { at };
        let (listener, closer) = LoopbackListener::new(Arc::downgrade(&self.0), socket, address, real);
        state.listeners.insert(address, closer);
        Ok(Box::new(listener))
    }

    async fn connect(&self, from: Option<IpAddr>, to: SocketAddr) -> io::Result<Connection> {
        let real = self.published(to).unwrap_or(to);
        let socket = TcpSocket::new_v4()?;
        if let Some(from) = from.filter(|from| IpNet::from(self.0.lease.block()).contains(from)) {
            socket.bind(SocketAddr::new(from, 0))?;
        }
        let stream = socket.connect(real).await?;
        stream.set_nodelay(true)?;
        Ok(Box::new(stream))
    }

    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        match self.0.names.follow_aliases(name) {
            Ok(addresses) => Ok(addresses),
            Err(other) if self.0.other_names == OtherNames::Machine && is_for_machine(&other) => {
                // The dot keeps the machine from trying its own search list.
                let full = format!("{}.", other.trim_end_matches('.'));
                Ok(tokio::net::lookup_host((full, 0))
                    .await?
                    .map(|found| found.ip())
                    .filter(IpAddr::is_ipv4)
                    .collect())
            }
            Err(_) => Err(io::Error::new(io::ErrorKind::NotFound, format!("no such host: {name}"))),
        }
    }
}

fn is_for_machine(name: &str) -> bool {
    !Names::is_ours(name) && name.trim_end_matches('.').contains('.')
}

impl fmt::Debug for LoopbackNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LoopbackNetwork({}, {} pods)", self.0.lease.block(), self.0.state().by_uid.len())
    }
}

#[cfg(test)]
mod tests {
    use orch_core::{Key, kind};

    use super::*;

    fn lease(env: &Env) -> LoopbackNetwork {
        LoopbackNetwork::lease(env, LoopbackOptions::default()).unwrap()
    }

    #[test]
    fn clusters_side_by_side_share_no_address() {
        let env = Env::seeded(3);
        let networks: Vec<_> = (0..20).map(|_| lease(&env)).collect();
        let ranges: Vec<_> =
            networks.iter().flat_map(|network| [network.ranges().pods, network.ranges().services]).collect();
        for (at, range) in ranges.iter().enumerate() {
            assert!(ranges.iter().skip(at + 1).all(|other| !range.contains(other) && !other.contains(range)));
        }
    }

    #[tokio::test]
    async fn the_end_of_a_network_closes_its_listeners() {
        let network = lease(&Env::seeded(4));
        let join = Join::new(Key::new(kind::PODS, "shop", "web"), "u1".into(), "n1".into());
        let at = SocketAddr::new(network.attach(&join).await.unwrap().address(), 8080);
        let mut listener = network.listen(at).await.unwrap();
        let real = network.published(at).unwrap();
        drop(network);
        assert!(listener.accept().await.is_err());
        let refused = tokio::net::TcpStream::connect(real).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    }

    #[test]
    fn the_machine_is_not_asked_for_the_clusters_names() {
        for (name, expected) in [
            ("db.example.com", true),
            ("db.example.com.", true),
            ("db", false),
            ("db.", false),
            ("db.shop.svc.cluster.local", false),
            ("1.0.0.10.in-addr.arpa", false),
        ] {
            assert_eq!(is_for_machine(name), expected, "{name}");
        }
    }
}
