//! The server on a real socket: who a certificate is, both versions of HTTP, what is closed.

use std::net::SocketAddr;

use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::super::connection::{PATIENCE, Patience};
use super::super::{Authority, Identity, Server as Socket};
use super::*;

/// Connects as a client that trusts the authority.
async fn connect(
    authority: &Authority,
    client: Option<&Identity>,
    address: SocketAddr,
    alpn: &str,
) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.certificate_pem().as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match client {
        None => config.with_no_client_auth(),
        Some(client) => {
            let chain = vec![CertificateDer::from_pem_slice(client.certificate_pem().as_bytes()).unwrap()];
            let key = PrivateKeyDer::from_pem_slice(client.key_pem().as_bytes()).unwrap();
            config.with_client_auth_cert(chain, key).unwrap()
        }
    };
    config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::from(address.ip());
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
}

async fn status(stream: TlsStream<TcpStream>, uri: &str, env: &Env) -> (u16, Value) {
    let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let request = Request::get(uri).header("host", "localhost").body(Full::<Bytes>::default()).unwrap();
    let response = if is_http2 {
        let (mut sender, driver) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        env.spawn(driver);
        sender.send_request(request).await.unwrap()
    } else {
        let (mut sender, driver) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        env.spawn(driver);
        sender.send_request(request).await.unwrap()
    };
    let code = response.status().as_u16();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (code, serde_json::from_slice(&bytes).unwrap_or_default())
}

async fn started(env: &Env) -> (Socket, Authority) {
    let api = local(env);
    api.bootstrap().await.unwrap();
    let authority = Authority::new(env).unwrap();
    let rest = Rest::builder(Arc::new(api), env).build();
    let server = Socket::start(rest, env, ([127, 0, 0, 1], 0).into(), &authority).await.unwrap();
    (server, authority)
}

fn run<F: Future<Output = ()>>(test: impl FnOnce(Env) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let env = Env::real();
        test(env.clone()).await;
        env.shutdown().await;
    });
}

#[test]
fn a_certificate_says_who_asks_over_both_versions_of_http() {
    run(|env| async move {
        let (server, authority) = started(&env).await;
        let admin = authority.client("admin", Some(MASTERS)).unwrap();
        let jane = authority.client("jane", None).unwrap();
        let stranger = Authority::new(&env).unwrap().client("admin", Some(MASTERS)).unwrap();
        for alpn in ["h2", "http/1.1"] {
            for (client, uri, expected) in [
                (Some(&admin), MAPS, 200),
                (Some(&jane), MAPS, 403),
                (Some(&jane), "/api", 200),
                (None, MAPS, 403),
                (None, "/version", 200),
                (Some(&stranger), MAPS, 401),
                (Some(&stranger), "/version", 401),
            ] {
                let stream = connect(&authority, client, server.address(), alpn).await;
                let (code, body) = status(stream, uri, &env).await;
                assert_eq!(code, expected, "{alpn} {uri}: {body}");
            }
        }
    });
}

#[test]
fn a_kubeconfig_has_what_a_client_needs_and_is_its_owners_alone() {
    run(|env| async move {
        let (server, authority) = started(&env).await;
        let admin = authority.client("admin", Some(MASTERS)).unwrap();
        let path = std::env::temp_dir().join(format!("orch-kubeconfig-{}", std::process::id()));
        server.write_kubeconfig(&path, &authority, &admin).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let (tree, _) = crate::manifest::document(text.as_bytes()).unwrap();
        assert_eq!(tree["clusters"][0]["cluster"]["server"], format!("https://{}", server.address()));
        assert!(tree["users"][0]["user"]["client-key-data"].as_str().unwrap().len() > 100);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        std::fs::remove_file(&path).unwrap();
        let nowhere = std::path::Path::new("/nonexistent/kubeconfig");
        assert!(server.write_kubeconfig(nowhere, &authority, &admin).is_err());
    });
}

#[test]
fn nothing_is_left_of_a_server_whose_environment_ended() {
    run(|env| async move {
        let of_server = env.child("server");
        let (server, authority) = started(&of_server).await;
        let stream = connect(&authority, None, server.address(), "http/1.1").await;
        let address = server.address();
        of_server.shutdown().await;
        assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
        drop(stream);
    });
}

#[test]
fn an_address_that_is_taken_is_told() {
    run(|env| async move {
        let (server, authority) = started(&env).await;
        let api = local(&env);
        let rest = Rest::builder(Arc::new(api), &env).build();
        let error = Socket::start(rest, &env, server.address(), &authority).await.unwrap_err();
        assert_eq!(error.to_string(), format!("address {} of the API server", server.address()));
    });
}

