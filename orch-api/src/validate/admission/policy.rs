//! Policies of admission and their bindings: those that validate and those that change.
//!
//! The invariant: a policy says what it looks at and what it asks of it.

use orch_core::Scope::Cluster;
use orch_core::names;

use super::super::at::{At, quote};
use super::super::common::conditions;
use super::super::meta::{self, Change};
use super::super::rules::{self, Seen};
use super::super::same::same;
use super::expressions::{Names, compiles, compiles_trimmed};
use super::{FAILURE_POLICIES, MATCH_POLICIES, REINVOCATION, match_conditions, rule_with_operations};
use crate::cel::Expected;

const ANNOTATIONS_MAX: usize = 20;
const VALUE_MAX: usize = 5 * 1024;
const BOTH_EMPTY: &str = "validations or auditAnnotations must contain at least one item";
/// What can be changed: an object that is deleted cannot.
const MUTATING: &[&str] = &["*", "CONNECT", "CREATE", "UPDATE"];

pub(in super::super) fn validating(object: &At<'_, '_>) {
    meta::object(object, Cluster, names::dns1123_subdomain);
    validating_spec(object, true);
}

pub(in super::super) fn validating_update(change: &Change<'_, '_>) {
    meta::object(&change.new, Cluster, names::dns1123_subdomain);
    validating_spec(&change.new, judges_conditions(change));
}

/// Conditions that were stored before may stay.
fn judges_conditions(change: &Change<'_, '_>) -> bool {
    let (new, old) = (change.new.field("spec"), change.old.field("spec"));
    ["paramKind", "matchConditions"].iter().any(|name| !same(new.get(name), old.get(name)))
}

pub(in super::super) fn validating_status(change: &Change<'_, '_>) {
    let status = change.new.field("status");
    let checking = status.field("typeChecking");
    for warning in checking.field("expressionWarnings").items() {
        let (text, place) = (warning.field("warning"), warning.field("fieldRef"));
        if text.is_empty() {
            text.required("");
        }
        if place.text().trim().is_empty() {
            place.required("");
        }
    }
    conditions(&status.field("conditions"));
}

/// What both kinds of policy begin with.
fn common(spec: &At<'_, '_>, judge_conditions: bool, mutating: bool) {
    let failure = spec.field("failurePolicy");
    if failure.is_set() {
        failure.one_of(FAILURE_POLICIES)
    } else {
        failure.required("")
    }
    let kind = spec.field("paramKind");
    if kind.is_set() {
        param_kind(&kind);
    }
    let constraints = spec.field("matchConstraints");
    if constraints.is_set() {
        match_resources(&constraints);
        let rules = constraints.field("resourceRules");
        if rules.is_empty() {
            rules.required("");
        }
        if mutating {
            mutating_operations(&rules);
        }
    } else {
        constraints.required("");
    }
    if judge_conditions {
        match_conditions(&spec.field("matchConditions"), spec.has("paramKind"));
    }
    let names = names_of(spec);
    spec.field("variables").items().for_each(|one| variable(&one, names));
}

/// What the expressions of a policy may name.
fn names_of(spec: &At<'_, '_>) -> Names {
    Names { params: spec.has("paramKind"), authorizer: true, variables: !spec.field("variables").is_empty() }
}

fn validating_spec(object: &At<'_, '_>, judge_conditions: bool) {
    let (meta, spec) = (object.field("metadata"), object.field("spec"));
    common(&spec, judge_conditions, false);
    let (validations, annotations) = (spec.field("validations"), spec.field("auditAnnotations"));
    if validations.is_empty() && annotations.is_empty() {
        validations.required(BOTH_EMPTY);
        annotations.required(BOTH_EMPTY);
        return;
    }
    let names = names_of(&spec);
    validations.items().for_each(|one| validation(&one, names));
    if annotations.len() > ANNOTATIONS_MAX {
        annotations.invalid("must not have more than 20 auditAnnotations");
    }
    let mut seen = Seen::new();
    for annotation in annotations.items() {
        audit_annotation(&annotation, meta.get_text("name"), names);
        let key = annotation.field("key");
        if !seen.insert(key.text()) {
            key.duplicate();
        }
    }
}

