//! Clusters whose nodes keep volumes in memory.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "../benches/support/sleepers.rs"]
mod sleepers;

use std::path::Path;
use std::time::Duration;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim, Pod};
use orch::core::sim;
use orch::{Cluster, Error, NodeSpec};

const DATABASE: &str = "
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: node-directory}
provisioner: orch.local/node-directory
volumeBindingMode: WaitForFirstConsumer
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: default}
data: {color: red}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: default}
spec:
  replicas: 2
  serviceName: db
  selector: {matchLabels: {app: db}}
  persistentVolumeClaimRetentionPolicy: {whenDeleted: Delete, whenScaled: Delete}
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {storageClassName: node-directory, accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
  template:
    metadata: {labels: {app: db}}
    spec:
      terminationGracePeriodSeconds: 2
      containers:
      - {name: main, image: db, volumeMounts: [{name: data, mountPath: /data}, {name: settings, mountPath: /etc/db}]}
      volumes: [{name: settings, configMap: {name: settings}}, {name: scratch, emptyDir: {}}]
";

/// One life of a database with its volumes; answers where the volumes stood.
fn run() -> Vec<String> {
    sim::run(5, |env| async move {
        let nodes = [sleepers::node("n1"), sleepers::node("n2")];
        let cluster = Cluster::builder().env(env).memory_disk().nodes(nodes).start().await.unwrap();
        let disk = cluster.memory_disk().unwrap();
        cluster.apply(DATABASE).await.unwrap();
        cluster.settle().await.unwrap();
        let pods = cluster.of::<Pod>("default").list().await.unwrap();
        assert_eq!(pods.len(), 2);
        for pod in &pods {
            let (node, uid) =
                (pod.spec.as_ref().unwrap().node_name.clone().unwrap(), pod.metadata.uid.clone().unwrap());
            let volumes = format!("/var/lib/orch/{node}/pods/{uid}/volumes");
            assert_eq!(
                disk.read(format!("{volumes}/kubernetes.io~configmap/settings/color")).unwrap(),
                b"red"
            );
            assert!(disk.exists(format!("{volumes}/kubernetes.io~empty-dir/scratch")));
        }
        let volumes = cluster.of::<PersistentVolume>("").list().await.unwrap();
        let path = |volume: PersistentVolume| volume.spec.unwrap().local.unwrap().path;
        let paths: Vec<String> = volumes.into_iter().map(path).collect();
        assert_eq!(paths.len(), 2);
        for path in &paths {
            assert!(path.starts_with("/var/lib/orch/volumes/") && disk.exists(path), "{path}");
            assert!(!Path::new(path).exists(), "nothing is made on the machine's disk");
        }
        cluster.of::<StatefulSet>("default").delete("db").await.unwrap();
        cluster.settle().await.unwrap();
        let claims = cluster.of::<PersistentVolumeClaim>("default");
        for claim in claims.list().await.unwrap() {
            claims.delete(claim.metadata.name.as_deref().unwrap()).await.unwrap();
        }
        cluster.settle().await.unwrap();
        cluster.env().sleep(Duration::from_secs(30)).await;
        assert_eq!(disk.names("/var/lib/orch/n1/pods").len() + disk.names("/var/lib/orch/n2/pods").len(), 0);
        assert!(disk.names("/var/lib/orch/volumes").is_empty(), "{:?}", disk.names("/var/lib/orch/volumes"));
        cluster.shutdown().await.unwrap();
        paths
    })
}

#[test]
fn volumes_stand_in_memory_under_the_same_paths_in_each_run() {
    assert_eq!(run(), run());
}

#[test]
fn tasks_are_refused_because_they_open_files_of_the_machine() {
    sim::run(1, |env| async move {
        let nodes = [sleepers::node("n1"), NodeSpec::new("n2")];
        let refused = Cluster::builder().env(env).memory_disk().nodes(nodes).start().await;
        let Err(Error::Builder { field, why }) = refused.map(|_| ()) else { panic!("it was taken") };
        assert_eq!(field, "memory_disk");
        assert!(why.contains("\"n2\""), "{why}");
    });
}
