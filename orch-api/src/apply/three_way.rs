//! The three-way merge: what the last manifest had, what the new one has, what is there now. Pure.
//!
//! Structure comes from the schema of Kubernetes' own kinds; without one, objects are merged and lists replaced whole, as
//! a JSON merge patch does.

use serde_json::{Map, Value};

use super::lists;
use crate::schema::{Field, TypeRef};

/// What `current` becomes when `modified` is applied after `original`: fields of `modified` are set, fields that only
/// `original` has are removed, others stay. Lists are merged by their keys where the type has any.
///
/// ```
/// use orch_api::apply::three_way;
/// use serde_json::json;
/// let (original, modified) = (json!({"a": 1, "b": 2}), json!({"a": 3}));
/// let current = json!({"a": 1, "b": 2, "set by others": true});
/// assert_eq!(three_way(Some(&original), &modified, &current, None), json!({"a": 3, "set by others": true}));
/// ```
#[must_use]
pub fn three_way(original: Option<&Value>, modified: &Value, current: &Value, ty: Option<TypeRef>) -> Value {
    value(original, modified, Some(current), ty, None)
}

/// One value, and the field of the type that it stands in.
pub(super) fn value(
    original: Option<&Value>,
    modified: &Value,
    current: Option<&Value>,
    ty: Option<TypeRef>,
    field: Option<Field>,
) -> Value {
    match (modified, current) {
        (Value::Object(modified), Some(Value::Object(current))) => {
            let merged = object(original.and_then(Value::as_object), modified, current, ty);
            let retains = field.is_some_and(|field| field.patch_strategy().retain_keys);
            Value::Object(if retains { retained(merged, modified, current) } else { merged })
        }
        // A new object: nothing is there to be removed from, but `null`s in it mean nothing.
        (Value::Object(modified), _) => Value::Object(object(None, modified, &Map::new(), ty)),
        (Value::Array(modified), Some(Value::Array(current))) => {
            let original = original.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            Value::Array(lists::list(original, modified, current, ty, field))
        }
        _ => modified.clone(),
    }
}

type Fields = Map<String, Value>;

fn object(original: Option<&Fields>, modified: &Fields, current: &Fields, ty: Option<TypeRef>) -> Fields {
    let mut merged = current.clone();
    for (name, new) in modified {
        if new.is_null() {
            merged.remove(name);
            continue;
        }
        let (ty, field) = inside(ty, name);
        let value =
            value(original.and_then(|original| original.get(name)), new, current.get(name), ty, field);
        merged.insert(name.clone(), value);
    }
    for name in original.into_iter().flat_map(Map::keys).filter(|name| !modified.contains_key(*name)) {
        merged.remove(name);
    }
    merged
}

/// The type of a field, or of a map's value.
fn inside(ty: Option<TypeRef>, name: &str) -> (Option<TypeRef>, Option<Field>) {
    let Some(ty) = ty else { return (None, None) };
    match ty.field(name) {
        Some(field) => (Some(field.ty()), Some(field)),
        None => (ty.item(), None),
    }
}

/// Of a union, a change of one member drops the others (the patch strategy `retainKeys`); defaults of the server stay
/// while nothing changes.
pub(super) fn retained(merged: Fields, modified: &Fields, current: &Fields) -> Fields {
    if merged == *current {
        return merged;
    }
    merged.into_iter().filter(|(name, _)| modified.contains_key(name)).collect()
}
