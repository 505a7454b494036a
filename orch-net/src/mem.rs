//! A network in memory: for virtual time, where no real socket exists.
//!
//! It carries bytes through bounded pipes and knows no Services. Latency, if any, is drawn from the seed and paid when a
//! connection is opened. Invariant: one seed, one trace.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use orch_core::network::{Attachment, Connection, HostNetwork, Join, Listener, Network, Ranges};
use orch_core::{Env, Str};
use tokio::sync::mpsc;

use crate::Names;
use crate::address::Pool;
use ipnet::{IpNet, Ipv4Net};

/// Pods: 10.128.0.0/9, eight million addresses, enough for a million nodes.
const PODS: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(10, 128, 0, 0), 9);
/// Services: 10.96.0.0/12, kubeadm's default.
const SERVICES: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(10, 96, 0, 0), 12);
/// Nodes: 10.0.0.0/10.
const NODES: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(10, 0, 0, 0), 10);
/// Where connections from outside seem to come from.
const OUTSIDE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 127, 255, 254));
/// Bytes under way in one direction before the writer waits: Linux' default socket buffer is of that order.
const PIPE_BYTES: usize = 64 * 1024;
/// Connections that wait to be accepted before connecting waits: Linux' `somaxconn` was 128 for decades.
const BACKLOG: usize = 128;
/// Ports given when any free one is asked for, and to the near end of connections (IANA's dynamic range).
const DYNAMIC_PORTS: Range<u16> = 49_152..65_535;

/// A network in memory. Cloning copies a pointer.
///
/// ```
/// # orch_core::sim::run(1, |env| async move {
/// use orch_core::network::{Join, Network};
/// use orch_core::{Key, kind};
/// use orch_net::{MemNetwork, MemOptions};
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
/// let network = MemNetwork::new(&env, MemOptions::default());
/// let pod = network.attach(&Join::new(Key::new(kind::PODS, "shop", "web"), "u1".into(), "n1".into())).await.unwrap();
/// let mut listener = network.listen((pod.address(), 80).into()).await.unwrap();
/// let mut client = network.connect(None, (pod.address(), 80).into()).await.unwrap();
/// let (mut server, _peer) = listener.accept().await.unwrap();
/// client.write_all(b"hello").await.unwrap();
/// drop(client);
/// let mut text = String::new();
/// server.read_to_string(&mut text).await.unwrap();
/// assert_eq!(text, "hello");
/// # });
/// ```
#[derive(Clone)]
pub struct MemNetwork(Arc<Inner>);

struct Inner {
    env: Env,
    names: Names,
    latency: Range<Duration>,
    state: Mutex<State>,
}

/// How a network in memory behaves.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct MemOptions {
    /// What names stand for.
    pub names: Names,
    /// How long opening a connection takes, drawn evenly; an empty range means no time.
    pub latency: Range<Duration>,
}

impl MemOptions {
    /// With these names.
    #[must_use]
    pub fn names(mut self, names: Names) -> Self {
        self.names = names;
        self
    }

    /// With connections that take so long to open.
    #[must_use]
    pub fn latency(mut self, latency: Range<Duration>) -> Self {
        self.latency = latency;
        self
    }
}

struct State {
    pods: Pool,
    nodes: Pool,
    by_uid: BTreeMap<Str, Attachment>,
    by_node: BTreeMap<Str, IpAddr>,
    listeners: BTreeMap<SocketAddr, Ear>,
    next_listener: u64,
    next_port: u16,
}

/// The network's end of a listener; without it the listener is closed.
struct Ear {
    id: u64,
    backlog: mpsc::Sender<(Connection, SocketAddr)>,
}

impl MemNetwork {
    /// A network without pods.
    #[must_use]
    pub fn new(env: &Env, options: MemOptions) -> Self {
        let state = State {
            pods: Pool::new(PODS),
            nodes: Pool::new(NODES),
            by_uid: BTreeMap::new(),
            by_node: BTreeMap::new(),
            listeners: BTreeMap::new(),
            next_listener: 0,
            next_port: DYNAMIC_PORTS.start,
        };
        let MemOptions { names, latency } = options;
        Self(Arc::new(Inner { env: env.child("network"), names, latency, state: Mutex::new(state) }))
    }

    /// The names it resolves.
    #[must_use]
    pub fn names(&self) -> &Names {
        &self.0.names
    }

