//! Rules of resource quotas and limit ranges (`pkg/apis/core/validation/validation.go`, `pkg/apis/core/helper/helpers.go`).
//!
//! Not admission: what is used is not counted here. The invariant: of what a limit range says for a resource, the least is
//! not more than the most.

use std::collections::BTreeSet;

use orch_core::Scope::Namespaced;
use orch_core::{Quantity, names};
use serde_json::Value;

use super::at::{At, quote};
use super::meta::{self, Change};
use super::pod::resources;
use super::rules::Seen;

/// What quotas bound besides huge pages and resources with a domain.
const RESOURCES: &[&str] = &[
    "cpu",
    "memory",
    "ephemeral-storage",
    "requests.cpu",
    "requests.memory",
    "requests.storage",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "persistentvolumeclaims",
    "configmaps",
    "services.nodeports",
    "services.loadbalancers",
];

const SCOPES: &[&str] = &[
    "Terminating",
    "NotTerminating",
    "BestEffort",
    "NotBestEffort",
    "PriorityClass",
    "CrossNamespacePodAffinity",
    "VolumeAttributesClass",
];

const OF_PODS: &[&str] =
    &["pods", "cpu", "memory", "limits.cpu", "limits.memory", "requests.cpu", "requests.memory"];

fn is_standard(resource: &str) -> bool {
    RESOURCES.contains(&resource)
        || resource.starts_with("hugepages-")
        || resource.starts_with("requests.hugepages-")
}

/// Whether a scope says anything about a resource.
fn applies(scope: &str, resource: &str) -> bool {
    match scope {
        "Terminating"
        | "NotTerminating"
        | "NotBestEffort"
        | "PriorityClass"
        | "CrossNamespacePodAffinity" => OF_PODS.contains(&resource),
        "BestEffort" => resource == "pods",
        "VolumeAttributesClass" => matches!(resource, "persistentvolumeclaims" | "requests.storage"),
        _ => true,
    }
}

pub(super) fn resource_quota(object: &At<'_, '_>) {
    meta::object(object, Namespaced, names::dns1123_subdomain);
    quota_spec(&object.field("spec"));
    quota_status(&object.field("status"));
}

