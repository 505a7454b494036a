//! Scenarios of pod garbage collection.

use orch_controllers::podgc::{PodGcConfig, PodGcController};
use orch_core::{Key, Verb, Write, kind};
use serde_json::{Value, json};

use crate::kubelet::Act;
use crate::lane::{Decide, Make};
use crate::laws::text;
use crate::{Allowed, Scenario, Transition, Truth, User, scenario};

const ALLOWED: &[Allowed] = &[Allowed::Delete(kind::PODS), Allowed::Patch(kind::PODS, &["status"])];

fn controller() -> Box<dyn Decide> {
    let mut config = PodGcConfig::default();
    config.terminated_pods = 1;
    Box::new(PodGcController::new(config))
}

fn node() -> Value {
    json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}})
}

fn pod(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default"},
        "spec": {"containers": [{"name": "c", "image": "i"}]}})
}

fn n1() -> Key {
    Key::cluster(kind::NODES, "n1")
}

/// A pod that runs on a node that is there is left alone.
fn law(transition: &Transition<'_>) -> Result<(), String> {
    if transition.actor != "pod-garbage-collector" || !matches!(transition.write.verb, Verb::Delete(_)) {
        return Ok(());
    }
    let Some(pod) = transition.before.0.get(&transition.write.key) else { return Ok(()) };
    let tree = pod.tree();
    let (node, phase) = (text(&tree, "/spec/nodeName"), text(&tree, "/status/phase"));
    let runs = !matches!(phase, "Failed" | "Succeeded");
    if runs && node == "n1" && transition.before.0.contains_key(&n1()) {
        return Err(format!("{} runs", pod.key()));
    }
    Ok(())
}

fn settled(truth: &Truth) -> Result<(), String> {
    let ended = truth
        .of(kind::PODS)
        .filter(|pod| matches!(text(&pod.tree(), "/status/phase"), "Failed" | "Succeeded"));
    if ended.count() > 1 { Err("too many ended pods".to_owned()) } else { Ok(()) }
}

fn nothing(truth: &Truth) -> Result<(), String> {
    match truth.of(kind::PODS).next() {
        Some(pod) => Err(format!("{} is still there", pod.key())),
        None => Ok(()),
    }
}

fn base(edits: Vec<User>, settled: fn(&Truth) -> Result<(), String>) -> Scenario {
    let controllers: Vec<(Make, &'static [Allowed])> = vec![(controller, ALLOWED)];
    let objects = [node()].into_iter().chain(["a", "b", "c", "d"].map(pod)).collect();
    Scenario { objects, edits, controllers, acts: &[Act::Fail], law, settled, remembers: true }
}

fn orphaned() -> Scenario {
    let bind = |name| User::Write(Write::bind(Key::new(kind::PODS, "default", name), "n1"));
    let edits = vec![bind("a"), bind("b"), bind("c"), bind("d"), User::Write(Write::delete(n1()))];
    base(edits, nothing)
}

scenario! {
    /// The node goes: so do its pods, after a while, and not before.
    pods_of_a_node_that_is_gone_go = orphaned();
    /// Ended pods are bounded, running ones are not touched.
    ended_pods_are_bounded = base(vec![User::DeletePod(0)], settled);
}
