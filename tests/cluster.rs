//! Whole clusters in virtual time and on real sockets: what a user may rely on.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use orch::core::{ApiExt, Env, Event, Key, Select, kind, sim};
use orch::runtime::task::{Context, TaskImages};
use orch::{Cluster, NodeSpec};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const PATIENCE: Duration = Duration::from_secs(120);

const WEB: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: default}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 2
      containers: [{name: main, image: echo, ports: [{name: echo, containerPort: 7}]}]
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: default}
spec: {selector: {app: web}, ports: [{port: 7, targetPort: echo}]}
";

fn images() -> TaskImages {
    let images = TaskImages::default();
    let _ = images.register("echo", |ctx: Context| async move {
        let mut listener = ctx.listen(7).await?;
        loop {
            let accepted = tokio::select! {
                biased;
                () = ctx.stopped() => return Ok::<_, std::io::Error>(()),
                accepted = listener.accept() => accepted?,
            };
            let mut stream = accepted.0;
            ctx.spawn(async move {
                let mut buffer = [0; 64];
                while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                    if stream.write_all(&buffer[..read]).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    images
}

async fn start(env: Env) -> Cluster {
    let nodes = ["n1", "n2", "n3"].map(NodeSpec::new);
    Cluster::builder().env(env).nodes(nodes).images(images()).start().await.unwrap()
}

fn all_running(pods: &[Pod]) -> bool {
    pods.len() == 3
        && pods.iter().all(|pod| pod.status.as_ref().and_then(|s| s.phase.as_deref()) == Some("Running"))
}

async fn echo(cluster: &Cluster) {
    let mut stream = cluster.connect("default", "web", 7).await.unwrap();
    stream.write_all(b"hello").await.unwrap();
    let mut answer = [0; 5];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"hello");
}

#[test]
fn a_deployment_runs_and_serves_in_virtual_time() {
    sim::run(1, |env| async move {
        let cluster = start(env).await;
        cluster.apply(WEB).await.unwrap();
        cluster.wait_for("default", PATIENCE, all_running).await.unwrap();
        cluster.settle().await.unwrap();
        echo(&cluster).await;
        cluster.shutdown().await.unwrap();
    });
}

#[test]
fn a_deployment_runs_and_serves_on_real_sockets() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let cluster = start(Env::real()).await;
        cluster.apply(WEB).await.unwrap();
        cluster.wait_for("default", PATIENCE, all_running).await.unwrap();
        cluster.settle().await.unwrap();
        echo(&cluster).await;
        cluster.shutdown().await.unwrap();
    });
}

#[test]
fn a_settled_cluster_writes_nothing_but_heartbeats() {
    sim::run(2, |env| async move {
        let cluster = start(env.clone()).await;
        cluster.apply(WEB).await.unwrap();
        cluster.settle().await.unwrap();
        let pods = cluster.of::<Pod>("default").list().await.unwrap();
        assert!(all_running(&pods), "settled means that all is done");
        let api = cluster.api();
        let from = api.list(&Select::default(), None, 1).await.unwrap().revision;
        let mut watch = api.watch(&Select::default(), Some(from)).await.unwrap();
        let mut written = Vec::new();
        // Twenty minutes: longer than the status report of a node.
        let _ = env
            .timeout(Duration::from_secs(1200), async {
                while let Some(Ok(event)) = watch.next().await {
                    if let Event::Changed(change) = event {
                        written.push(change.key().clone());
                    }
                }
            })
            .await;
        written.retain(|key| key.kind != kind::LEASES && key.kind != kind::NODES);
        assert!(written.is_empty(), "{written:?}");
        cluster.shutdown().await.unwrap();
    });
}

/// Every change of a cluster's life, in order.
fn trace(seed: u64) -> Vec<String> {
    sim::run(seed, |env| async move {
        let cluster = start(env.clone()).await;
        let lines = Arc::new(Mutex::new(Vec::new()));
        let mut watch = cluster.api().watch(&Select::default(), None).await.unwrap();
        let (sink, clock) = (Arc::clone(&lines), env.clone());
        let task = env.spawn(async move {
            while let Some(Ok(event)) = watch.next().await {
                if let Event::Changed(change) = event {
                    let body = String::from_utf8_lossy(change.object().body()).into_owned();
                    sink.lock().unwrap().push(format!("{:?} {} {body}", clock.elapsed(), change.revision));
                }
            }
        });
        cluster.apply(WEB).await.unwrap();
        cluster.wait_for("default", PATIENCE, all_running).await.unwrap();
        cluster.of::<Deployment>("default").merge("web", json!({"spec": {"replicas": 5}})).await.unwrap();
        cluster.settle().await.unwrap();
        env.sleep(Duration::from_secs(60)).await;
        cluster.shutdown().await.unwrap();
        drop(task);
        let lines = lines.lock().unwrap();
        lines.clone()
    })
}

#[test]
fn one_seed_gives_one_trace() {
    let (one, again) = (trace(11), trace(11));
    assert!(one.len() > 50, "{} changes", one.len());
    for (a, b) in one.iter().zip(&again) {
        assert_eq!(a, b);
    }
    assert_eq!(one.len(), again.len());
    assert_ne!(one, trace(12));
}

#[test]
fn many_clusters_in_one_process_do_not_disturb_each_other() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let clusters = futures::future::join_all((0..8).map(|_| async {
            let cluster = start(Env::real()).await;
            cluster.apply(WEB).await.unwrap();
            cluster.wait_for("default", PATIENCE, all_running).await.unwrap();
            cluster.settle().await.unwrap();
            echo(&cluster).await;
            cluster
        }));
        for cluster in clusters.await {
            cluster.shutdown().await.unwrap();
        }
    });
}

#[test]
fn two_writers_of_one_revision_are_told_apart() {
    sim::run(3, |env| async move {
        let cluster = start(env).await;
        cluster.apply(WEB).await.unwrap();
        cluster.settle().await.unwrap();
        let webs = cluster.of::<Deployment>("default");
        let (mut one, mut two) = (webs.get("web").await.unwrap(), webs.get("web").await.unwrap());
        one.spec.replicas = Some(1);
        two.spec.replicas = Some(2);
        webs.update(&one).await.unwrap();
        assert!(webs.update(&two).await.unwrap_err().is_conflict());
        let key = Key::new(kind::DEPLOYMENTS, "default", "web");
        assert_eq!(cluster.api().read(&key).await.unwrap().tree()["spec"]["replicas"], 1);
        cluster.shutdown().await.unwrap();
    });
}
