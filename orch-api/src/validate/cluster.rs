//! Rules of small kinds that keep a cluster together: namespaces, leases, priority classes.
//!
//! Sources: `pkg/apis/core/validation/validation.go`, `pkg/apis/coordination/validation/validation.go`,
//! `pkg/apis/scheduling/validation/validation.go`. Not their life cycle: whether a namespace is empty is its
//! controller's question.

use orch_core::Scope::{Cluster, Namespaced};
use orch_core::names;

use super::at::{At, quote};
use super::meta::{self, Change};
use super::rules;

/// The highest priority that users give (`pkg/apis/scheduling/types.go`).
const HIGHEST_USER_PRIORITY: i64 = 1_000_000_000;

pub(super) const PREEMPTION_POLICIES: &[&str] = &["PreemptLowerPriority", "Never"];

/// The classes of the cluster's own pods and their values.
const SYSTEM_CLASSES: &[(&str, i64)] = &[
    ("system-node-critical", 2 * HIGHEST_USER_PRIORITY + 1000),
    ("system-cluster-critical", 2 * HIGHEST_USER_PRIORITY),
];

pub(super) fn namespace(object: &At<'_, '_>) {
    meta::object(object, Cluster, names::dns1123_label);
    let spec = object.field("spec");
    let finalizers = spec.field("finalizers");
    finalizers.list().iter().for_each(|finalizer| meta::spec_finalizer(&finalizers.with(finalizer)));
}

pub(super) fn namespace_update(change: &Change<'_, '_>) {
    namespace(&change.new);
    change.metadata();
}

pub(super) fn namespace_status(change: &Change<'_, '_>) {
    change.metadata();
    let status = change.new.field("status");
    let phase = status.field_shown("phase", "Phase");
    let is_terminating = change.new.field("metadata").has("deletionTimestamp");
    match (is_terminating, phase.text()) {
        (false, "Active") | (true, "Terminating") => {}
        (false, _) => phase.invalid_text("may only be 'Active' if `deletionTimestamp` is empty"),
        (true, _) => phase.invalid_text("may only be 'Terminating' if `deletionTimestamp` is not empty"),
    }
}

pub(super) fn namespace_finalize(change: &Change<'_, '_>) {
    change.metadata();
    let spec = change.new.field("spec");
    spec.field("finalizers").items().for_each(|finalizer| meta::spec_finalizer(&finalizer));
}

pub(super) fn lease(object: &At<'_, '_>) {
    // Upstream uses the validation of metadata without Kubernetes' own finalizers here.
    meta::object_of_any_kind(&object.field("metadata"), Some(Namespaced), names::dns1123_subdomain);
    lease_spec(&object.field("spec"));
}

pub(super) fn lease_update(change: &Change<'_, '_>) {
    change.metadata_of_any_kind();
    lease_spec(&change.new.field("spec"));
}

fn lease_spec(spec: &At<'_, '_>) {
    let duration = spec.field("leaseDurationSeconds");
    if duration.is_set() && duration.number() <= 0 {
        duration.invalid_number("must be greater than 0");
    }
    spec.field("leaseTransitions").non_negative();
    let strategy = spec.field("strategy");
    if strategy.is_set() {
        // Upstream names the field twice.
        let at = strategy.shown("strategy");
        if !strategy.text().contains('/') {
            at.one_of(&["OldestEmulationVersion"]);
        } else {
            at.named(names::qualified_name);
        }
    }
    let holder = spec.field("preferredHolder");
    if !holder.is_empty() && strategy.is_empty() {
        holder.forbidden("may only be specified if `strategy` is defined");
    }
}

pub(super) fn priority_class(object: &At<'_, '_>) {
    meta::object(object, Cluster, names::dns1123_subdomain);
    let meta = object.field("metadata");
    let (name, value) = (meta.field("name"), object.field("value"));
    if name.text().starts_with("system-") {
        let refusal = system_class(name.text(), value.number(), object.field("globalDefault").is_true());
        if let Some(why) = refusal {
            name.forbidden(format!(
                "priority class names with 'system-' prefix are reserved for system use only. error: {why}"
            ));
        }
    } else if value.number() > HIGHEST_USER_PRIORITY {
        value.forbidden(format!(
            "maximum allowed value of a user defined priority is {HIGHEST_USER_PRIORITY}"
        ));
    }
    let policy = object.field("preemptionPolicy");
    if policy.is_set() {
        policy.required_one_of(PREEMPTION_POLICIES);
    }
}

fn system_class(name: &str, value: i64, is_default: bool) -> Option<String> {
    let Some((_, expected)) = SYSTEM_CLASSES.iter().find(|(known, _)| *known == name) else {
        return Some(format!("{name} is not a known system priority class"));
    };
    if value != *expected {
        return Some(format!("value of {name} PriorityClass must be {expected}"));
    }
    is_default.then(|| format!("globalDefault of {name} PriorityClass must be false"))
}

pub(super) fn priority_class_update(change: &Change<'_, '_>) {
    change.metadata();
    let value = change.new.field("value");
    if value.number() != change.old.field("value").number() {
        value.forbidden("may not be changed in an update.");
    }
    rules::immutable(&change.new.field("preemptionPolicy"), change.old.get("preemptionPolicy"));
}

/// The target of a binding (`ValidatePodBinding`).
pub(super) fn binding(object: &At<'_, '_>) {
    let target = object.field("target");
    let kind = target.field("kind");
    if !matches!(kind.text(), "" | "Node") {
        kind.unsupported_as(quote(kind.text()), &["Node", "<empty>"]);
    }
    target.require(&["name"]);
}
