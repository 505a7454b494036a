//! An applied configuration over an object (`structured-merge-diff/typed/merge.go`).
//!
//! Nothing is removed by it. Elements of lists keep the object's order, unless the configuration orders some of them
//! otherwise.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::items::places;
use super::{ListRule, MapRule, Parts, Rule, Shape, list_of};
use crate::patch::fields::Element;
use crate::tree::Tree;

/// The object with the configuration.
///
/// # Errors
/// An element of a list that cannot be named, or stands twice in the configuration.
pub(crate) fn merge(live: &Value, config: &Value, shape: Shape<'_>) -> Result<Value, String> {
    Ok(value(shape, Some(live), Some(config))?.unwrap_or(Value::Null))
}

type Side<'v> = Option<&'v Value>;

fn value(shape: Shape<'_>, old: Side<'_>, new: Side<'_>) -> Result<Option<Value>, String> {
    let rule = if new.is_some() { shape.rule(new) } else { shape.rule(old) };
    match rule {
        Rule::Map(rule) => {
            let (before, after) = (old.and_then(Value::as_object), new.and_then(Value::as_object));
            let is_empty = |map: Option<&Tree>| map.is_none_or(Tree::is_empty);
            if !(rule.is_atomic || is_empty(before) && is_empty(after)) {
                return map(rule, before, after);
            }
        }
        Rule::List(rule) => {
            let (before, after) = (list_of(old), list_of(new));
            if rule.parts != Parts::Atomic && !(before.is_empty() && after.is_empty()) {
                return list(&rule, before, after);
            }
        }
        Rule::Scalar(_) => {}
    }
    Ok(new.or(old).cloned())
}

fn map(rule: MapRule<'_>, old: Option<&Tree>, new: Option<&Tree>) -> Result<Option<Value>, String> {
    let mut out = Tree::new();
    let names: BTreeSet<&String> = [old, new].into_iter().flatten().flat_map(Tree::keys).collect();
    for name in names {
        let (before, after) = (old.and_then(|map| map.get(name)), new.and_then(|map| map.get(name)));
        let shape = rule.field(name).unwrap_or(Shape::Deduced);
        if let Some(merged) = value(shape, before, after).map_err(|why| format!(".{name}{why}"))? {
            out.insert(name.clone(), merged);
        }
    }
    Ok((!out.is_empty()).then_some(Value::Object(out)))
}

fn list(rule: &ListRule<'_>, old: &[Value], new: &[Value]) -> Result<Option<Value>, String> {
    let new = rule.index(new).map_err(|why| format!(": {why}"))?;
    let old = rule.index(old).map_err(|why| format!(": {why}"))?;
    let after = places(&new);
    if let Some((element, _)) = after.iter().find(|(_, items)| items.len() > 1) {
        return Err(format!(": duplicate entries for key {element}"));
    }
    let mut merge = ListMerge { rule, before: places(&old), after, out: Vec::new(), done: BTreeSet::new() };
    merge.run(&old, &new)?;
    Ok((!merge.out.is_empty()).then_some(Value::Array(merge.out)))
}

struct ListMerge<'r, 's, 'v> {
    rule: &'r ListRule<'s>,
    before: BTreeMap<Element, Vec<&'v Value>>,
    after: BTreeMap<Element, Vec<&'v Value>>,
    out: Vec<Value>,
    done: BTreeSet<Element>,
}

impl ListMerge<'_, '_, '_> {
    /// Walks both lists at once. Shared elements come in the order of the configuration; the object's own stay between
    /// those they stand between.
    fn run(&mut self, old: &[(Element, &Value)], new: &[(Element, &Value)]) -> Result<(), String> {
        let is_shared = |element: &&Element| self.before.contains_key(*element);
        let shared: Vec<&Element> = new.iter().map(|(element, _)| element).filter(is_shared).collect();
        let mut shared = shared.into_iter();
        let mut next = shared.next();
        let (mut left, mut right) = (0, 0);
        while left < old.len() || right < new.len() {
            if let (Some((ours, _)), Some((theirs, _))) = (old.get(left), new.get(right)) {
                if ours == theirs {
                    self.take(ours)?;
                    (left, right, next) = (left + 1, right + 1, shared.next());
                    continue;
                }
                if self.after.contains_key(ours) && next.is_some_and(|next| next != ours) {
                    // A shared one, but another is first.
                    left += 1;
                    continue;
                }
            }
            if let Some((ours, item)) = old.get(left) {
                if !self.after.contains_key(ours) {
                    self.push(ours, Some(item), None)?;
                    left += 1;
                    continue;
                }
                if self.done.contains(ours) {
                    left += 1;
                }
            }
            if let Some((theirs, _)) = new.get(right) {
                self.take(theirs)?;
                right += 1;
                if next == Some(theirs) {
                    next = shared.next();
                }
            }
        }
        Ok(())
    }

    /// Merges an element of the configuration with the object's; one that stands there twice is replaced.
    fn take(&mut self, element: &Element) -> Result<(), String> {
        let old = match self.before.get(element).map(Vec::as_slice) {
            None => None,
            Some([item]) => Some(*item),
            Some(_) => Some(&Value::Null),
        };
        let new = self.after.get(element).and_then(|items| items.first().copied());
        self.done.insert(element.clone());
        self.push(element, old, new)
    }

    fn push(&mut self, element: &Element, old: Side<'_>, new: Side<'_>) -> Result<(), String> {
        let merged = value(self.rule.item, old, new).map_err(|why| format!("{element}{why}"))?;
        self.out.extend(merged);
        Ok(())
    }
}
