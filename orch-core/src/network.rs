//! The seam to the network of pods and services.
//!
//! A network gives pods addresses and carries byte streams. It knows no Services: the proxy and DNS of `orch-net` are
//! built on it. Errors are `std::io::Error`, whose kinds say what happened (`AddrInUse`, `ConnectionRefused`, …).

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};

use async_trait::async_trait;
use ipnet::IpNet;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::{Key, Str};

/// A two-way stream of bytes.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// An open connection.
pub type Connection = Box<dyn Stream>;

/// Which addresses a network gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ranges {
    /// To pods.
    pub pods: IpNet,
    /// To Services: what the Api allocates `spec.clusterIP` from.
    pub services: IpNet,
}

/// A pod on the network.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attachment {
    /// The pod.
    pub pod: Key,
    /// This very pod.
    pub uid: Str,
    /// Its own address, the primary one first.
    pub addresses: Vec<IpAddr>,
}

impl Attachment {
    /// A pod with one address.
    #[must_use]
    pub fn new(pod: Key, uid: Str, address: IpAddr) -> Self {
        Self { pod, uid, addresses: vec![address] }
    }

    /// The primary address.
    ///
    /// # Panics
    /// Never for an attachment that a network made: it has an address.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        *self.addresses.first().expect("a network gives each pod an address")
    }
}

/// A pod that is to join the network.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Join {
    /// The pod.
    pub pod: Key,
    /// This very pod.
    pub uid: Str,
    /// Where it runs.
    pub node: Str,
    /// Whether it shares its node's address (`spec.hostNetwork`).
    pub host: HostNetwork,
}

/// Whether a pod has an address of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HostNetwork {
    /// An address of its own.
    #[default]
    Own,
    /// Its node's address.
    Shared,
}

impl Join {
    /// A pod with an address of its own.
    #[must_use]
    pub fn new(pod: Key, uid: Str, node: Str) -> Self {
        Self { pod, uid, node, host: HostNetwork::Own }
    }

    /// On its node's address, or its own.
    #[must_use]
    pub fn host(mut self, host: HostNetwork) -> Self {
        self.host = host;
        self
    }
}

/// Accepts connections at one address.
#[async_trait]
pub trait Listener: Send + fmt::Debug {
    /// The next connection and who opened it. Dropping the future loses no connection.
    ///
    /// # Errors
    /// When the listener is broken for good or the pod has left the network.
    async fn accept(&mut self) -> io::Result<(Connection, SocketAddr)>;

    /// The address as the cluster sees it: of the pod or Service, with the port that was asked for.
    fn address(&self) -> SocketAddr;
}

/// Gives pods addresses and carries streams between them.
///
/// # To ensure correctness
/// An address belongs to one pod from [`Network::attach`] to [`Network::detach`], and is not given again for as long as
/// others are free: whoever remembers the old pod must not reach a new one. Attaching the same uid again answers the same
/// attachment. Detaching closes the pod's listeners; open connections may go on.
#[async_trait]
pub trait Network: Send + Sync {
    /// The addresses it gives.
    fn ranges(&self) -> Ranges;

    /// The address of a node, the same at every call.
    ///
    /// # Errors
    /// When no address is left.
    async fn node(&self, name: &str) -> io::Result<IpAddr>;

    /// Gives a pod its address.
    ///
    /// # Errors
    /// `AddrNotAvailable` when none is left.
    async fn attach(&self, join: &Join) -> io::Result<Attachment>;

    /// Takes a pod off the network; doing so twice is harmless.
    ///
    /// # Errors
    /// When it cannot be taken off; try again.
    async fn detach(&self, attachment: &Attachment) -> io::Result<()>;

    /// Listens at an address of a pod, node or Service. Port 0 means any free one.
    ///
    /// # Errors
    /// `AddrInUse`; `AddrNotAvailable` when the address is not this network's.
    async fn listen(&self, at: SocketAddr) -> io::Result<Box<dyn Listener>>;

    /// Opens a connection from one of this network's addresses, or from outside. Ports that a user may not bind are
    /// mapped here: `to` is always the address that the cluster knows.
    ///
    /// # Errors
    /// `ConnectionRefused` when nobody listens, `TimedOut`, `NetworkUnreachable`.
    async fn connect(&self, from: Option<IpAddr>, to: SocketAddr) -> io::Result<Connection>;

    /// The addresses of a full name such as `db-0.db.shop.svc.cluster.local`, as cluster DNS answers.
    ///
    /// # Errors
    /// `NotFound` when the name does not exist.
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// The cluster's DNS domain.
pub const CLUSTER_DOMAIN: &str = "cluster.local";

/// The full names that a pod of a namespace tries for a name, in order: Kubernetes' search list with `ndots:5`
/// (`pkg/kubelet/network/dns/dns.go`).
///
/// ```
/// use orch_core::network::search;
/// assert_eq!(search("shop", "db")[0], "db.shop.svc.cluster.local");
/// assert_eq!(search("shop", "db-0.db.shop.svc.cluster.local.")[0], "db-0.db.shop.svc.cluster.local");
/// ```
#[must_use]
pub fn search(namespace: &str, name: &str) -> Vec<String> {
    if let Some(full) = name.strip_suffix('.') {
        return vec![full.to_owned()];
    }
    let suffixes =
        [format!("{namespace}.svc.{CLUSTER_DOMAIN}"), format!("svc.{CLUSTER_DOMAIN}"), CLUSTER_DOMAIN.into()];
    let searched = suffixes.iter().map(|suffix| format!("{name}.{suffix}"));
    if name.matches('.').count() >= 5 {
        std::iter::once(name.to_owned()).chain(searched).collect()
    } else {
        searched.chain([name.to_owned()]).collect()
    }
}

/// Opens a connection to a name as a pod of that namespace would: each candidate name, then each address, in order.
///
/// # Errors
/// `NotFound` when no candidate exists; else the error of the last address tried.
pub async fn dial(
    network: &dyn Network,
    namespace: &str,
    from: Option<IpAddr>,
    host: &str,
    port: u16,
) -> io::Result<Connection> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return network.connect(from, SocketAddr::new(address, port)).await;
    }
    for name in search(namespace, host) {
        let addresses = match network.resolve(&name).await {
            Ok(addresses) => addresses,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let mut last = io::Error::new(io::ErrorKind::NotFound, format!("{name} has no addresses"));
        for address in addresses {
            match network.connect(from, SocketAddr::new(address, port)).await {
                Ok(connection) => return Ok(connection),
                Err(error) => last = error,
            }
        }
        return Err(last);
    }
    Err(io::Error::new(io::ErrorKind::NotFound, format!("no such host: {host}")))
}
