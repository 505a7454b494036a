#![expect(clippy::needless_pass_by_value, reason = "tables are written with values")]

use orch_core::Key;
use serde_json::{Value, json};

use super::*;
use crate::chaos::invariants::testing::{Bench, deleted, fails, node, owned, plain, pod, ready, with};

/// A bench at rest with these objects; one of another name takes the place of one of the same name.
fn bench(objects: Vec<Value>) -> Bench<Statuses> {
    let mut bench = Bench::of(Statuses::default());
    for tree in objects {
        bench.ok("x", tree);
    }
    bench
}

#[track_caller]
fn check(objects: &[Value], other: Value, why: &str) {
    let mut bench = bench(objects.to_vec());
    assert_eq!(bench.settled(), Ok(()), "before");
    bench.write("x", other).unwrap();
    fails(bench.settled(), why);
}

fn template(image: &str) -> Value {
    json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "main", "image": image}]}})
}

fn labelled(tree: Value, labels: &[(&str, &str)]) -> Value {
    let labels: serde_json::Map<String, Value> =
        labels.iter().map(|(k, v)| ((*k).to_owned(), json!(v))).collect();
    with(tree, json!({"metadata": {"labels": labels}}))
}

fn set(status: Value) -> Value {
    let set = with(
        plain("apps/v1", "ReplicaSet", "web-1"),
        json!({"metadata": {"generation": 1}, "status": status,
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": template("v1")}}),
    );
    owned(set, "Deployment", "web")
}

fn deployment(status: Value) -> Value {
    with(
        plain("apps/v1", "Deployment", "web"),
        json!({"metadata": {"generation": 1}, "status": status,
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": template("v1"),
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}}}),
    )
}

fn replicas() -> Vec<Value> {
    let counts = json!({"observedGeneration": 1, "replicas": 2, "readyReplicas": 2, "availableReplicas": 2});
    let pods =
        ["p", "q"].map(|name| owned(labelled(ready(name, "a"), &[("app", "web")]), "ReplicaSet", "web-1"));
    let available = json!([{"type": "Available", "status": "True"}]);
    let mut all = pods.to_vec();
    all.push(set(with(counts.clone(), json!({"fullyLabeledReplicas": 2}))));
    all.push(deployment(with(counts, json!({"updatedReplicas": 2, "conditions": available}))));
    all
}

#[test]
fn counts_of_replica_sets_and_deployments() {
    let all = replicas();
    let unready = owned(labelled(pod("q", "a"), &[("app", "web")]), "ReplicaSet", "web-1");
    check(&all, unready, "readyReplicas of replicasets.apps/shop/web-1 is 2, 1 is true");
    check(&all, deleted(all[0].clone(), 30), "replicas of replicasets.apps/shop/web-1 is 2, 1 is true");
    check(&all, with(all[2].clone(), json!({"metadata": {"generation": 2}})), "observedGeneration");
    let without = with(all[3].clone(), json!({"status": {"updatedReplicas": 0}}));
    check(&all, without, "updatedReplicas of deployments.apps/shop/web is 0, 2 is true");
    let unavailable = json!({"status": {"conditions": [{"type": "Available", "status": "False"}]}});
    check(&all, with(all[3].clone(), unavailable), "Available of deployments.apps/shop/web");
}

fn member(at: usize, revision: &str) -> Value {
    let labels = [("app", "db"), ("controller-revision-hash", revision)];
    owned(labelled(ready(&format!("db-{at}"), "a"), &labels), "StatefulSet", "db")
}

fn stateful() -> Vec<Value> {
    let revision = |name: &str, image: &str| {
        let data =
            json!({"data": {"spec": {"template": with(template(image), json!({"$patch": "replace"}))}}});
        owned(with(plain("apps/v1", "ControllerRevision", name), data), "StatefulSet", "db")
    };
    let status = json!({"observedGeneration": 1, "replicas": 2, "readyReplicas": 2, "availableReplicas": 2,
        "currentReplicas": 2, "updatedReplicas": 2, "currentRevision": "r2", "updateRevision": "r2"});
    let set = with(
        plain("apps/v1", "StatefulSet", "db"),
        json!({"metadata": {"generation": 1}, "status": status,
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "db"}}, "template": template("v2")}}),
    );
    vec![revision("r1", "v1"), revision("r2", "v2"), member(0, "r2"), member(1, "r2"), set]
}

#[test]
fn counts_and_revisions_of_stateful_sets() {
    let all = stateful();
    check(&all, member(1, "r1"), "currentReplicas of statefulsets.apps/shop/db is 2, 1 is true");
    let old = json!({"status": {"updateRevision": "r1", "updatedReplicas": 0}});
    check(
        &all,
        with(all[4].clone(), old),
        "updateRevision of statefulsets.apps/shop/db has another template",
    );
    let unknown = json!({"status": {"currentRevision": "r3", "currentReplicas": 0}});
    check(&all, with(all[4].clone(), unknown), "none of its revisions");
}

