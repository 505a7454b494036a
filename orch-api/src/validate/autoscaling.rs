//! Rules of horizontal pod autoscalers, in the form of v2 (`pkg/apis/autoscaling/validation/validation.go`).
//!
//! Not the conversion from v1: that is `crate::convert`. The invariant: a metric has one source, the one its type names.

use orch_core::{Scope, names};

use super::at::At;
use super::common::{non_negative, segment};
use super::meta::{self, Change};
use super::pod::resources;

const PERIOD_MAX: i64 = 1800;
const WINDOW_MAX: i64 = 3600;

pub(super) fn autoscaler(object: &At<'_, '_>) {
    meta::object(object, Scope::Namespaced, names::dns1123_subdomain);
    spec(&object.field("spec"), None);
}

pub(super) fn autoscaler_update(change: &Change<'_, '_>) {
    change.metadata();
    spec(&change.new.field("spec"), Some(&change.old.field("spec")));
}

pub(super) fn autoscaler_status(change: &Change<'_, '_>) {
    change.metadata();
    non_negative(&change.new.field("status"), &["currentReplicas", "desiredReplicas"]);
}

fn spec(spec: &At<'_, '_>, old: Option<&At<'_, '_>>) {
    let (min, max) = (spec.field("minReplicas"), spec.field("maxReplicas"));
    let zero_before = old.is_some_and(|old| old.get("minReplicas").as_i64() == Some(0));
    let least = i64::from(!zero_before);
    if min.is_set() && min.number() < least {
        min.invalid_number(format!("must be greater than or equal to {least}"));
    }
    match max.number() {
        0 => max.required("must be set and greater than 0"),
        number if number < 0 => max.invalid_number("must be greater than or equal to 1"),
        _ => {}
    }
    if min.is_set() && max.number() < min.number() {
        max.invalid_number("must be greater than or equal to `minReplicas`");
    }
    target(&spec.field("scaleTargetRef"), old.map(|old| old.get("scaleTargetRef")));
    let metrics = spec.field("metrics");
    metrics.items().for_each(|metric| source(&metric));
    let outside = |metric: &At<'_, '_>| matches!(metric.get_text("type"), "Object" | "External");
    if min.is_set() && min.number() == 0 && !metrics.items().any(|metric| outside(&metric)) {
        metrics.forbidden(
            "must specify at least one Object or External metric to support scaling to zero replicas",
        );
    }
    let behavior = spec.field("behavior");
    for direction in ["scaleUp", "scaleDown"].map(|name| behavior.field(name)) {
        if direction.is_set() {
            scaling_rules(&direction);
        }
    }
}

/// What is scaled. A version that was invalid before may stay.
fn target(target: &At<'_, '_>, old: Option<&serde_json::Value>) {
    let version_kept = old.is_some_and(|old| {
        let text = |value: Option<&serde_json::Value>| {
            value.and_then(|value| value.as_str()).unwrap_or("").to_owned()
        };
        ["apiVersion", "kind"].iter().all(|name| text(old.get(*name)) == target.get_text(name))
    });
    let in_core = target.get_text("kind") == "ReplicationController";
    reference(target, in_core, version_kept);
}

/// An object by group, kind and name (`ValidateCrossVersionObjectReference`).
fn reference(at: &At<'_, '_>, may_be_core: bool, any_version: bool) {
    segment(&at.field("kind"));
    segment(&at.field("name"));
    let version = at.field("apiVersion");
    if any_version {
        return;
    }
    let slashes = version.text().matches('/').count();
    if slashes > 1 {
        version.invalid_text(format!("unexpected GroupVersion string: {}", version.text()));
    } else if slashes == 0 && !may_be_core {
        version.invalid_text("apiVersion must specify API group");
    }
}

fn scaling_rules(rules: &At<'_, '_>) {
    let window = rules.field("stabilizationWindowSeconds");
    if window.number() < 0 {
        window.invalid_number("must be greater than or equal to zero");
    }
    if window.number() > WINDOW_MAX {
        window.invalid_number("must be less than or equal to 3600");
    }
    rules.field("selectPolicy").optional_one_of(&["Disabled", "Max", "Min"]);
    let policies = rules.field("policies");
    if policies.is_empty() {
        policies.required("must specify at least one Policy");
    }
    for policy in policies.items() {
        policy.field("type").one_of(&["Percent", "Pods"]);
        let (value, period) = (policy.field("value"), policy.field("periodSeconds"));
        for field in [&value, &period].into_iter().filter(|field| field.number() <= 0) {
            field.invalid_number("must be greater than zero");
        }
        if period.number() > PERIOD_MAX {
            period.invalid_number("must be less than or equal to 1800");
        }
    }
    let tolerance = rules.field("tolerance");
    if tolerance.is_set() {
        resources::amount(&tolerance, "");
    }
}

