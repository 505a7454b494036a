//! What a shutdown leaves behind: nothing. The only test of its process, so that every socket counted is its own.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use orch::core::Env;
use orch::runtime::task::Context;
use orch::{Cluster, NodeSpec};

const WEB: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: default}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: listens, ports: [{name: web, containerPort: 80}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: default}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: web}]}
";

/// The sockets of this process, where the system tells.
fn sockets() -> Option<usize> {
    let entries = std::fs::read_dir("/proc/self/fd").ok()?;
    let links = entries.flatten().filter_map(|entry| std::fs::read_link(entry.path()).ok());
    Some(links.filter(|link| link.to_string_lossy().starts_with("socket:")).count())
}

#[test]
fn shutdown_leaves_no_task_socket_or_directory() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let before = sockets();
        let nodes = ["n1", "n2", "n3"].map(NodeSpec::new);
        let listens = |ctx: Context| async move {
            let _listener = ctx.listen(80).await?;
            ctx.stopped().await;
            Ok::<_, std::io::Error>(())
        };
        let cluster =
            Cluster::builder().env(Env::real()).nodes(nodes).image("listens", listens).start().await.unwrap();
        cluster.apply(WEB).await.unwrap();
        let ready = |pods: &[Pod]| {
            let phase = |pod: &Pod| pod.status.as_ref().and_then(|status| status.phase.clone());
            pods.len() == 3 && pods.iter().all(|pod| phase(pod).as_deref() == Some("Running"))
        };
        cluster.wait_for("default", Duration::from_secs(120), ready).await.unwrap();
        cluster.settle().await.unwrap();
        drop(cluster.connect("default", "web", 80).await.unwrap());
        let directory = cluster.directory().unwrap();
        assert!(directory.exists());
        assert!(sockets() > before, "a cluster at work has sockets");
        cluster.shutdown().await.unwrap();
        drop(cluster);
        assert!(!directory.exists(), "{} is left", directory.display());
        let alive = tokio::runtime::Handle::current().metrics().num_alive_tasks();
        assert_eq!(alive, 0, "tasks are left");
        assert_eq!(sockets(), before, "sockets are left");
    });
}
