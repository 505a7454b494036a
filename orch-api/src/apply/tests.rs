//! The merge as tables and properties, and applying in virtual time.

use std::sync::Arc;

use orch_core::{Api, ApiExt, Key, Registry, Write, kind};
use orch_store::MemStore;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Outcome, apply, last_applied, merge_diff, three_way};
use crate::{LocalApi, merge_patch, schema};

#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "tables read better with json! in place")]
fn pod(original: Value, modified: Value, current: Value, expected: Value) {
    let wrap = |spec: Value| json!({"spec": spec});
    let ty = schema::lookup("", "v1", "Pod");
    let merged = three_way(Some(&wrap(original)), &wrap(modified), &wrap(current), ty);
    assert_eq!(merged["spec"], expected);
}

#[test]
fn items_are_merged_by_their_key() {
    pod(
        json!({"containers": [{"name": "a", "image": "x:1"}, {"name": "b", "image": "y:1"}]}),
        json!({"containers": [{"name": "a", "image": "x:2"}, {"name": "c", "image": "z:1"}]}),
        json!({"containers": [
            {"name": "a", "image": "x:1", "imagePullPolicy": "Always"}, {"name": "b", "image": "y:1"},
            {"name": "injected", "image": "i:1"},
        ]}),
        json!({"containers": [
            {"name": "a", "image": "x:2", "imagePullPolicy": "Always"}, {"name": "c", "image": "z:1"},
            {"name": "injected", "image": "i:1"},
        ]}),
    );
}

#[test]
fn items_of_others_stay_where_they_stand() {
    pod(
        json!({}),
        json!({"containers": [{"name": "c"}, {"name": "b"}]}),
        json!({"containers": [{"name": "x"}, {"name": "b"}, {"name": "y"}, {"name": "c"}]}),
        json!({"containers": [{"name": "x"}, {"name": "y"}, {"name": "c"}, {"name": "b"}]}),
    );
}

#[test]
fn the_same_port_may_serve_two_protocols() {
    pod(
        json!({}),
        json!({"containers": [{"name": "a", "ports": [
            {"containerPort": 53, "name": "tcp"}, {"containerPort": 53, "protocol": "UDP", "name": "udp"}]}]}),
        json!({"containers": [{"name": "a", "ports": [{"containerPort": 53, "protocol": "TCP"}]}]}),
        json!({"containers": [{"name": "a", "ports": [
            {"containerPort": 53, "name": "tcp", "protocol": "TCP"},
            {"containerPort": 53, "protocol": "UDP", "name": "udp"}]}]}),
    );
}

#[test]
fn a_volume_has_one_source() {
    pod(
        json!({"volumes": [{"name": "v", "emptyDir": {}}]}),
        json!({"volumes": [{"name": "v", "secret": {"secretName": "s"}}]}),
        json!({"volumes": [{"name": "v", "emptyDir": {}}]}),
        json!({"volumes": [{"name": "v", "secret": {"secretName": "s"}}]}),
    );
    pod(
        json!({}),
        json!({"volumes": [{"name": "v"}]}),
        json!({"volumes": [{"name": "v", "emptyDir": {}}]}),
        json!({"volumes": [{"name": "v", "emptyDir": {}}]}),
    );
}

#[test]
fn a_plain_list_is_replaced_whole() {
    pod(
        json!({"containers": [{"name": "a", "command": ["x", "y"]}], "tolerations": [{"key": "a"}]}),
        json!({"containers": [{"name": "a", "command": ["z"]}], "tolerations": [{"key": "b"}]}),
        json!({"containers": [{"name": "a", "command": ["x", "y", "w"]}], "tolerations": [{"key": "a"}, {"key": "c"}]}),
        json!({"containers": [{"name": "a", "command": ["z"]}], "tolerations": [{"key": "b"}]}),
    );
}

