//! Volumes as containers see them.

use std::path::PathBuf;

use orch_core::Key;
use orch_runtime::task::Context;
use serde_json::json;

use crate::world::{World, with_node};

/// Registers an image that logs the text of the files of its arguments every second, when it changes.
fn register_watch(world: &World) {
    let watch = |context: Context| async move {
        let mut last = String::new();
        loop {
            let texts = context
                .args()
                .iter()
                .map(|path| context.read_to_string(&**path).unwrap_or_else(|_| "-".into()));
            let text = texts.collect::<Vec<_>>().join(" ");
            if text != last {
                context.log(&text);
                last = text;
            }
            tokio::select! {
                biased;
                () = context.stopped() => return,
                () = context.sleep(std::time::Duration::from_secs(1)) => {}
            }
        }
    };
    world.images.register("watch:1", watch).unwrap();
}

async fn config(world: &World, color: &str) -> Key {
    let tree = json!({"kind": "ConfigMap", "metadata": {"name": "cfg", "namespace": "default"}, "data": {"color": color}});
    world.create(tree).await.key().clone()
}

fn pod_dirs(world: &World) -> Vec<PathBuf> {
    let dirs = std::fs::read_dir(world.dir.path().join("kubelet/pods")).into_iter().flatten();
    dirs.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn mounted_config_follows_its_object_except_below_a_sub_path() {
    with_node(|world| async move {
        register_watch(&world);
        let cfg = config(&world, "red").await;
        let spec = json!({
            "volumes": [{"name": "v", "configMap": {"name": "cfg"}},
                {"name": "me", "downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}}],
            "containers": [{"name": "c", "image": "watch:1", "args": ["/etc/v/color", "/one", "/me/labels"], "volumeMounts": [
                {"name": "v", "mountPath": "/etc/v"}, {"name": "v", "mountPath": "/one", "subPath": "color"},
                {"name": "me", "mountPath": "/me"}]}]});
        let pod = world.pod("web", spec).await;
        world.until_ready(&pod).await;
        world.patch(&cfg, json!({"data": {"color": "blue"}})).await;
        world.secs(3).await;
        world.patch(&pod, json!({"metadata": {"labels": {"app": "new"}}})).await;
        world.secs(3).await;
        let expected = ["red red app=\"web\"", "blue red app=\"web\"", "blue red app=\"new\""];
        assert_eq!(world.log(&pod, "c").await, expected);
        assert_eq!(pod_dirs(&world).len(), 1);
        world.delete(&pod).await;
        world.until_gone(&pod).await;
        assert!(pod_dirs(&world).is_empty(), "the pod's directory goes with it");
    });
}

#[test]
fn a_missing_volume_source_is_awaited() {
    with_node(|world| async move {
        register_watch(&world);
        let spec = json!({"volumes": [{"name": "v", "configMap": {"name": "cfg"}}],
            "containers": [{"name": "c", "image": "watch:1", "args": ["/v/color"], "volumeMounts": [{"name": "v", "mountPath": "/v"}]}]});
        let pod = world.pod("web", spec).await;
        world.secs(5).await;
        let status = world.status(&pod).await;
        assert_eq!(status["containerStatuses"][0]["state"]["waiting"]["reason"], "ContainerCreating");
        let said = "FailedMount: MountVolume.SetUp failed for volume \"v\" : configmap \"cfg\" not found";
        assert!(world.has_event("web", said).await);
        config(&world, "green").await;
        world.until_ready(&pod).await;
        assert_eq!(world.log(&pod, "c").await, ["green"]);
    });
}

#[test]
fn containers_share_an_empty_dir_and_config_is_read_only() {
    with_node(|world| async move {
        register_watch(&world);
        config(&world, "red").await;
        let write = |context: Context| async move {
            let refused = context.write("/cfg/color", "x").is_err();
            context.write("/shared/note", format!("refused={refused}")).unwrap();
            context.stopped().await;
        };
        world.images.register("write:1", write).unwrap();
        let spec = json!({
            "volumes": [{"name": "s", "emptyDir": {}}, {"name": "cfg", "configMap": {"name": "cfg"}}],
            "containers": [
                {"name": "w", "image": "write:1", "volumeMounts": [
                    {"name": "s", "mountPath": "/shared"}, {"name": "cfg", "mountPath": "/cfg"}]},
                {"name": "r", "image": "watch:1", "args": ["/in/note"], "volumeMounts": [{"name": "s", "mountPath": "/in", "readOnly": true}]}]});
        let pod = world.pod("web", spec).await;
        world.until_ready(&pod).await;
        world.secs(3).await;
        assert_eq!(world.log(&pod, "r").await.last().unwrap(), "refused=true");
    });
}

#[test]
fn a_claim_is_mounted_once_it_is_bound() {
    with_node(|world| async move {
        register_watch(&world);
        let disk = world.dir.path().join("disk");
        let claim = json!({"kind": "PersistentVolumeClaim", "metadata": {"name": "data", "namespace": "default"},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "storageClassName": ""}});
        let claim = world.create(claim).await.key().clone();
        let spec = json!({"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}],
            "containers": [{"name": "c", "image": "watch:1", "args": ["/v/file"], "volumeMounts": [{"name": "v", "mountPath": "/v"}]}]});
        let pod = world.pod("web", spec).await;
        world.secs(5).await;
        assert!(world.has_event("web", "FailedMount: MountVolume.SetUp failed for volume \"v\" : persistentvolumeclaim \"data\" is not bound").await);
        world
            .create(json!({"kind": "PersistentVolume", "metadata": {"name": "pv"}, "spec": {"accessModes": ["ReadWriteOnce"],
                "capacity": {"storage": "1Gi"}, "hostPath": {"path": disk}, "persistentVolumeReclaimPolicy": "Retain"}}))
            .await;
        world.patch(&claim, json!({"spec": {"volumeName": "pv"}})).await;
        let bound = orch_core::Write::merge_status(claim, json!({"status": {"phase": "Bound"}}));
        world.api.write(vec![bound]).await.pop().unwrap().unwrap();
        world.until_ready(&pod).await;
        std::fs::write(disk.join("file"), "kept").unwrap();
        world.secs(3).await;
        assert_eq!(world.log(&pod, "c").await.last().unwrap(), "kept");
        world.delete(&pod).await;
        world.until_gone(&pod).await;
        assert!(disk.join("file").exists(), "what stands behind a claim outlives the pod");
    });
}
