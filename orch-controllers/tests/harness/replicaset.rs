//! Scenarios of the ReplicaSet controller.

use orch_controllers::replicaset::ReplicaSetController;
use orch_core::{Key, Verb, Write, kind};
use serde_json::{Value, json};

use crate::kubelet::Act;
use crate::lane::{Decide, Make};
use crate::laws::{is_active, is_ready, number, same};
use crate::{Allowed, Scenario, Transition, Truth, User, scenario};

pub(crate) const ALLOWED: &[Allowed] = &[
    Allowed::CreateOwned(kind::PODS),
    Allowed::DeleteOwned(kind::PODS),
    Allowed::Patch(kind::PODS, &["metadata.ownerReferences"]),
    Allowed::Patch(kind::REPLICA_SETS, &["status"]),
];

pub(crate) fn controller() -> Box<dyn Decide> {
    Box::new(ReplicaSetController::default())
}

fn key() -> Key {
    Key::new(kind::REPLICA_SETS, "default", "web")
}

fn set(name: &str, app: &str, replicas: i64) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": name, "namespace": "default"},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": app}}, "template": {
            "metadata": {"labels": {"app": app}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}},
    })
}

fn pod(name: &str, app: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default", "labels": {"app": app}},
        "spec": {"containers": [{"name": "c", "image": "i"}]}})
}

fn bystander(mut tree: Value) -> Value {
    tree["metadata"]["labels"]["bystander"] = json!("true");
    tree
}

fn scale(replicas: i64) -> User {
    User::Write(Write::merge(key(), json!({"spec": {"replicas": replicas}})))
}

/// A create makes no more pods than were ever asked for, a delete leaves no fewer.
fn bounded(transition: &Transition<'_>) -> Result<(), String> {
    if transition.actor != "replicaset-controller" || transition.write.key.kind != kind::PODS {
        return Ok(());
    }
    let active =
        transition.after.controlled(&key(), kind::PODS).into_iter().filter(|pod| is_active(pod)).count();
    let active = i64::try_from(active).unwrap();
    let replicas = |tree: &Value| number(tree, "/spec/replicas");
    match &transition.write.verb {
        Verb::Create(_) if active > transition.most(replicas) => Err(format!("{active} pods after a create")),
        Verb::Delete(_) if active < transition.least(replicas) => {
            Err(format!("{active} pods after a delete"))
        }
        _ => Ok(()),
    }
}

fn unbounded(_: &Transition<'_>) -> Result<(), String> {
    Ok(())
}

fn settled(truth: &Truth) -> Result<(), String> {
    let set = truth.get(&key()).ok_or("it is gone")?;
    let replicas = number(&set, "/spec/replicas");
    let pods = truth.controlled(&key(), kind::PODS);
    let active = pods.iter().filter(|pod| is_ready(pod)).count();
    same("ready pods", i64::try_from(active).unwrap(), replicas)?;
    same("pods that do not match", pods.iter().filter(|pod| pod.label("app") != Some("web")).count(), 0)?;
    for field in ["replicas", "readyReplicas", "availableReplicas", "fullyLabeledReplicas"] {
        same(field, number(&set, &format!("/status/{field}")), replicas)?;
    }
    same("terminating", number(&set, "/status/terminatingReplicas"), 0)?;
    same("generation", number(&set, "/status/observedGeneration"), number(&set, "/metadata/generation"))
}

fn base(objects: Vec<Value>, edits: Vec<User>) -> Scenario {
    let controllers: Vec<(Make, _)> = vec![(controller, ALLOWED)];
    Scenario { objects, edits, controllers, acts: &[Act::Start], law: bounded, settled, remembers: false }
}

fn scaling() -> Scenario {
    let objects = vec![set("web", "web", 3), bystander(pod("alone", "other"))];
    base(objects, vec![scale(5), scale(2), scale(6), scale(0), scale(3)])
}

fn failing() -> Scenario {
    let edits = vec![scale(4), User::DeletePod(0), User::DeletePod(1), scale(2), User::DeletePod(0)];
    Scenario { acts: &[Act::Fail, Act::Unready], law: unbounded, ..base(vec![set("web", "web", 3)], edits) }
}

fn adopting() -> Scenario {
    let orphans = ["o1", "o2", "o3"].map(|name| pod(name, "web"));
    let relabel = |name: &str, app: &str| {
        let patch = json!({"metadata": {"labels": {"app": app}}});
        User::Write(Write::merge(Key::new(kind::PODS, "default", name), patch))
    };
    let edits = vec![relabel("o1", "gone"), scale(1), relabel("o2", "gone"), relabel("o1", "web"), scale(4)];
    let objects = [set("web", "web", 2)].into_iter().chain(orphans).collect();
    Scenario { law: unbounded, ..base(objects, edits) }
}

fn slowly() -> Scenario {
    let mut web = set("web", "web", 3);
    web["spec"]["minReadySeconds"] = json!(5);
    base(vec![web], vec![scale(5), scale(2)])
}

scenario! {
    /// Never more pods than asked for, never fewer, whatever crashes.
    scaling_keeps_its_bounds = scaling();
    /// Pods that fail or are deleted are replaced.
    failed_pods_are_replaced = failing();
    /// Orphans come in, strangers go.
    orphans_are_adopted_and_strangers_released = adopting();
    /// Availability is told when its time has come.
    availability_is_told_in_time = slowly();
}