fn audit_annotation(annotation: &At<'_, '_>, policy: &str, names: Names) {
    let (key, value) = (annotation.field("key"), annotation.field("valueExpression"));
    if policy.is_empty() {
        key.invalid_text("requires metadata.name be non-empty");
    } else {
        let full = format!("{policy}/{}", key.text());
        for message in names::qualified_name(&full).err().into_iter().flatten() {
            key.invalid_as(quote(&full), message);
        }
    }
    let text = value.text().trim();
    if text.is_empty() {
        value.required("valueExpression is not specified");
    } else if text.len() > VALUE_MAX {
        value.required("must not exceed 5120 bytes in length");
    } else {
        compiles(&value, names, Expected::TextOrNull);
    }
}

fn validation(one: &At<'_, '_>, names: Names) {
    let [expression, message, computed] =
        ["expression", "message", "messageExpression"].map(|name| one.field(name));
    if expression.text().trim().is_empty() {
        expression.required("expression is not specified");
    }
    compiles(&expression, names, Expected::Bool);
    compiles(&computed, Names { authorizer: false, ..names }, Expected::Text);
    let blank = |at: &At<'_, '_>| !at.is_empty() && at.text().trim().is_empty();
    for at in [&computed, &message].into_iter().filter(|at| blank(at)) {
        at.invalid_text("must be non-empty if specified");
    }
    if message.text().trim().contains(['\n', '\r']) {
        message.invalid_text("must not contain line breaks");
    }
    one.field("reason").optional_one_of(&["Forbidden", "Invalid", "RequestEntityTooLarge"]);
}

fn param_kind(kind: &At<'_, '_>) {
    let (api_version, name) = (kind.field("apiVersion"), kind.field("kind"));
    let text = api_version.text();
    let part = |part: &str, messages: Vec<String>| api_version.invalid_as(quote(part), messages.join(","));
    if text.is_empty() {
        api_version.required("");
    } else if text.matches('/').count() > 1 {
        api_version.invalid_text(format!("unexpected GroupVersion string: {text}"));
    } else {
        let (group, version) =
            if text == "/" { ("", "") } else { text.split_once('/').unwrap_or(("", text)) };
        if !group.is_empty()
            && let Err(messages) = names::dns1123_subdomain(group)
        {
            part(group, messages);
        }
        if version.is_empty() {
            api_version.invalid_text("version must be specified");
        } else if let Err(messages) = names::dns1035_label(version) {
            part(version, messages);
        }
    }
    if name.is_empty() {
        name.required("");
    } else if let Err(messages) = names::dns1035_label(&name.text().to_lowercase()) {
        name.invalid_text(format!("may have mixed case, but should otherwise match: {}", messages.join(",")));
    }
}

fn match_resources(resources: &At<'_, '_>) {
    let policy = resources.field("matchPolicy");
    if policy.is_set() {
        policy.one_of(MATCH_POLICIES)
    } else {
        policy.required("")
    }
    for selector in ["namespaceSelector", "objectSelector"].map(|name| resources.field(name)) {
        if selector.is_set() { rules::label_selector(&selector) } else { selector.required("") }
    }
    for list in ["resourceRules", "excludeResourceRules"] {
        for rule in resources.field(list).items() {
            let mut seen = Seen::new();
            for name in rule.field("resourceNames").items() {
                name.named(names::path_segment_name);
                if !seen.insert(name.text()) {
                    name.duplicate();
                }
            }
            rule_with_operations(&rule);
        }
    }
}

/// Upstream reports these at the list of rules.
fn mutating_operations(rules: &At<'_, '_>) {
    let shown = rules.shown("operations");
    for operation in rules.list().iter().filter_map(|rule| rule.get("operations")?.as_array()).flatten() {
        shown.with(operation).one_of(MUTATING);
    }
}

fn variable(one: &At<'_, '_>, names: Names) {
    let (name, expression) = (one.field("name"), one.field("expression"));
    if name.text().trim().is_empty() {
        name.required("name is not specified");
    } else if names::c_identifier(name.text()).is_err() || crate::cel::RESERVED.contains(&name.text()) {
        name.invalid_text("must be a valid CEL identifier");
    }
    if expression.text().trim().is_empty() {
        expression.required("expression is not specified");
    }
    compiles(&expression, names, Expected::Any);
}

