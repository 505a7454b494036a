//! JSON merge patch (RFC 7386): `null` removes, objects are merged, everything else replaces.
//!
//! Not a strategic merge: lists are replaced whole.

use serde_json::{Map, Value};

/// Changes `target` as the patch says.
///
/// ```
/// use serde_json::json;
/// let mut target = json!({"a": {"b": 1, "c": 2}, "d": [1]});
/// orch_api::merge_patch(&mut target, &json!({"a": {"b": null, "e": 3}, "d": [2]}));
/// assert_eq!(target, json!({"a": {"c": 2, "e": 3}, "d": [2]}));
/// ```
pub fn merge_patch(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        target.clone_from(patch);
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    if let Value::Object(target) = target {
        merge_object(target, patch);
    }
}

fn merge_object(target: &mut Map<String, Value>, patch: &Map<String, Value>) {
    for (field, change) in patch {
        match (target.get_mut(field), change) {
            (Some(_), Value::Null) => {
                target.remove(field);
            }
            (None, Value::Null) => {}
            (Some(value), change) => merge_patch(value, change),
            (None, change) => {
                let mut value = Value::Null;
                merge_patch(&mut value, change);
                target.insert(field.clone(), value);
            }
        }
    }
}

/// What [`merge_patch`] would make of a value, without a copy of what the patch replaces.
pub(crate) fn merged(target: &Value, patch: Value) -> Value {
    let Value::Object(patch) = patch else { return patch };
    let kept = target.as_object().into_iter().flatten().filter(|(field, _)| !patch.contains_key(*field));
    let mut new: Map<String, Value> = kept.map(|(field, value)| (field.clone(), value.clone())).collect();
    for (field, change) in patch {
        if !change.is_null() {
            let value = merged(target.get(&field).unwrap_or(&Value::Null), change);
            new.insert(field, value);
        }
    }
    Value::Object(new)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "tables read better with json! in place")]
    fn check(mut target: Value, patch: Value, expected: Value) {
        merge_patch(&mut target, &patch);
        assert_eq!(target, expected);
    }

    #[test]
    fn the_examples_of_the_rfc_hold() {
        check(json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"}));
        check(json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"}));
        check(json!({"a": "b"}), json!({"a": null}), json!({}));
        check(json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"}));
        check(json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"}));
        check(json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]}));
        check(json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}}));
        check(json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]}));
        check(json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"]));
        check(json!({"a": "b"}), json!(["c"]), json!(["c"]));
        check(json!({"a": "foo"}), json!(null), json!(null));
        check(json!({"a": "foo"}), json!("bar"), json!("bar"));
        check(json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1}));
        check(json!([1, 2]), json!({"a": "b", "c": null}), json!({"a": "b"}));
        check(json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}}));
    }

    pub(crate) fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            "[a-c]{0,2}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-c]", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn merged_is_what_a_patch_makes(target in any_json(), patch in any_json()) {
            let new = merged(&target, patch.clone());
            let mut expected = target;
            merge_patch(&mut expected, &patch);
            prop_assert_eq!(new, expected);
        }

        #[test]
        fn a_patch_applied_twice_is_applied_once(mut target in any_json(), patch in any_json()) {
            merge_patch(&mut target, &patch);
            let once = target.clone();
            merge_patch(&mut target, &patch);
            prop_assert_eq!(target, once);
        }
    }
}
