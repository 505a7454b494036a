//! kube-rs as a client of a cluster: in the process, in virtual time, and over TLS on a socket.
#![expect(clippy::unwrap_used, reason = "what goes wrong in a helper of a test fails the test")]

mod control;
mod custom;
mod discovery;
mod logs;
mod many;
mod objects;
#[expect(unreachable_pub, reason = "a module of an example")]
#[path = "../../examples/kube_operator/operator.rs"]
mod operator;
mod watches;
mod workloads;

use std::future::Future;
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use orch::api::rest::{Authority, MASTERS, Server};
use orch::core::{Env, Kind, KindInfo, Scope, sim};
use orch::runtime::simulated::Profile;
use orch::{Cluster, ClusterBuilder, NodeSpec};

/// A cluster that knows the operator's kind.
fn builder(env: Env) -> ClusterBuilder {
    let websites = KindInfo::new(Kind::named("shop.example", "websites"), "v1", "Website", Scope::Namespaced);
    Cluster::builder().env(env).kind(websites)
}

/// Nodes whose containers run at once.
fn nodes(count: usize) -> impl Iterator<Item = NodeSpec> {
    (1..=count).map(|number| NodeSpec::new(format!("n{number}")).simulated(|_, _| Profile::default()))
}

/// Runs a test with a client in the process, and again with one over TLS that knows the cluster by its kubeconfig only.
fn everywhere<Fut: Future<Output = ()>>(test: impl Fn(Cluster, Client) -> Fut) {
    everywhere_on(|builder| builder.nodes(nodes(2)).memory_disk(), test);
}

/// The same, on nodes of the test's own.
fn everywhere_on<Fut: Future<Output = ()>>(
    with: impl Fn(ClusterBuilder) -> ClusterBuilder,
    test: impl Fn(Cluster, Client) -> Fut,
) {
    sim::run(7, |env| async {
        let cluster = with(builder(env)).start().await.unwrap();
        test(cluster.clone(), cluster.kube_client()).await;
        cluster.shutdown().await.unwrap();
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let cluster = with(builder(Env::real())).start().await.unwrap();
        let client = over_tls(&cluster).await;
        let limit = Duration::from_secs(60);
        assert!(cluster.env().timeout(limit, test(cluster.clone(), client)).await.is_some(), "in time");
        cluster.shutdown().await.unwrap();
    });
}

/// A client by what `local_cluster` writes for every client of Kubernetes.
async fn over_tls(cluster: &Cluster) -> Client {
    let authority = Authority::new(cluster.env()).unwrap();
    let server = Server::start(cluster.rest(), cluster.env(), ([127, 0, 0, 1], 0).into(), &authority);
    let server = server.await.unwrap();
    let admin = authority.client("kubernetes-admin", Some(MASTERS)).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("kubeconfig");
    server.write_kubeconfig(&path, &authority, &admin).unwrap();
    let kubeconfig = Kubeconfig::read_from(&path).unwrap();
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    Client::try_from(config).unwrap()
}

/// The refusal of a request: its status.
#[track_caller]
fn refused<T: std::fmt::Debug>(answer: Result<T, kube::Error>) -> kube::core::Status {
    match answer {
        Err(kube::Error::Api(status)) => *status,
        other => panic!("not refused: {other:?}"),
    }
}
