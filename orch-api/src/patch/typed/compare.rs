//! What differs between two values (`structured-merge-diff/typed/compare.go`).
//!
//! The sets are made from the leaves up, and nothing is made where nothing differs: most of an object is as it was.

use serde_json::Value;

use super::items::places;
use super::{ListRule, MapRule, Parts, Rule, Shape, list_of};
use crate::patch::fields::{Element, FieldSet, same};
use crate::tree::Tree;

/// The fields in which two values differ; none is in two of the sets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Comparison {
    pub(crate) removed: FieldSet,
    pub(crate) modified: FieldSet,
    pub(crate) added: FieldSet,
}

impl Comparison {
    /// The fields whose values somebody set, and those that are gone.
    pub(crate) fn split(mut self) -> (FieldSet, FieldSet) {
        self.modified.add(self.added);
        (self.modified, self.removed)
    }

    /// The comparison without some fields and what is below them.
    pub(crate) fn without(mut self, ignored: &FieldSet) -> Self {
        for set in [&mut self.removed, &mut self.modified, &mut self.added] {
            set.remove_under(ignored);
        }
        self
    }
}

/// Compares the old value with the new one.
///
/// # Errors
/// An element of a list that cannot be named, with its path.
pub(crate) fn compare(old: &Value, new: &Value, shape: Shape<'_>) -> Result<Comparison, String> {
    Ok(value(shape, Some(old), Some(new))?.below)
}

type Side<'v> = Option<&'v Value>;

/// What differs at a value and below it.
#[derive(Default)]
struct Found {
    is_removed: bool,
    is_modified: bool,
    is_added: bool,
    below: Comparison,
}

impl Found {
    fn absorb(&mut self, other: Self) {
        self.is_removed |= other.is_removed;
        self.is_modified |= other.is_modified;
        self.is_added |= other.is_added;
        self.below.removed.add(other.below.removed);
        self.below.modified.add(other.below.modified);
        self.below.added.add(other.below.added);
    }

    fn is_nothing(&self) -> bool {
        let own = self.is_removed || self.is_modified || self.is_added;
        let below = [&self.below.removed, &self.below.modified, &self.below.added];
        !own && below.into_iter().all(FieldSet::is_empty)
    }

    /// Takes what was found at and below an element.
    fn put(&mut self, element: &Element, other: Self) {
        self.below.removed.put(element, other.is_removed, other.below.removed);
        self.below.modified.put(element, other.is_modified, other.below.modified);
        self.below.added.put(element, other.is_added, other.below.added);
    }
}

fn value(shape: Shape<'_>, old: Side<'_>, new: Side<'_>) -> Result<Found, String> {
    let (before, after) = (shape.rule(old), shape.rule(new));
    let mut found = Found::default();
    let is_whole = match (old, new) {
        (_, None) => by_rule(&before, old, new, &mut found)?,
        (None, _) => by_rule(&after, old, new, &mut found)?,
        _ if std::mem::discriminant(&before) == std::mem::discriminant(&after) => {
            by_rule(&after, old, new, &mut found)?
        }
        _ => {
            by_rule(&before, old, new, &mut found)?;
            by_rule(&after, old, new, &mut found)?
        }
    };
    if !is_whole {
        found.is_added |= old.is_none();
        found.is_removed |= new.is_none();
    }
    Ok(found)
}

/// Compares as a rule says; whether the value is one thing.
fn by_rule(rule: &Rule<'_>, old: Side<'_>, new: Side<'_>, found: &mut Found) -> Result<bool, String> {
    match rule {
        Rule::Map(rule) => {
            let (before, after) = (old.and_then(Value::as_object), new.and_then(Value::as_object));
            let is_empty = |map: Option<&Tree>| map.is_none_or(Tree::is_empty);
            if !(rule.is_atomic || is_empty(before) && is_empty(after)) {
                map(*rule, before, after, found)?;
                return Ok(false);
            }
        }
        Rule::List(rule) => {
            let (before, after) = (list_of(old), list_of(new));
            if rule.parts != Parts::Atomic && !(before.is_empty() && after.is_empty()) {
                if before != after {
                    list(rule, before, after, found)?;
                }
                return Ok(false);
            }
        }
        Rule::Scalar(_) => {}
    }
    match (old, new) {
        (None, _) => found.is_added = true,
        (_, None) => found.is_removed = true,
        (Some(old), Some(new)) => found.is_modified |= !same(old, new),
    }
    Ok(true)
}

fn map(rule: MapRule<'_>, old: Option<&Tree>, new: Option<&Tree>, found: &mut Found) -> Result<(), String> {
    let is_new = |name: &&String| old.is_none_or(|old| !old.contains_key(*name));
    let names =
        old.into_iter().flat_map(Tree::keys).chain(new.into_iter().flat_map(Tree::keys).filter(is_new));
    for name in names {
        let (before, after) = (old.and_then(|map| map.get(name)), new.and_then(|map| map.get(name)));
        if before == after {
            // Looking whether all is the same is cheaper than looking what it is.
            continue;
        }
        let shape = rule.field(name).unwrap_or(Shape::Deduced);
        let below = value(shape, before, after).map_err(|why| format!(".{name}{why}"))?;
        if !below.is_nothing() {
            found.put(&shape.element(name), below);
        }
    }
    Ok(())
}

fn list(rule: &ListRule<'_>, old: &[Value], new: &[Value], found: &mut Found) -> Result<(), String> {
    let named = |list| rule.index(list).map(|list| places(&list)).map_err(|why| format!(": {why}"));
    let (before, after) = (named(old)?, named(new)?);
    let names = before.keys().chain(after.keys().filter(|element| !before.contains_key(*element)));
    for element in names {
        let old = before.get(element).map_or(&[][..], Vec::as_slice);
        let new = after.get(element).map_or(&[][..], Vec::as_slice);
        let below = elements(rule.item, old, new).map_err(|why| format!("{element}{why}"))?;
        if !below.is_nothing() {
            found.put(element, below);
        }
    }
    Ok(())
}

/// Elements that stand more than once are one field, with nothing below it.
fn elements(shape: Shape<'_>, old: &[&Value], new: &[&Value]) -> Result<Found, String> {
    let mut found = Found::default();
    match (old, new) {
        ([] | [_], [] | [_]) => return value(shape, old.first().copied(), new.first().copied()),
        ([_, _, ..], [_, _, ..]) => {
            let is_same = old.len() == new.len() && old.iter().zip(new).all(|(old, new)| same(old, new));
            found.is_modified = !is_same;
        }
        ([_, _, ..], _) => {
            if let Some(new) = new.first() {
                found.absorb(value(shape, None, Some(new))?);
            }
            found.is_removed = true;
        }
        _ => {
            if let Some(old) = old.first() {
                found.absorb(value(shape, Some(old), None)?);
            }
            found.is_added = true;
        }
    }
    Ok(found)
}
