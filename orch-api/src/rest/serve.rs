//! The server on a socket: hyper over TLS, one task a connection.
//!
//! Invariants: a request carries the user of the connection's certificate, whatever it says itself; connections are bounded
//! in number, and one whose client neither reads nor shakes hands is closed.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use orch_core::{Api, Env, Task};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::publish;
use super::service::{Rest, Untrusted};
use super::tls::{Authority, Client, Clients, Identity, TlsError, write_secret};
use crate::wire::Tasks;

/// Connections at once. A `kube` client has one for each watch; beyond that somebody forgets to close them.
const CONNECTIONS: usize = 10_000;
/// Streams of one HTTP/2 connection at once: client-go runs all watches of a program over one.
const STREAMS: u32 = 1_000;
/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long a client may leave what it is sent unread.
const STALL: Duration = Duration::from_secs(30);

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
    _accepting: Task<()>,
}

impl Server {
    /// Binds an address (port 0: any free one) and serves there.
    ///
    /// # Errors
    /// [`ServeError`].
    pub async fn start(
        rest: Rest,
        env: &Env,
        address: SocketAddr,
        authority: &Authority,
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
        };
        let accepting = env.spawn(door.accept(listener));
        Ok(Self { address, _accepting: accepting })
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
        let stream = Stall { stream, env: self.env.clone(), after: STALL, limit: None };
        let stream = match self.env.timeout(HANDSHAKE, self.acceptor.accept(stream)).await {
            Some(Ok(stream)) => stream,
            Some(Err(error)) => return tracing::debug!(%error, "no handshake"),
            None => return tracing::debug!("no handshake in time"),
        };
        let (_, session) = stream.get_ref();
        let client = self.clients.who(session.peer_certificates(), self.env.now());
        let is_http2 = session.alpn_protocol() == Some(b"h2");
        if let Err(error) = self.serve(stream, client, is_http2).await {
            tracing::debug!(%error, "a connection ended");
        }
    }

    async fn serve(
        &self,
        stream: TlsStream<Stall>,
        client: Client,
        is_http2: bool,
    ) -> Result<(), hyper::Error> {
        let rest = self.rest.clone();
        let service = service_fn(move |mut request: Request<Incoming>| {
            match &client {
                Client::Known(user) => _ = request.extensions_mut().insert(user.clone()),
                Client::Untrusted => _ = request.extensions_mut().insert(Untrusted),
                Client::Anonymous => {}
            }
            let rest = rest.clone();
            async move { Ok::<_, Infallible>(rest.answer(request).await) }
        });
        let stream = TokioIo::new(stream);
        if is_http2 {
            return hyper::server::conn::http2::Builder::new(Tasks(self.env.clone()))
                .timer(TokioTimer::new())
                .max_concurrent_streams(STREAMS)
                .serve_connection(stream, service)
                .await;
        }
        hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .serve_connection(stream, service)
            .await
    }
}

/// A connection that fails when its client leaves what it is sent unread for too long.
struct Stall {
    stream: TcpStream,
    env: Env,
    after: Duration,
    /// Runs while the client does not read.
    limit: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Stall {
    /// Starts, looks at or forgets the limit.
    fn watched<T>(&mut self, context: &mut Context<'_>, poll: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if poll.is_ready() {
            self.limit = None;
            return poll;
        }
        let (env, after) = (&self.env, self.after);
        let limit = self.limit.get_or_insert_with(|| {
            let env = env.clone();
            Box::pin(async move { env.sleep(after).await })
        });
        match limit.as_mut().poll(context) {
            Poll::Ready(()) => {
                Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not read")))
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncRead for Stall {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Stall {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write(context, buffer);
        self.watched(context, poll)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.stream).poll_flush(context);
        self.watched(context, poll)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    /// Writes until the connection fails; says how much it took.
    async fn flood(stall: &mut Stall) -> (usize, io::Error) {
        let bytes = vec![0; 64 << 10];
        let mut written = 0;
        loop {
            match poll_fn(|context| Pin::new(&mut *stall).poll_write(context, &bytes)).await {
                Ok(count) => written += count,
                Err(error) => return (written, error),
            }
        }
    }

    #[test]
    fn a_client_that_does_not_read_is_cut_off() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let env = Env::real();
            let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
            let idle = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            let (stream, _) = listener.accept().await.unwrap();
            let after = Duration::from_millis(50);
            let mut stall = Stall { stream, env: env.clone(), after, limit: None };
            let (written, error) = flood(&mut stall).await;
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
            assert!(written > 0 && env.elapsed() >= after, "{written}");
            // One that reads again in time goes on.
            let (stream, _) = {
                let address = listener.local_addr().unwrap();
                let (connected, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
                let reader = connected.unwrap();
                env.spawn(async move {
                    let mut buffer = vec![0; 1 << 20];
                    while reader.readable().await.is_ok() && !matches!(reader.try_read(&mut buffer), Ok(0)) {}
                });
                accepted.unwrap()
            };
            let mut stall = Stall { stream, env: env.clone(), after: Duration::from_secs(30), limit: None };
            let flood = async {
                let bytes = vec![0; 64 << 10];
                for _ in 0..256 {
                    poll_fn(|context| Pin::new(&mut stall).poll_write(context, &bytes)).await.unwrap();
                }
            };
            assert!(env.timeout(Duration::from_secs(20), flood).await.is_some(), "16 MiB");
            drop(idle);
            env.shutdown().await;
        });
    }
}
