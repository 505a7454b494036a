//! Rules of small kinds that say what may be done: disruption budgets, roles and their bindings, runtime classes.
//!
//! Sources: `pkg/apis/policy/validation/validation.go`, `pkg/apis/rbac/validation/validation.go`,
//! `pkg/apis/node/validation/validation.go`. Not authorization: whether a user may grant a role is decided elsewhere. The
//! invariant: a binding keeps the role that it refers to.

use orch_core::Scope::{self, Cluster, Namespaced};
use orch_core::names;
use orch_core::selector::Selector;

use super::at::{At, show};
use super::common::{conditions, non_negative, segment};
use super::meta::{self, Change};
use super::pod::{resources, scheduling};
use super::rules::{self, Seen};
use super::same::same;

/// Upstream judges the name of a budget as the name of any object.
pub(super) fn disruption_budget(object: &At<'_, '_>) {
    let before = object.faults().count();
    budget_spec(&object.field("spec"));
    if object.faults().count() == before {
        meta::object_of_any_kind(&object.field("metadata"), Some(Namespaced), names::path_segment_name);
    }
}

pub(super) fn disruption_budget_update(change: &Change<'_, '_>) {
    budget_spec(&change.new.field("spec"));
}

pub(super) fn disruption_budget_status(change: &Change<'_, '_>) {
    let status = change.new.field("status");
    conditions(&status.field("conditions"));
    non_negative(&status, &["disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"]);
}

fn budget_spec(spec: &At<'_, '_>) {
    let (min, max) = (spec.field("minAvailable"), spec.field("maxUnavailable"));
    if min.is_set() && max.is_set() {
        spec.invalid_as(shown_budget(spec), "minAvailable and maxUnavailable cannot be both set");
    }
    for amount in [&min, &max].into_iter().filter(|amount| amount.is_set()) {
        rules::int_or_percent(amount);
        rules::at_most_100_percent(amount);
    }
    rules::label_selector(&spec.field("selector"));
    spec.field("unhealthyPodEvictionPolicy").optional_one_of(&["AlwaysAllow", "IfHealthyBudget"]);
}

/// Upstream shows the spec as Go has it.
fn shown_budget(spec: &At<'_, '_>) -> String {
    let [min, selector, max, policy] =
        ["minAvailable", "selector", "maxUnavailable", "unhealthyPodEvictionPolicy"]
            .map(|name| show(spec.get(name)));
    format!(
        "{{\"MinAvailable\":{min},\"Selector\":{selector},\"MaxUnavailable\":{max},\
         \"UnhealthyPodEvictionPolicy\":{policy}}}"
    )
}

pub(super) fn role(object: &At<'_, '_>) {
    meta::object(object, Namespaced, names::path_segment_name);
    object.field("rules").items().for_each(|rule| policy_rule(&rule, Namespaced));
}

pub(super) fn role_update(change: &Change<'_, '_>) {
    role(&change.new);
    change.metadata();
}

pub(super) fn cluster_role(object: &At<'_, '_>) {
    meta::object(object, Cluster, names::path_segment_name);
    object.field("rules").items().for_each(|rule| policy_rule(&rule, Cluster));
    let aggregation = object.field("aggregationRule");
    if !aggregation.is_set() {
        return;
    }
    let selectors = aggregation.field("clusterRoleSelectors");
    if selectors.is_empty() {
        selectors.required("at least one clusterRoleSelector required if aggregationRule is non-nil");
    }
    for selector in selectors.items() {
        rules::label_selector(&selector);
        if Selector::from_value(selector.value()).is_err() {
            selector.invalid_as("null", "invalid label selector.");
        }
    }
}

pub(super) fn cluster_role_update(change: &Change<'_, '_>) {
    cluster_role(&change.new);
    change.metadata();
}

