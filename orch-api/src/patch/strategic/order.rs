//! The order of merged lists: that of `$setElementOrder`, then that of the patch, then that of the object.

use serde_json::Value;

use super::lists::{Elements, List, elements, go_kind, identity, key_of, map, places};
use super::{Error, PATCH, SET_ORDER, TypeRef, facts, without_directives};
use crate::tree::Tree;

const BAD_ORDER: &str = "invalid patch format of setElementOrder list";

/// Merges and orders every list that has a `$setElementOrder`, and takes both out of the patch.
pub(super) fn apply(live: &mut Tree, patch: &mut Tree, ty: Option<TypeRef>) -> Result<(), Error> {
    let directives: Vec<String> = patch.keys().filter(|name| name.starts_with(SET_ORDER)).cloned().collect();
    for directive in directives {
        let order = patch.remove(&directive).unwrap_or_default();
        let Value::Array(order) = order else { return Err(not_a_list(&order)) };
        let name = directive.strip_prefix(SET_ORDER).and_then(|rest| rest.strip_prefix('/'));
        let name = name.ok_or_else(|| Error::malformed(BAD_ORDER))?;
        let (old, change) = (list(live.get(name))?, list(patch.get(name))?);
        let rule = List::of(facts(ty, name)?)?;
        agrees(change.unwrap_or_default(), &order, rule.key)?;
        let merged = match (old, change) {
            (None, None) => continue,
            (Some(old), None) => old.to_vec(),
            (None, Some(change)) => change.iter().cloned().filter_map(without_directives).collect(),
            (Some(old), Some(change)) => rule.merge(old.to_vec(), change.to_vec())?,
        };
        let (old, change) = (old.unwrap_or_default(), change.unwrap_or_default());
        let key = if elements(&[old, change])? == Elements::Maps { rule.key } else { None };
        if let Some(key) = key {
            merged.iter().chain(&order).try_for_each(|element| key_of(map(element)?, key).map(drop))?;
        }
        let ordered = in_order(merged, &order, old, key);
        live.insert(name.to_owned(), Value::Array(ordered));
        patch.remove(name);
    }
    Ok(())
}

fn list(value: Option<&Value>) -> Result<Option<&[Value]>, Error> {
    match value {
        None => Ok(None),
        Some(Value::Array(list)) => Ok(Some(list)),
        Some(other) => Err(not_a_list(other)),
    }
}

fn not_a_list(value: &Value) -> Error {
    Error::unfit(format!("expected a []interface {{}}, but received a {}", go_kind(value)))
}

/// The elements of the patch must stand in the order, in that order.
fn agrees(patch: &[Value], order: &[Value], key: Option<&str>) -> Result<(), Error> {
    if patch.is_empty() || order.is_empty() {
        return Ok(());
    }
    let is_directive = |element: &&Value| element.get(PATCH).is_some();
    let mut rest = order.iter();
    for element in patch.iter().filter(|element| !is_directive(element)) {
        let mut found = false;
        for place in rest.by_ref() {
            if is_same(element, place, key)? {
                found = true;
                break;
            }
        }
        if !found {
            return Err(Error::unfit(format!(
                "The order in patch list:\n{}\n doesn't match {SET_ORDER} list:\n{}\n",
                Value::Array(patch.to_vec()),
                Value::Array(order.to_vec())
            )));
        }
    }
    Ok(())
}

fn is_same(a: &Value, b: &Value, key: Option<&str>) -> Result<bool, Error> {
    match key {
        None => Ok(a == b),
        Some(key) => Ok(key_of(map(a)?, key)? == key_of(map(b)?, key)?),
    }
}

/// Orders a merged list: what `order` names as it says, the others as in the object, and the two between each other as in
/// the object as far as that goes.
pub(super) fn in_order(merged: Vec<Value>, order: &[Value], live: &[Value], key: Option<&str>) -> Vec<Value> {
    let (order, live) = (places(order, key), places(live, key));
    let (mut named, mut others) = (Vec::new(), Vec::new());
    for element in merged {
        let identity = identity(&element, key);
        let before = live.get(&identity).copied();
        match order.get(&identity) {
            Some(at) => named.push((*at, before, element)),
            None => others.push((before.unwrap_or(usize::MAX), before, element)),
        }
    }
    named.sort_by_key(|(at, ..)| *at);
    others.sort_by_key(|(at, ..)| *at);
    let mut all = Vec::with_capacity(named.len() + others.len());
    let (mut named, mut others) = (named.into_iter().peekable(), others.into_iter().peekable());
    while let (Some((_, other, _)), Some((_, next, _))) = (others.peek(), named.peek()) {
        // What is new has no place in the object: it comes first.
        let is_first = matches!((other, next), (Some(other), Some(next)) if other < next);
        all.extend(if is_first { others.next() } else { named.next() }.map(|(.., element)| element));
    }
    all.extend(others.chain(named).map(|(.., element)| element));
    all
}
