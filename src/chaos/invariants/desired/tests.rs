#![expect(clippy::needless_pass_by_value, reason = "tables are written with values")]

use serde_json::json;

use super::*;
use crate::chaos::invariants::testing::{Bench, deleted, fails, node, owned, plain, pod, ready, with};

fn bench(objects: Vec<Value>) -> Bench<Desired> {
    let mut bench = Bench::of(Desired);
    bench.ok("x", node("a"));
    for tree in objects {
        bench.ok("x", tree);
    }
    bench
}

#[track_caller]
fn check(objects: &[Value], other: Value, why: &str) {
    let mut bench = bench(objects.to_vec());
    assert_eq!(bench.settled(), Ok(()), "before");
    bench.ok("x", other);
    fails(bench.settled(), why);
}

fn template(image: &str) -> Value {
    json!({"spec": {"containers": [{"image": image}]}})
}

fn set(name: &str, image: &str, replicas: i64) -> Value {
    let spec = json!({"spec": {"replicas": replicas, "template": template(image)}});
    owned(with(plain("apps/v1", "ReplicaSet", name), spec), "Deployment", "web")
}

fn rollout() -> Vec<Value> {
    let deployment = json!({"spec": {"replicas": 1, "template": template("v2")}});
    vec![
        with(plain("apps/v1", "Deployment", "web"), deployment),
        set("web-1", "v1", 0),
        set("web-2", "v2", 1),
        owned(ready("p", "a"), "ReplicaSet", "web-2"),
    ]
}

#[test]
fn a_deployment_has_its_pods_of_the_newest_template_and_no_others() {
    let all = rollout();
    check(
        &all,
        owned(ready("q", "a"), "ReplicaSet", "web-1"),
        "the number of pods of replicasets.apps/shop/web-1 is 1",
    );
    check(&all, set("web-1", "v1", 1), "spec.replicas of the old");
    check(
        &all,
        owned(ready("q", "a"), "ReplicaSet", "web-2"),
        "the number of pods of replicasets.apps/shop/web-2 is 2",
    );
    let unready = with(owned(pod("p", "a"), "ReplicaSet", "web-2"), json!({"status": {"phase": "Running"}}));
    check(&all, unready, "pods/shop/p of replicasets.apps/shop/web-2 is not ready");
    let newer = json!({"spec": {"template": template("v3")}});
    check(&all, with(all[0].clone(), newer.clone()), "has no ReplicaSet of its template");
    let mut bench = bench(all.clone());
    bench.ok("x", with(with(all[0].clone(), newer), json!({"spec": {"paused": true}})));
    assert_eq!(bench.settled(), Ok(()));
    let alone = with(set("web-3", "v1", 1), json!({"metadata": {"ownerReferences": null}}));
    check(&all, alone, "the number of pods of replicasets.apps/shop/web-3 is 0");
}

fn member(at: i64, revision: &str) -> Value {
    let pod = owned(ready(&format!("db-{at}"), "a"), "StatefulSet", "db");
    with(pod, json!({"metadata": {"labels": {"controller-revision-hash": revision}}}))
}

fn stateful(spec: Value) -> Value {
    let set = with(
        plain("apps/v1", "StatefulSet", "db"),
        json!({"spec": {"replicas": 2}, "status": {"updateRevision": "r2"}}),
    );
    with(set, json!({"spec": spec}))
}

#[test]
fn a_stateful_set_has_exactly_its_ordinals_at_its_revision() {
    let all = [stateful(json!({})), member(0, "r2"), member(1, "r2")];
    check(&all, member(2, "r2"), "the ordinals of statefulsets.apps/shop/db is [0, 1, 2]");
    check(&all, member(1, "r1"), "is of revision \"r1\"");
    check(&all, stateful(json!({"replicas": 3})), "[0, 1, 2] is true");
    check(&all, stateful(json!({"ordinals": {"start": 1}})), "[1, 2] is true");
    check(
        &all,
        stateful(json!({"volumeClaimTemplates": [{"metadata": {"name": "data"}}]})),
        "without its claim data-db-0",
    );
    let held_back = json!({"updateStrategy": {"rollingUpdate": {"partition": 2}}});
    assert_eq!(bench(vec![stateful(held_back), member(0, "r2"), member(1, "r1")]).settled(), Ok(()));
    let by_hand = json!({"updateStrategy": {"type": "OnDelete"}});
    assert_eq!(bench(vec![stateful(by_hand), member(0, "r1"), member(1, "r1")]).settled(), Ok(()));
}

#[test]
fn an_ordered_set_stuck_on_a_broken_template_is_left_to_people() {
    let broken = |revision: &str| with(member(1, revision), json!({"status": {"phase": "Pending"}}));
    let ordered = [stateful(json!({})), member(0, "r2"), member(1, "r2")];
    assert_eq!(bench(vec![stateful(json!({})), member(0, "r2"), broken("r1")]).settled(), Ok(()));
    check(&ordered, broken("r2"), "is bound to a and does not run");
    let parallel = [stateful(json!({"podManagementPolicy": "Parallel"})), member(0, "r2"), member(1, "r2")];
    check(&parallel, broken("r1"), "is bound to a and does not run");
}

#[test]
fn pods_run_where_they_can() {
    let all = [ready("p", "a")];
    check(&all, pod("q", ""), "pods/shop/q has no node and fits on a");
    check(&all, pod("q", "a"), "is bound to a and does not run");
    check(&all, ready("q", "b"), "is bound to b, which is not there");
    check(&all, deleted(pod("q", ""), 0), "pods/shop/q is being deleted and still there");
    let large = json!({"spec": {"containers": [{"resources": {"requests": {"cpu": "3"}}}]}});
    assert_eq!(bench(vec![with(pod("q", ""), large)]).settled(), Ok(()));
    let gated = json!({"spec": {"schedulingGates": [{"name": "example.com/wait"}]}});
    assert_eq!(bench(vec![with(pod("q", ""), gated)]).settled(), Ok(()));
    let mut lost = bench(vec![deleted(pod("q", "a"), 30)]);
    lost.down.insert("a".into());
    assert_eq!(lost.settled(), Ok(()));
}

#[test]
fn nothing_waits_to_be_gone_but_what_is_held() {
    let holding = |tree: Value, finalizer: &str| with(tree, json!({"metadata": {"finalizers": [finalizer]}}));
    let claim =
        || holding(deleted(plain("v1", "PersistentVolumeClaim", "c"), 0), "kubernetes.io/pvc-protection");
    check(&[], claim(), "persistentvolumeclaims/shop/c is being deleted");
    let volumes = json!({"spec": {"volumes": [{"persistentVolumeClaim": {"claimName": "c"}}]}});
    assert_eq!(bench(vec![with(ready("p", "a"), volumes), claim()]).settled(), Ok(()));
    let namespace = || deleted(plain("v1", "Namespace", "shop"), 0);
    check(&[], namespace(), "namespaces/shop is being deleted");
    let held = holding(deleted(plain("v1", "ConfigMap", "m"), 0), "example.com/a");
    assert_eq!(bench(vec![held, namespace()]).settled(), Ok(()));
    check(&[], holding(deleted(plain("v1", "ConfigMap", "m"), 0), "foregroundDeletion"), "configmaps/shop/m");
}
