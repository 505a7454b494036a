//! The server on a socket: hyper over TLS, one task a connection.
//!
//! Invariants: a request carries the user of the connection's certificate, whatever it says itself; connections are bounded
//! in number, and one whose client neither reads nor shakes hands, or asks for nothing any more, is closed.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{Extensions, Request};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use ipnet::IpNet;
use jiff::Timestamp;
use orch_core::{Api, Env, Task};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::body::{Body, BodyError};
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
/// Bytes of the headers of a request over HTTP/2; of an HTTP/1.1 one hyper takes about as many.
const HEADERS: u32 = 256 << 10;

/// How long connections are waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// For the headers of a request, and over HTTP/1.1 for the next request (`ReadHeaderTimeout` of
    /// `apiserver/pkg/server/secure_serving.go`).
    pub(super) headers: Duration,
    /// For a request over HTTP/2 where none is at work (`IdleTimeout`): places are counted, and nobody may keep one for nothing.
    pub(super) idle: Duration,
    /// How often a client of HTTP/2 is asked whether it is there, and how long it may take to answer.
    pub(super) ping: (Duration, Duration),
}

pub(super) const PATIENCE: Patience = Patience {
    headers: Duration::from_secs(32),
    idle: Duration::from_secs(90),
    ping: (Duration::from_secs(30), Duration::from_secs(15)),
};

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
            rest: rest.acting_as_nobody(),
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
        let (rest, env) = (self.rest.clone(), self.env.clone());
        let work = Work::new(&self.env);
        let counted = work.clone();
        let service = service_fn(move |mut request: Request<Incoming>| {
            say_who(&client, env.now(), request.extensions_mut());
            let (rest, at_work) = (rest.clone(), counted.begin());
            async move {
                let response = rest.answer(request).await;
                Ok::<_, Infallible>(response.map(|body| Worked { body, _at_work: at_work }))
            }
        });
        let stream = TokioIo::new(stream);
        let Patience { headers, idle, ping } = self.patience;
        if !is_http2 {
            return hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(headers)
                .serve_connection(stream, service)
                .await;
        }
        let connection = hyper::server::conn::http2::Builder::new(Tasks(self.env.clone()))
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS)
            .max_header_list_size(HEADERS)
            .keep_alive_interval(ping.0)
            .keep_alive_timeout(ping.1)
            .serve_connection(stream, service);
        let mut connection = std::pin::pin!(connection);
        tokio::select! {
            ended = connection.as_mut() => return ended,
            () = work.idle_for(idle) => {}
        }
        // What comes now is still answered; who leaves it open nevertheless is cut off.
        connection.as_mut().graceful_shutdown();
        tokio::select! {
            ended = connection => ended,
            () = work.idle_for(idle) => Ok(()),
        }
    }
}

/// Says with a request who its connection's client is. A connection may outlive the certificate that it began with.
fn say_who(client: &Client, now: Timestamp, extensions: &mut Extensions) {
    match client {
        Client::Known { user, until } if now <= *until => _ = extensions.insert(user.clone()),
        Client::Known { .. } | Client::Untrusted => _ = extensions.insert(Untrusted),
        Client::Anonymous => {}
    }
}

/// The requests of a connection that are at work, their answers included.
#[derive(Clone)]
struct Work {
    count: Arc<AtomicUsize>,
    /// When the last one began or ended, in milliseconds of the environment.
    changed: Arc<AtomicU64>,
    env: Env,
}

impl Work {
    fn new(env: &Env) -> Self {
        let work = Self { count: Arc::default(), changed: Arc::default(), env: env.clone() };
        work.touch();
        work
    }

    fn now(&self) -> u64 {
        u64::try_from(self.env.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn touch(&self) {
        self.changed.store(self.now(), Ordering::Relaxed);
    }

    fn begin(&self) -> AtWork {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.touch();
        AtWork(self.clone())
    }

    /// Ends when nothing has been at work for that long.
    async fn idle_for(&self, long: Duration) {
        let mut wait = long;
        loop {
            self.env.sleep(wait).await;
            let since = self.now().saturating_sub(self.changed.load(Ordering::Relaxed));
            let rest = long.saturating_sub(Duration::from_millis(since));
            let is_busy = self.count.load(Ordering::Relaxed) > 0;
            if !is_busy && rest.is_zero() {
                return;
            }
            wait = if rest.is_zero() { long } else { rest };
        }
    }
}

/// One of them.
struct AtWork(Work);

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.touch();
        self.0.count.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The body of an answer, which is work until it has been sent.
struct Worked {
    body: Body,
    _at_work: AtWork,
}

impl http_body::Body for Worked {
    type Data = bytes::Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<bytes::Bytes>, BodyError>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
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
    fn a_certificate_ends_while_its_connection_goes_on() {
        let until = Timestamp::from_second(1_000).unwrap();
        let client = Client::Known { user: orch_core::User::new("jane"), until };
        let said = |secs| {
            let mut extensions = Extensions::new();
            say_who(&client, Timestamp::from_second(secs).unwrap(), &mut extensions);
            (extensions.get::<orch_core::User>().is_some(), extensions.get::<Untrusted>().is_some())
        };
        assert_eq!((said(1_000), said(1_001)), ((true, false), (false, true)));
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