pub(in super::super) fn mutating(object: &At<'_, '_>) {
    meta::object(object, Cluster, names::dns1123_subdomain);
    mutating_spec(&object.field("spec"), true);
}

pub(in super::super) fn mutating_update(change: &Change<'_, '_>) {
    meta::object(&change.new, Cluster, names::dns1123_subdomain);
    mutating_spec(&change.new.field("spec"), judges_conditions(change));
}

fn mutating_spec(spec: &At<'_, '_>, judge_conditions: bool) {
    common(spec, judge_conditions, true);
    let mutations = spec.field("mutations");
    if mutations.is_empty() {
        mutations.required("mutations must contain at least one item");
    }
    let names = names_of(spec);
    mutations.items().for_each(|one| mutation(&one, names));
    spec.field("reinvocationPolicy").required_one_of(REINVOCATION);
}

fn mutation(one: &At<'_, '_>, names: Names) {
    let kind = one.field("patchType");
    let (wanted, other, of, expected) = match kind.text() {
        "JSONPatch" => ("jsonPatch", "applyConfiguration", "JSONPatch", Expected::JsonPatch),
        "ApplyConfiguration" => {
            ("applyConfiguration", "jsonPatch", "ApplyConfiguration", Expected::ApplyConfiguration)
        }
        "" => return kind.required(""),
        _ => return kind.unsupported(&["ApplyConfiguration", "JSONPatch"]),
    };
    let patch = one.field(wanted);
    if !patch.is_set() {
        patch.required(format!("must be specified when patchType is {of}"));
    } else if patch.get_text("expression").trim().is_empty() {
        patch.field("expression").required("");
    }
    compiles_trimmed(&patch.field("expression"), names, expected);
    if one.has(other) {
        let shown = quote(&format!("{{{other}}}"));
        one.field(other).invalid_as(shown, format!("must not be specified when patchType is {of}"));
    }
}

pub(in super::super) fn validating_binding(object: &At<'_, '_>) {
    meta::object(object, Cluster, names::dns1123_subdomain);
    let spec = object.field("spec");
    binding_spec(&spec);
    let actions = spec.field("validationActions");
    let mut seen = Seen::new();
    for action in actions.items() {
        action.one_of(&["Audit", "Deny", "Warn"]);
        if !seen.insert(action.text()) {
            action.duplicate();
        }
    }
    if seen.has("Deny") && seen.has("Warn") {
        actions.invalid(
            "must not contain both Deny and Warn (repeating the same validation failure information in the API \
             response and headers serves no purpose)",
        );
    }
    if actions.is_empty() {
        actions.required("at least one validation action is required");
    }
}

pub(in super::super) fn validating_binding_update(change: &Change<'_, '_>) {
    validating_binding(&change.new);
}

pub(in super::super) fn mutating_binding(object: &At<'_, '_>) {
    meta::object(object, Cluster, names::dns1123_subdomain);
    let spec = object.field("spec");
    binding_spec(&spec);
    let resources = spec.field("matchResources");
    mutating_operations(&resources.field("resourceRules"));
}

pub(in super::super) fn mutating_binding_update(change: &Change<'_, '_>) {
    mutating_binding(&change.new);
}

fn binding_spec(spec: &At<'_, '_>) {
    spec.field("policyName").required_name(names::dns1123_subdomain);
    let (param, resources) = (spec.field("paramRef"), spec.field("matchResources"));
    if param.is_set() {
        param_ref(&param);
    }
    if resources.is_set() {
        match_resources(&resources);
    }
}

fn param_ref(param: &At<'_, '_>) {
    const EXCLUSIVE: &str = "name and selector are mutually exclusive";
    let (name, selector) = (param.field("name"), param.field("selector"));
    let both = !name.is_empty() && selector.is_set();
    name.optional_name(names::path_segment_name);
    if both {
        name.forbidden(EXCLUSIVE);
    }
    rules::label_selector(&selector);
    if both {
        selector.forbidden(EXCLUSIVE);
    }
    if name.is_empty() && !selector.is_set() {
        param.required("one of name or selector must be specified");
    }
    param.field("parameterNotFoundAction").required_one_of(&["Deny", "Allow"]);
}
