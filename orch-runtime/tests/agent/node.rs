//! The node's object and its Lease.

use std::time::Duration;

use orch_core::{Key, kind};
use serde_json::json;

use crate::world::{condition, with_node};

#[test]
fn a_node_registers_and_is_ready() {
    with_node(|world| async move {
        let key = Key::cluster(kind::NODES, "n1");
        world.until(&key, |status| condition(status, "Ready")["status"] == "True").await;
        let node = world.read(&key).await.unwrap();
        assert_eq!(node["metadata"]["labels"]["kubernetes.io/hostname"], "n1");
        assert_eq!(node["status"]["capacity"]["pods"], "110");
        assert_eq!(node["status"]["addresses"][1], json!({"type": "Hostname", "address": "n1"}));
        let version = node["status"]["nodeInfo"]["containerRuntimeVersion"].as_str().unwrap();
        assert!(version.starts_with("task://"), "{version}");
    });
}

#[test]
fn the_lease_is_renewed_and_belongs_to_the_node() {
    with_node(|world| async move {
        let key = Key::new(kind::LEASES, "kube-node-lease", "n1");
        world.secs(1).await;
        let first = world.read(&key).await.unwrap();
        assert_eq!(first["metadata"]["ownerReferences"][0]["kind"], "Node");
        assert_eq!(first["spec"]["leaseDurationSeconds"], 40);
        world.secs(10).await;
        let second = world.read(&key).await.unwrap();
        assert_ne!(first["spec"]["renewTime"], second["spec"]["renewTime"]);
        world.api.write(vec![orch_core::Write::delete(key.clone())]).await;
        world.secs(20).await;
        assert!(world.read(&key).await.is_some(), "a Lease that somebody deleted is made again");
    });
}

#[test]
fn the_status_is_reported_every_five_minutes() {
    with_node(|world| async move {
        let key = Key::cluster(kind::NODES, "n1");
        world.secs(5).await;
        let beat =
            |node: &serde_json::Value| condition(&node["status"], "Ready")["lastHeartbeatTime"].clone();
        let first = world.read(&key).await.unwrap();
        world.secs(200).await;
        assert_eq!(
            beat(&world.read(&key).await.unwrap()),
            beat(&first),
            "nothing changed: nothing is written"
        );
        world.secs(150).await;
        let later = world.read(&key).await.unwrap();
        assert_ne!(beat(&later), beat(&first));
        assert_eq!(
            condition(&later["status"], "Ready")["lastTransitionTime"],
            condition(&first["status"], "Ready")["lastTransitionTime"]
        );
    });
}

#[test]
fn an_idle_node_does_not_keep_the_cluster_from_settling() {
    with_node(|world| async move {
        let pod = world.pod("web", json!({"containers": [{"name": "c", "image": "pause:1"}]})).await;
        let revision = world.api.read(&pod).await.unwrap().revision();
        world
            .env
            .timeout(Duration::from_secs(60), world.env.activity().idle_at(revision))
            .await
            .expect("it settles");
        assert_eq!(world.status(&pod).await["phase"], "Running", "settled means that the pod runs");
        let before = world.env.activity().writes();
        world.secs(3600).await;
        world.env.activity().idle_at(revision).await;
        assert_eq!(world.env.activity().writes(), before, "heartbeats are no writes");
    });
}
use orch_core::ApiExt as _;
