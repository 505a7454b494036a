//! What a job makes of pods that fail, and when it has succeeded.
//!
//! Source: `pkg/apis/batch/validation/validation.go`. The ranges of indexes are read in `super::status`, which has them, too.

use std::collections::BTreeSet;

use orch_core::names;

use super::super::at::At;
use super::super::rules::Seen;
use super::status::indexes;
use super::{INDEXED, is_indexed};

const RULES_MAX: usize = 20;
const EXIT_CODES_MAX: usize = 255;
const PATTERNS_MAX: usize = 20;
const INDEXES_MAX: usize = 64 * 1024;
const ACTIONS: &[&str] = &["Count", "FailIndex", "FailJob", "Ignore"];

/// Texts as Go prints a list of quoted ones.
fn quoted(values: &[&str]) -> String {
    let all: Vec<_> = values.iter().map(|value| format!("\"{value}\"")).collect();
    format!("valid values: [{}]", all.join(" "))
}

/// A text that must be there and one of those, with words of its own when it is not.
fn choice(at: &At<'_, '_>, values: &[&str]) {
    if at.is_empty() { at.required(quoted(values)) } else { at.one_of(values) }
}

pub(super) fn failure(spec: &At<'_, '_>) {
    let policy = spec.field("podFailurePolicy");
    let list = policy.field("rules");
    if list.len() > RULES_MAX {
        list.too_many(RULES_MAX);
    }
    let pod = spec.get("template").get("spec");
    let named = |list: &str| pod.and_then(|pod| pod.get(list)).and_then(serde_json::Value::as_array);
    let containers: BTreeSet<&str> = ["containers", "initContainers"]
        .into_iter()
        .filter_map(named)
        .flatten()
        .filter_map(|container| container.get("name")?.as_str())
        .collect();
    for rule in list.items() {
        let action = rule.field("action");
        if action.text() == "FailIndex" && !spec.has("backoffLimitPerIndex") {
            action.invalid_text("requires the backoffLimitPerIndex to be set");
        } else {
            choice(&action, ACTIONS);
        }
        let (codes, conditions) = (rule.field("onExitCodes"), rule.field("onPodConditions"));
        if codes.is_set() {
            exit_codes(&codes, &containers);
        }
        pod_conditions(&conditions);
        match (codes.is_set(), !conditions.is_empty()) {
            (true, true) => {
                rule.invalid_unshown("specifying both OnExitCodes and OnPodConditions is not supported");
            }
            (false, false) => {
                rule.invalid_unshown("specifying one of OnExitCodes and OnPodConditions is required");
            }
            _ => {}
        }
    }
}

fn pod_conditions(list: &At<'_, '_>) {
    if list.len() > PATTERNS_MAX {
        list.too_many(PATTERNS_MAX);
    }
    for pattern in list.items() {
        pattern.field("type").named(names::qualified_name);
        choice(&pattern.field("status"), &["False", "True", "Unknown"]);
    }
}

fn exit_codes(codes: &At<'_, '_>, containers: &BTreeSet<&str>) {
    let (operator, container) = (codes.field("operator"), codes.field("containerName"));
    choice(&operator, &["In", "NotIn"]);
    if container.is_set() && !containers.contains(container.text()) {
        container.invalid_text("must be one of the container or initContainer names in the pod template");
    }
    let values = codes.field("values");
    if values.is_empty() {
        values.invalid("at least one value is required");
    } else if values.len() > EXIT_CODES_MAX {
        values.too_many(EXIT_CODES_MAX);
    }
    let mut seen = Seen::new();
    for value in values.items() {
        if operator.text() == "In" && value.number() == 0 {
            value.invalid_number("must not be 0 for the In operator");
        }
        if !seen.insert(value.number()) {
            value.duplicate();
        }
    }
    if !values.items().map(|value| value.number()).is_sorted() {
        values.invalid("must be ordered");
    }
}

pub(super) fn replacement(spec: &At<'_, '_>) {
    let policy = spec.field("podReplacementPolicy");
    if spec.has("podFailurePolicy") {
        policy.optional_one_of(&["Failed"]);
    } else {
        policy.optional_one_of(&["Failed", "TerminatingOrFailed"]);
    }
}

pub(super) fn success(spec: &At<'_, '_>) {
    let policy = spec.field("successPolicy");
    if !policy.is_set() {
        return;
    }
    if !is_indexed(spec) {
        debug_assert_ne!(spec.get_text("completionMode"), INDEXED);
        return policy.invalid("requires indexed completion mode");
    }
    let list = policy.field("rules");
    if list.is_empty() {
        list.required("at least one rules must be specified when the successPolicy is specified");
    }
    if list.len() > RULES_MAX {
        list.too_many(RULES_MAX);
    }
    let completions = spec.field("completions").number();
    list.items().for_each(|rule| success_rule(&rule, completions));
}

fn success_rule(rule: &At<'_, '_>, completions: i64) {
    let (count, succeeded) = (rule.field("succeededCount"), rule.field("succeededIndexes"));
    if !count.is_set() && !succeeded.is_set() {
        rule.required("at least one of succeededCount or succeededIndexes must be specified");
    }
    let mut total = 0;
    if succeeded.is_set() {
        if succeeded.len() > INDEXES_MAX {
            succeeded.too_long(INDEXES_MAX);
        }
        match indexes(succeeded.text(), completions) {
            Ok(ranges) => total = ranges.iter().map(|(first, last)| last - first + 1).sum(),
            Err(why) => succeeded.invalid_text(format!("error parsing succeededIndexes: {why}")),
        }
    }
    if !count.is_set() {
        return;
    }
    count.non_negative();
    if count.number() > completions {
        count.invalid_number(format!(
            "must be less than or equal to {completions} (the number of specified completions)"
        ));
    }
    if succeeded.is_set() && count.number() > total {
        count.invalid_number(format!(
            "must be less than or equal to {total} (the number of indexes in the specified succeededIndexes field)"
        ));
    }
}