pub(super) fn resource_quota_update(change: &Change<'_, '_>) {
    change.metadata();
    let spec = change.new.field("spec");
    quota_spec(&spec);
    let set = |scopes: &Value| -> BTreeSet<String> {
        scopes.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let scopes = spec.field("scopes");
    if set(scopes.value()) != set(change.old.field("spec").get("scopes")) {
        scopes.invalid("field is immutable");
    }
}

pub(super) fn resource_quota_status(change: &Change<'_, '_>) {
    change.metadata();
    quota_status(&change.new.field("status"));
}

fn quota_status(status: &At<'_, '_>) {
    amounts(&status.field("hard"));
    amounts(&status.field("used"));
}

fn amounts(map: &At<'_, '_>) {
    for (name, amount) in map.entries() {
        if resources::any_name(&amount, name) && !name.contains('/') && !is_standard(name) {
            amount.invalid_as(quote(name), "must be a standard resource for quota");
        }
        resources::amount(&amount, name);
    }
}

fn quota_spec(spec: &At<'_, '_>) {
    let hard = spec.field("hard");
    amounts(&hard);
    let limits: Vec<&str> = hard.entries().map(|(name, _)| name).filter(|name| is_standard(name)).collect();
    let scopes = spec.field("scopes");
    let mut chosen = BTreeSet::new();
    for scope in scopes.list().iter().map(|scope| scope.as_str().unwrap_or("")) {
        if !SCOPES.contains(&scope) {
            scopes.invalid("unsupported scope");
        }
        for _ in limits.iter().filter(|limit| !applies(scope, limit)) {
            scopes.invalid("unsupported scope applied to resource");
        }
        chosen.insert(scope);
    }
    conflicts(&scopes, &chosen);
    let selector = spec.field("scopeSelector");
    if selector.is_set() {
        scope_selector(&selector, &limits, &scopes);
    }
}

fn conflicts(scopes: &At<'_, '_>, chosen: &BTreeSet<&str>) {
    for (one, other) in [("BestEffort", "NotBestEffort"), ("Terminating", "NotTerminating")] {
        if chosen.contains(one) && chosen.contains(other) {
            scopes.invalid("conflicting scopes");
        }
    }
}

/// Upstream reports the faults of each requirement at the list.
fn scope_selector(selector: &At<'_, '_>, limits: &[&str], scopes: &At<'_, '_>) {
    const EXISTS: &str = "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, \
                          ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, \
                          ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity";
    let list = selector.field("matchExpressions");
    let mut chosen = BTreeSet::new();
    for requirement in list.list() {
        let requirement = list.with(requirement);
        let (scope, operator) = (requirement.field("scopeName"), requirement.field("operator"));
        let values = requirement.field("values");
        if !SCOPES.contains(&scope.text()) {
            scope.invalid_text("unsupported scope");
        }
        for _ in limits.iter().filter(|limit| !applies(scope.text(), limit)) {
            list.invalid_as(selector.value(), "unsupported scope applied to resource");
        }
        let by_value = matches!(scope.text(), "PriorityClass" | "VolumeAttributesClass");
        if SCOPES.contains(&scope.text()) && !by_value && operator.text() != "Exists" {
            operator.invalid_text(EXISTS);
        }
        match operator.text() {
            "In" | "NotIn" if values.is_empty() => values
                .required("must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"),
            "Exists" | "DoesNotExist" if !values.is_empty() => {
                values.invalid(
                    "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector",
                );
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            _ => operator.invalid_text("not a valid selector operator"),
        }
        chosen.insert(scope.text());
    }
    conflicts(&list.with(scopes.value()), &chosen);
}

pub(super) fn limit_range(object: &At<'_, '_>) {
    meta::object(object, Namespaced, names::dns1123_subdomain);
    let spec = object.field("spec");
    let limits = spec.field("limits");
    let mut seen = Seen::new();
    for limit in limits.items() {
        let kind = limit.field("type");
        limit_type(&kind);
        if !seen.insert(kind.text()) {
            kind.duplicate();
        }
        limit_item(&limit, kind.text());
    }
}

pub(super) fn limit_range_update(change: &Change<'_, '_>) {
    limit_range(&change.new);
}

fn limit_type(kind: &At<'_, '_>) {
    let text = kind.text();
    if let Err(messages) = names::qualified_name(text) {
        messages.into_iter().for_each(|message| kind.invalid_text(message));
    } else if !text.contains('/') && !matches!(text, "Pod" | "Container" | "PersistentVolumeClaim") {
        kind.invalid_text("must be a standard limit type or fully qualified");
    }
}

fn limit_item(limit: &At<'_, '_>, kind: &str) {
    let mut keys = BTreeSet::new();
    for map in ["max", "min", "default", "defaultRequest", "maxLimitRequestRatio"] {
        let at = limit.field(map);
        if kind == "Pod" && map.starts_with("default") {
            if !at.is_empty() {
                at.forbidden("may not be specified when `type` is 'Pod'");
            }
            continue;
        }
        if map == "maxLimitRequestRatio" {
            claim_storage(limit, kind);
        }
        for (name, amount) in at.entries() {
            if matches!(kind, "Pod" | "Container") {
                resources::container_name(&amount, name);
            } else {
                resources::any_name(&amount, name);
            }
            keys.insert(name);
        }
    }
    keys.into_iter().for_each(|name| in_order(limit, kind, name));
}

/// A range for claims bounds their storage.
fn claim_storage(limit: &At<'_, '_>, kind: &str) {
    let has = |map: &str| limit.get(map).get("storage").is_some_and(|amount| !amount.is_null());
    if kind == "PersistentVolumeClaim" && !has("min") && !has("max") {
        limit
            .field("limits")
            .required("either minimum or maximum storage value is required, but neither was provided");
    }
}

/// The amounts of one resource are in order.
fn in_order(limit: &At<'_, '_>, kind: &str, name: &str) {
    let amount = |map: &str| -> Option<Quantity> {
        if kind == "Pod" && map.starts_with("default") {
            return None;
        }
        match limit.get(map).get(name)? {
            Value::Null => None,
            Value::String(text) => text.parse().ok(),
            number => number.to_string().parse().ok(),
        }
    };
    let words = |map: &str| match map {
        "defaultRequest" => "default request value",
        "default" => "default value",
        "min" => "min value",
        _ => "max value",
    };
    // The lower one, the upper one, where a fault is reported, and whose amount is shown.
    let pairs = [
        ("min", "max", "min", "min"),
        ("min", "defaultRequest", "defaultRequest", "defaultRequest"),
        ("defaultRequest", "max", "defaultRequest", "defaultRequest"),
        ("defaultRequest", "default", "defaultRequest", "defaultRequest"),
        ("min", "default", "default", "min"),
        ("default", "max", "default", "max"),
    ];
    for (low, high, place, shown) in pairs {
        let (Some(least), Some(most)) = (amount(low), amount(high)) else { continue };
        if least > most {
            let shown = if shown == low { least } else { most };
            let upper = if low == "defaultRequest" && high == "default" {
                "default limit value"
            } else {
                words(high)
            };
            let message = format!("{} {least} is greater than {upper} {most}", words(low));
            let map = limit.field(place);
            map.key(name).invalid_as(quote(&shown.to_string()), message);
        }
    }
    ratio(limit, name, &amount);
    let (default, request) = (amount("default"), amount("defaultRequest"));
    if let (Some(default), Some(request)) = (default, request)
        && !resources::may_overcommit(name)
        && default != request
    {
        let message =
            format!("default value {default} must equal to defaultRequest value {request} in {name}");
        let map = limit.field("defaultRequest");
        map.key(name).invalid_as(quote(&request.to_string()), message);
    }
}

/// A limit is at least the request, and can be as much larger as the range is wide.
fn ratio(limit: &At<'_, '_>, name: &str, amount: &dyn Fn(&str) -> Option<Quantity>) {
    let Some(ratio) = amount("maxLimitRequestRatio") else { return };
    let map = limit.field("maxLimitRequestRatio");
    let at = map.key(name);
    if ratio.milli_value() < 1000 {
        at.invalid_as(quote(&ratio.to_string()), format!("ratio {ratio} is less than 1"));
    }
    if let (Some(min), Some(max)) = (amount("min"), amount("max")) {
        let widest = float(max) / float(min);
        if float(ratio) > widest {
            let message = format!("ratio {ratio} is greater than max/min = {widest:.6}");
            at.invalid_as(quote(&ratio.to_string()), message);
        }
    }
}

fn float(amount: Quantity) -> f64 {
    // Upstream compares floats, too; the amounts of limits are far below what they hold exactly.
    amount.milli_value() as f64 / 1000.0
}
