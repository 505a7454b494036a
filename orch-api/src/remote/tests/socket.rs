//! Over TLS on a socket, by a kubeconfig.

use orch_core::ApiExt;

use super::*;
use crate::rest::{Authority, Server};

fn run<F: Future<Output = ()>>(test: impl FnOnce(Env) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let env = Env::real();
        let done = env.timeout(Duration::from_secs(60), test(env.clone())).await;
        assert!(done.is_some(), "in time");
        env.shutdown().await;
    });
}

/// The server of a world, and how an administrator reaches it.
async fn served(world: &World) -> (Kubeconfig, Authority) {
    let authority = Authority::new(&world.env).unwrap();
    let rest = Rest::builder(Arc::clone(&world.local), &world.env).build();
    let server = Server::start(rest, &world.env, ([127, 0, 0, 1], 0).into(), &authority).await.unwrap();
    let client = authority.client("admin", Some(MASTERS)).unwrap();
    (Kubeconfig::parse(&server.kubeconfig(&authority, &client), None).unwrap(), authority)
}

#[test]
fn a_kubeconfig_is_enough() {
    run(|env| async move {
        let world = World::new(env).await;
        let (config, _) = served(&world).await;
        let connection = Connection::new(&config, &world.env).unwrap();
        let remote = RemoteApi::over(connection, &world.env).discover().await.unwrap();
        let mut watches = Vec::new();
        for _ in 0..20 {
            watches.push(remote.watch(&maps(), None).await.unwrap());
        }
        let writes = (0..50).map(|at| Write::create(key(&format!("m{at}")), map(&format!("m{at}"), "1")));
        for answer in remote.write(writes.collect()).await {
            answer.unwrap();
        }
        let last = remote.one(Write::merge(key("m0"), json!({"data": {"k": "2"}}))).await.unwrap();
        for watch in &mut watches {
            let told = told(watch, last.revision()).await;
            assert_eq!((told.len(), told.last().map(String::as_str)), (51, Some("m0 1>2")));
        }
        drop(watches);
        assert_eq!(remote.list(&maps(), None, 0).await.unwrap().items.len(), 50);
    });
}

#[test]
fn a_server_that_is_not_trusted_or_not_there_is_unavailable() {
    run(|env| async move {
        let world = World::new(env).await;
        let (mut config, _) = served(&world).await;
        let other = Authority::new(&world.env).unwrap();
        config.authority = Some(other.certificate_pem().to_owned());
        let remote = RemoteApi::over(Connection::new(&config, &world.env).unwrap(), &world.env);
        let error = remote.list(&maps(), None, 0).await.unwrap_err();
        assert!(matches!(&error, Error::Unavailable { why, .. } if why.contains("certificate")), "{error}");
        // Nothing was sent: the write has surely not happened.
        let error = remote.create(map("a", "1")).await.unwrap_err();
        assert!(matches!(error, Error::Unavailable { .. }), "{error}");
        config.server = "https://127.0.0.1:1".into();
        let remote = RemoteApi::over(Connection::new(&config, &world.env).unwrap(), &world.env);
        assert!(matches!(remote.create(map("a", "1")).await, Err(Error::Unavailable { .. })));
        for server in ["", "10.0.0.1:6443", "ftp://a", "https://"] {
            config.server = server.into();
            assert!(Connection::new(&config, &world.env).is_err(), "{server}");
        }
        config.server = "https://127.0.0.1:1".into();
        config.token = Some("a\nb".into());
        assert!(Connection::new(&config, &world.env).is_err());
    });
}

#[test]
fn who_is_not_known_is_told_so() {
    run(|env| async move {
        let world = World::new(env).await;
        let (mut config, authority) = served(&world).await;
        let jane = authority.client("jane", None).unwrap();
        config.identity = Some((jane.certificate_pem().to_owned(), jane.key_pem().to_owned()));
        let remote = RemoteApi::over(Connection::new(&config, &world.env).unwrap(), &world.env);
        let error = remote.read(&key("a")).await.unwrap_err();
        assert!(matches!(&error, Error::Forbidden { why, .. } if why.contains("jane")), "{error:?}");
        config.identity = None;
        config.token = Some("nobody".into());
        let remote = RemoteApi::over(Connection::new(&config, &world.env).unwrap(), &world.env);
        let error = remote.read(&key("a")).await.unwrap_err();
        assert!(matches!(&error, Error::Forbidden { why, .. } if why.contains("credentials")), "{error:?}");
    });
}
