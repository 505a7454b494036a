//! The strategy of pods (`pkg/registry/core/pod/strategy.go`).

use orch_core::Object;
use orch_core::object::Part;
use serde_json::{Value, json};

use super::Before;
use super::qos::qos_class;
use crate::defaults;
use crate::tree::{Get, Set, Tree};

pub(super) fn initial_status(tree: &Tree, now: &str) -> Option<Value> {
    let empty = Tree::new();
    let spec = tree.object_at("spec").unwrap_or(&empty);
    let mut status = json!({"phase": "Pending", "qosClass": qos_class(spec)});
    if !spec.is_unset("schedulingGates") {
        status["conditions"] = json!([{
            "type": "PodScheduled", "status": "False", "reason": "SchedulingGated",
            "message": "Scheduling is blocked due to non-empty scheduling gates",
            "lastProbeTime": null, "lastTransitionTime": now,
        }]);
    }
    Some(status)
}

/// The quality of service is decided once.
pub(super) fn status(status: &mut Tree, old: Before<'_>, _now: &str) {
    if let Some(class) = old("qosClass").filter(|class| class.as_str().is_some_and(|class| !class.is_empty()))
    {
        status.put("qosClass", class);
    }
    status.default_text("phase", "Pending");
    defaults::pod_status(status);
}

/// Label keys that a term names stand for the pod's own labels from now on
/// (`applyMatchLabelKeysAndMismatchLabelKeys`).
pub(super) fn create(tree: &mut Tree) {
    let names_keys = |spec: &Tree| !spec.is_unset("topologySpreadConstraints") || !spec.is_unset("affinity");
    if !tree.object_at("spec").is_some_and(names_keys) {
        return;
    }
    let labels = tree.object_at("metadata").and_then(|metadata| metadata.object_at("labels")).cloned();
    let labels = labels.unwrap_or_default();
    let Some(spec) = tree.object_mut("spec") else { return };
    spec.objects_mut("topologySpreadConstraints").for_each(|term| match_labels(term, &labels));
    let Some(affinity) = spec.object_mut("affinity") else { return };
    for side in ["podAffinity", "podAntiAffinity"] {
        let Some(side) = affinity.object_mut(side) else { continue };
        side.objects_mut("requiredDuringSchedulingIgnoredDuringExecution")
            .for_each(|term| match_labels(term, &labels));
        side.objects_mut("preferredDuringSchedulingIgnoredDuringExecution")
            .filter_map(|term| term.object_mut("podAffinityTerm"))
            .for_each(|term| match_labels(term, &labels));
    }
}

fn match_labels(term: &mut Tree, labels: &Tree) {
    let mut expressions = Vec::new();
    for (keys, operator) in [("matchLabelKeys", "In"), ("mismatchLabelKeys", "NotIn")] {
        for key in term.list(keys).iter().filter_map(Value::as_str) {
            if let Some(value) = labels.get(key) {
                expressions.push(json!({"key": key, "operator": operator, "values": [value]}));
            }
        }
    }
    if expressions.is_empty() || term.at("labelSelector").is_none() {
        return;
    }
    let selector = term.make("labelSelector");
    let mut all = selector.list("matchExpressions").to_vec();
    all.extend(expressions.into_iter().filter(|new| !selector.list("matchExpressions").contains(new)));
    selector.put("matchExpressions", all);
}

/// Priority and preemption policy were decided at admission and stay.
pub(super) fn update(new: &mut Tree, old: &Tree) {
    let (Some(spec), Some(old)) = (new.object_mut("spec"), old.object_at("spec")) else { return };
    for field in ["priority", "preemptionPolicy"] {
        if spec.at(field).is_none() && old.at(field).is_some() {
            spec.copy_from(old, field);
        }
    }
}

/// The grace period of a deletion (`CheckGracefulDelete`): a pod that runs nowhere or has ended goes at once.
pub(crate) fn grace_secs(pod: &Object, asked: Option<i64>) -> i64 {
    let scheduled = pod.field("spec.nodeName").is_some_and(|node| !node.is_empty());
    let ended = matches!(pod.field("status.phase"), Some("Failed" | "Succeeded"));
    if !scheduled || ended {
        return 0;
    }
    let own = || -> Option<i64> {
        serde_json::from_slice(pod.part_field(Part::Spec, "terminationGracePeriodSeconds")?).ok()
    };
    match asked.or_else(own).unwrap_or_default() {
        secs if secs < 0 => 1,
        secs => secs,
    }
}
