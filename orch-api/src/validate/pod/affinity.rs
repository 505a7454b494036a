//! Rules of affinity: to nodes, to pods, away from pods (`validateAffinity`, `ValidateNodeSelector`).
//!
//! Node selectors are those of persistent volumes as well. Not scheduling.

use orch_core::names;
use serde_json::Value;

use super::super::at::At;
use super::super::rules;
use super::super::same::same;
use super::scheduling;

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";

pub(super) fn affinity(affinity: &At<'_, '_>) {
    if !affinity.is_set() {
        return;
    }
    let node = affinity.field("nodeAffinity");
    let required = node.field(REQUIRED);
    if required.is_set() {
        node_selector(&required);
    }
    for preferred in node.field(PREFERRED).items() {
        weight(&preferred);
        term(&preferred.field("preference"), LabelValues::Any);
    }
    for pods in ["podAffinity", "podAntiAffinity"].map(|name| affinity.field(name)) {
        pods.field(REQUIRED).items().for_each(|term| pod_term(&term));
        for preferred in pods.field(PREFERRED).items() {
            weight(&preferred);
            pod_term(&preferred.field("podAffinityTerm"));
        }
    }
}

fn weight(at: &At<'_, '_>) {
    let weight = at.field("weight");
    if !(1..=100).contains(&weight.number()) {
        weight.invalid_number("must be in the range 1-100");
    }
}

/// Which values a requirement may name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LabelValues {
    /// Those that a label can have.
    Valid,
    /// Any: preferences are not checked upstream.
    Any,
}

/// Terms of which one must hold.
pub(in super::super) fn node_selector(at: &At<'_, '_>) {
    let terms = at.field("nodeSelectorTerms");
    if terms.is_empty() {
        terms.required("must have at least one node selector term");
    }
    terms.items().for_each(|at| term(&at, LabelValues::Valid));
}

fn term(term: &At<'_, '_>, label_values: LabelValues) {
    for requirement in term.field("matchExpressions").items() {
        labels(&requirement, label_values);
    }
    term.field("matchFields").items().for_each(|requirement| fields(&requirement));
}

fn labels(requirement: &At<'_, '_>, label_values: LabelValues) {
    let (operator, values) = (requirement.field("operator"), requirement.field("values"));
    match operator.text() {
        "In" | "NotIn" if values.is_empty() => {
            values.required("must be specified when `operator` is 'In' or 'NotIn'");
        }
        "Exists" | "DoesNotExist" if !values.is_empty() => {
            values.forbidden("may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
        }
        "Gt" | "Lt" if values.len() != 1 => {
            values.required("must be specified single value when `operator` is 'Lt' or 'Gt'");
        }
        "In" | "NotIn" | "Exists" | "DoesNotExist" | "Gt" | "Lt" => {}
        _ => operator.invalid_text("not a valid selector operator"),
    }
    rules::label_name(&requirement.field("key"));
    if label_values == LabelValues::Valid {
        values.items().for_each(|value| value.named(names::label_value));
    }
}

/// The only field of a node that can be asked for is its name.
fn fields(requirement: &At<'_, '_>) {
    let (operator, values, key) =
        (requirement.field("operator"), requirement.field("values"), requirement.field("key"));
    match operator.text() {
        "In" | "NotIn" if values.len() != 1 => {
            values.required(
                "must be only one value when `operator` is 'In' or 'NotIn' for node field selector",
            );
        }
        "In" | "NotIn" => {}
        _ => operator.invalid_text("not a valid selector operator"),
    }
    if key.text() == "metadata.name" {
        values.items().for_each(|value| value.named(names::dns1123_subdomain));
    } else {
        key.invalid_text("not a valid field selector key");
    }
}

fn pod_term(term: &At<'_, '_>) {
    rules::label_selector(&term.field("labelSelector"));
    rules::label_selector(&term.field("namespaceSelector"));
    for namespace in term.field("namespaces").list() {
        term.with(namespace).shown("namespace").named(names::dns1123_label);
    }
    scheduling::label_keys(term);
    let key = term.field("topologyKey");
    if key.is_empty() {
        key.required("can not be empty");
    }
    rules::label_name(&key);
}

/// Whether the node affinity of a gated pod only became narrower (`validateNodeAffinityMutation`).
pub(super) fn only_narrowed(new: &At<'_, '_>, old: &At<'_, '_>) {
    let (new_required, old_required) = (new.field(REQUIRED), old.field(REQUIRED));
    let (terms, before) = (new_required.field("nodeSelectorTerms"), old_required.field("nodeSelectorTerms"));
    if before.is_empty() {
        return;
    }
    if terms.len() != before.len() {
        terms.invalid("no additions/deletions to non-empty NodeSelectorTerms list are allowed");
        return;
    }
    for (term, before) in terms.items().zip(before.items()) {
        if !has_only_additions(&term, &before) {
            term.invalid("only additions are allowed (no mutations or deletions)");
        }
    }
}

fn has_only_additions(new: &At<'_, '_>, old: &At<'_, '_>) -> bool {
    const LISTS: [&str; 2] = ["matchExpressions", "matchFields"];
    let is_empty = |term: &At<'_, '_>| LISTS.iter().all(|name| term.field(name).is_empty());
    // A term without requirements matches nothing; with some it would match more.
    if is_empty(old) && !is_empty(new) {
        return false;
    }
    LISTS.iter().all(|name| {
        let (new, old) = (new.field(name), old.field(name));
        new.len() >= old.len() && new.list().iter().zip(old.list()).all(|(new, old)| same(new, old))
    })
}

/// Labels of nodes that got another name, which a persistent volume may follow.
const RENAMED: &[(&str, &str)] = &[
    ("failure-domain.beta.kubernetes.io/zone", "topology.kubernetes.io/zone"),
    ("failure-domain.beta.kubernetes.io/region", "topology.kubernetes.io/region"),
    ("beta.kubernetes.io/os", "kubernetes.io/os"),
    ("beta.kubernetes.io/arch", "kubernetes.io/arch"),
    ("beta.kubernetes.io/instance-type", "node.kubernetes.io/instance-type"),
];

/// Whether the node affinity of a volume is what it was, but for labels under their new names.
pub(in super::super) fn same_but_renamed_labels(new: &Value, old: &Value) -> bool {
    if same(new, old) {
        return true;
    }
    let mut old = old.clone();
    rename_keys(new, &mut old);
    same(new, &old)
}

/// Gives requirements of `old` the keys that `new` has in their place where those are new names.
fn rename_keys(new: &Value, old: &mut Value) {
    match (new, old) {
        (Value::Object(new), Value::Object(old)) => {
            for (name, value) in old {
                let Some(new) = new.get(name) else { continue };
                if name == "key" {
                    let renamed = RENAMED.iter().any(|(beta, stable)| value == *beta && new == *stable);
                    if renamed {
                        value.clone_from(new);
                    }
                } else {
                    rename_keys(new, value);
                }
            }
        }
        (Value::Array(new), Value::Array(old)) => {
            new.iter().zip(old).for_each(|(new, old)| rename_keys(new, old));
        }
        _ => {}
    }
}
