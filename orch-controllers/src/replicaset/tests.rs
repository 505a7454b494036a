//! The plans of a ReplicaSet, on views made by hand.

use std::time::Duration;

use orch_core::controller::{Controller, Plan};
use orch_core::{Error, Key, Revision, Verb, kind};
use serde_json::{Value, json};

use super::ReplicaSetController;
use crate::by_hand::{ByHand, body, lines, notes};

fn key() -> Key {
    Key::new(kind::REPLICA_SETS, "shop", "web")
}

fn set(replicas: i32) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {"name": "web", "namespace": "shop", "generation": 1},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": {
            "metadata": {"labels": {"app": "web"}, "annotations": {"a": "b"}},
            "spec": {"containers": [{"name": "c", "image": "i", "newField": {"x": 1}}]}}},
    })
}

fn owner() -> Value {
    json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "web-uid", "controller": true,
        "blockOwnerDeletion": true}])
}

fn pod(name: &str, ready: bool) -> Value {
    let (phase, status) = if ready { ("Running", "True") } else { ("Pending", "False") };
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "shop", "labels": {"app": "web"}, "ownerReferences": owner()},
        "spec": {"nodeName": "n1"},
        "status": {"phase": phase, "conditions": [
            {"type": "Ready", "status": status, "lastTransitionTime": "2026-01-01T00:00:00Z"}]},
    })
}

fn view() -> ByHand<ReplicaSetController> {
    ByHand::new(ReplicaSetController::default())
}

fn deleted(plan: &Plan) -> Vec<String> {
    let deletes = plan.writes.iter().filter(|write| matches!(write.verb, Verb::Delete(_)));
    deletes.map(|write| write.key.name.to_string()).collect()
}

fn created(plan: &Plan) -> Vec<String> {
    let creates = plan.writes.iter().filter(|write| matches!(write.verb, Verb::Create(_)));
    creates.map(|write| write.key.name.to_string()).collect()
}

#[test]
fn missing_pods_are_created_from_the_template_as_it_is() {
    let mut view = view();
    view.put(set(2));
    let plan = view.plan(&key());
    assert_eq!(created(&plan).len(), 2);
    let pod = body(&plan.writes[0]);
    assert_eq!(
        pod["spec"],
        set(2)["spec"]["template"]["spec"],
        "fields that nobody here knows are passed through"
    );
    assert_eq!(pod["metadata"]["ownerReferences"], owner());
    assert_eq!(pod["metadata"]["annotations"], json!({"a": "b"}));
    assert_eq!(&*notes(&plan)[0].0, "SuccessfulCreate");
    let status = body(plan.writes.last().unwrap());
    assert_eq!(status, json!({"status": {"replicas": 0, "terminatingReplicas": 0, "observedGeneration": 1}}));
}

#[test]
fn the_same_view_names_the_same_pods_and_a_view_of_some_of_them_the_rest() {
    let mut view = view();
    view.put(set(3));
    let names = created(&view.plan(&key()));
    assert_eq!(created(&view.plan(&key())), names);
    view.put(pod(&names[1], false));
    assert_eq!(created(&view.plan(&key())), [names[0].clone(), names[2].clone()]);
}

#[test]
fn a_turn_creates_a_bounded_number() {
    let mut view = view();
    view.put(set(1200));
    assert_eq!(created(&view.plan(&key())).len(), 500);
}

#[test]
fn ended_and_terminating_pods_are_replaced() {
    let mut view = view();
    view.put(set(2));
    let mut failed = pod("a", true);
    failed["status"]["phase"] = json!("Failed");
    view.put(failed);
    let mut terminating = pod("b", true);
    terminating["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:30Z");
    view.put(terminating);
    let plan = view.plan(&key());
    assert_eq!(created(&plan).len(), 2);
    assert_eq!(body(plan.writes.last().unwrap())["status"]["terminatingReplicas"], 1);
}

