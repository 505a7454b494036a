//! `null` means absent: removes it as Kubernetes' decoding into typed objects does.
//!
//! Not for custom resources, whose `null`s are kept. The invariant: a tree that fits its type fits it afterwards.

use serde_json::{Map, Value};

use super::MAX_DEPTH;
use super::types::{Type, TypeRef};

/// Removes the fields of `tree` that are `null`; `null` elements of arrays and maps become their type's empty value.
///
/// That is what decoding in Go leaves of them. Values of type [`Type::Any`] are left as they are, and so is whatever does
/// not fit its type or lies deeper than [`MAX_DEPTH`]: [`super::check`] reports it.
///
/// ```
/// use orch_api::schema::{lookup, prune_nulls};
/// use serde_json::json;
///
/// let mut pod = json!({"metadata": {"creationTimestamp": null, "labels": {"a": null}}, "spec": null});
/// prune_nulls(&mut pod, lookup("", "v1", "Pod").expect("a built-in kind"));
/// assert_eq!(pod, json!({"metadata": {"labels": {"a": ""}}}));
/// ```
pub fn prune_nulls(tree: &mut Value, ty: TypeRef) {
    prune(tree, ty, 0);
}

fn prune(value: &mut Value, ty: TypeRef, depth: usize) {
    if depth >= MAX_DEPTH {
        return;
    }
    match (ty.get(), value) {
        (Type::Object(definition), Value::Object(fields)) => {
            fields.retain(|key, value| !value.is_null() || definition.field(key).is_none());
            for (key, value) in fields.iter_mut() {
                if let Some(field) = definition.field(key) {
                    prune(value, field.ty(), depth + 1);
                }
            }
        }
        (Type::Map(item), Value::Object(entries)) => {
            entries.values_mut().for_each(|value| element(value, item, depth + 1));
        }
        (Type::Array(item), Value::Array(elements)) => {
            elements.iter_mut().for_each(|value| element(value, item, depth + 1));
        }
        _ => {}
    }
}

fn element(value: &mut Value, ty: TypeRef, depth: usize) {
    if value.is_null() {
        *value = empty(ty);
    } else {
        prune(value, ty, depth);
    }
}

/// What Go's decoder leaves in an element that is `null`.
fn empty(ty: TypeRef) -> Value {
    match ty.get() {
        // The zero time is written as `null` again.
        Type::Any | Type::Time | Type::MicroTime => Value::Null,
        Type::String | Type::Bytes => Value::from(""),
        Type::Int32 | Type::Int64 | Type::Number | Type::IntOrString => Value::from(0),
        Type::Boolean => Value::from(false),
        Type::Quantity => Value::from("0"),
        Type::Map(_) | Type::Object(_) => Value::Object(Map::new()),
        Type::Array(_) => Value::Array(Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::lookup;
    use serde_json::json;

    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "tables read better with json! in place")]
    fn pruned(group: &str, kind: &str, mut tree: Value, expected: Value) {
        prune_nulls(&mut tree, lookup(group, "v1", kind).unwrap());
        assert_eq!(tree, expected);
    }

    #[test]
    fn null_fields_are_removed_at_every_level() {
        pruned(
            "",
            "Pod",
            json!({"spec": {"volumes": null, "nodeName": "n"}}),
            json!({"spec": {"nodeName": "n"}}),
        );
        pruned("", "Pod", json!(null), json!(null));
    }

    #[test]
    fn null_elements_become_the_empty_value() {
        pruned(
            "",
            "Pod",
            json!({"spec": {"overhead": {"cpu": null}, "containers": [null, {"args": [null, "a"], "env": null}]}}),
            json!({"spec": {"overhead": {"cpu": "0"}, "containers": [{}, {"args": ["", "a"]}]}}),
        );
    }

    #[test]
    fn raw_values_keep_their_nulls() {
        let tree = json!({"data": {"spec": null, "list": [null]}});
        pruned("apps", "ControllerRevision", tree.clone(), tree);
    }

    #[test]
    fn what_does_not_fit_is_left_for_check() {
        let tree = json!({"unknown": null, "spec": [null]});
        pruned("", "Pod", tree.clone(), tree);
    }
}
