//! A service of HTTP requests to a server over TLS: HTTP/2 where the server has it, and as many connections as are needed where it
//! has not.
//!
//! Invariants: a server is trusted by the authority in the kubeconfig alone; a connection over which nothing comes any more
//! is found out and closed.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::header::{AUTHORIZATION, HeaderValue};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper_util::client::legacy::connect::{Connected, Connection as Connects};
use hyper_util::client::legacy::{Client, Error as ClientError, ResponseFuture};
use hyper_util::rt::{TokioIo, TokioTimer};
use orch_core::Env;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::exchange::{BodyError, RequestBody};
use super::kubeconfig::Kubeconfig;

/// How long it may take to connect and shake hands.
const CONNECT: Duration = Duration::from_secs(10);
/// How often a connection of HTTP/2 is asked whether it is there, and how long it may take to answer: as client-go does
/// (`apimachinery/pkg/util/net/http.go`).
const PING: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(15));
/// How long a connection is kept that nobody uses.
const IDLE: Duration = Duration::from_secs(90);

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectionError {
    /// The URL of the server is not one.
    #[error("server {url:?}: {why}")]
    Server {
        /// As given.
        url: String,
        /// What is wrong.
        why: String,
    },
    /// A certificate or a key cannot be used.
    #[error("{of}: {why}")]
    Certificate {
        /// Whose.
        of: &'static str,
        /// What is wrong.
        why: String,
    },
}

/// A server, as a [`tower::Service`]. Cloning copies a pointer; connections are made when they are needed.
#[derive(Clone)]
pub struct Connection {
    client: Client<Connector, RequestBody>,
    base: Arc<Base>,
}

struct Base {
    scheme: Scheme,
    authority: Authority,
    /// Before every path.
    prefix: String,
    token: Option<HeaderValue>,
}

impl Connection {
    /// A server as a kubeconfig describes it. Its tasks are the environment's.
    ///
    /// # Errors
    /// [`ConnectionError`]; that the server does not answer is told by requests.
    pub fn new(config: &Kubeconfig, env: &Env) -> Result<Self, ConnectionError> {
        let wrong = |why: &str| ConnectionError::Server { url: config.server.clone(), why: why.to_owned() };
        let uri: Uri = config.server.parse().map_err(|_| wrong("must be a URL"))?;
        let (Some(scheme), Some(authority)) = (uri.scheme().cloned(), uri.authority().cloned()) else {
            return Err(wrong("must be https://host:port"));
        };
        if scheme != Scheme::HTTPS && scheme != Scheme::HTTP {
            return Err(wrong("must begin with https://"));
        }
        let token = match &config.token {
            Some(token) => {
                let of = "the token";
                let mut value = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| {
                    ConnectionError::Certificate { of, why: "has characters that no token has".into() }
                })?;
                value.set_sensitive(true);
                Some(value)
            }
            None => None,
        };
        let tls = TlsConnector::from(Arc::new(client_config(config)?));
        let env = env.child("remote-connection");
        let connector = Connector { tls, server_name: config.server_name.clone(), env: env.clone() };
        let client = Client::builder(Tasks(env))
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .http2_keep_alive_interval(PING.0)
            .http2_keep_alive_timeout(PING.1)
            .build(connector);
        let prefix = uri.path().trim_end_matches('/').to_owned();
        Ok(Self { client, base: Arc::new(Base { scheme, authority, prefix, token }) })
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("server", &self.base.authority.as_str()).finish_non_exhaustive()
    }
}

fn client_config(config: &Kubeconfig) -> Result<ClientConfig, ConnectionError> {
    let failed = |of: &'static str| move |why: String| ConnectionError::Certificate { of, why };
    let mut roots = RootCertStore::empty();
    for certificate in
        CertificateDer::pem_slice_iter(config.authority.as_deref().unwrap_or_default().as_bytes())
    {
        let of = failed("the certificate authority");
        let certificate = certificate.map_err(|error| of(error.to_string()))?;
        roots.add(certificate).map_err(|error| of(error.to_string()))?;
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| failed("TLS")(error.to_string()))?
        .with_root_certificates(roots);
    let mut tls = match &config.identity {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let of = failed("the client certificate");
            let chain = CertificateDer::pem_slice_iter(certificate.as_bytes()).collect::<Result<Vec<_>, _>>();
            let chain = chain.map_err(|error| of(error.to_string()))?;
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|error| of(error.to_string()))?;
            builder.with_client_auth_cert(chain, key).map_err(|error| of(error.to_string()))?
        }
    };
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(tls)
}

impl tower::Service<Request<RequestBody>> for Connection {
    type Response = Response<Incoming>;
    type Error = ClientError;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ClientError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<RequestBody>) -> ResponseFuture {
        let path = request.uri().path_and_query().map_or("/", PathAndQuery::as_str);
        let uri = Uri::builder()
            .scheme(self.base.scheme.clone())
            .authority(self.base.authority.clone())
            .path_and_query(format!("{}{path}", self.base.prefix));
        // It is made of parts that were parts of such before.
        if let Ok(uri) = uri.build() {
            *request.uri_mut() = uri;
        }
        if let Some(token) = &self.base.token {
            request.headers_mut().insert(AUTHORIZATION, token.clone());
        }
        self.client.request(request)
    }
}

/// Opens connections.
#[derive(Clone)]
struct Connector {
    tls: TlsConnector,
    server_name: Option<String>,
    env: Env,
}

impl Connector {
    async fn connect(self, uri: Uri) -> io::Result<TokioIo<Stream>> {
        let invalid = |why: &str| io::Error::new(io::ErrorKind::InvalidInput, why.to_owned());
        let host = uri.host().ok_or_else(|| invalid("the URL has no host"))?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let is_tls = uri.scheme() == Some(&Scheme::HTTPS);
        let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let stream = TcpStream::connect((host, port)).await?;
        stream.set_nodelay(true)?;
        if !is_tls {
            return Ok(TokioIo::new(Stream::Plain(stream)));
        }
        let name = self.server_name.as_deref().unwrap_or(host).to_owned();
        let name = ServerName::try_from(name).map_err(|_| invalid("the server has no valid name"))?;
        Ok(TokioIo::new(Stream::Tls(Box::new(self.tls.connect(name, stream).await?))))
    }
}

impl tower::Service<Uri> for Connector {
    type Response = TokioIo<Stream>;
    type Error = BodyError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BodyError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BodyError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move {
            let env = connector.env.clone();
            let late = || io::Error::new(io::ErrorKind::TimedOut, "the server does not answer");
            let connected = env.timeout(CONNECT, connector.connect(uri)).await;
            Ok(connected.unwrap_or_else(|| Err(late()))?)
        })
    }
}

/// What bytes go over.
enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Connects for Stream {
    fn connected(&self) -> Connected {
        match self {
            Self::Tls(stream) if stream.get_ref().1.alpn_protocol() == Some(b"h2") => {
                Connected::new().negotiated_h2()
            }
            _ => Connected::new(),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, buffer),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

/// Runs hyper's tasks in an environment.
#[derive(Clone)]
struct Tasks(Env);

impl<F> hyper::rt::Executor<F> for Tasks
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, future: F) {
        self.0.spawn(future);
    }
}