#[test]
fn who_shows_nothing_is_nobody_whoever_acts_in_the_process() {
    run(|env| async move {
        let api = local(&env);
        api.bootstrap().await.unwrap();
        let authority = Authority::new(&env).unwrap();
        let rest = Rest::builder(Arc::new(api), &env).build().acting_as(admin());
        let server = Socket::start(rest, &env, ([127, 0, 0, 1], 0).into(), &authority).await.unwrap();
        let stream = connect(&authority, None, server.address(), "h2").await;
        assert_eq!(status(stream, MAPS, &env).await.0, 403);
    });
}

#[test]
fn nobody_keeps_a_place_for_nothing() {
    run(|env| async move {
        let api = local(&env);
        api.bootstrap().await.unwrap();
        let authority = Authority::new(&env).unwrap();
        let rest = Rest::builder(Arc::new(api), &env).build();
        let short = std::time::Duration::from_millis(60);
        let patience = Patience { headers: short, idle: short, ..PATIENCE };
        let address = ([127, 0, 0, 1], 0).into();
        let server = Socket::start_with(rest, &env, address, &authority, patience).await.unwrap();
        // Who asks for nothing, over either version, is cut off.
        for alpn in ["h2", "http/1.1"] {
            let mut stream = connect(&authority, None, server.address(), alpn).await;
            let ended = async { while !matches!(stream.read(&mut [0; 64]).await, Ok(0) | Err(_)) {} };
            // Over HTTP/2 the other side has to speak first; here it does not.
            assert!(env.timeout(std::time::Duration::from_secs(20), ended).await.is_some(), "{alpn}");
        }
        // A client that asked once, answers every ping, and asks no more.
        let admin = authority.client("admin", Some(MASTERS)).unwrap();
        let stream = connect(&authority, Some(&admin), server.address(), "h2").await;
        let (mut sender, driver) = hyper::client::conn::http2::handshake::<_, _, Full<Bytes>>(
            TokioExecutor::new(),
            TokioIo::new(stream),
        )
        .await
        .unwrap();
        let driver = env.spawn(async move { drop(driver.await) });
        let request =
            |uri: &str| Request::get(uri).header("host", "localhost").body(Full::<Bytes>::default()).unwrap();
        // A watch is work for as long as it is open.
        let watch = sender.send_request(request(&format!("{MAPS}?watch=1"))).await.unwrap();
        let mut idle = std::pin::pin!(driver);
        assert!(env.timeout(short * 5, idle.as_mut()).await.is_none(), "a watch is open");
        drop(watch);
        assert!(env.timeout(std::time::Duration::from_secs(20), idle).await.is_some(), "it is idle");
        drop(sender);
    });
}

#[test]
fn watches_reads_and_writes_share_a_connection() {
    run(|env| async move {
        let (server, authority) = started(&env).await;
        let admin = authority.client("admin", Some(MASTERS)).unwrap();
        let stream = connect(&authority, Some(&admin), server.address(), "h2").await;
        // Windows that are smaller than the answers: each waits for its own.
        let (sender, driver) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
            .initial_stream_window_size(65_535)
            .initial_connection_window_size(4 << 20)
            .handshake(TokioIo::new(stream))
            .await
            .unwrap();
        env.spawn(async move { drop(driver.await) });
        let send = |method: &str, uri: &str, body: String| {
            let request = Request::builder().method(method).uri(uri).header("host", "localhost");
            let (mut sender, request) = (sender.clone(), request.body(Full::new(Bytes::from(body))).unwrap());
            async move { sender.send_request(request).await.unwrap() }
        };
        let mut watch = send("GET", &format!("{MAPS}?watch=1"), String::new()).await.into_body();
        let large = "x".repeat(200_000);
        for at in 0..8 {
            let map = json!({"metadata": {"name": format!("m-{at}")}, "data": {"large": large}});
            assert_eq!(send("POST", MAPS, map.to_string()).await.status(), 201);
        }
        // Nobody reads the watch meanwhile.
        let gets = (0..32).map(|at| async move {
            let answer = send("GET", &format!("{MAPS}/m-{}", at % 8), String::new()).await;
            answer.into_body().collect().await.unwrap().to_bytes().len()
        });
        let sizes = futures::future::join_all(gets).await;
        assert!(sizes.iter().all(|size| *size > large.len()), "{sizes:?}");
        let mut events = Vec::new();
        while events.iter().filter(|byte| **byte == b'\n').count() < 8 {
            events.extend_from_slice(&watch.frame().await.unwrap().unwrap().into_data().unwrap());
        }
        let names = events.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(|line| {
            let event: Value = serde_json::from_slice(line).unwrap();
            event["object"]["metadata"]["name"].as_str().unwrap().to_owned()
        });
        let expected: Vec<_> = (0..8).map(|at| format!("m-{at}")).collect();
        assert_eq!(names.collect::<Vec<_>>(), expected);
    });
}