fn policy_rule(rule: &At<'_, '_>, scope: Scope) {
    let (verbs, urls) = (rule.field("verbs"), rule.field("nonResourceURLs"));
    let (groups, resources) = (rule.field("apiGroups"), rule.field("resources"));
    if verbs.is_empty() {
        verbs.required("verbs must contain at least one value");
    }
    if !urls.is_empty() {
        if scope == Namespaced {
            urls.invalid("namespaced rules cannot apply to non-resource URLs");
        }
        if !groups.is_empty() || !resources.is_empty() || !rule.field("resourceNames").is_empty() {
            urls.invalid("rules cannot apply to both regular resources and non-resource URLs");
        }
        return;
    }
    if groups.is_empty() {
        groups.required("resource rules must supply at least one api group");
    }
    if resources.is_empty() {
        resources.required("resource rules must supply at least one resource");
    }
}

const GROUP: &str = "rbac.authorization.k8s.io";

pub(super) fn role_binding(object: &At<'_, '_>) {
    binding(object, Namespaced, &["Role", "ClusterRole"]);
}

pub(super) fn role_binding_update(change: &Change<'_, '_>) {
    role_binding(&change.new);
    binding_update(change);
}

pub(super) fn cluster_role_binding(object: &At<'_, '_>) {
    binding(object, Cluster, &["ClusterRole"]);
}

pub(super) fn cluster_role_binding_update(change: &Change<'_, '_>) {
    cluster_role_binding(&change.new);
    binding_update(change);
}

fn binding(object: &At<'_, '_>, scope: Scope, kinds: &[&str]) {
    meta::object(object, scope, names::path_segment_name);
    let role = object.field("roleRef");
    role.field("apiGroup").one_of(&[GROUP]);
    role.field("kind").one_of(kinds);
    segment(&role.field("name"));
    object.field("subjects").items().for_each(|one| subject(&one, scope));
}

fn binding_update(change: &Change<'_, '_>) {
    change.metadata();
    let role = change.new.field("roleRef");
    if !same(role.value(), change.old.get("roleRef")) {
        let [group, kind, name] =
            ["apiGroup", "kind", "name"].map(|field| show(&role.get_text(field).into()));
        let shown = format!("{{\"APIGroup\":{group},\"Kind\":{kind},\"Name\":{name}}}");
        role.invalid_as(shown, "cannot change roleRef");
    }
}

fn subject(subject: &At<'_, '_>, scope: Scope) {
    let (name, group) = (subject.field("name"), subject.field("apiGroup"));
    if name.is_empty() {
        name.required("");
    }
    match subject.get_text("kind") {
        "ServiceAccount" => {
            name.optional_name(names::dns1123_subdomain);
            if !group.is_empty() {
                group.unsupported(&[""]);
            }
            let namespace = subject.field("namespace");
            if scope == Cluster && namespace.is_empty() {
                namespace.required("");
            }
        }
        "User" | "Group" => group.one_of(&[GROUP]),
        _ => subject.field("kind").unsupported(&["ServiceAccount", "User", "Group"]),
    }
}

pub(super) fn runtime_class(object: &At<'_, '_>) {
    meta::object(object, Cluster, names::dns1123_subdomain);
    object.field("handler").required_name(names::dns1123_label);
    let overhead = object.field("overhead");
    let fixed = overhead.with(overhead.get("podFixed"));
    resources::overhead(&fixed.shown("limits"));
    let place = object.field("scheduling");
    rules::labels(&place.field("nodeSelector"));
    let tolerations = place.field("tolerations");
    scheduling::tolerations(&tolerations);
    let mut seen = Seen::new();
    for one in tolerations.items() {
        let key = ["key", "operator", "value", "effect"].map(|name| one.get_text(name));
        if !seen.insert(key) {
            one.duplicate();
        }
    }
}

pub(super) fn runtime_class_update(change: &Change<'_, '_>) {
    change.metadata();
    rules::immutable(&change.new.field("handler"), change.old.get("handler"));
}
