//! Rules of storage classes (`pkg/apis/storage/validation/validation.go`).
//!
//! Not the meaning of parameters: those are the provisioner's. The invariant of an update: how volumes are made stays.

use std::collections::{BTreeMap, BTreeSet};

use orch_core::{Scope, names};

use super::super::at::At;
use super::super::meta::{self, Change};
use super::super::rules::{self, Seen};

/// Most bytes of all parameters together.
const PARAMETERS_SIZE_MAX: usize = 256 * 1024;
/// Most parameters.
const PARAMETERS_MAX: usize = 512;

pub(in super::super) fn class(object: &At<'_, '_>) {
    meta::object(object, Scope::Cluster, names::dns1123_subdomain);
    let provisioner = object.field("provisioner");
    provisioner.required_name(|name| names::qualified_name(&rules::lowercase(name)));
    parameters(&object.field("parameters"));
    let policy = object.field("reclaimPolicy");
    if !policy.is_empty() {
        policy.one_of(&["Delete", "Retain"]);
    }
    let mode = object.field("volumeBindingMode");
    if mode.is_set() {
        mode.one_of(&["Immediate", "WaitForFirstConsumer"])
    } else {
        mode.required("")
    }
    topologies(&object.field("allowedTopologies"));
}

pub(in super::super) fn class_update(change: &Change<'_, '_>) {
    class(&change.new);
    change.metadata();
    for name in ["parameters", "provisioner", "reclaimPolicy", "volumeBindingMode"] {
        rules::immutable(&change.new.field(name), change.old.get(name));
    }
}

pub(super) fn parameters(parameters: &At<'_, '_>) {
    if parameters.len() > PARAMETERS_MAX {
        parameters.too_long(PARAMETERS_MAX);
        return;
    }
    let mut size = 0;
    for (key, value) in parameters.entries() {
        if key.is_empty() {
            parameters.invalid_as("\"\"", "field can not be empty.");
        }
        size += key.len() + value.len();
    }
    if size > PARAMETERS_SIZE_MAX {
        parameters.too_long(PARAMETERS_SIZE_MAX);
    }
}

fn topologies(terms: &At<'_, '_>) {
    let mut seen = BTreeSet::new();
    for term in terms.items() {
        let expressions = term.field("matchLabelExpressions");
        let meaning = topology(&expressions);
        // Upstream takes an empty term for a duplicate, too.
        if meaning.is_empty() || !seen.insert(meaning) {
            expressions.duplicate_as("\"\"", "");
        }
    }
}

fn topology<'v>(expressions: &At<'v, '_>) -> BTreeMap<&'v str, BTreeSet<&'v str>> {
    let mut meaning = BTreeMap::new();
    for expression in expressions.items() {
        let (key, values) = (expression.field("key"), expression.field("values"));
        if values.is_empty() {
            values.required("");
        }
        let mut seen = Seen::new();
        values.items().filter(|value| !seen.insert(value.text())).for_each(|value| value.duplicate());
        rules::label_name(&key);
        let texts = values.list().iter().filter_map(|value| value.as_str()).collect();
        if meaning.insert(key.text(), texts).is_some() {
            key.duplicate();
        }
    }
    meaning
}
