//! Endpoints, namespaces and owners.

use orch_core::{Key, Propagation, Write, kind};
use serde_json::Value;

use crate::{Cluster, each, objects};

fn web(namespace: &str) -> Key {
    Key::new(kind::DEPLOYMENTS, namespace, "web")
}

async fn ready_pods(cluster: &Cluster, namespace: &str) -> usize {
    let pods = cluster.list(kind::PODS, namespace).await;
    pods.iter().filter(|pod| objects::is_ready(&pod.tree()) && !pod.header().is_terminating()).count()
}

/// Addresses of ready endpoints, sorted, and those of ready pods.
async fn endpoints(cluster: &Cluster) -> (Vec<String>, Vec<String>) {
    let slices = cluster.list(kind::ENDPOINT_SLICES, "default").await;
    let endpoints =
        slices.iter().flat_map(|slice| slice.tree()["endpoints"].as_array().cloned().unwrap_or_default());
    let ready = endpoints.filter(|endpoint| endpoint["conditions"]["ready"] == true);
    let mut served: Vec<String> =
        ready.map(|endpoint| endpoint["addresses"][0].as_str().unwrap_or_default().to_owned()).collect();
    let pods = cluster.list(kind::PODS, "default").await;
    let ready = pods.iter().filter(|pod| objects::is_ready(&pod.tree()) && !pod.header().is_terminating());
    let mut wanted: Vec<String> =
        ready.map(|pod| pod.tree()["status"]["podIP"].as_str().unwrap_or_default().to_owned()).collect();
    served.sort();
    wanted.sort();
    (served, wanted)
}

#[test]
fn a_service_follows_its_pods() {
    each(&["n1", "n2"], |cluster| async move {
        cluster.create(objects::service("default")).await;
        cluster.create(objects::deployment("default", 3)).await;
        let all = async || {
            let (served, wanted) = endpoints(&cluster).await;
            served.len() == 3 && served == wanted
        };
        cluster.within(60, "three endpoints", all).await;
        cluster.write(Write::merge(web("default"), serde_json::json!({"spec": {"replicas": 1}}))).await;
        let one = async || {
            let (served, wanted) = endpoints(&cluster).await;
            served.len() == 1 && served == wanted && ready_pods(&cluster, "default").await == 1
        };
        cluster.within(60, "one endpoint", one).await;
        assert_eq!(cluster.list(kind::ENDPOINT_SLICES, "default").await.len(), 1);
        cluster.write(Write::delete(Key::new(kind::SERVICES, "default", "web"))).await;
        let none = async || cluster.list(kind::ENDPOINT_SLICES, "default").await.is_empty();
        cluster.within(60, "slices go with the service", none).await;
    });
}

#[test]
fn a_namespace_is_emptied_and_gone() {
    each(&["n1"], |cluster| async move {
        cluster.create(objects::namespace("shop")).await;
        cluster.create(objects::deployment("shop", 3)).await;
        cluster.create(objects::service("shop")).await;
        for at in 0..100 {
            cluster.create(objects::config_map("shop", &format!("c{at}"))).await;
        }
        cluster.within(60, "it runs", async || ready_pods(&cluster, "shop").await == 3).await;
        let key = Key::cluster(kind::NAMESPACES, "shop");
        cluster.write(Write::delete(key.clone())).await;
        cluster.within(120, "it is gone", async || cluster.get(&key).await.is_null()).await;
        let kinds = cluster.api.registry().kinds();
        for info in kinds.iter().filter(|info| info.is_namespaced()) {
            assert_eq!(cluster.list(info.kind, "shop").await.len(), 0, "{}", info.kind);
        }
        assert!(!cluster.get(&Key::cluster(kind::NAMESPACES, "default")).await.is_null());
    });
}

#[test]
fn a_namespace_says_what_it_waits_for() {
    each(&[], |cluster| async move {
        cluster.create(objects::namespace("shop")).await;
        let mut held = objects::config_map("shop", "c");
        held["metadata"]["finalizers"] = serde_json::json!(["example.com/hold"]);
        let held = cluster.create(held).await;
        let key = Key::cluster(kind::NAMESPACES, "shop");
        cluster.write(Write::delete(key.clone())).await;
        let told = async || {
            let tree = cluster.get(&key).await;
            let mut conditions = tree["status"]["conditions"].as_array().into_iter().flatten();
            conditions.any(|condition| {
                condition["type"] == "NamespaceFinalizersRemaining"
                    && condition["status"] == "True"
                    && condition["message"]
                        .as_str()
                        .is_some_and(|text| text.contains("example.com/hold in 1"))
            })
        };
        cluster.within(60, "it is told", told).await;
        let patch = serde_json::json!({"metadata": {"finalizers": null}});
        cluster.write(Write::merge(held.key().clone(), patch)).await;
        cluster.within(60, "it is gone", async || cluster.get(&key).await.is_null()).await;
    });
}

/// Deletes the Deployment so; answers what is left after a while: Deployments, ReplicaSets, pods.
fn deleted(propagation: Propagation, expected: (usize, usize, usize)) {
    each(&["n1"], move |cluster| async move {
        cluster.create(objects::deployment("default", 2)).await;
        cluster.within(60, "it runs", async || ready_pods(&cluster, "default").await == 2).await;
        cluster.write(Write::delete(web("default")).propagate(propagation)).await;
        let gone = async || cluster.get(&web("default")).await.is_null();
        cluster.within(60, "it is gone", gone).await;
        if propagation == Propagation::Foreground {
            assert_eq!(cluster.list(kind::PODS, "default").await.len(), 0, "the pods went before");
        }
        cluster.wait(60).await;
        let count = async |of| cluster.list(of, "default").await.len();
        let left = (count(kind::DEPLOYMENTS).await, count(kind::REPLICA_SETS).await, count(kind::PODS).await);
        assert_eq!(left, expected);
        for set in cluster.list(kind::REPLICA_SETS, "default").await {
            assert_eq!(set.header().owners.len(), 0, "it lost its owner");
        }
    });
}

#[test]
fn dependents_go_after_their_owner_in_the_background() {
    deleted(Propagation::Background, (0, 0, 0));
}

#[test]
fn dependents_go_before_their_owner_in_the_foreground() {
    deleted(Propagation::Foreground, (0, 0, 0));
}

#[test]
fn orphans_stay_and_lose_their_owner() {
    deleted(Propagation::Orphan, (0, 1, 2));
}

#[test]
fn events_expire_after_an_hour() {
    each(&[], |cluster| async move {
        let now = orch_core::rfc3339(cluster.env.now());
        let event = cluster
            .create(serde_json::json!({"apiVersion": "v1", "kind": "Event",
                "metadata": {"name": "e", "namespace": "default"}, "lastTimestamp": now, "firstTimestamp": now,
                "involvedObject": {"kind": "Pod", "namespace": "default", "name": "p"}, "reason": "R", "type": "Normal"}))
            .await;
        cluster.wait(3590).await;
        assert_ne!(cluster.get(event.key()).await, Value::Null);
        cluster.wait(20).await;
        assert_eq!(cluster.get(event.key()).await, Value::Null);
    });
}