/// Two pods, one of which must go: `left` differs from the other as given.
#[track_caller]
fn goes_first(left: Value, right: Value) {
    let mut view = view();
    view.put(set(1));
    for (name, patch) in [("b-left", left), ("a-right", right)] {
        let mut tree = pod(name, true);
        merge(&mut tree, &patch);
        view.put(tree);
    }
    assert_eq!(deleted(&view.plan(&key())), ["b-left"]);
}

fn merge(tree: &mut Value, patch: &Value) {
    match patch {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| merge(&mut tree[name], value)),
        _ => *tree = patch.clone(),
    }
}

#[test]
fn pods_that_are_worth_least_go_first() {
    goes_first(json!({"spec": {"nodeName": ""}}), json!({}));
    goes_first(json!({"status": {"phase": "Pending"}}), json!({"status": {"phase": "Unknown"}}));
    goes_first(json!({"status": {"phase": "Unknown"}}), json!({}));
    let not_ready = json!([{"type": "Ready", "status": "False"}]);
    goes_first(json!({"status": {"conditions": not_ready}}), json!({}));
    let cost = |cost: &str| json!({"metadata": {"annotations": {"controller.kubernetes.io/pod-deletion-cost": cost}}});
    goes_first(cost("-1"), json!({}));
    goes_first(json!({}), cost("5"));
    goes_first(
        json!({"metadata": {"annotations": {"controller.kubernetes.io/pod-deletion-cost": "1"}}}),
        cost("2"),
    );
    let since = |at: &str| json!({"status": {"conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": at}]}});
    goes_first(since("2026-01-01T00:00:09Z"), since("2026-01-01T00:00:08Z"));
    let restarts = |n: i32| json!({"status": {"containerStatuses": [{"name": "c", "restartCount": n}]}});
    goes_first(restarts(3), restarts(2));
    let born = |at: &str| json!({"metadata": {"creationTimestamp": at}});
    goes_first(born("2026-01-01T00:00:09Z"), born("2026-01-01T00:00:08Z"));
}

#[test]
fn a_pod_that_shares_its_node_with_siblings_goes_first() {
    let mut view = view();
    let mut new = set(2);
    new["metadata"]["ownerReferences"] =
        json!([{"apiVersion": "apps/v1", "kind": "Deployment", "name": "d", "uid": "d", "controller": true}]);
    let mut old = new.clone();
    old["metadata"]["name"] = json!("old");
    view.put(new);
    view.put(old);
    let at = |name: &str, node: &str, owner: &str| {
        let mut tree = pod(name, true);
        tree["spec"]["nodeName"] = json!(node);
        tree["metadata"]["ownerReferences"][0]["uid"] = json!(owner);
        tree
    };
    view.put(at("a", "n1", "web-uid"));
    view.put(at("b", "n2", "web-uid"));
    view.put(at("c", "n3", "web-uid"));
    view.put(at("sibling", "n2", "old-uid"));
    assert_eq!(deleted(&view.plan(&key())), ["b"]);
}

#[test]
fn a_deletion_means_the_pod_that_was_observed() {
    let mut view = view();
    view.put(set(0));
    view.put(pod("a", true));
    let plan = view.plan(&key());
    assert_eq!(plan.writes[0].precondition.uid.as_deref(), Some("a-uid"));
    assert_eq!(plan.writes[0].precondition.revision, Some(Revision(2)));
}

#[test]
fn orphans_are_adopted_and_count_and_strangers_are_released() {
    let mut view = view();
    view.put(set(1));
    let mut orphan = pod("orphan", true);
    orphan["metadata"]["ownerReferences"] =
        json!([{"apiVersion": "v1", "kind": "Node", "name": "n", "uid": "n"}]);
    view.put(orphan);
    let mut stranger = pod("stranger", true);
    stranger["metadata"]["labels"]["app"] = json!("other");
    view.put(stranger);
    let mut ended = pod("ended", true);
    ended["metadata"]["ownerReferences"] = json!([]);
    ended["status"]["phase"] = json!("Succeeded");
    view.put(ended);
    let plan = view.plan(&key());
    assert_eq!(lines(&plan)[..2], ["merge pods/shop/stranger", "merge pods/shop/orphan"]);
    assert_eq!(body(&plan.writes[0]), json!({"metadata": {"ownerReferences": []}}));
    let owners = &body(&plan.writes[1])["metadata"]["ownerReferences"];
    assert_eq!((&owners[0]["name"], &owners[1]), (&json!("n"), &owner()[0]), "other owners stay");
    assert_eq!(created(&plan).len() + deleted(&plan).len(), 0);
}

