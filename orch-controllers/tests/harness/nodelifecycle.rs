//! Scenarios of node lifecycle and taint eviction.

use orch_controllers::nodelifecycle::{NodeLifecycleController, TaintEvictionController};
use orch_core::{Key, Live, Verb, Write, kind};
use serde_json::{Value, json};

use crate::lane::{Decide, Make};
use crate::laws::same;
use crate::{Allowed, Scenario, Transition, Truth, User, scenario};

const ALLOWED: &[Allowed] =
    &[Allowed::Patch(kind::NODES, &["status", "spec.taints"]), Allowed::Patch(kind::PODS, &["status"])];
const EVICTS: &[Allowed] = &[Allowed::Delete(kind::PODS), Allowed::Patch(kind::PODS, &["status"])];

fn lifecycle() -> Box<dyn Decide> {
    Box::new(NodeLifecycleController::default())
}

fn eviction() -> Box<dyn Decide> {
    Box::new(TaintEvictionController::default())
}

fn node(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}})
}

#[expect(clippy::needless_pass_by_value, reason = "called with values")]
fn pod(name: &str, secs: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default"},
        "spec": {"containers": [{"name": "c", "image": "i"}], "tolerations": [
            {"operator": "Exists", "effect": "NoExecute", "tolerationSeconds": secs}]}})
}

fn key(name: &str) -> Key {
    Key::cluster(kind::NODES, name)
}

/// An agent posts its status.
fn posts(name: &str, ready: &str, at: &str) -> User {
    let conditions = json!([{"type": "Ready", "status": ready, "lastHeartbeatTime": at}, {"type": "Own", "status": "True"}]);
    User::Write(Write::merge_status(key(name), json!({"status": {"conditions": conditions}})))
}

fn is_driving(node: &Live) -> bool {
    let tree = node.tree();
    let mut taints = tree["spec"]["taints"].as_array().into_iter().flatten();
    taints.any(|taint| taint["effect"] == "NoExecute" && taint["key"] != "mine")
}

/// Nodes are tainted one by one; pods leave tainted nodes only.
fn law(transition: &Transition<'_>) -> Result<(), String> {
    let count = |truth: &Truth| truth.of(kind::NODES).filter(|node| is_driving(node)).count();
    let (before, after) = (count(transition.before), count(transition.after));
    if after > before + 1 {
        return Err(format!("{before} nodes were tainted, now {after} are"));
    }
    let gone = transition.before.0.get(&transition.write.key);
    if transition.actor == "taint-eviction-controller"
        && matches!(transition.write.verb, Verb::Delete(_))
        && gone.is_some_and(|pod| pod.field("spec.nodeName") != Some("n1"))
    {
        return Err(format!("{} is on no tainted node", transition.write.key));
    }
    Ok(())
}

/// Every node is silent in the end: marked and tainted, but nobody is driven away any more.
fn silent(truth: &Truth) -> Result<(), String> {
    for node in truth.of(kind::NODES) {
        let tree = node.tree();
        let mut conditions = tree["status"]["conditions"].as_array().into_iter().flatten();
        let ready = conditions.find(|condition| condition["type"] == "Ready");
        same("ready", ready.and_then(|ready| ready["status"].as_str()), Some("Unknown"))?;
        let taints = tree["spec"]["taints"].as_array().cloned().unwrap_or_default();
        let marked = |taint: &Value| {
            taint["key"] == "node.kubernetes.io/unreachable" && taint["effect"] == "NoSchedule"
        };
        same("taint", taints.iter().filter(|taint| marked(taint)).count(), 1)?;
        same("driving", is_driving(node), false)?;
    }
    Ok(())
}

fn falling_silent() -> Scenario {
    let mut edits = Vec::new();
    for second in 0..6 {
        for name in ["n1", "n2", "n3"] {
            edits.push(posts(name, "True", &format!("2026-01-01T00:00:0{second}Z")));
        }
    }
    edits.push(posts("n2", "False", "2026-01-01T00:00:09Z"));
    edits.push(posts("n2", "True", "2026-01-01T00:00:10Z"));
    let controllers: Vec<(Make, &'static [Allowed])> = vec![(lifecycle, ALLOWED), (eviction, EVICTS)];
    let objects = vec![node("n1"), node("n2"), node("n3"), pod("a", json!(300)), pod("b", Value::Null)];
    Scenario { objects, edits, controllers, acts: &[], law, settled: silent, remembers: true }
}

fn tainted() -> Scenario {
    let taint = |taints: Value| User::Write(Write::merge(key("n1"), json!({"spec": {"taints": taints}})));
    let mine = || taint(json!([{"key": "mine", "effect": "NoExecute"}]));
    let edits = vec![mine(), taint(Value::Null), mine(), taint(Value::Null), mine()];
    let controllers: Vec<(Make, &'static [Allowed])> = vec![(eviction, EVICTS)];
    let objects = vec![node("n1"), pod("soon", json!(3)), pod("later", json!(20)), pod("never", Value::Null)];
    let settled = |truth: &Truth| {
        let names: Vec<_> = truth.of(kind::PODS).map(|pod| pod.key().name.to_string()).collect();
        same("pods", names, vec!["never".to_owned()])
    };
    Scenario { objects, edits, controllers, acts: &[], law, settled, remembers: true }
}

scenario! {
    /// Nodes post for a while, then none does.
    silent_nodes_are_marked_and_nobody_is_driven_away_when_all_are = falling_silent();
    /// A taint comes and goes and stays in the end.
    pods_leave_a_tainted_node_in_their_time = tainted();
}
