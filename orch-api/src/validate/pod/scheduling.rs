//! Rules of what decides where pods may run: tolerations and the spread over topologies (`ValidateTolerations`,
//! `validateTopologySpreadConstraints`).
//!
//! Not scheduling; affinity is in `affinity`.

use std::collections::{BTreeMap, BTreeSet};

use orch_core::names;
use serde_json::Value;

use super::super::at::{At, quote};
use super::super::rules::{self, Seen};

/// The effect of a taint.
pub(in super::super) fn taint_effect(at: &At<'_, '_>) {
    at.one_of(&["NoSchedule", "PreferNoSchedule", "NoExecute"]);
}

pub(in super::super) fn tolerations(list: &At<'_, '_>) {
    for toleration in list.items() {
        let (key, operator) = (toleration.field("key"), toleration.field("operator"));
        let (value, effect) = (toleration.get_text("value"), toleration.field("effect"));
        key.optional_name(names::qualified_name);
        if key.is_empty() && operator.text() != "Exists" {
            operator.invalid_text(
                "operator must be Exists when `key` is empty, which means \"match all values and all keys\"",
            );
        }
        if toleration.has("tolerationSeconds") && effect.text() != "NoExecute" {
            effect.invalid_text("effect must be 'NoExecute' when `tolerationSeconds` is set");
        }
        match operator.text() {
            "" | "Equal" => {
                if let Err(messages) = names::label_value(value) {
                    operator.invalid_as(quote(value), messages.join(";"));
                }
            }
            "Exists" if !value.is_empty() => {
                operator.invalid_as(quote(value), "value must be empty when `operator` is 'Exists'");
            }
            "Exists" => {}
            // Alpha in 1.36 (`TaintTolerationComparisonOperators`), so off.
            "Lt" | "Gt" => operator.unsupported(&["Equal", "Exists", "Lt", "Gt"]),
            _ => operator.unsupported(&["Equal", "Exists"]),
        }
        if !effect.is_empty() {
            taint_effect(&effect);
        }
    }
}

pub(super) fn spread_constraints(list: &At<'_, '_>) {
    let mut later = Seen::new();
    let repeated: BTreeSet<usize> = list
        .list()
        .iter()
        .enumerate()
        .rev()
        .filter(|(_, constraint)| {
            let text = |name: &str| constraint.get(name).and_then(Value::as_str).unwrap_or("");
            !later.insert((text("topologyKey"), text("whenUnsatisfiable")))
        })
        .map(|(index, _)| index)
        .collect();
    for (index, constraint) in list.items().enumerate() {
        let skew = constraint.field("maxSkew");
        if skew.number() <= 0 {
            skew.invalid_number("must be greater than zero");
        }
        let (key, action) = (constraint.field("topologyKey"), constraint.field("whenUnsatisfiable"));
        if key.is_empty() {
            key.required("can not be empty");
        }
        action.one_of(&["DoNotSchedule", "ScheduleAnyway"]);
        if repeated.contains(&index) {
            let both = constraint.shown("{topologyKey, whenUnsatisfiable}");
            both.duplicate_as(quote(&format!("{{{}, {}}}", key.text(), action.text())), "");
        }
        min_domains(&constraint.field("minDomains"), action.text());
        for policy in ["nodeAffinityPolicy", "nodeTaintsPolicy"] {
            constraint.field(policy).optional_one_of(&["Honor", "Ignore"]);
        }
        label_keys(&constraint);
        rules::label_selector(&constraint.field("labelSelector"));
    }
}

fn min_domains(at: &At<'_, '_>, action: &str) {
    if !at.is_set() {
        return;
    }
    if at.number() <= 0 {
        at.invalid_number("must be greater than zero");
    }
    if action != "DoNotSchedule" {
        at.invalid(format!("can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}"));
    }
}

/// Keys whose values are taken from the pod, beside the selector
/// (`ValidateMatchLabelKeysAndMismatchLabelKeys`).
pub(super) fn label_keys(at: &At<'_, '_>) {
    let (keys, mismatch, selector) =
        (at.field("matchLabelKeys"), at.field("mismatchLabelKeys"), at.field("labelSelector"));
    for list in [keys, mismatch].iter().filter(|list| !list.is_empty()) {
        if selector.is_set() {
            list.items().for_each(|key| rules::label_name(&key));
        } else {
            list.forbidden("must not be specified when labelSelector is not set");
        }
    }
    if keys.is_empty() {
        return;
    }
    let mut selected: BTreeSet<&str> = BTreeSet::new();
    selected.extend(selector.field("matchLabels").map().into_iter().flatten().map(|(key, _)| key.as_str()));
    let indices: BTreeMap<&str, usize> =
        keys.list().iter().filter_map(Value::as_str).enumerate().map(|(index, key)| (key, index)).collect();
    for expression in selector.field("matchExpressions").items() {
        let key = expression.field("key");
        if let (Some(index), false) = (indices.get(key.text()), selected.insert(key.text())) {
            at.item(key.value(), *index).invalid_text("exists in both matchLabelKeys and labelSelector");
        }
    }
    let mismatched: BTreeSet<&str> = mismatch.list().iter().filter_map(Value::as_str).collect();
    for key in keys.items().filter(|key| mismatched.contains(key.text())) {
        key.invalid_text("exists in both matchLabelKeys and mismatchLabelKeys");
    }
}
