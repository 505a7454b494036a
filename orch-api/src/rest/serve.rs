//! The server on a socket: hyper over TLS, one task a connection.
//!
//! Not what happens on a connection. Invariant: connections are bounded in number, and one whose client does not shake hands
//! is closed.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ipnet::IpNet;
use orch_core::{Api, Env, Task};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::connection::{self, PATIENCE, Patience, Served};
use super::publish;
use super::service::Rest;
use super::stall::Stall;
use super::tls::{Authority, Clients, Identity, TlsError, write_secret};

/// Connections at once. A `kube` client has one for each watch; beyond that somebody forgets to close them.
const CONNECTIONS: usize = 10_000;
/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Why there is no server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The address cannot be bound.
    #[error("address {address} of the API server")]
    Bind {
        /// Which.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// There is no certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The kubeconfig cannot be written.
    #[error("kubeconfig {path}")]
    Kubeconfig {
        /// Where.
        path: std::path::PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// A [`Rest`] on a socket, over TLS. It runs until its environment stops.
///
/// ```
/// use std::sync::Arc;
/// use orch_api::{LocalApi, rest::{Authority, Rest, Server}};
/// use orch_core::{Env, Registry};
/// use orch_store::MemStore;
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let env = Env::real();
/// let registry = Arc::new(Registry::built_in());
/// let api = LocalApi::builder(Arc::new(MemStore::new(registry.clone())), env.clone(), registry).build();
/// api.bootstrap().await.unwrap();
/// let rest = Rest::builder(Arc::new(api), &env).build();
/// let authority = Authority::new(&env).unwrap();
/// let server = Server::start(rest, &env, ([127, 0, 0, 1], 0).into(), &authority).await.unwrap();
/// let admin = authority.client("admin", Some("system:masters")).unwrap();
/// assert!(server.kubeconfig(&authority, &admin).contains(&server.address().to_string()));
/// env.shutdown().await;
/// # });
/// ```
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    env: Env,
    _accepting: Task<()>,
}

impl Server {
    /// Binds an address (port 0: any free one) and serves there. Whoever shows neither a certificate nor a token is
    /// anonymous, also when requests in the process are not ([`Rest::acting_as`]).
    ///
    /// # Errors
    /// [`ServeError`].
    pub async fn start(
        rest: Rest,
        env: &Env,
        address: SocketAddr,
        authority: &Authority,
    ) -> Result<Self, ServeError> {
        Self::start_with(rest, env, address, authority, PATIENCE).await
    }

    pub(super) async fn start_with(
        rest: Rest,
        env: &Env,
        address: SocketAddr,
        authority: &Authority,
        patience: Patience,
    ) -> Result<Self, ServeError> {
        let bind = |source| ServeError::Bind { address, source };
        let listener = TcpListener::bind(address).await.map_err(bind)?;
        let address = listener.local_addr().map_err(bind)?;
        let service = ["kubernetes", "kubernetes.default", "kubernetes.default.svc"];
        let mut names: Vec<String> = service.map(str::to_owned).to_vec();
        names.extend(["kubernetes.default.svc.cluster.local", "localhost", "127.0.0.1"].map(str::to_owned));
        if !address.ip().is_unspecified() && address.ip().to_string() != "127.0.0.1" {
            names.push(address.ip().to_string());
        }
        let identity = authority.server(&names)?;
        let (config, clients) = authority.config(&identity)?;
        let env = env.child("rest-server");
        let door = Door {
            rest,
            env: env.clone(),
            clients,
            acceptor: TlsAcceptor::from(config),
            open: Arc::default(),
            patience,
        };
        let accepting = env.spawn(door.accept(listener));
        Ok(Self { address, env, _accepting: accepting })
    }

    /// Where it answers.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Tells the cluster where this server is, by the Service `kubernetes` and its EndpointSlice. It must be an address that
    /// endpoints may have: not `127.0.0.1`.
    ///
    /// # Errors
    /// What the Api says; some of it may be done then, and may be done again.
    pub async fn publish(&self, api: &dyn Api) -> orch_core::Result<()> {
        publish::publish(api, self.address).await
    }

    /// Publishes every ten seconds, as long as the environment lasts, and keeps what every API server keeps: the namespaces of
    /// the system, flow schemas, priority levels, and the range of cluster addresses, which is `services`.
    pub fn keep_published(&self, api: Arc<dyn Api>, services: IpNet) {
        self.env.spawn(publish::keep(api, self.env.clone(), self.address, services));
    }

    /// A kubeconfig for that client.
    #[must_use]
    pub fn kubeconfig(&self, authority: &Authority, client: &Identity) -> String {
        let data = |pem: &str| STANDARD.encode(pem);
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: orch\nclusters:\n- name: orch\n  cluster:\n    \
             server: https://{}\n    certificate-authority-data: {}\ncontexts:\n- name: orch\n  context:\n    \
             cluster: orch\n    user: admin\nusers:\n- name: admin\n  user:\n    client-certificate-data: {}\n    \
             client-key-data: {}\n",
            self.address,
            data(authority.certificate_pem()),
            data(client.certificate_pem()),
            data(client.key_pem())
        )
    }

    /// Writes a kubeconfig that its owner alone can read.
    ///
    /// # Errors
    /// [`ServeError::Kubeconfig`].
    pub fn write_kubeconfig(
        &self,
        path: &Path,
        authority: &Authority,
        client: &Identity,
    ) -> Result<(), ServeError> {
        let text = self.kubeconfig(authority, client);
        let failed = |source| ServeError::Kubeconfig { path: path.to_owned(), source };
        write_secret(path, text.as_bytes()).map_err(failed)
    }
}

/// What every connection needs.
#[derive(Clone)]
struct Door {
    rest: Rest,
    env: Env,
    clients: Clients,
    acceptor: TlsAcceptor,
    open: Arc<AtomicUsize>,
    patience: Patience,
}

/// One of the connections that are counted.
struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Door {
    async fn accept(self, listener: TcpListener) {
        loop {
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of descriptors, most likely: those who are there go on, and leave.
                    tracing::warn!(%error, "a connection could not be accepted");
                    self.env.sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            if self.open.fetch_add(1, Ordering::Relaxed) >= CONNECTIONS {
                self.open.fetch_sub(1, Ordering::Relaxed);
                tracing::warn!(limit = CONNECTIONS, "too many connections: one is closed");
                continue;
            }
            let place = Place(Arc::clone(&self.open));
            let door = self.clone();
            self.env.spawn(async move {
                door.connection(stream).await;
                drop(place);
            });
        }
    }

    async fn connection(self, stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        let stream = Stall::new(stream, &self.env);
        let stream = match self.env.timeout(HANDSHAKE, self.acceptor.accept(stream)).await {
            Some(Ok(stream)) => stream,
            Some(Err(error)) => return tracing::debug!(%error, "no handshake"),
            None => return tracing::debug!("no handshake in time"),
        };
        let (_, session) = stream.get_ref();
        let client = self.clients.who(session.peer_certificates(), self.env.now());
        let served = Served::new(&self.rest, client);
        if let Err(error) = connection::serve(stream, served, self.patience, &self.env).await {
            tracing::debug!(%error, "a connection ended");
        }
    }
}
