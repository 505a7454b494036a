//! The server that is measured: a process of its own, so that its CPU time and memory are its own. It takes orders as lines
//! and answers each with one line of JSON.

use std::io::{BufRead, Write as _};
use std::net::{Ipv4Addr, SocketAddr};

use orch::api::rest::{Authority, Identity, MASTERS, Rbac, Rest, Server};
use orch::core::{Env, Key, Select, Write, kind};
use orch::{Cluster, NodeSpec};
use serde_json::{Value, json};

/// Writes in one call of the Api.
const BATCH: usize = 500;

/// A cluster with its API on a socket, as `local_cluster` has it.
pub(crate) struct Served {
    pub(crate) cluster: Cluster,
    pub(crate) server: Server,
    pub(crate) authority: Authority,
    pub(crate) admin: Identity,
}

pub(crate) async fn serve(nodes: usize) -> Served {
    let specs = (0..nodes).map(|at| NodeSpec::new(format!("node-{at}")));
    let builder = Cluster::builder().env(Env::real()).nodes(specs);
    let builder = if nodes == 0 { builder.alone() } else { builder };
    let cluster = builder.start().await.expect("the cluster starts");
    // Alone, nobody else makes the account that pods act as.
    if nodes == 0 {
        let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": "default"}});
        let write = Write::create_tree(kind::SERVICE_ACCOUNTS, account);
        cluster.api().write(vec![write]).await.pop().expect("an answer").expect("it is made");
    }
    let env = cluster.env();
    let authority = Authority::new(env).expect("an authority");
    let rbac = Rbac::new(cluster.api());
    rbac.bootstrap().await.expect("the default roles");
    let rest = Rest::builder(cluster.api(), env).authorizer(rbac).build();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let server = Server::start(rest, env, address, &authority).await.expect("a free port");
    let admin = authority.client("admin", Some(MASTERS)).expect("a certificate");
    Served { cluster, server, authority, admin }
}

/// A pod as controllers make them.
pub(crate) fn pod(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "labels": {"app": "web", "pod-template-hash": "6d4cf56db6"},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-6d4cf56db6", "controller": true,
                "blockOwnerDeletion": true, "uid": "1a1b2c3d-1111-4222-8333-944455566677"}]},
        "spec": {"containers": [{"name": "web", "image": "registry.example/shop/web:1.2.3",
            "ports": [{"name": "http", "containerPort": 8080}],
            "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
            "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}}}]}})
}

/// Does what it is told until there is nothing more to read.
pub(crate) async fn run() {
    let nodes = std::env::args().skip_while(|arg| arg != "--serve").nth(1);
    let served = serve(nodes.and_then(|nodes| nodes.parse().ok()).unwrap_or(0)).await;
    let hello = json!({"address": served.server.address().to_string(), "ca": served.authority.certificate_pem(),
        "certificate": served.admin.certificate_pem(), "key": served.admin.key_pem()});
    say(&hello);
    loop {
        let line = tokio::task::spawn_blocking(|| {
            let mut line = String::new();
            std::io::stdin().lock().read_line(&mut line).map(|_| line)
        });
        let line = line.await.expect("it does not panic").expect("a line");
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            [] => break,
            ["pods", count] => say(&pods(&served, count.parse().expect("a number")).await),
            ["touch", count] => say(&touch(&served, count.parse().expect("a number")).await),
            ref other => panic!("what is {other:?}"),
        }
    }
    served.cluster.shutdown().await.expect("it ends");
}

fn say(value: &Value) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{value}").and_then(|()| out.flush()).expect("somebody listens");
}

/// Makes pods; says how many bytes of JSON they are.
async fn pods(served: &Served, count: usize) -> Value {
    let api = served.cluster.api();
    for from in (0..count).step_by(BATCH) {
        let write = |at: usize| Write::create_tree(kind::PODS, pod(&format!("web-6d4cf56db6-{at:07}")));
        let writes = (from..count.min(from + BATCH)).map(write).collect();
        for answer in api.write(writes).await {
            answer.expect("the pod is made");
        }
    }
    let page = api.list(&Select::kind(kind::PODS), None, 0).await.expect("a list");
    assert_eq!(page.items.len(), count);
    json!({"bytes": page.items.iter().map(|object| object.body().len()).sum::<usize>()})
}

/// Changes one object so many times, as fast as it goes.
async fn touch(served: &Served, count: usize) -> Value {
    let api = served.cluster.api();
    let key = Key::new(kind::CONFIG_MAPS, "default", "touched");
    for at in 0..count {
        let write = Write::merge(key.clone(), json!({"data": {"at": at.to_string()}}));
        api.write(vec![write]).await.pop().expect("an answer").expect("it is changed");
    }
    json!({})
}
