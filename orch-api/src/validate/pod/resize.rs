//! What may change of a pod that runs through its subresource `resize` (`ValidatePodResize`): what its containers, and the pod
//! as a whole, ask for of cpu and memory.
//!
//! Not whether the node has it: that is admission's. Invariant: nothing is taken away, and the quality of service stays.

use serde_json::{Map, Value};

use super::super::at::{At, quote};
use super::super::meta::Change;
use super::super::same::{same, same_but};
use super::metadata_and_spec;
use super::update::is_mirror;
use crate::strategy::qos_class;

const RESIZABLE: [&str; 2] = ["cpu", "memory"];
const LISTS: [&str; 2] = ["requests", "limits"];
const ONLY: &str = "only cpu and memory resources are mutable";

pub(in super::super) fn pod_resize(change: &Change<'_, '_>) {
    let (new, old) = (change.new.field("spec"), change.old.field("spec"));
    if is_mirror(change) {
        return change.new.forbidden("static pods cannot be resized");
    }
    if old.field("os").get_text("name") == "windows" {
        return change.new.forbidden("windows pods cannot be resized");
    }
    let before = change.new.faults().count();
    change.metadata();
    metadata_and_spec(&change.new);
    quality(change, &new);
    if !is_supported(&change.old.field("status")) {
        new.forbidden("Pod running on node without support for resize");
    }
    of_pod(&new, &old);
    if !change.old.field("status").field("nodeAllocatableResourceClaimStatuses").is_empty() {
        new.forbidden("pods with node allocatable resource claims cannot be resized");
    }
    if !in_order(&new, &old) {
        return;
    }
    for list in ["initContainers", "containers"] {
        for (container, old) in new.field(list).items().zip(old.field(list).items()) {
            let resources = container.field("resources");
            not_removed(&resources, old.get("resources"), "resource");
        }
    }
    for (container, old) in new.field("containers").items().zip(old.field("containers").items()) {
        if !only_resized(container.value(), old.value()) {
            new.forbidden(ONLY);
        }
    }
    for (container, old) in new.field("initContainers").items().zip(old.field("initContainers").items()) {
        before_the_pod(&container, &old);
    }
    let is_fine = change.new.faults().count() == before;
    if is_fine && !same_but(new.value(), old.value(), &["containers", "initContainers", "resources"]) {
        new.forbidden(ONLY);
    }
}

/// The class was decided at creation.
fn quality(change: &Change<'_, '_>, spec: &At<'_, '_>) {
    let class = |spec: &At<'_, '_>| spec.map().map_or("BestEffort", qos_class);
    let known = change.old.field("status");
    let was = match known.get_text("qosClass") {
        "" => class(&change.old.field("spec")),
        known => known,
    };
    if was != class(spec) {
        spec.invalid_as(quote(was), "Pod QOS Class may not change as a result of resizing");
    }
}

/// A node that can resize says what its containers have.
fn is_supported(status: &At<'_, '_>) -> bool {
    let statuses = status.field("containerStatuses");
    let mut running = statuses.items().filter(|status| !status.field("state").get("running").is_null());
    running.next().is_none_or(|status| !status.get("resources").is_null())
}

/// Resources of the pod as a whole (`validatePodLevelResourcesResize`).
fn of_pod(new: &At<'_, '_>, old: &At<'_, '_>) {
    let (after, before) = (new.field("resources"), old.field("resources"));
    let has = |resources: &At<'_, '_>| LISTS.iter().any(|list| !resources.field(list).is_empty());
    if !has(&after) && !has(&before) {
        return;
    }
    if before.is_set() && !after.is_set() {
        return after.forbidden("pod-level resources cannot be removed");
    }
    not_removed(&after, before.value(), "pod-level resource");
    if !same(&put_back(after.value(), before.value()), before.value()) {
        new.forbidden("only cpu and memory resources are mutable at pod-level");
    }
}

/// Whether the containers are those that there were.
fn in_order(new: &At<'_, '_>, old: &At<'_, '_>) -> bool {
    let mut is_same = true;
    for list in ["containers", "initContainers"] {
        let (after, before) = (new.field(list), old.field(list));
        if after.len() != before.len() {
            after.forbidden(format!("{list} may not be added or removed on resize"));
            is_same = false;
            continue;
        }
        for (container, old) in after.items().zip(before.items()) {
            if container.get_text("name") != old.get_text("name") {
                container
                    .field("name")
                    .forbidden(format!("{list} may not be renamed or reordered on resize"));
                is_same = false;
            }
        }
    }
    is_same
}

fn not_removed(resources: &At<'_, '_>, old: &Value, what: &str) {
    for list in LISTS {
        let after = resources.field(list);
        let mut before = old.get(list).and_then(Value::as_object).into_iter().flatten();
        if before.any(|(name, _)| after.get(name).is_null()) {
            after.forbidden(format!("{what} {list} cannot be removed"));
        }
    }
}

/// A container before the pod: one that restarts by itself is resized as the others are.
fn before_the_pod(new: &At<'_, '_>, old: &At<'_, '_>) {
    if !only_resized(new.value(), old.value()) {
        new.forbidden("only cpu and memory resources for init or sidecar containers are mutable");
    }
    if new.get_text("restartPolicy") == "Always" || same(new.value(), old.value()) {
        return;
    }
    for policy in new.field("resizePolicy").items() {
        if policy.get_text("restartPolicy") == "RestartContainer" {
            new.forbidden(
                "non-sidecar init containers with a resize policy of RestartContainer cannot be resized",
            );
        }
    }
}

/// Whether nothing changes but amounts of cpu and memory. A container with claims to devices is never resized: upstream
/// compares it without them.
fn only_resized(new: &Value, old: &Value) -> bool {
    let Some(fields) = new.as_object() else { return same(new, old) };
    let before = old.get("resources").unwrap_or(&Value::Null);
    let mut resources = put_back(fields.get("resources").unwrap_or(&Value::Null), before);
    if let Some(resources) = resources.as_object_mut() {
        resources.remove("claims");
    }
    let mut container = fields.clone();
    container.insert("resources".to_owned(), resources);
    same(&Value::Object(container), old)
}

/// New resources with the old amounts of what can be resized.
fn put_back(new: &Value, old: &Value) -> Value {
    let mut resources = new.as_object().cloned().unwrap_or_default();
    for list in LISTS {
        let map = |resources: Option<&Value>| {
            resources.and_then(Value::as_object).cloned().unwrap_or_else(Map::default)
        };
        let (mut amounts, before) = (map(resources.get(list)), map(old.get(list)));
        for name in RESIZABLE {
            match before.get(name) {
                Some(amount) => _ = amounts.insert(name.to_owned(), amount.clone()),
                None => _ = amounts.remove(name),
            }
        }
        if amounts.is_empty() {
            resources.remove(list);
        } else {
            resources.insert(list.to_owned(), Value::Object(amounts));
        }
    }
    Value::Object(resources)
}
