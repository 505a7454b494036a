//! What of a pod may change (`ValidatePodUpdate`).
//!
//! Not resizing: that has a module of its own. The invariant: images, deadlines and
//! added tolerations apart, the spec of a pod stays; a gated pod may still get narrower in where it can run.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::at::At;
use super::super::meta::Change;
use super::super::same::{differing, same, same_but};
use super::{affinity, annotations, metadata_and_spec, scheduling};

const UPDATABLE: &str = "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,\
                         `spec.tolerations` (only additions to existing tolerations),\
                         `spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

pub(in super::super) fn pod_update(change: &Change<'_, '_>) {
    change.metadata();
    metadata_and_spec(&change.new);
    annotation_changes(change);
    let (new, old) = (change.new.field("spec"), change.old.field("spec"));
    for list in ["containers", "initContainers"] {
        if !same_containers(&new.field(list), &old.field(list)) {
            return;
        }
    }
    if !deadline(&new.field("activeDeadlineSeconds"), &old.field("activeDeadlineSeconds")) {
        return;
    }
    only_added_tolerations(&new.field("tolerations"), &old.field("tolerations"));
    only_removed_gates(&new.field("schedulingGates"), &old.field("schedulingGates"));
    if new.value() != old.value() {
        rest(&new, &old);
    }
}

/// Containers that are added to a pod that runs stay what they are (`ValidatePodEphemeralContainersUpdate`).
pub(in super::super) fn ephemeral_containers_update(change: &Change<'_, '_>) {
    if is_mirror(change) {
        change.new.forbidden("static pods do not support ephemeral containers");
        return;
    }
    change.metadata();
    metadata_and_spec(&change.new);
    annotation_changes(change);
    let (new, old) = (change.new.field("spec"), change.old.field("spec"));
    let (after, before) = (new.field("ephemeralContainers"), old.field("ephemeralContainers"));
    for container in before.items() {
        let name = container.get_text("name");
        let now = after.list().iter().rev().find(|other| other["name"] == name);
        match now {
            None => {
                after.forbidden(format!("existing ephemeral containers {name:?} may not be removed\n"));
            }
            Some(now) if !same(now, container.value()) => {
                after.forbidden(format!("existing ephemeral containers {name:?} may not be changed\n"));
            }
            Some(_) => {}
        }
    }
}

/// Whether the pod is the image of one that its node runs by itself.
pub(super) fn is_mirror(change: &Change<'_, '_>) -> bool {
    let meta = change.old.field("metadata");
    super::rules::annotation(&meta, annotations::MIRROR).is_some()
}

/// Annotations of the pod, those that may not change included.
pub(super) fn annotation_changes(change: &Change<'_, '_>) {
    let (new, old) = (change.new.field("metadata"), change.old.field("metadata"));
    let after = new.field("annotations");
    annotations::changes(&after, &old.field("annotations"));
    annotations::annotations(&after, &change.new.field("spec"));
}

/// Containers are neither added nor removed, and keep an image.
fn same_containers(new: &At<'_, '_>, old: &At<'_, '_>) -> bool {
    if new.len() != old.len() {
        new.forbidden("pod updates may not add or remove containers");
        return false;
    }
    for container in new.items() {
        container.require(&["image"]);
        super::containers::trimmed_image(&container);
    }
    true
}

/// A deadline may come nearer.
fn deadline(new: &At<'_, '_>, old: &At<'_, '_>) -> bool {
    if !new.is_set() {
        if old.is_set() {
            new.invalid("must not update from a positive integer to nil value");
        }
        return true;
    }
    if !(0..=i64::from(i32::MAX)).contains(&new.number()) {
        new.invalid_number("must be between 0 and 2147483647, inclusive");
        return false;
    }
    if old.is_set() && old.number() < new.number() {
        new.invalid_number("must be less than or equal to previous value");
        return false;
    }
    true
}

/// Tolerations stay, but for how long they tolerate.
fn only_added_tolerations(new: &At<'_, '_>, old: &At<'_, '_>) {
    if new.value() != old.value() {
        let key = |toleration: &At<'_, '_>| -> [String; 4] {
            ["key", "operator", "value", "effect"].map(|name| toleration.get_text(name).to_owned())
        };
        let kept: BTreeSet<_> = new.items().map(|toleration| key(&toleration)).collect();
        if !old.items().all(|toleration| kept.contains(&key(&toleration))) {
            new.forbidden("existing toleration can not be modified except its tolerationSeconds");
            return;
        }
    }
    scheduling::tolerations(new);
}

fn only_removed_gates(new: &At<'_, '_>, old: &At<'_, '_>) {
    let before: BTreeSet<&str> = old.items().map(|gate| gate.get_text("name")).collect();
    for gate in new.items() {
        let name = gate.field("name");
        if !before.contains(name.text()) {
            name.forbidden(format!(
                "only deletion is allowed, but found new scheduling gate '{}'",
                name.text()
            ));
        }
    }
}

/// Everything else stays.
fn rest(new: &At<'_, '_>, old: &At<'_, '_>) {
    let is_gated = !old.field("schedulingGates").is_empty();
    let changed: Vec<_> = differing(new.value(), old.value()).collect();
    let mut other = false;
    for (key, after, before) in changed {
        other |= match key {
            "containers" | "initContainers" => !only_images_differ(after, before),
            "activeDeadlineSeconds" | "schedulingGates" | "tolerations" => false,
            "terminationGracePeriodSeconds" => !(before.as_i64().is_some_and(|old| old < 0) && after == 1),
            "nodeSelector" if is_gated => {
                only_added_labels(&new.field(key), before);
                false
            }
            "affinity" if is_gated => {
                let (after_at, before_at) = (new.field(key), old.field(key));
                affinity::only_narrowed(&after_at.field("nodeAffinity"), &before_at.field("nodeAffinity"));
                !same_but(after, before, &["nodeAffinity"])
            }
            _ => true,
        };
    }
    if other {
        new.forbidden(format!("pod updates may not change fields other than {UPDATABLE}"));
    }
}

fn only_images_differ(new: &Value, old: &Value) -> bool {
    let (Some(new), Some(old)) = (new.as_array(), old.as_array()) else { return false };
    new.iter().zip(old).all(|(new, old)| same_but(new, old, &["image"]))
}

fn only_added_labels(new: &At<'_, '_>, old: &Value) {
    let mut before = old.as_object().into_iter().flatten();
    if before.any(|(key, value)| !same(new.get(key), value)) {
        new.invalid("only additions to spec.nodeSelector are allowed (no mutations or deletions)");
    }
}
