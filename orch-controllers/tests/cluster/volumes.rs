//! Claims, directories and what holds them.

use orch_core::{Key, Write, kind};
use serde_json::{Value, json};

use crate::{Cluster, each, objects};

fn claim(name: &str) -> Key {
    Key::new(kind::PERSISTENT_VOLUME_CLAIMS, "default", name)
}

async fn phase(cluster: &Cluster, key: &Key) -> String {
    cluster.get(key).await["status"]["phase"].as_str().unwrap_or_default().to_owned()
}

async fn volumes(cluster: &Cluster) -> Vec<Value> {
    cluster.list(kind::PERSISTENT_VOLUMES, "").await.iter().map(|volume| (*volume.tree()).clone()).collect()
}

#[test]
fn each_pod_of_a_stateful_set_keeps_its_directory() {
    each(&["n1", "n2"], |cluster| async move {
        cluster.create(objects::class("Delete")).await;
        cluster.create(objects::stateful_set(2)).await;
        let runs = async || {
            let pods = cluster.list(kind::PODS, "default").await;
            pods.len() == 2 && pods.iter().all(|pod| objects::is_ready(&pod.tree()))
        };
        cluster.within(120, "it runs", runs).await;
        for name in ["data-db-0", "data-db-1"] {
            let tree = cluster.get(&claim(name)).await;
            assert_eq!(
                (&tree["status"]["phase"], &tree["status"]["capacity"]["storage"]),
                (&json!("Bound"), &json!("1Gi"))
            );
            assert_eq!(tree["metadata"]["finalizers"], json!(["kubernetes.io/pvc-protection"]));
        }
        assert_eq!((volumes(&cluster).await.len(), cluster.agents.directories().len()), (2, 2));
        assert!(volumes(&cluster).await.iter().all(|volume| volume["status"]["phase"] == "Bound"));
        let before = cluster.get(&claim("data-db-1")).await["spec"]["volumeName"].clone();
        cluster.write(Write::delete(Key::new(kind::PODS, "default", "db-1"))).await;
        cluster.wait(30).await;
        cluster.within(60, "it runs again", runs).await;
        assert_eq!(cluster.get(&claim("data-db-1")).await["spec"]["volumeName"], before);
        assert_eq!(cluster.agents.directories().len(), 2);
    });
}

#[test]
fn a_claim_in_use_stays_and_takes_its_directory_along_in_the_end() {
    each(&["n1"], |cluster| async move {
        cluster.create(objects::class("Delete")).await;
        cluster.create(objects::stateful_set(1)).await;
        let bound = async || {
            phase(&cluster, &claim("data-db-0")).await == "Bound" && cluster.agents.directories().len() == 1
        };
        cluster.within(120, "it is bound", bound).await;
        cluster.write(Write::delete(claim("data-db-0"))).await;
        cluster.wait(60).await;
        assert_eq!(phase(&cluster, &claim("data-db-0")).await, "Bound", "a pod uses it");
        let set = Key::new(kind::STATEFUL_SETS, "default", "db");
        cluster.write(Write::delete(set)).await;
        cluster
            .within(60, "the claim is gone", async || cluster.get(&claim("data-db-0")).await.is_null())
            .await;
        let clean = async || volumes(&cluster).await.is_empty() && cluster.agents.directories().is_empty();
        cluster.within(60, "volume and directory are gone", clean).await;
    });
}

#[test]
fn a_directory_goes_with_its_node() {
    each(&["n1", "n2"], |cluster| async move {
        cluster.create(objects::class("Delete")).await;
        cluster.create(objects::stateful_set(1)).await;
        let bound = async || {
            phase(&cluster, &claim("data-db-0")).await == "Bound" && cluster.agents.directories().len() == 1
        };
        cluster.within(120, "it is bound", bound).await;
        let node = cluster.agents.directories()[0].0.clone();
        cluster.agents.silence(&node);
        cluster.write(Write::delete(Key::cluster(kind::NODES, node))).await;
        cluster.write(Write::delete(Key::new(kind::STATEFUL_SETS, "default", "db"))).await;
        cluster.write(Write::delete(claim("data-db-0"))).await;
        cluster.within(120, "the volume is gone", async || volumes(&cluster).await.is_empty()).await;
    });
}

#[test]
fn static_volumes_are_bound_once_each_and_released() {
    each(&[], |cluster| async move {
        for name in ["a", "b"] {
            cluster
                .create(json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": {
                    "storageClassName": "static", "capacity": {"storage": "2Gi"}, "accessModes": ["ReadWriteOnce"],
                    "persistentVolumeReclaimPolicy": "Retain", "hostPath": {"path": format!("/data/{name}")}}}))
                .await;
        }
        let wants = |name: &str| {
            json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name, "namespace": "default"},
                "spec": {"storageClassName": "static", "accessModes": ["ReadWriteOnce"],
                    "resources": {"requests": {"storage": "1Gi"}}}})
        };
        for name in ["x", "y", "z"] {
            cluster.create(wants(name)).await;
        }
        let names = ["x", "y", "z"];
        let bound = async || {
            let mut bound = Vec::new();
            for name in names {
                if phase(&cluster, &claim(name)).await == "Bound" {
                    bound.push(name);
                }
            }
            bound
        };
        cluster.within(60, "two are bound", async || bound().await.len() == 2).await;
        cluster.wait(60).await;
        let (bound, volumes) = (bound().await, volumes(&cluster).await);
        assert_eq!(bound.len(), 2, "there is no third volume");
        for volume in &volumes {
            let of = volume["spec"]["claimRef"]["name"].as_str().unwrap();
            assert_eq!(cluster.get(&claim(of)).await["spec"]["volumeName"], volume["metadata"]["name"]);
        }
        cluster.write(Write::delete(claim(bound[0]))).await;
        let released = async || {
            let all = self::volumes(&cluster).await;
            all.iter().filter(|volume| volume["status"]["phase"] == "Released").count() == 1
        };
        cluster.within(60, "its volume is released", released).await;
        cluster.wait(60).await;
        let waiting = names.into_iter().find(|name| !bound.contains(name)).unwrap();
        assert_eq!(phase(&cluster, &claim(waiting)).await, "Pending", "nobody gets the data of another");
    });
}