    async fn delay(&self) {
        let Range { start, end } = self.0.latency;
        if end > start {
            let span = u64::try_from((end - start).as_nanos()).unwrap_or(u64::MAX);
            self.0.env.sleep(start + Duration::from_nanos(self.0.env.below(span))).await;
        }
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
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

    fn is_ours(&self, address: IpAddr) -> bool {
        self.pods.is_taken(address)
            || self.nodes.is_taken(address)
            || IpNet::from(SERVICES).contains(&address)
    }

    fn port(&mut self) -> u16 {
        let port = self.next_port;
        self.next_port = if port + 1 == DYNAMIC_PORTS.end { DYNAMIC_PORTS.start } else { port + 1 };
        port
    }

    fn free_port(&mut self, address: IpAddr) -> io::Result<u16> {
        for _ in DYNAMIC_PORTS {
            let port = self.port();
            if !self.listeners.contains_key(&SocketAddr::new(address, port)) {
                return Ok(port);
            }
        }
        Err(io::Error::new(io::ErrorKind::AddrInUse, format!("no port is free at {address}")))
    }
}

fn exhausted(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::AddrNotAvailable, format!("no {what} address is left"))
}

#[async_trait]
impl Network for MemNetwork {
    fn ranges(&self) -> Ranges {
        Ranges { pods: PODS.into(), services: SERVICES.into() }
    }

    async fn node(&self, name: &str) -> io::Result<IpAddr> {
        self.0.env.edge().await;
        self.0.state().node(name)
    }

    async fn attach(&self, join: &Join) -> io::Result<Attachment> {
        self.0.env.edge().await;
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
        self.0.env.edge().await;
        let mut state = self.0.state();
        if let Some(attachment) = state.by_uid.remove(&attachment.uid) {
            for address in attachment.addresses.iter().filter(|address| IpNet::from(PODS).contains(*address))
            {
                state.pods.free(*address);
                state.listeners.retain(|at, _| at.ip() != *address);
            }
        }
        Ok(())
    }

    async fn listen(&self, at: SocketAddr) -> io::Result<Box<dyn Listener>> {
        self.0.env.edge().await;
        let mut state = self.0.state();
        if !state.is_ours(at.ip()) {
            let text = format!("{} is not an address of this network", at.ip());
            return Err(io::Error::new(io::ErrorKind::AddrNotAvailable, text));
        }
        let address = if at.port() == 0 { SocketAddr::new(at.ip(), state.free_port(at.ip())?) } else { at };
        if state.listeners.contains_key(&address) {
            return Err(io::Error::new(io::ErrorKind::AddrInUse, format!("somebody listens at {address}")));
        }
        let (backlog, incoming) = mpsc::channel(BACKLOG);
        let id = state.next_listener;
        state.next_listener += 1;
        state.listeners.insert(address, Ear { id, backlog });
        Ok(Box::new(MemListener { network: Arc::clone(&self.0), id, address, incoming }))
    }

    async fn connect(&self, from: Option<IpAddr>, to: SocketAddr) -> io::Result<Connection> {
        self.0.env.edge().await;
        self.delay().await;
        let (backlog, peer) = {
            let mut state = self.0.state();
            let known =
                [PODS, SERVICES, NODES].into_iter().any(|range| IpNet::from(range).contains(&to.ip()));
            if !known {
                let text = format!("{to} is not on this network");
                return Err(io::Error::new(io::ErrorKind::NetworkUnreachable, text));
            }
            let backlog =
                state.listeners.get(&to).map(|ear| ear.backlog.clone()).ok_or_else(|| refused(to))?;
            (backlog, SocketAddr::new(from.unwrap_or(OUTSIDE), state.port()))
        };
        let (near, far) = tokio::io::duplex(PIPE_BYTES);
        backlog.send((Box::new(far), peer)).await.map_err(|_| refused(to))?;
        Ok(Box::new(near))
    }

    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        self.0.env.edge().await;
        self.0.names.resolve(name)
    }
}

fn refused(to: SocketAddr) -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionRefused, format!("nobody listens at {to}"))
}

impl fmt::Debug for MemNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.0.state();
        write!(f, "MemNetwork({} pods, {} listeners)", state.by_uid.len(), state.listeners.len())
    }
}

struct MemListener {
    network: Arc<Inner>,
    id: u64,
    address: SocketAddr,
    incoming: mpsc::Receiver<(Connection, SocketAddr)>,
}

#[async_trait]
impl Listener for MemListener {
    async fn accept(&mut self) -> io::Result<(Connection, SocketAddr)> {
        let closed = || {
            io::Error::new(io::ErrorKind::ConnectionAborted, format!("{} has left the network", self.address))
        };
        self.incoming.recv().await.ok_or_else(closed)
    }

    fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for MemListener {
    fn drop(&mut self) {
        let mut state = self.network.state();
        if state.listeners.get(&self.address).is_some_and(|ear| ear.id == self.id) {
            state.listeners.remove(&self.address);
        }
    }
}

impl fmt::Debug for MemListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemListener({})", self.address)
    }
}