#[test]
fn a_set_that_is_deleted_neither_adopts_nor_creates() {
    let mut view = view();
    let mut tree = set(3);
    tree["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    tree["status"] = json!({"replicas": 0, "terminatingReplicas": 0, "observedGeneration": 1});
    view.put(tree);
    let mut orphan = pod("orphan", true);
    orphan["metadata"]["ownerReferences"] = json!([]);
    view.put(orphan);
    assert!(view.plan(&key()).is_empty());
}

#[test]
fn a_pod_concerns_its_controller_or_whoever_selects_it() {
    let mut view = view();
    view.put(set(1));
    assert_eq!(view.put(pod("a", true)), [key()]);
    let mut orphan = pod("b", true);
    orphan["metadata"]["ownerReferences"] = json!([]);
    assert_eq!(view.put(orphan.clone()), [key()]);
    orphan["metadata"]["labels"] = json!({"app": "other"});
    orphan["metadata"]["name"] = json!("c");
    assert_eq!(view.put(orphan), []);
}

#[test]
fn the_status_counts_and_the_next_pod_to_become_available_is_waited_for() {
    let mut view = view();
    let mut tree = set(3);
    tree["spec"]["minReadySeconds"] = json!(30);
    view.put(tree);
    view.put(pod("a", true));
    let mut later = pod("b", true);
    later["status"]["conditions"][0]["lastTransitionTime"] = json!("2026-01-01T00:00:10Z");
    later["metadata"]["labels"] = json!({"app": "web", "more": "labels"});
    view.put(later);
    view.put(pod("c", false));
    view.wait(30);
    let plan = view.plan(&key());
    let expected = json!({"replicas": 3, "fullyLabeledReplicas": 3, "readyReplicas": 2, "availableReplicas": 1,
        "terminatingReplicas": 0, "observedGeneration": 1});
    assert_eq!(body(&plan.writes[0]), json!({"status": expected}));
    assert_eq!(plan.again_after, Some(Duration::from_secs(10)));
}

#[test]
fn a_failure_is_explained_while_it_lasts_and_conditions_of_others_stay() {
    let controller = ReplicaSetController::default();
    let mut view = ByHand::new(controller);
    let mut tree = set(5);
    tree["status"]["conditions"] = json!([{"type": "Other", "status": "True"}]);
    view.put(tree.clone());
    let plan = view.plan(&key());
    let refused = || Err(Error::Forbidden { key: key(), why: "exceeded quota".into() });
    let results: Vec<_> = plan.writes.iter().map(|_| refused()).collect();
    let notes = view.controller().outcome(&key(), &plan, &results);
    assert_eq!((notes.len(), &*notes[0].reason, &*notes[0].uid), (1, "FailedCreate", "web-uid"));
    let plan = view.plan(&key());
    assert_eq!(created(&plan).len(), 1, "a slow start");
    let conditions = body(plan.writes.last().unwrap())["status"]["conditions"].clone();
    assert_eq!(conditions[0], json!({"type": "Other", "status": "True"}));
    assert_eq!(
        (&conditions[1]["type"], &conditions[1]["reason"]),
        (&json!("ReplicaFailure"), &json!("FailedCreate"))
    );
    tree["status"]["conditions"] = conditions;
    tree["spec"]["replicas"] = json!(0);
    view.put(tree);
    let plan = view.plan(&key());
    let conditions = &body(plan.writes.last().unwrap())["status"]["conditions"];
    assert_eq!(
        conditions,
        &json!([{"type": "Other", "status": "True"}]),
        "nothing is left to do: no failure"
    );
}
