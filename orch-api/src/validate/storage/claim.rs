//! Rules of persistent volume claims, alone and in templates (`ValidatePersistentVolumeClaim`,
//! `ValidatePersistentVolumeClaimUpdate` in `pkg/apis/core/validation/validation.go`).
//!
//! Not the binding. The invariant of an update: only the size, the class of attributes and, once, the class of storage
//! and the volume change.

use orch_core::{Scope, names};
use serde_json::Value;

use super::super::at::At;
use super::super::meta::{self, Change};
use super::super::pod::resources;
use super::super::rules;
use super::super::same::{differing, same, same_but};

pub(in super::super) const VOLUME_MODES: &[&str] = &["Block", "Filesystem"];

const ACCESS_MODES: &[&str] = &["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", ONE_POD];
const ONE_POD: &str = "ReadWriteOncePod";
const CLASS_ANNOTATION: &str = "volume.beta.kubernetes.io/storage-class";
const CLASS: &str = "storageClassName";
const ATTRIBUTES: &str = "volumeAttributesClassName";

pub(in super::super) fn claim(object: &At<'_, '_>) {
    meta::object(object, Scope::Namespaced, names::dns1123_subdomain);
    claim_spec(&object.field("spec"));
}

/// A claim that is made for each pod.
pub(in super::super) fn claim_template(at: &At<'_, '_>) {
    meta::template(&at.field("metadata"));
    claim_spec(&at.field("spec"));
}

/// Modes that are known, and none beside `ReadWriteOncePod`. All faults are reported at the list.
pub(super) fn access_modes(modes: &At<'_, '_>) {
    let (mut one_pod, mut others) = (false, false);
    for mode in modes.list() {
        let mode = modes.with(mode);
        mode.one_of(ACCESS_MODES);
        one_pod |= mode.text() == ONE_POD;
        others |= mode.text() != ONE_POD && ACCESS_MODES.contains(&mode.text());
    }
    if one_pod && others {
        modes.forbidden("may not use ReadWriteOncePod with other access modes");
    }
}

/// `ValidatePersistentVolumeClaimSpec`.
pub(in super::super) fn claim_spec(spec: &At<'_, '_>) {
    let modes = spec.field("accessModes");
    if modes.is_empty() {
        modes.required("at least 1 access mode is required");
    }
    rules::label_selector(&spec.field("selector"));
    access_modes(&modes);
    let all_resources = spec.field("resources");
    let requests = all_resources.field("requests");
    // Upstream leaves `requests` out of the path.
    let storage = all_resources.key("storage");
    let storage = storage.with(requests.get("storage"));
    if !storage.is_set() {
        storage.required("");
    } else {
        resources::positive_amount(&storage);
    }
    spec.field(CLASS).optional_name(names::dns1123_subdomain);
    spec.field("volumeMode").optional_one_of(VOLUME_MODES);
    data_sources(spec);
    spec.field(ATTRIBUTES).optional_name(names::dns1123_subdomain);
}

fn data_sources(spec: &At<'_, '_>) {
    let (source, reference) = (spec.field("dataSource"), spec.field("dataSourceRef"));
    for at in [source, reference].iter().filter(|at| at.is_set()) {
        at.require(&["name", "kind"]);
        let (group, kind) = (at.field("apiGroup"), at.field("kind"));
        if group.is_empty() && kind.text() != "PersistentVolumeClaim" {
            at.with(kind.value())
                .invalid_text("must be 'PersistentVolumeClaim' when referencing the default apiGroup");
        }
        group.optional_name(names::dns1123_subdomain);
    }
    let namespace = reference.field("namespace");
    namespace.optional_name(names::dns1123_label);
    if !source.is_set() || !reference.is_set() {
        return;
    }
    let agree = ["apiGroup", "kind", "name"].iter().all(|name| source.get(name) == reference.get(name));
    if !namespace.is_empty() {
        spec.invalid_as("{}", "may not be specified when dataSourceRef.namespace is specified");
    } else if !agree {
        spec.invalid_as("{}", "must match dataSourceRef");
    }
}

pub(in super::super) fn claim_update(change: &Change<'_, '_>) {
    change.metadata();
    claim(&change.new);
    let (new, old) = (change.new.field("spec"), change.old.field("spec"));
    let class_may_change = class_change(change, &new, &old);
    let is_bound = change.new.field("status").get_text("phase") == "Bound";
    let may_change = |key: &str, new: &Value, before: &Value| match key {
        "volumeName" => old.get_text("volumeName").is_empty(),
        CLASS => class_may_change,
        ATTRIBUTES => is_bound,
        "resources" => is_bound && only_storage_differs(new, before),
        _ => false,
    };
    if differing(new.value(), old.value()).any(|(key, new, old)| !may_change(key, new, old)) {
        new.forbidden(
            "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims",
        );
    }
    size(change, &new, &old);
    // Upstream reports this one without `spec`.
    let shown = At::root(new.value(), new.faults());
    rules::immutable(&shown.field("volumeMode"), old.get("volumeMode"));
    attributes_class(change, &new, &old);
}

