//! The client: the process of the server, connections to it, and what the kernel says about it.

use std::fs;
use std::io::{BufRead, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// Where a server is and who asks.
#[derive(Clone)]
pub(crate) struct Access {
    pub(crate) address: String,
    pub(crate) ca: String,
    pub(crate) certificate: String,
    pub(crate) key: String,
}

/// A server in a process of its own; it ends when this is dropped.
pub(crate) struct Process {
    child: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    pub(crate) access: Access,
}

impl Process {
    pub(crate) fn start(nodes: usize) -> Self {
        let program = std::env::current_exe().expect("this program");
        let mut child = Command::new(program)
            .args(["--serve", &nodes.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let orders = child.stdin.take();
        let mut answers = BufReader::new(child.stdout.take().expect("piped"));
        let hello = line(&mut answers);
        let text = |field: &str| hello[field].as_str().expect("text").to_owned();
        let access = Access {
            address: text("address"),
            ca: text("ca"),
            certificate: text("certificate"),
            key: text("key"),
        };
        Self { child, orders, answers, access }
    }

    /// Gives an order and waits until it is done.
    pub(crate) fn tell(&mut self, order: &str) -> Value {
        let orders = self.orders.as_mut().expect("it is there until it is dropped");
        writeln!(orders, "{order}").expect("the server listens");
        line(&mut self.answers)
    }

    /// Gives an order; [`Process::done`] waits for the answer.
    pub(crate) fn order(&mut self, order: &str) {
        writeln!(self.orders.as_mut().expect("it is there until it is dropped"), "{order}")
            .expect("the server listens");
    }

    pub(crate) fn done(&mut self) -> Value {
        line(&mut self.answers)
    }

    /// Time on a CPU of all its threads.
    pub(crate) fn cpu(&self) -> Duration {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("it runs");
        let of = |task: fs::DirEntry| {
            let text = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
            text.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0)
        };
        Duration::from_nanos(tasks.flatten().map(of).sum())
    }

    /// A line of its `/proc/…/status`, in KiB.
    pub(crate) fn memory_kib(&self, name: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let found = status.lines().find_map(|text| text.strip_prefix(name));
        found.and_then(|text| text.split_whitespace().next()?.parse().ok()).unwrap_or(0)
    }

    /// From here on the peak of its memory is counted anew.
    pub(crate) fn forget_peak(&self) {
        fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5").expect("it is our own process");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.orders = None;
        let _ = self.child.wait();
    }
}

fn line(answers: &mut BufReader<ChildStdout>) -> Value {
    let mut line = String::new();
    answers.read_line(&mut line).expect("the server answers");
    serde_json::from_str(&line).expect("one line of JSON")
}

/// A connection.
#[derive(Clone)]
pub(crate) enum Sender {
    Two(http2::SendRequest<Full<Bytes>>),
    One(Arc<tokio::sync::Mutex<http1::SendRequest<Full<Bytes>>>>),
}

impl Sender {
    pub(crate) async fn connect(access: &Access, alpn: &str) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(access.ca.as_bytes()).expect("PEM")).expect("a certificate");
        let chain = vec![CertificateDer::from_pem_slice(access.certificate.as_bytes()).expect("PEM")];
        let key = PrivateKeyDer::from_pem_slice(access.key.as_bytes()).expect("PEM");
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("it has them")
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)
            .expect("a certificate and its key");
        config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
        let stream = TcpStream::connect(&access.address).await.expect("the server listens");
        stream.set_nodelay(true).expect("a socket");
        let name = ServerName::try_from("localhost").expect("a name");
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.expect("a handshake");
        let stream = TokioIo::new(stream);
        if alpn == "h2" {
            let (sender, driver) = http2::Builder::new(TokioExecutor::new())
                .initial_stream_window_size(4 << 20)
                .initial_connection_window_size(16 << 20)
                .handshake(stream)
                .await
                .expect("HTTP/2");
            tokio::spawn(driver);
            return Self::Two(sender);
        }
        let (sender, driver) = http1::handshake(stream).await.expect("HTTP/1.1");
        tokio::spawn(driver);
        Self::One(Arc::new(tokio::sync::Mutex::new(sender)))
    }

    /// A `PATCH` that names a field manager is an apply, any other a merge patch.
    pub(crate) async fn send(&self, method: &str, path: &str, body: impl Into<Bytes>) -> Response<Incoming> {
        let media = match method {
            "PATCH" if path.contains("fieldManager=") => "application/apply-patch+yaml",
            "PATCH" => "application/merge-patch+json",
            _ => "application/json",
        };
        let request = Request::builder()
            .method(method)
            .uri(format!("https://localhost{path}"))
            .header("host", "localhost")
            .header("content-type", media)
            .header("accept", "application/json")
            .body(Full::new(body.into()))
            .expect("a request");
        let answer = match self {
            Self::Two(sender) => {
                let mut sender = sender.clone();
                sender.ready().await.expect("the connection is open");
                sender.send_request(request).await
            }
            Self::One(sender) => {
                let mut sender = sender.lock().await;
                // Done with the answer before.
                sender.ready().await.expect("the connection is open");
                sender.send_request(request).await
            }
        };
        answer.expect("an answer")
    }

    /// The whole answer; of HTTP/1.1 it must be read before the next one.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: impl Into<Bytes>, expected: u16) -> Bytes {
        let response = self.send(method, path, body).await;
        let code = response.status().as_u16();
        let bytes = response.into_body().collect().await.expect("a whole answer").to_bytes();
        assert_eq!(
            code,
            expected,
            "{method} {path}: {}",
            String::from_utf8_lossy(&bytes[..bytes.len().min(500)])
        );
        bytes
    }
}
