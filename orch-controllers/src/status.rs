//! Writes of a status: only what changed, only at the revision that was observed.

use orch_core::object::Part;
use orch_core::{Object, Write};
use serde_json::{Map, Value, json};

/// The status that is written.
pub(crate) fn read(object: &Object) -> Value {
    object.part_to(Part::Status).unwrap_or(Value::Null)
}

/// A count that Kubernetes leaves out when it is zero.
pub(crate) fn count(number: i32) -> Value {
    if number == 0 { Value::Null } else { json!(number) }
}

/// The write that brings the status from `current` to the desired fields; `None` when they are there. A `null` removes.
pub(crate) fn write(object: &Object, current: &Value, desired: Vec<(&'static str, Value)>) -> Option<Write> {
    let same = |current: Option<&Value>, desired: &Value| match (current, desired) {
        (None, desired) => desired.is_null(),
        (Some(current), Value::Null) => current.is_null() || *current == json!(0),
        (Some(current), desired) => current == desired,
    };
    let changed: Map<String, Value> = desired
        .into_iter()
        .filter(|(name, value)| !same(current.get(name), value))
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    (!changed.is_empty()).then(|| {
        Write::merge_status(object.key().clone(), json!({"status": changed}))
            .of(object.uid())
            .at(object.revision())
    })
}
