//! Administrators take nodes out of service, and most often put them back.

use orch_core::{Live, Write, kind};
use serde_json::{Value, json};

use super::super::super::{Step, Truth};
use super::super::pick::{nodes, nth};
use super::super::template::UPKEEP;
use super::super::tree::{list, text};
use super::{Scene, of_this, pods};

fn schedulable(number: usize, is: bool) -> impl Fn(&Truth) -> Vec<Write> {
    let value = if is { Value::Null } else { json!(true) };
    move |truth| {
        let patch = json!({"spec": {"unschedulable": &value}});
        nth(nodes(truth), number).map(|node| Write::merge(node.key().clone(), patch)).into_iter().collect()
    }
}

/// No new pods on a node.
pub(super) fn cordon(scene: &Scene<'_>) -> Vec<Step> {
    let number = scene.dice.any();
    let mut steps = vec![scene.step(format!("cordon node no. {number}"), schedulable(number, false))];
    if !scene.dice.one_in(4) {
        let act = schedulable(number, true);
        steps.extend(scene.later((2000, 20_000), format!("uncordon node no. {number}"), act));
    }
    steps
}

/// No new pods on a node, and those that are there are evicted.
pub(super) fn drain(scene: &Scene<'_>) -> Vec<Step> {
    let number = scene.dice.any();
    let cordon = schedulable(number, false);
    let act = move |truth: &Truth| {
        let mut writes = cordon(truth);
        let Some(node) = nth(nodes(truth), number) else { return writes };
        let on_it = |pod: &&Live| pod.field("spec.nodeName") == Some(&*node.key().name);
        let staying = truth.of(kind::PODS).filter(|pod| !pod.header().is_terminating());
        writes.extend(staying.filter(on_it).map(|pod| pods::evict(pod.key())));
        writes
    };
    let mut steps = vec![scene.step(format!("drain node no. {number}"), act)];
    let act = schedulable(number, true);
    steps.extend(scene.later((4000, 20_000), format!("uncordon node no. {number}"), act));
    steps
}

/// A node with a taint of the users', with one effect.
fn tainted(node: &Live, effect: &str) -> Option<Write> {
    let tree = node.tree();
    let mut taints = list(&tree["spec"]["taints"]).to_vec();
    if taints.iter().any(|taint| taint["key"] == UPKEEP && taint["effect"] == effect) {
        return None;
    }
    taints.push(json!({"key": UPKEEP, "effect": effect}));
    Some(of_this(node, json!({"spec": {"taints": taints}})))
}

/// A node without taints of the users'.
pub(in super::super) fn untainted(node: &Live) -> Option<Write> {
    let tree = node.tree();
    let taints = list(&tree["spec"]["taints"]);
    let others: Vec<&Value> =
        taints.iter().filter(|taint| !text(&taint["key"]).starts_with("example.com/")).collect();
    (others.len() < taints.len()).then(|| of_this(node, json!({"spec": {"taints": others}})))
}

/// A node that pods avoid or have to leave.
pub(super) fn taint(scene: &Scene<'_>) -> Vec<Step> {
    let (number, effect) =
        (scene.dice.any(), scene.dice.pick(&["NoSchedule", "NoExecute", "PreferNoSchedule"]));
    let act = move |truth: &Truth| {
        nth(nodes(truth), number).and_then(|node| tainted(node, effect)).into_iter().collect()
    };
    let mut steps = vec![scene.step(format!("taint node no. {number} with {effect}"), act)];
    if !scene.dice.one_in(4) {
        let act = |truth: &Truth| nodes(truth).filter_map(untainted).collect();
        steps.extend(scene.later((2000, 20_000), "take the users' taints from every node", act));
    }
    steps
}

/// A node that is deleted though its agent runs; its agent does not register again by itself.
pub(super) fn remove(scene: &Scene<'_>) -> Vec<Step> {
    let number = scene.dice.any();
    // The last three nodes stay, whatever happens.
    let act = move |truth: &Truth| {
        let many = nodes(truth).count() > 3;
        let node = nth(nodes(truth), number).filter(|_| many);
        node.map(|node| Write::delete(node.key().clone())).into_iter().collect()
    };
    let mut steps = vec![scene.step(format!("delete node no. {number}"), act)];
    if scene.dice.one_in(2) {
        let act = |truth: &Truth| lost(truth);
        steps.extend(scene.later((1000, 15_000), "create the nodes again that were deleted", act));
    }
    steps
}

/// Creates the nodes again that were deleted, with the labels that they had: their agents go on with them.
pub(in super::super) fn lost(truth: &Truth) -> Vec<Write> {
    let select = orch_core::Select::kind(kind::NODES);
    let gone = truth.between(&select, orch_core::Revision::ZERO, truth.revision());
    let mut last = std::collections::BTreeMap::new();
    for change in gone.filter(|change| change.now.is_none()) {
        last.extend(change.before.clone().map(|before| (change.key().clone(), before)));
    }
    let absent = last.into_iter().filter(|(key, _)| truth.get(key).is_none());
    absent.map(|(key, before)| Write::create(key.clone(), again(&key.name, &before))).collect()
}

/// The same in the end, when an administrator waits, for every other node, until the cluster has removed its pods.
pub(in super::super) fn to_put_back(truth: &Truth) -> Vec<Write> {
    let is_patient = |name: &str| name.bytes().last().is_some_and(|byte| byte % 2 == 0);
    let has_pods = |name: &str| truth.of(kind::PODS).any(|pod| pod.field("spec.nodeName") == Some(name));
    let mut writes = lost(truth);
    writes.retain(|write| !is_patient(&write.key.name) || !has_pods(&write.key.name));
    writes
}

fn again(name: &str, before: &orch_core::Object) -> Value {
    let labels: serde_json::Map<String, Value> =
        before.header().labels.iter().map(|(name, value)| (name.to_string(), json!(&**value))).collect();
    json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}})
}
