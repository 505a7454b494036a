//! The writes of binding, one step of each object a turn (`bind` in `persistentvolume/pv_controller.go`).
//!
//! The volume is made to name the claim; when the view shows that, the claim is made to name the volume; then its status
//! says so. Each step is harmless alone.

use orch_core::controller::Plan;
use orch_core::object::Part;
use orch_core::view::Row;
use orch_core::{Object, Write};
use serde_json::{Value, json};

use super::facts::{Claim, Volume};
use super::{BIND_COMPLETED, BOUND_BY_CONTROLLER};

/// The next step towards claim and volume being bound to each other; an empty plan when they are.
pub(super) fn bind(claim: &Row<Claim>, volume: &Row<Volume>) -> Plan {
    let plan = Plan::new();
    let object = &claim.object;
    let is_named = volume.facts.claim.as_ref().is_some_and(|of| of.uid == *object.uid());
    if !is_named {
        return plan.write(name_claim(volume, object));
    }
    let plan = phase(plan, volume, "Bound");
    let mut annotations = json!({});
    if claim.facts.volume.is_empty() && !claim.facts.bound_by_controller {
        annotations[BOUND_BY_CONTROLLER] = "yes".into();
    }
    if !claim.facts.bind_completed {
        annotations[BIND_COMPLETED] = "yes".into();
    }
    let mut patch = json!({});
    if annotations != json!({}) {
        patch["metadata"] = json!({"annotations": annotations});
    }
    if claim.facts.volume.is_empty() {
        patch["spec"] = json!({"volumeName": volume.object.key().name});
    }
    if patch != json!({}) {
        return plan.write(Write::merge(object.key().clone(), patch).of(object.uid()).at(object.revision()));
    }
    match status(claim, volume) {
        Some(status) => plan.write(write_status(object, &status)),
        None => plan,
    }
}

fn name_claim(volume: &Row<Volume>, claim: &Object) -> Write {
    let key = claim.key();
    let reference = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": key.namespace,
        "name": key.name, "uid": claim.uid(), "resourceVersion": claim.revision().to_string()});
    let mut patch = json!({"spec": {"claimRef": reference}});
    // Who named the claim before it was there keeps the say over the volume.
    if volume.facts.claim.is_none() {
        patch["metadata"] = json!({"annotations": {BOUND_BY_CONTROLLER: "yes"}});
    }
    let volume = &volume.object;
    Write::merge(volume.key().clone(), patch).of(volume.uid()).at(volume.revision())
}

/// The claim's status when it is bound; `None` when it is so.
fn status(claim: &Row<Claim>, volume: &Row<Volume>) -> Option<Value> {
    let spec: Value = volume.object.part_to(Part::Spec).unwrap_or_default();
    let facts = &claim.facts;
    // The capacity of a claim that is bound changes by resizing only.
    let keeps = &*facts.phase == "Bound" && !facts.capacity.is_null();
    if keeps && facts.status_modes == spec["accessModes"] {
        return None;
    }
    let mut status = json!({"phase": "Bound", "accessModes": spec["accessModes"]});
    if !keeps {
        status["capacity"] = spec["capacity"].clone();
    }
    Some(status)
}

/// Sets a claim's status, if nobody else has written the claim.
pub(super) fn write_status(claim: &Object, status: &Value) -> Write {
    Write::merge_status(claim.key().clone(), json!({"status": status})).of(claim.uid()).at(claim.revision())
}

/// Sets a volume's phase unless it is there.
pub(super) fn phase(plan: Plan, volume: &Row<Volume>, phase: &str) -> Plan {
    if &*volume.facts.phase == phase {
        return plan;
    }
    let object = &volume.object;
    let write = Write::merge_status(object.key().clone(), json!({"status": {"phase": phase}}));
    plan.write(write.of(object.uid()).at(object.revision()))
}
