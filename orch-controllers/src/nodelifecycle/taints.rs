//! Which taints a node's conditions ask for (`doNoScheduleTaintingPass` and `processTaintBaseEviction` in
//! `pkg/controller/nodelifecycle/node_lifecycle_controller.go`).
//!
//! Only taints of the keys below are touched; the first `NoExecute` taint of a node is the pace's business.

use jiff::Timestamp;
use orch_core::object::Part;
use orch_core::view::Projection;
use orch_core::{Kind, Live, Object, Write, kind, rfc3339};
use serde_json::{Value, json};

use crate::facts::{NOT_READY, Node, Readiness, UNREACHABLE, condition};
use crate::json::{list, text};

const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";

/// Conditions that taint when they are true.
const SHORTAGES: [(&str, &str); 4] = [
    ("MemoryPressure", "node.kubernetes.io/memory-pressure"),
    ("DiskPressure", "node.kubernetes.io/disk-pressure"),
    ("NetworkUnavailable", "node.kubernetes.io/network-unavailable"),
    ("PIDPressure", "node.kubernetes.io/pid-pressure"),
];

/// Whether the taints of a node are others than it should have: most turns need not look at them closer.
pub(super) struct Mistainted(pub(super) bool);

impl Projection for Mistainted {
    fn kind() -> Option<Kind> {
        Some(kind::NODES)
    }

    fn project(object: &Live) -> Self {
        let (spec, status) = (object.part_tree(Part::Spec), object.part_tree(Part::Status));
        // The time stands in new taints only: whether there are any does not depend on it.
        Self(desired(&Node::project(object), &spec, &status, Timestamp::default()).is_some())
    }
}

/// The node's taints as they should be; `None` when they are so.
pub(super) fn desired(node: &Node, spec: &Value, status: &Value, now: Timestamp) -> Option<Vec<Value>> {
    let present = list(&spec["taints"]);
    let mut wanted: Vec<&str> = no_schedule(node, spec, status);
    let mut all: Vec<Value> = Vec::new();
    for taint in present {
        let key = text(&taint["key"]);
        match text(&taint["effect"]) {
            "NoSchedule" if is_own(key) => {
                let Some(at) = wanted.iter().position(|wanted| *wanted == key) else { continue };
                wanted.remove(at);
                all.push(taint.clone());
            }
            "NoExecute" if matches!(key, NOT_READY | UNREACHABLE) => match node.ready.taint() {
                Some(right) if right != key => {
                    let is_there = |other: &Value| other["key"] == right && other["effect"] == "NoExecute";
                    if !present.iter().any(is_there) {
                        all.push(no_execute(right, now));
                    }
                }
                None if node.ready == Readiness::True => {}
                _ => all.push(taint.clone()),
            },
            _ => all.push(taint.clone()),
        }
    }
    all.extend(
        wanted.iter().map(|key| json!({"key": key, "effect": "NoSchedule", "timeAdded": rfc3339(now)})),
    );
    (all != present).then_some(all)
}

/// The keys of the `NoSchedule` taints that the node should have.
fn no_schedule<'a>(node: &Node, spec: &Value, status: &Value) -> Vec<&'a str> {
    let is_true =
        |kind| condition(&status["conditions"], kind).is_some_and(|found| found["status"] == "True");
    let shortages = SHORTAGES.iter().filter(|(kind, _)| is_true(kind)).map(|(_, key)| *key);
    let cordoned = (spec["unschedulable"] == true).then_some(UNSCHEDULABLE);
    node.ready.taint().into_iter().chain(shortages).chain(cordoned).collect()
}

fn is_own(key: &str) -> bool {
    matches!(key, NOT_READY | UNREACHABLE | UNSCHEDULABLE) || SHORTAGES.iter().any(|(_, own)| *own == key)
}

/// The taint that drives pods away, from now on.
pub(super) fn no_execute(key: &str, now: Timestamp) -> Value {
    json!({"key": key, "effect": "NoExecute", "timeAdded": rfc3339(now)})
}

/// Replaces the taints of a node, if nobody else has written it.
pub(super) fn write(node: &Object, taints: &[Value]) -> Write {
    let taints = if taints.is_empty() { Value::Null } else { json!(taints) };
    Write::merge(node.key().clone(), json!({"spec": {"taints": taints}})).of(node.uid()).at(node.revision())
}
