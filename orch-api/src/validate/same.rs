//! Whether two trees mean the same object.
//!
//! Upstream compares decoded objects with `equality.Semantic`, where an absent list is an empty one and `1000m` is
//! `1`; here the trees are compared and those differences of spelling are overlooked. Not a diff. The invariant: the
//! answer is symmetric, and a value is the same as itself.

use orch_core::Quantity;
use serde_json::{Map, Value};

/// Fields whose zero value says something else than their absence: pointers in Go.
const ZERO_MATTERS: &[&str] = &[
    "allowPrivilegeEscalation",
    "automountServiceAccountToken",
    "defaultMode",
    "emptyDir",
    "enableServiceLinks",
    "fsGroup",
    "hostUsers",
    "hostnameOverride",
    "labelSelector",
    "mode",
    "namespaceSelector",
    "preemptionPolicy",
    "priority",
    "runAsGroup",
    "runAsNonRoot",
    "runAsUser",
    "runtimeClassName",
    "selector",
    "storageClassName",
    "terminationGracePeriodSeconds",
    "tolerationSeconds",
    "volumeAttributesClassName",
];

/// Maps whose values are quantities.
const QUANTITIES: &[&str] =
    &["allocatable", "allocatedResources", "capacity", "limits", "overhead", "requests"];

/// Whether `left` and `right` mean the same.
pub(super) fn same(left: &Value, right: &Value) -> bool {
    left == right || same_as(left, right, "", false)
}

/// Whether they mean the same apart from those fields.
pub(super) fn same_but(left: &Value, right: &Value, except: &[&str]) -> bool {
    left == right || differing(left, right).all(|(key, ..)| except.contains(&key))
}

/// The fields in which two objects differ, with both values.
pub(super) fn differing<'v>(
    left: &'v Value,
    right: &'v Value,
) -> impl Iterator<Item = (&'v str, &'v Value, &'v Value)> {
    let (new, old) = (left.as_object(), right.as_object());
    let keys = new.into_iter().flatten().map(|(key, _)| key);
    let gone = old.into_iter().flatten().map(|(key, _)| key).filter(move |key| !has(new, key));
    keys.chain(gone)
        .map(move |key| (key.as_str(), get(new, key), get(old, key)))
        .filter(|(key, new, old)| new != old && !same_as(new, old, key, false))
}

fn has(map: Option<&Map<String, Value>>, key: &str) -> bool {
    map.is_some_and(|map| map.contains_key(key))
}

fn get<'v>(map: Option<&'v Map<String, Value>>, key: &str) -> &'v Value {
    static ABSENT: Value = Value::Null;
    map.and_then(|map| map.get(key)).unwrap_or(&ABSENT)
}

fn same_as(left: &Value, right: &Value, key: &str, is_quantity: bool) -> bool {
    let is_quantity = is_quantity || matches!(key, "sizeLimit" | "divisor");
    match (left, right) {
        _ if left == right => true,
        (Value::Null, zero) | (zero, Value::Null) => is_zero(zero) && !ZERO_MATTERS.contains(&key),
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len()
                && left.iter().zip(right).all(|(left, right)| same_as(left, right, "", false))
        }
        (Value::Object(_), Value::Object(_)) => {
            let quantities = QUANTITIES.contains(&key);
            differing_as(left, right, quantities)
        }
        _ => is_quantity && quantity(left).is_some_and(|left| quantity(right) == Some(left)),
    }
}

fn differing_as(left: &Value, right: &Value, quantities: bool) -> bool {
    let (left, right) = (left.as_object(), right.as_object());
    let all = |one, other, check_both: fn(bool) -> bool| {
        let map: Option<&Map<String, Value>> = one;
        map.into_iter()
            .flatten()
            .filter(|(key, _)| check_both(has(other, key)))
            .all(|(key, value)| same_as(value, get(other, key), key, quantities))
    };
    all(left, right, |_| true) && all(right, left, |in_both| !in_both)
}

fn quantity(value: &Value) -> Option<Quantity> {
    match value {
        Value::String(text) => text.parse().ok(),
        Value::Number(number) => number.to_string().parse().ok(),
        _ => None,
    }
}

/// What Go would leave out.
fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => {
            map.iter().all(|(key, value)| is_zero(value) && !ZERO_MATTERS.contains(&key.as_str()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(left: &Value, right: &Value, expected: bool) {
        assert_eq!(same(left, right), expected, "{left} {right}");
        assert_eq!(same(right, left), expected, "{right} {left}");
    }

    #[test]
    fn spelling_makes_no_difference() {
        check(&json!({"a": []}), &json!({}), true);
        check(&json!({"resources": {}}), &json!({}), true);
        check(&json!({"hostNetwork": false, "subPath": ""}), &json!({}), true);
        check(
            &json!({"limits": {"cpu": "1000m", "memory": 1024}}),
            &json!({"limits": {"cpu": "1", "memory": "1Ki"}}),
            true,
        );
        check(&json!({"spec": {"hostPID": false}}), &json!({}), true);
    }

    #[test]
    fn meaning_makes_a_difference() {
        check(&json!({"a": 1}), &json!({"a": 2}), false);
        check(&json!({"a": [1]}), &json!({"a": [1, 2]}), false);
        check(&json!({"name": "1000m"}), &json!({"name": "1"}), false);
        check(&json!({"emptyDir": {}}), &json!({}), false);
        check(&json!({"runAsUser": 0}), &json!({}), false);
        check(&json!({"storageClassName": ""}), &json!({}), false);
        check(&json!({"a": {"b": 1}}), &json!({}), false);
    }

    #[test]
    fn exceptions_are_by_name() {
        assert!(same_but(&json!({"a": 1, "b": 1}), &json!({"a": 2, "b": 1}), &["a"]));
        assert!(!same_but(&json!({"a": 1, "b": 1}), &json!({"a": 2, "b": 3}), &["a"]));
    }
}
