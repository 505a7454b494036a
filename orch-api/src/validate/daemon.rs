//! Rules of daemon sets, replication controllers and pod templates.
//!
//! Sources: `pkg/apis/apps/validation/validation.go`, `pkg/apis/core/validation/validation.go`. As in `workload`, a selector
//! always selects the template.

use orch_core::selector::Selector;
use orch_core::{Scope, names};
use serde_json::json;

use super::at::At;
use super::common::non_negative;
use super::meta::{self, Change};
use super::pod::{self, Whose};
use super::rules;
use super::workload::{collisions, counts, runs_forever};

pub(super) fn daemon_set(object: &At<'_, '_>) {
    meta::object(object, Scope::Namespaced, names::dns1123_subdomain);
    daemon_set_spec(&object.field("spec"));
}

/// The number of the template is the server's (`crate::strategy`), so it is always right.
pub(super) fn daemon_set_update(change: &Change<'_, '_>) {
    change.metadata();
    let spec = change.new.field("spec");
    rules::immutable(&spec.field("selector"), change.old.field("spec").get("selector"));
    daemon_set_spec(&spec);
}

pub(super) fn daemon_set_status(change: &Change<'_, '_>) {
    const COUNTS: &[&str] = &[
        "currentNumberScheduled",
        "numberMisscheduled",
        "desiredNumberScheduled",
        "numberReady",
        "observedGeneration",
        "updatedNumberScheduled",
        "numberAvailable",
        "numberUnavailable",
        "collisionCount",
    ];
    change.metadata();
    non_negative(&change.new.field("status"), COUNTS);
    collisions(change);
}

fn daemon_set_spec(spec: &At<'_, '_>) {
    let (selector, template) = (spec.field("selector"), spec.field("template"));
    rules::label_selector(&selector);
    if let Ok(selector) = Selector::from_value(selector.value()) {
        selects(&selector, &template);
    }
    if selector.is_set()
        && selector.field("matchLabels").is_empty()
        && selector.field("matchExpressions").is_empty()
    {
        selector.invalid("empty selector is invalid for daemonset");
    }
    pod::template(&template, Whose::Template);
    runs_forever(&template, "DaemonSet");
    spec.field("minReadySeconds").non_negative();
    strategy(&spec.field("updateStrategy"));
    spec.field("revisionHistoryLimit").non_negative();
}

/// The selector selects the pods of the template.
fn selects(selector: &Selector, template: &At<'_, '_>) {
    let meta = template.field("metadata");
    let labels = meta.field("labels");
    if !selector.matches(|key| labels.get(key).as_str()) {
        labels.invalid("`selector` does not match template `labels`");
    }
}

fn strategy(strategy: &At<'_, '_>) {
    let rolling = strategy.field("rollingUpdate");
    match strategy.get_text("type") {
        "OnDelete" => {}
        "RollingUpdate" if !rolling.is_set() => rolling.required(""),
        "RollingUpdate" => {
            let (unavailable, surge) = (rolling.field("maxUnavailable"), rolling.field("maxSurge"));
            [&unavailable, &surge].into_iter().for_each(rules::int_or_percent);
            [&unavailable, &surge].into_iter().for_each(rules::at_most_100_percent);
            match (rules::int_or_percent_value(&unavailable), rules::int_or_percent_value(&surge)) {
                (0, 0) => unavailable.required("cannot be 0 when maxSurge is 0"),
                (0, _) | (_, 0) => {}
                _ => surge.invalid("may not be set when maxUnavailable is non-zero"),
            }
        }
        _ => strategy.unsupported(&["RollingUpdate", "OnDelete"]),
    }
}

pub(super) fn replication_controller(object: &At<'_, '_>) {
    meta::object(object, Scope::Namespaced, names::dns1123_subdomain);
    controller_spec(&object.field("spec"));
}

pub(super) fn replication_controller_update(change: &Change<'_, '_>) {
    change.metadata();
    controller_spec(&change.new.field("spec"));
}

fn controller_spec(spec: &At<'_, '_>) {
    let (selector, template) = (spec.field("selector"), spec.field("template"));
    spec.field("minReadySeconds").non_negative();
    if selector.is_empty() {
        selector.required("");
    }
    let replicas = spec.field("replicas");
    if replicas.is_set() {
        replicas.non_negative()
    } else {
        replicas.required("")
    }
    if !template.is_set() {
        return template.required("");
    }
    // The selector of this kind is a map of labels.
    if !selector.is_empty()
        && let Ok(selector) = Selector::from_value(&json!({"matchLabels": selector.value()}))
    {
        selects(&selector, &template);
    }
    pod::template(&template, Whose::Template);
    runs_forever(&template, "ReplicationController");
}

pub(super) fn replication_controller_status(change: &Change<'_, '_>) {
    const ALL: &[&str] =
        &["replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas", "observedGeneration"];
    const PARTS: &[&str] = &["fullyLabeledReplicas", "readyReplicas", "availableReplicas"];
    change.metadata();
    counts(&change.new.field("status"), ALL, PARTS, "readyReplicas");
}

pub(super) fn pod_template(object: &At<'_, '_>) {
    meta::object(object, Scope::Namespaced, names::dns1123_subdomain);
    pod::template(&object.field("template"), Whose::Template);
}

pub(super) fn pod_template_update(change: &Change<'_, '_>) {
    change.metadata();
    pod::template(&change.new.field("template"), Whose::Template);
}
