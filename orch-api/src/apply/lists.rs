//! Lists in the three-way merge: by key, as a set, or replaced whole. Pure.

use serde_json::Value;

use super::three_way::{retained, value};
use crate::schema::{Field, ListType, TypeRef};
use crate::tree::Get;

/// Merges a list as its field says.
pub(super) fn list(
    original: &[Value],
    modified: &[Value],
    current: &[Value],
    ty: Option<TypeRef>,
    field: Option<Field>,
) -> Vec<Value> {
    let Some(field) = field else { return modified.to_vec() };
    let keys = keys(field);
    let merges =
        field.patch_strategy().merge || matches!(field.list_type(), Some(ListType::Set | ListType::Map));
    if field.patch_strategy().replace || !merges {
        return modified.to_vec();
    }
    if keys.is_empty() {
        return if modified.iter().chain(current).any(|item| item.is_object() || item.is_array()) {
            modified.to_vec()
        } else {
            set(original, modified, current)
        };
    }
    by_key(original, modified, current, &keys, ty.and_then(TypeRef::item), field)
        .unwrap_or_else(|| modified.to_vec())
}

/// The fields whose values name an item.
fn keys(field: Field) -> Vec<&'static str> {
    let keys: Vec<_> = field.list_keys().collect();
    if keys.is_empty() { field.merge_key().into_iter().collect() } else { keys }
}

/// Of an item that has them all; the protocol of a port is the one key that may be left out.
fn name<'a>(item: &'a Value, keys: &[&str]) -> Option<Vec<&'a Value>> {
    static TCP: std::sync::LazyLock<Value> = std::sync::LazyLock::new(|| Value::from("TCP"));
    keys.iter()
        .map(|key| match item.at(key) {
            None if *key == "protocol" && item.is_object() => Some(&*TCP),
            value => value,
        })
        .collect()
}

fn set(original: &[Value], modified: &[Value], current: &[Value]) -> Vec<Value> {
    let mut wanted: Vec<Value> = Vec::new();
    for item in modified {
        if !wanted.contains(item) {
            wanted.push(item.clone());
        }
    }
    let others = current.iter().filter(|item| !modified.contains(item) && !original.contains(item));
    interleaved(wanted, others.cloned().collect(), |item| current.iter().position(|other| other == item))
}

/// `None` when an item of the manifest has no name or two have the same.
fn by_key(
    original: &[Value],
    modified: &[Value],
    current: &[Value],
    keys: &[&str],
    ty: Option<TypeRef>,
    field: Field,
) -> Option<Vec<Value>> {
    let find = |list: &'_ [Value], wanted: &[&Value]| {
        list.iter().position(|item| name(item, keys).is_some_and(|name| name == wanted))
    };
    let mut merged = Vec::with_capacity(modified.len());
    for (at, item) in modified.iter().enumerate() {
        let wanted = name(item, keys)?;
        if find(modified, &wanted) != Some(at) {
            return None;
        }
        let before = find(original, &wanted).map(|at| &original[at]);
        let now = find(current, &wanted).map(|at| &current[at]);
        merged.push(item_of(before, item, now, ty, field));
    }
    let kept = current.iter().filter(|item| {
        let Some(name) = name(item, keys) else { return true };
        find(modified, &name).is_none() && find(original, &name).is_none()
    });
    let place = |item: &Value| find(current, &name(item, keys)?);
    Some(interleaved(merged, kept.cloned().collect(), place))
}

fn item_of(
    original: Option<&Value>,
    modified: &Value,
    current: Option<&Value>,
    ty: Option<TypeRef>,
    field: Field,
) -> Value {
    let merged = value(original, modified, current, ty, None);
    match (merged, modified, current) {
        (Value::Object(merged), Value::Object(modified), Some(Value::Object(current)))
            if field.patch_strategy().retain_keys =>
        {
            Value::Object(retained(merged, modified, current))
        }
        (merged, _, _) => merged,
    }
}

/// The manifest's items in its order, others where they stood: before the first item that stood behind them
/// (`mergeSortedSlice` of `strategicpatch`).
fn interleaved(
    wanted: Vec<Value>,
    others: Vec<Value>,
    place: impl Fn(&Value) -> Option<usize>,
) -> Vec<Value> {
    let mut list = Vec::with_capacity(wanted.len() + others.len());
    let mut others = others.into_iter().peekable();
    for item in wanted {
        if let Some(at) = place(&item) {
            while let Some(other) = others.next_if(|other| place(other).is_some_and(|other| other < at)) {
                list.push(other);
            }
        }
        list.push(item);
    }
    list.extend(others);
    list
}
