//! Events: two names for each field.

use serde_json::Value;

use crate::tree::{Get, Tree};

/// The name in `events.k8s.io/v1` and that in `v1`.
const NAMES: [(&str, &str); 7] = [
    ("regarding", "involvedObject"),
    ("note", "message"),
    ("reportingController", "reportingComponent"),
    ("deprecatedSource", "source"),
    ("deprecatedFirstTimestamp", "firstTimestamp"),
    ("deprecatedLastTimestamp", "lastTimestamp"),
    ("deprecatedCount", "count"),
];

pub(super) const FIELDS: &[(&str, &str)] = &[
    ("reason", "reason"),
    ("regarding.kind", "involvedObject.kind"),
    ("regarding.namespace", "involvedObject.namespace"),
    ("regarding.name", "involvedObject.name"),
    ("regarding.uid", "involvedObject.uid"),
    ("regarding.apiVersion", "involvedObject.apiVersion"),
    ("regarding.resourceVersion", "involvedObject.resourceVersion"),
    ("regarding.fieldPath", "involvedObject.fieldPath"),
    ("reportingController", "reportingComponent"),
    ("type", "type"),
    ("metadata.namespace", "metadata.namespace"),
    ("metadata.name", "metadata.name"),
];

fn rename(tree: &mut Tree, from: &str, to: &str) {
    if let Some(value) = tree.remove(from) {
        tree.insert(to.to_owned(), value);
    }
}

pub(super) fn to_core(tree: &mut Tree) {
    NAMES.iter().for_each(|(new, old)| rename(tree, new, old));
}

pub(super) fn from_core(tree: &mut Tree) {
    NAMES.iter().for_each(|(new, old)| rename(tree, old, new));
    // What the other form always writes this one leaves out when it is empty.
    for field in ["reportingController", "reportingInstance", "note"] {
        if tree.contains_key(field) && tree.is_unset(field) && !tree.get(field).is_some_and(Value::is_object)
        {
            tree.remove(field);
        }
    }
}
