//! Lists in strategic merge patches: replaced, merged by a key, or merged as sets of scalars.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::order::in_order;
use super::{Error, Facts, PATCH, merge_map, unknown_directive};
use crate::patch::typed::go_map;
use crate::schema::{Type, TypeRef};
use crate::tree::Tree;

/// How a list merges.
#[derive(Clone, Copy)]
pub(super) struct List {
    is_merged: bool,
    pub(super) key: Option<&'static str>,
    item: Option<TypeRef>,
}

/// Of what a list is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Elements {
    Maps,
    Scalars,
}

impl List {
    /// # Errors
    /// [`Error::Unfit`] when the field is no list.
    pub(super) fn of(facts: Facts) -> Result<Self, Error> {
        let item = match facts.below {
            None => None,
            Some(ty) => match ty.get() {
                Type::Array(item) => Some(item),
                Type::Any => None,
                _ => return Err(Error::unfit("expected slice or array type, but got: struct")),
            },
        };
        let is_merged = facts.field.is_some_and(|field| field.patch_strategy().merge);
        Ok(Self { is_merged, key: facts.field.and_then(crate::schema::Field::merge_key), item })
    }

    /// The list with the patch.
    pub(super) fn merge(self, live: Vec<Value>, patch: Vec<Value>) -> Result<Vec<Value>, Error> {
        if !self.is_merged {
            return Ok(patch);
        }
        if live.is_empty() && patch.is_empty() {
            return Ok(live);
        }
        match elements(&[&live, &patch])? {
            Elements::Scalars => {
                let mut seen = BTreeSet::new();
                let all = live.iter().chain(&patch);
                let unique = all.filter(|value| seen.insert(identity(value, None))).cloned().collect();
                Ok(in_order(unique, &patch, &live, None))
            }
            Elements::Maps => {
                let Some(key) = self.key else {
                    return Err(Error::unfit("cannot merge lists without merge key for struct"));
                };
                let (live, patch) = directives(live, patch, key)?;
                let merged = self.merge_maps(live.clone(), &patch, key)?;
                merged.iter().try_for_each(|element| key_of(map(element)?, key).map(drop))?;
                Ok(in_order(merged, &patch, &live, Some(key)))
            }
        }
    }

    /// The list without the scalars that `$deleteFromPrimitiveList` names.
    pub(super) fn delete(self, live: Vec<Value>, gone: Vec<Value>) -> Result<Vec<Value>, Error> {
        if live.is_empty() && gone.is_empty() {
            return Ok(live);
        }
        match elements(&[&live, &gone])? {
            Elements::Scalars => {
                let gone: BTreeSet<String> = gone.iter().map(|value| identity(value, None)).collect();
                Ok(live.into_iter().filter(|value| !gone.contains(&identity(value, None))).collect())
            }
            Elements::Maps => Self { is_merged: true, ..self }.merge(live, gone),
        }
    }

    fn merge_maps(self, mut live: Vec<Value>, patch: &[Value], key: &str) -> Result<Vec<Value>, Error> {
        let mut places = places(&live, Some(key));
        for change in patch {
            let fields = map(change)?;
            key_of(fields, key)?;
            let identity = identity(change, Some(key));
            match places.get(&identity) {
                Some(at) => {
                    let old = live[*at].as_object().cloned().unwrap_or_default();
                    live[*at] = Value::Object(merge_map(old, fields.clone(), self.item)?);
                }
                None => {
                    places.insert(identity, live.len());
                    live.push(change.clone());
                }
            }
        }
        Ok(live)
    }
}

/// Does what elements with `$patch` say; the lists without them.
fn directives(mut live: Vec<Value>, patch: Vec<Value>, key: &str) -> Result<(Vec<Value>, Vec<Value>), Error> {
    let (mut plain, mut gone, mut is_replaced) = (Vec::new(), BTreeSet::new(), false);
    for element in patch {
        let fields = map(&element)?;
        let Some(directive) = fields.get(PATCH) else {
            plain.push(element);
            continue;
        };
        match directive.as_str() {
            Some("delete") => {
                key_of(fields, key)?;
                gone.insert(identity(&element, Some(key)));
            }
            Some("replace") => is_replaced = true,
            Some("merge") => return Err(Error::unfit("merging lists cannot yet be specified in the patch")),
            _ => return Err(unknown_directive(directive, fields)),
        }
    }
    if is_replaced {
        return Ok((plain, Vec::new()));
    }
    if !gone.is_empty() {
        live.retain(|element| !gone.contains(&identity(element, Some(key))));
    }
    Ok((live, plain))
}

/// By what an element is told from the others: its merge key, or itself.
pub(super) fn identity(element: &Value, key: Option<&str>) -> String {
    match key {
        // No JSON text is empty: an element without its key is like no other.
        Some(key) => element.get(key).map_or_else(String::new, Value::to_string),
        None => element.to_string(),
    }
}

/// The first place of every element.
pub(super) fn places(list: &[Value], key: Option<&str>) -> BTreeMap<String, usize> {
    let mut places = BTreeMap::new();
    for (at, element) in list.iter().enumerate() {
        places.entry(identity(element, key)).or_insert(at);
    }
    places
}

/// The value of the merge key of an element.
pub(super) fn key_of<'v>(fields: &'v Tree, key: &str) -> Result<&'v Value, Error> {
    let missing = || format!("map: {} does not contain declared merge key: {key}", go_map(fields));
    fields.get(key).ok_or_else(|| Error::unfit(missing()))
}

pub(super) fn map(value: &Value) -> Result<&Tree, Error> {
    let wrong = || format!("expected a map[string]interface {{}}, but received a {}", go_kind(value));
    value.as_object().ok_or_else(|| Error::unfit(wrong()))
}

/// Go's name of the type of a value.
pub(super) fn go_kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "%!s(<nil>)",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

/// Of what the lists are: all elements of one type, and not lists.
pub(super) fn elements(lists: &[&[Value]]) -> Result<Elements, Error> {
    let mut all = lists.iter().copied().flatten();
    let first = all.next().ok_or_else(|| Error::unfit("no elements in any of the given slices"))?;
    if first.is_array() {
        return Err(Error::unprocessable("lists of lists are not supported"));
    }
    if all.any(|other| go_kind(other) != go_kind(first)) {
        return Err(Error::unfit("list element types are not identical"));
    }
    Ok(if first.is_object() { Elements::Maps } else { Elements::Scalars })
}
