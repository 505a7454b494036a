//! Rules of workloads: deployments and replica sets (`pkg/apis/apps/validation/validation.go`).
//!
//! Stateful sets are in `stateful_set`. Not rollout. The invariant of an update: a workload keeps its selector, and the
//! selector always selects the template.

use orch_core::selector::Selector;
use orch_core::{Scope, names};

use super::at::At;
use super::meta::{self, Change};
use super::pod::{self, Whose};
use super::rules;

/// Deployments and replica sets, and with them everything that is scaled.
pub(super) fn replica_set(object: &At<'_, '_>) {
    meta::object(object, Scope::Namespaced, names::dns1123_subdomain);
    replica_set_spec(&object.field("spec"));
}

pub(super) fn replica_set_update(change: &Change<'_, '_>) {
    change.metadata();
    let spec = change.new.field("spec");
    replica_set_spec(&spec);
    rules::immutable(&spec.field("selector"), change.old.field("spec").get("selector"));
}

pub(super) fn deployment(object: &At<'_, '_>) {
    meta::object(object, Scope::Namespaced, names::dns1123_subdomain);
    deployment_spec(&object.field("spec"));
}

pub(super) fn deployment_update(change: &Change<'_, '_>) {
    change.metadata();
    let spec = change.new.field("spec");
    deployment_spec(&spec);
    rules::immutable(&spec.field("selector"), change.old.field("spec").get("selector"));
}

fn replica_set_spec(spec: &At<'_, '_>) {
    spec.field("replicas").non_negative();
    spec.field("minReadySeconds").non_negative();
    if let Some(selector) = selector(spec, "deployment", "invalid label selector") {
        template(&spec.field("template"), &selector);
    }
}

fn deployment_spec(spec: &At<'_, '_>) {
    spec.field("replicas").non_negative();
    if let Some(selector) = selector(spec, "deployment", "invalid label selector") {
        template(&spec.field("template"), &selector);
    }
    strategy(&spec.field("strategy"));
    let (ready, deadline) = (spec.field("minReadySeconds"), spec.field("progressDeadlineSeconds"));
    ready.non_negative();
    spec.field("revisionHistoryLimit").non_negative();
    if deadline.is_set() {
        deadline.non_negative();
        if deadline.number() <= ready.number() {
            deadline.invalid_number("must be greater than minReadySeconds");
        }
    }
}

/// The selector, which must be given; `None` if it cannot be read.
pub(super) fn selector(spec: &At<'_, '_>, kind: &str, unreadable: &str) -> Option<Selector> {
    let at = spec.field("selector");
    if at.is_set() {
        rules::label_selector(&at);
        if at.field("matchLabels").is_empty() && at.field("matchExpressions").is_empty() {
            at.invalid(format!("empty selector is invalid for {kind}"));
        }
    } else {
        at.required("");
    }
    let selector = Selector::from_value(at.value());
    selector.inspect_err(|_| at.invalid(unreadable)).ok()
}

/// The selector, unless it selects everything, selects the pods of the template.
pub(super) fn selects_template(template: &At<'_, '_>, selector: &Selector) {
    let meta = template.field("metadata");
    let labels = meta.field("labels");
    let selects = selector.matches(|key| labels.get(key).as_str());
    if !selects && !selector.is_everything() {
        labels.invalid("`selector` does not match template `labels`");
    }
}

fn template(template: &At<'_, '_>, selector: &Selector) {
    selects_template(template, selector);
    pod::template(template, Whose::Template);
    runs_forever(template, "ReplicaSet");
}

/// Pods of a workload are started again whenever they end.
pub(super) fn runs_forever(template: &At<'_, '_>, kind: &str) {
    let spec = template.field("spec");
    spec.field("restartPolicy").one_of(&["Always"]);
    let deadline = spec.field("activeDeadlineSeconds");
    if deadline.is_set() {
        deadline.forbidden(format!("activeDeadlineSeconds in {kind} is not Supported"));
    }
}

fn strategy(strategy: &At<'_, '_>) {
    let rolling = strategy.field("rollingUpdate");
    match strategy.get_text("type") {
        "Recreate" if rolling.is_set() => {
            rolling.forbidden("may not be specified when strategy `type` is 'Recreate'");
        }
        "Recreate" => {}
        "RollingUpdate" if rolling.is_set() => {
            let (unavailable, surge) = (rolling.field("maxUnavailable"), rolling.field("maxSurge"));
            rules::int_or_percent(&unavailable);
            rules::int_or_percent(&surge);
            if rules::int_or_percent_value(&unavailable) == 0 && rules::int_or_percent_value(&surge) == 0 {
                unavailable.invalid("may not be 0 when `maxSurge` is 0");
            }
            rules::at_most_100_percent(&unavailable);
        }
        "RollingUpdate" => rolling.required("this should be defaulted and never be nil"),
        _ => strategy.unsupported(&["Recreate", "RollingUpdate"]),
    }
}

/// Counts in a status are not negative, and none is larger than that of which it is a part.
pub(super) fn counts(status: &At<'_, '_>, counts: &[&str], parts: &[&str], ready: &str) {
    counts.iter().for_each(|name| status.field(name).non_negative());
    let number = |name: &str| status.field(name).number();
    for part in parts.iter().map(|name| status.field(name)) {
        if part.number() > number("replicas") {
            part.invalid_number("cannot be greater than status.replicas");
        }
    }
    let available = status.field("availableReplicas");
    if available.number() > number("readyReplicas") {
        available.invalid_number(format!("cannot be greater than {ready}"));
    }
}

/// Collisions of names are counted up only.
pub(super) fn collisions(change: &Change<'_, '_>) {
    let (status, old) = (change.new.field("status"), change.old.field("status"));
    let (count, before) = (status.field("collisionCount"), old.field("collisionCount"));
    let decremented = if count.is_set() { count.number() < before.number() } else { true };
    if before.is_set() && decremented {
        count.invalid_number("cannot be decremented");
    }
}

pub(super) fn replica_set_status(change: &Change<'_, '_>) {
    const PARTS: &[&str] = &["fullyLabeledReplicas", "readyReplicas", "availableReplicas"];
    const ALL: &[&str] = &[
        "replicas",
        "fullyLabeledReplicas",
        "readyReplicas",
        "availableReplicas",
        "observedGeneration",
        "terminatingReplicas",
    ];
    change.metadata();
    counts(&change.new.field("status"), ALL, PARTS, "readyReplicas");
}

pub(super) fn deployment_status(change: &Change<'_, '_>) {
    const PARTS: &[&str] = &["updatedReplicas", "readyReplicas", "availableReplicas"];
    const ALL: &[&str] = &[
        "observedGeneration",
        "replicas",
        "updatedReplicas",
        "readyReplicas",
        "availableReplicas",
        "unavailableReplicas",
        "terminatingReplicas",
        "collisionCount",
    ];
    change.metadata();
    counts(&change.new.field("status"), ALL, PARTS, "readyReplicas");
    collisions(change);
}