/// The rules of one source.
type SourceRule = fn(&At<'_, '_>);

/// Types of sources in upstream's order, with the field of each.
const SOURCES: &[(&str, &str, SourceRule)] = &[
    ("Object", "object", object_source),
    ("External", "external", external_source),
    ("Pods", "pods", pods_source),
    ("Resource", "resource", resource_source),
    ("ContainerResource", "containerResource", container_source),
];

fn source(metric: &At<'_, '_>) {
    const TYPES: &[&str] = &["ContainerResource", "External", "Object", "Pods", "Resource"];
    let kind = metric.field("type");
    if kind.is_empty() {
        kind.required("must specify a metric source type");
    }
    kind.one_of(TYPES);
    let present: Vec<_> = SOURCES.iter().filter(|(_, field, _)| metric.has(field)).collect();
    if let Some((_, field, rule)) = present.first() {
        rule(&metric.field(field));
    }
    let expected = SOURCES.iter().find(|(name, ..)| *name == kind.text()).map(|(_, field, _)| *field);
    match expected {
        Some(field) if !metric.has(field) => {
            metric.field(field).required("must populate information for the given metric source");
        }
        Some(_) => {}
        None => kind.one_of(TYPES),
    }
    if present.len() != 1 {
        for (_, field, _) in present.iter().filter(|(_, field, _)| Some(*field) != expected) {
            metric.field(field).forbidden("must populate the given metric source only");
        }
    }
}

fn metric_name(source: &At<'_, '_>) {
    let metric = source.field("metric");
    let name = metric.field("name");
    if name.is_empty() {
        name.required("must specify a metric name");
    } else {
        name.named(names::path_segment_name);
    }
}

fn metric_target(source: &At<'_, '_>) {
    let target = source.field("target");
    let kind = target.field("type");
    if kind.is_empty() {
        kind.required("must specify a metric target type");
    }
    if !matches!(kind.text(), "Utilization" | "Value" | "AverageValue") {
        kind.invalid_text("must be either Utilization, Value, or AverageValue");
    }
    for value in ["value", "averageValue"].map(|name| target.field(name)) {
        if value.is_set() {
            let amount = value.quantity();
            if amount.is_negative() || amount.is_zero() {
                value.invalid("must be positive");
            }
        }
    }
    let utilization = target.field("averageUtilization");
    if utilization.is_set() && utilization.number() < 1 {
        utilization.invalid_number("must be greater than 0");
    }
}

/// One of these targets must be set.
fn needs(source: &At<'_, '_>, fields: &[&str], shown: &str, message: &str) {
    let target = source.field("target");
    if !fields.iter().any(|name| target.has(name)) {
        target.field(shown).required(message);
    }
}

/// Not both of these targets may be set.
fn excludes(source: &At<'_, '_>, one: &str, other: &str, message: &str) {
    let target = source.field("target");
    if target.has(one) && target.has(other) {
        target.field(one).forbidden(message);
    }
}

fn object_source(source: &At<'_, '_>) {
    reference(&source.field("describedObject"), true, false);
    metric_name(source);
    metric_target(source);
    needs(
        source,
        &["value", "averageValue"],
        "averageValue",
        "must set either a target value or averageValue",
    );
}

fn external_source(source: &At<'_, '_>) {
    metric_name(source);
    metric_target(source);
    let either = "must set either a target value for metric or a per-pod target";
    needs(source, &["value", "averageValue"], "averageValue", either);
    excludes(
        source,
        "value",
        "averageValue",
        "may not set both a target value for metric and a per-pod target",
    );
}

fn pods_source(source: &At<'_, '_>) {
    metric_name(source);
    metric_target(source);
    needs(source, &["averageValue"], "averageValue", "must specify a positive target averageValue");
}

fn resource_source(source: &At<'_, '_>) {
    let name = source.field("name");
    if name.is_empty() {
        name.required("must specify a resource name");
    }
    utilization(source);
}

fn container_source(source: &At<'_, '_>) {
    let (name, container) = (source.field("name"), source.field("container"));
    if name.is_empty() {
        name.required("must specify a resource name");
    } else {
        resources::container_name(&name, name.text());
    }
    if container.is_empty() {
        container.required("must specify a container");
    } else {
        container.named(names::dns1123_label);
    }
    utilization(source);
}

fn utilization(source: &At<'_, '_>) {
    metric_target(source);
    let either = "must set either a target raw value or a target utilization";
    needs(source, &["averageUtilization", "averageValue"], "averageUtilization", either);
    excludes(
        source,
        "averageValue",
        "averageUtilization",
        "may not set both a target raw value and a target utilization",
    );
}
