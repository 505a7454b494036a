//! Nodes that fall silent, come back, and go.

use orch_core::{Key, Live, Write, kind};
use serde_json::{Value, json};

use crate::{Cluster, each, objects};

fn node(name: &str) -> Key {
    Key::cluster(kind::NODES, name)
}

/// Key and effect of each, sorted.
async fn taints(cluster: &Cluster, name: &str) -> Vec<String> {
    let tree = cluster.get(&node(name)).await;
    let text = |taint: &Value, field: &str| taint[field].as_str().unwrap_or_default().to_owned();
    let line = |taint: &Value| format!("{}:{}", text(taint, "key"), text(taint, "effect"));
    let mut all: Vec<String> = tree["spec"]["taints"].as_array().into_iter().flatten().map(line).collect();
    all.sort();
    all
}

async fn ready(cluster: &Cluster, name: &str) -> String {
    let tree = cluster.get(&node(name)).await;
    let all = tree["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let ready = all.iter().find(|condition| condition["type"] == "Ready");
    ready.and_then(|ready| ready["status"].as_str()).unwrap_or_default().to_owned()
}

async fn pods(cluster: &Cluster) -> Vec<Live> {
    cluster.list(kind::PODS, "default").await
}

fn on(pod: &Live) -> String {
    pod.field("spec.nodeName").unwrap_or_default().to_owned()
}

#[test]
fn a_silent_node_is_tainted_and_its_pods_move_when_they_tolerate_it_no_longer() {
    each(&["n1", "n2", "n3"], |cluster| async move {
        cluster.create(objects::deployment("default", 6)).await;
        let spread = async || {
            let pods = pods(&cluster).await;
            pods.len() == 6
                && pods.iter().all(|pod| objects::is_ready(&pod.tree()))
                && pods.iter().any(|pod| on(pod) == "n1")
        };
        cluster.within(60, "it runs", spread).await;
        cluster.agents.silence("n1");
        let unknown = async || ready(&cluster, "n1").await == "Unknown";
        let took = cluster.within(80, "it is marked", unknown).await;
        assert!(took >= 35, "after {took} s");
        let key = "node.kubernetes.io/unreachable";
        let both = [format!("{key}:NoExecute"), format!("{key}:NoSchedule")];
        cluster.within(20, "it is tainted", async || taints(&cluster, "n1").await == both).await;
        let marked = async || {
            let pods = pods(&cluster).await;
            pods.iter().filter(|pod| on(pod) == "n1").all(|pod| !objects::is_ready(&pod.tree()))
        };
        cluster.within(20, "its pods are marked", marked).await;
        let moved = async || {
            let pods = pods(&cluster).await;
            pods.iter().filter(|pod| objects::is_ready(&pod.tree()) && on(pod) != "n1").count() == 6
        };
        let took = cluster.within(320, "the pods move", moved).await;
        assert!(took >= 270, "after {took} s");
        cluster.agents.restore("n1");
        let back = async || taints(&cluster, "n1").await.is_empty() && ready(&cluster, "n1").await == "True";
        cluster.within(30, "it is back", back).await;
        let ended = async || pods(&cluster).await.iter().all(|pod| !pod.header().is_terminating());
        cluster.within(30, "the agent ends what was deleted", ended).await;
        assert_eq!(pods(&cluster).await.len(), 6);
    });
}

#[test]
fn a_node_that_is_back_in_time_keeps_its_pods() {
    each(&["n1", "n2"], |cluster| async move {
        cluster.create(objects::deployment("default", 4)).await;
        let runs = async || {
            let pods = pods(&cluster).await;
            pods.len() == 4 && pods.iter().all(|pod| objects::is_ready(&pod.tree()))
        };
        cluster.within(60, "it runs", runs).await;
        let mut before: Vec<_> = pods(&cluster).await.iter().map(|pod| pod.uid().clone()).collect();
        cluster.agents.silence("n1");
        cluster.wait(200).await;
        assert_eq!(ready(&cluster, "n1").await, "Unknown");
        cluster.agents.restore("n1");
        cluster.wait(600).await;
        assert!(taints(&cluster, "n1").await.is_empty());
        let mut after: Vec<_> = pods(&cluster).await.iter().map(|pod| pod.uid().clone()).collect();
        before.sort();
        after.sort();
        assert_eq!(before, after);
        assert!(pods(&cluster).await.iter().all(|pod| objects::is_ready(&pod.tree())));
    });
}

#[test]
fn when_every_node_falls_silent_no_pod_is_evicted() {
    each(&["n1", "n2"], |cluster| async move {
        cluster.create(objects::deployment("default", 2)).await;
        let runs =
            async || pods(&cluster).await.iter().filter(|pod| objects::is_ready(&pod.tree())).count() == 2;
        cluster.within(60, "it runs", runs).await;
        cluster.agents.silence("n1");
        cluster.agents.silence("n2");
        cluster.wait(1000).await;
        assert!(pods(&cluster).await.iter().all(|pod| !pod.header().is_terminating()));
        assert_eq!(taints(&cluster, "n1").await, ["node.kubernetes.io/unreachable:NoSchedule"]);
    });
}

#[test]
fn pods_of_a_node_that_was_deleted_are_removed_and_replaced() {
    each(&["n1", "n2"], |cluster| async move {
        cluster.create(objects::deployment("default", 4)).await;
        let runs = async || {
            let pods = pods(&cluster).await;
            pods.len() == 4 && pods.iter().all(|pod| objects::is_ready(&pod.tree()))
        };
        cluster.within(60, "it runs", runs).await;
        cluster.agents.silence("n1");
        cluster.write(Write::delete(node("n1"))).await;
        let gone = async || pods(&cluster).await.iter().all(|pod| on(pod) != "n1");
        let took = cluster.within(60, "its pods are gone", gone).await;
        assert!(took >= 38, "after {took} s");
        cluster.within(60, "others run", runs).await;
        let lease = Key::new(kind::LEASES, "kube-node-lease", "n1");
        assert_ne!(cluster.get(&lease).await, Value::Null, "nobody owns it");
    });
}

#[test]
fn a_cordoned_node_is_tainted() {
    each(&["n1"], |cluster| async move {
        cluster.within(30, "it is ready", async || taints(&cluster, "n1").await.is_empty()).await;
        cluster.write(Write::merge(node("n1"), json!({"spec": {"unschedulable": true}}))).await;
        let cordoned = ["node.kubernetes.io/unschedulable:NoSchedule".to_owned()];
        cluster.within(30, "it is tainted", async || taints(&cluster, "n1").await == cordoned).await;
        cluster.write(Write::merge(node("n1"), json!({"spec": {"unschedulable": null}}))).await;
        cluster.within(30, "it is not", async || taints(&cluster, "n1").await.is_empty()).await;
    });
}