fn only_storage_differs(new: &Value, old: &Value) -> bool {
    new.get("requests").is_some()
        && differing(new, old).all(|(key, new, old)| key == "requests" && same_but(new, old, &["storage"]))
}

/// Whether the class is given now for the first time, or moves from the annotation to the field.
fn class_change(change: &Change<'_, '_>, new: &At<'_, '_>, old: &At<'_, '_>) -> bool {
    let (new_meta, old_meta) = (change.new.field("metadata"), change.old.field("metadata"));
    let (after, before) =
        (rules::annotation(&new_meta, CLASS_ANNOTATION), rules::annotation(&old_meta, CLASS_ANNOTATION));
    let given_now = !old.has(CLASS) && new.has(CLASS);
    let as_before = before == Some(new.get_text(CLASS));
    if before.is_some() && given_now && as_before && after.is_none_or(|after| Some(after) == before) {
        return true;
    }
    if after.unwrap_or("") != before.unwrap_or("") {
        let annotations = new_meta.field("annotations");
        let annotation = annotations.field(CLASS_ANNOTATION);
        annotation.invalid_text("field is immutable");
    }
    given_now && (before.is_none() || as_before)
}

/// A claim may shrink only while it has not grown yet.
fn size(change: &Change<'_, '_>, new: &At<'_, '_>, old: &At<'_, '_>) {
    let (resources, before) = (new.field("resources"), old.field("resources"));
    let (requests, before) = (resources.field("requests"), before.field("requests"));
    let status = change.old.field("status");
    let capacity = status.field("capacity");
    let storage = requests.field("storage");
    if storage.value() == before.get("storage") {
        return;
    }
    let wanted = storage.quantity();
    if wanted < before.field("storage").quantity() && wanted <= capacity.field("storage").quantity() {
        storage.forbidden("field can not be less than status.capacity");
    }
}

fn attributes_class(change: &Change<'_, '_>, new: &At<'_, '_>, old: &At<'_, '_>) {
    let class = new.field(ATTRIBUTES);
    let has_one = change.old.field("status").has("currentVolumeAttributesClassName");
    if !has_one || same(class.value(), old.get(ATTRIBUTES)) {
        return;
    }
    let what = if !class.is_set() {
        "nil"
    } else if class.is_empty() {
        "empty string"
    } else {
        return;
    };
    class.forbidden(format!(
        "update to {what} is forbidden when status.currentVolumeAttributesClassName is not nil"
    ));
}

pub(in super::super) fn claim_status(change: &Change<'_, '_>) {
    const RESIZE: &[&str] = &[
        "ControllerResizeInProgress",
        "ControllerResizeInfeasible",
        "NodeResizeInProgress",
        "NodeResizeInfeasible",
        "NodeResizePending",
    ];
    change.metadata();
    let (spec, status) = (change.new.field("spec"), change.new.field("status"));
    if spec.field("accessModes").is_empty() {
        let shown = At::root(spec.value(), spec.faults());
        shown.shown("Spec").field("accessModes").required("");
    }
    status.field("capacity").entries().for_each(|(_, amount)| resources::valid_amount(&amount));
    let statuses = status.field("allocatedResourceStatuses");
    for (name, resize) in statuses.entries() {
        resource_name(&statuses, name);
        if !RESIZE.contains(&resize.text()) {
            statuses.unsupported_as(super::super::at::quote(name), RESIZE);
        }
    }
    let allocated = status.field("allocatedResources");
    for (name, amount) in allocated.entries() {
        if resource_name(&allocated, name) {
            let before = amount.faults().count();
            resources::valid_amount(&amount);
            if amount.faults().count() == before {
                resources::amount(&amount, "storage");
            }
        }
    }
}

/// Storage, or a name of another domain.
fn resource_name(at: &At<'_, '_>, name: &str) -> bool {
    let before = at.faults().count();
    let name = Value::from(name);
    let at = at.with(&name);
    at.named(names::qualified_name);
    if at.faults().count() == before && resources::is_native(at.text()) && at.text() != "storage" {
        at.unsupported(&["storage"]);
    }
    at.faults().count() == before
}
