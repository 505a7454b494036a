//! What differs between two values (`structured-merge-diff/typed/compare.go`).

use std::collections::BTreeSet;

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
    /// The fields whose values somebody set.
    pub(crate) fn changed(&self) -> FieldSet {
        self.modified.union(&self.added)
    }

    /// The comparison without some fields and what is below them.
    pub(crate) fn without(mut self, ignored: &FieldSet) -> Self {
        if !ignored.is_empty() {
            for set in [&mut self.removed, &mut self.modified, &mut self.added] {
                *set = set.without_under(ignored);
            }
        }
        self
    }
}

/// Compares the old value with the new one.
///
/// # Errors
/// An element of a list that cannot be named, with its path.
pub(crate) fn compare(old: &Value, new: &Value, shape: Shape<'_>) -> Result<Comparison, String> {
    let mut walk = Walk { path: Vec::new(), found: Comparison::default() };
    walk.value(shape, Some(old), Some(new))?;
    Ok(walk.found)
}

struct Walk {
    path: Vec<Element>,
    found: Comparison,
}

type Side<'v> = Option<&'v Value>;

impl Walk {
    fn value(&mut self, shape: Shape<'_>, old: Side<'_>, new: Side<'_>) -> Result<(), String> {
        let (before, after) = (shape.rule(old), shape.rule(new));
        let is_whole = match (old, new) {
            (_, None) => self.rule(&before, old, new)?,
            (None, _) => self.rule(&after, old, new)?,
            _ if std::mem::discriminant(&before) == std::mem::discriminant(&after) => {
                self.rule(&after, old, new)?
            }
            _ => {
                self.rule(&before, old, new)?;
                self.rule(&after, old, new)?
            }
        };
        if !is_whole {
            match (old, new) {
                (None, _) => self.found.added.insert(&self.path),
                (_, None) => self.found.removed.insert(&self.path),
                _ => {}
            }
        }
        Ok(())
    }

    /// Compares as a rule says; whether the value is one thing.
    fn rule(&mut self, rule: &Rule<'_>, old: Side<'_>, new: Side<'_>) -> Result<bool, String> {
        match rule {
            Rule::Map(rule) => {
                let (before, after) = (old.and_then(Value::as_object), new.and_then(Value::as_object));
                let is_empty = |map: Option<&Tree>| map.is_none_or(Tree::is_empty);
                if !(rule.is_atomic || is_empty(before) && is_empty(after)) {
                    self.map(*rule, before, after)?;
                    return Ok(false);
                }
            }
            Rule::List(rule) => {
                let (before, after) = (list_of(old), list_of(new));
                if rule.parts != Parts::Atomic && !(before.is_empty() && after.is_empty()) {
                    self.list(rule, before, after).map_err(|why| self.at(&why))?;
                    return Ok(false);
                }
            }
            Rule::Scalar(_) => {}
        }
        self.whole(old, new);
        Ok(true)
    }

    fn whole(&mut self, old: Side<'_>, new: Side<'_>) {
        match (old, new) {
            (None, _) => self.found.added.insert(&self.path),
            (_, None) => self.found.removed.insert(&self.path),
            (Some(old), Some(new)) if !same(old, new) => self.found.modified.insert(&self.path),
            _ => {}
        }
    }

    fn map(&mut self, rule: MapRule<'_>, old: Option<&Tree>, new: Option<&Tree>) -> Result<(), String> {
        let side =
            |map: Option<&Tree>| map.into_iter().flat_map(Tree::keys).cloned().collect::<BTreeSet<_>>();
        let names: BTreeSet<String> = side(old).union(&side(new)).cloned().collect();
        for name in names {
            let shape = rule.field(&name).unwrap_or(Shape::Deduced);
            let (before, after) = (old.and_then(|map| map.get(&name)), new.and_then(|map| map.get(&name)));
            self.below(Element::Field(name), |walk| walk.value(shape, before, after))?;
        }
        Ok(())
    }

    fn list(&mut self, rule: &ListRule<'_>, old: &[Value], new: &[Value]) -> Result<(), String> {
        let (before, after) = (places(&rule.index(old)?), places(&rule.index(new)?));
        let elements: BTreeSet<&Element> = before.keys().chain(after.keys()).collect();
        for element in elements {
            let old = before.get(element).map_or(&[][..], Vec::as_slice);
            let new = after.get(element).map_or(&[][..], Vec::as_slice);
            self.below(element.clone(), |walk| walk.elements(rule.item, old, new))?;
        }
        Ok(())
    }

    /// Elements that stand more than once are one field, with nothing below it.
    fn elements(&mut self, shape: Shape<'_>, old: &[&Value], new: &[&Value]) -> Result<(), String> {
        match (old, new) {
            ([] | [_], [] | [_]) => self.value(shape, old.first().copied(), new.first().copied()),
            ([_, _, ..], [_, _, ..]) => {
                if old.len() != new.len() || old.iter().zip(new).any(|(old, new)| !same(old, new)) {
                    self.found.modified.insert(&self.path);
                }
                Ok(())
            }
            ([_, _, ..], _) => {
                if let Some(new) = new.first() {
                    self.value(shape, None, Some(new))?;
                }
                self.found.removed.insert(&self.path);
                Ok(())
            }
            _ => {
                if let Some(old) = old.first() {
                    self.value(shape, Some(old), None)?;
                }
                self.found.added.insert(&self.path);
                Ok(())
            }
        }
    }

    fn below(
        &mut self,
        element: Element,
        walk: impl FnOnce(&mut Self) -> Result<(), String>,
    ) -> Result<(), String> {
        self.path.push(element);
        let result = walk(self);
        self.path.pop();
        result
    }

    fn at(&self, why: &str) -> String {
        if why.starts_with('.') { why.to_owned() } else { format!("{}: {why}", path_text(&self.path)) }
    }
}

/// A path as messages show it.
pub(super) fn path_text(path: &[Element]) -> String {
    path.iter().map(ToString::to_string).collect()
}