fn service() -> Vec<Value> {
    let slice = with(
        plain("discovery.k8s.io/v1", "EndpointSlice", "s"),
        json!({"addressType": "IPv4",
        "endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": true}, "targetRef": {"uid": "p"}}]}),
    );
    let labels = [
        ("kubernetes.io/service-name", "web"),
        ("endpointslice.kubernetes.io/managed-by", "endpointslice-controller.k8s.io"),
    ];
    let spec = json!({"spec": {"selector": {"app": "web"}, "ipFamilies": ["IPv4"]}});
    vec![
        node("a"),
        with(plain("v1", "Service", "web"), spec),
        labelled(slice, &labels),
        labelled(ready("p", "a"), &[("app", "web")]),
    ]
}

#[test]
fn endpoints_are_the_pods_of_their_service() {
    let all = service();
    check(&all, labelled(ready("q", "a"), &[("app", "web")]), "q (q) is no endpoint of services/shop/web");
    check(&all, deleted(all[3].clone(), 30), "says ready: [true], false is true");
    check(&all, labelled(ready("p", "a"), &[("app", "other")]), "which is none of its pods");
    let mut bench = bench(all.clone());
    bench.ok("x", labelled(ready("q", "gone"), &[("app", "web")]));
    assert_eq!(bench.settled(), Ok(()), "its node is not there");
    bench.ok("x", with(all[1].clone(), json!({"spec": {"publishNotReadyAddresses": true}})));
    fails(bench.settled(), "q (q) is no endpoint");
}

fn storage() -> Vec<Value> {
    let claim = with(
        plain("v1", "PersistentVolumeClaim", "c"),
        json!({"spec": {"volumeName": "v"}, "status": {"phase": "Bound"}}),
    );
    let of = json!({"namespace": "shop", "name": "c", "uid": "c"});
    let volume = with(
        plain("v1", "PersistentVolume", "v"),
        json!({"spec": {"claimRef": of}, "status": {"phase": "Bound"}}),
    );
    vec![claim, volume]
}

#[test]
fn claims_and_volumes_name_each_other() {
    let all = storage();
    check(&all, with(all[0].clone(), json!({"status": {"phase": "Pending"}})), "name each other");
    check(&all, with(all[1].clone(), json!({"spec": {"claimRef": {"uid": "d"}}})), "names another claim");
    check(
        &all,
        with(all[1].clone(), json!({"status": {"phase": "Released"}})),
        "whose phase is \"Released\"",
    );
    check(&all, with(all[0].clone(), json!({"spec": {"volumeName": "w"}})), "which is not there");
}

#[test]
fn a_volume_is_bound_to_one_claim_at_every_step() {
    let other = || with(storage()[0].clone(), json!({"metadata": {"name": "d", "uid": "d"}}));
    let mut bench = bench(storage());
    bench.bad("persistentvolume-binder", other(), "the volume v is bound to");
    let mut bench = self::bench(storage());
    bench.ok("persistentvolume-binder", with(other(), json!({"status": {"phase": "Pending"}})));
    bench.gone("pvc-protection-controller", "persistentvolumeclaims/shop/c");
    bench.ok("persistentvolume-binder", other());
    let mut bench = self::bench(storage());
    bench.ok("user", with(storage()[1].clone(), json!({"spec": {"claimRef": null}})));
    bench.ok("persistentvolume-binder", other());
}

#[test]
fn nodes_and_namespaces_say_what_they_are() {
    let tainted = |key: &str, effect: &str| {
        with(
            node("a"),
            json!({"spec": {"taints": [{"key": format!("node.kubernetes.io/{key}"), "effect": effect}]}}),
        )
    };
    let unknown = json!({"status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}});
    check(&[node("a")], tainted("unreachable", "NoExecute"), "nodes/a has the taint");
    check(&[node("a")], with(node("a"), json!({"spec": {"unschedulable": true}})), "nodes/a lacks the taint");
    check(&[node("a")], with(node("a"), unknown.clone()), "answers, and its Ready is \"Unknown\"");
    let mut bench = bench(vec![node("a")]);
    bench.down.insert("a".into());
    fails(bench.settled(), "does not answer");
    bench.ok("x", with(tainted("unreachable", "NoSchedule"), unknown));
    assert_eq!(bench.settled(), Ok(()));
    let active = with(plain("v1", "Namespace", "n"), json!({"status": {"phase": "Active"}}));
    check(std::slice::from_ref(&active), deleted(active.clone(), 0), "namespaces/n is Terminating");
    assert!(bench.truth.get(&Key::cluster(kind::NODES, "a")).is_some());
}