#[test]
fn a_change_of_the_strategy_drops_what_belongs_to_the_old_one() {
    let ty = schema::lookup("apps", "v1", "Deployment");
    let current = json!({"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}});
    let recreate = json!({"spec": {"strategy": {"type": "Recreate"}}});
    assert_eq!(three_way(None, &recreate, &current, ty), recreate);
    let same = json!({"spec": {"strategy": {"type": "RollingUpdate"}}});
    assert_eq!(three_way(None, &same, &current, ty), current);
}

#[test]
fn finalizers_are_a_set() {
    let ty = schema::lookup("", "v1", "ConfigMap");
    let with = |names: &[&str]| json!({"metadata": {"finalizers": names}});
    let merged = three_way(Some(&with(&["a", "b"])), &with(&["a", "c"]), &with(&["x", "b", "a"]), ty);
    assert_eq!(merged, with(&["x", "a", "c"]));
}

/// Trees in the shape of a pod, few enough that they meet.
fn pods() -> impl Strategy<Value = Value> {
    let port = (1..4, prop::sample::select(vec!["TCP", "UDP"]))
        .prop_map(|(port, protocol)| json!({"containerPort": port, "protocol": protocol}));
    let container = ("[a-c]", prop::option::of("[x-z]"), prop::collection::vec(port, 0..3)).prop_map(
        |(name, image, ports)| json!({"name": name, "image": image, "ports": ports, "args": [name.clone()]}),
    );
    let volume = ("[a-c]", any::<bool>()).prop_map(|(name, empty)| {
        if empty {
            json!({"name": name, "emptyDir": {}})
        } else {
            json!({"name": name, "hostPath": {"path": "/"}})
        }
    });
    let labels = prop::collection::btree_map("[a-c]", "[x-z]", 0..3);
    (prop::collection::vec(container, 0..3), prop::collection::vec(volume, 0..3), labels).prop_map(
        |(containers, volumes, labels)| {
            let mut pod = json!({"metadata": {"labels": labels}, "spec": {"containers": containers, "volumes": volumes}});
            schema::prune_nulls(&mut pod, schema::lookup("", "v1", "Pod").unwrap());
            pod
        },
    )
}

proptest! {
    #[test]
    fn a_merge_done_twice_is_done_once(original in pods(), modified in pods(), current in pods()) {
        let ty = schema::lookup("", "v1", "Pod");
        let once = three_way(Some(&original), &modified, &current, ty);
        let twice = three_way(Some(&modified), &modified, &once, ty);
        prop_assert_eq!(twice, once);
    }

    #[test]
    fn the_diff_leads_from_one_to_the_other(from in pods(), to in pods()) {
        let mut tree = from.clone();
        if let Some(patch) = merge_diff(&from, &to) {
            merge_patch(&mut tree, &patch);
        }
        prop_assert_eq!(tree, to);
    }
}

fn sim<F: Future>(body: impl FnOnce(LocalApi) -> F) -> F::Output {
    orch_core::sim::run(7, |env| async move {
        let registry = Arc::new(Registry::built_in());
        let store = Arc::new(MemStore::new(Arc::clone(&registry)));
        let api = LocalApi::builder(store, env, registry).build();
        api.bootstrap().await.unwrap();
        body(api).await
    })
}

fn web(replicas: i64) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {
        "replicas": replicas, "selector": {"matchLabels": {"app": "web"}},
        "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [
            {"name": "web", "image": "nginx:1.27", "resources": {"limits": {"cpu": "1000m"}}}]}}}})
}

#[test]
fn a_manifest_applied_again_changes_nothing() {
    sim(|api| async move {
        let made = apply(&api, &web(1)).await.unwrap();
        assert_eq!(made.outcome, Outcome::Created);
        assert_eq!(last_applied(&made.live.tree()).unwrap()["spec"]["replicas"], 1);
        let again = apply(&api, &web(1)).await.unwrap();
        assert_eq!((again.outcome, again.live.revision()), (Outcome::Unchanged, made.live.revision()));
    });
}

#[test]
fn what_the_manifest_no_longer_has_goes_and_what_others_set_stays() {
    sim(|api| async move {
        let made = apply(&api, &web(1)).await.unwrap();
        let key = made.live.key().clone();
        let others = json!({"metadata": {"labels": {"team": "x"}}, "spec": {"replicas": 7}});
        api.one(Write::merge(key.clone(), others)).await.unwrap();
        let mut manifest = web(1);
        manifest["spec"].as_object_mut().unwrap().remove("replicas");
        manifest["spec"]["template"]["spec"]["containers"][0]["image"] = json!("nginx:1.28");
        let applied = apply(&api, &manifest).await.unwrap();
        assert_eq!(applied.outcome, Outcome::Configured);
        let tree = applied.live.tree();
        assert_eq!(tree["spec"]["replicas"], 1, "removed, then defaulted");
        assert_eq!(tree["metadata"]["labels"]["team"], "x");
        let container = &tree["spec"]["template"]["spec"]["containers"][0];
        assert_eq!(
            (&container["image"], &container["imagePullPolicy"]),
            (&json!("nginx:1.28"), &json!("IfNotPresent"))
        );
    });
}

#[test]
fn a_manifest_with_faults_changes_nothing() {
    sim(|api| async move {
        let mut manifest = web(1);
        manifest["spec"]["replcas"] = json!(3);
        let error = apply(&api, &manifest).await.unwrap_err().to_string();
        assert!(error.contains("unknown field \"spec.replcas\""), "{error}");
        apply(&api, &web(1)).await.unwrap();
        let error = apply(&api, &manifest).await.unwrap_err().to_string();
        assert!(error.contains("unknown field \"spec.replcas\""), "{error}");
        let nameless = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "a"}});
        let error = apply(&api, &nameless).await.unwrap_err().to_string();
        assert!(error.contains("cannot use generate name with apply"), "{error}");
        let unknown =
            apply(&api, &json!({"apiVersion": "v1", "kind": "Gadget"})).await.unwrap_err().to_string();
        assert_eq!(unknown, "no kind \"Gadget\" in \"v1\"");
        let list = api.registry().get(kind::CONFIG_MAPS).unwrap();
        assert!(list.is_namespaced());
        assert!(api.read(&Key::new(kind::CONFIG_MAPS, "default", "a")).await.unwrap_err().is_not_found());
    });
}
