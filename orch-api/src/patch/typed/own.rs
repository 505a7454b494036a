//! The fields that a value mentions (`structured-merge-diff/typed/tofieldset.go`): every leaf, every element of a list, and
//! maps that are empty.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{ListRule, MapRule, Parts, Rule, Shape};
use crate::patch::fields::FieldSet;
use crate::tree::Tree;

/// The fields of a value. Elements that stand twice are one field, with nothing below it.
pub(crate) fn field_set(value: &Value, shape: Shape<'_>) -> FieldSet {
    below(value, shape).1
}

/// Whether the value is owned as one thing, and the fields below it otherwise.
fn below(value: &Value, shape: Shape<'_>) -> (bool, FieldSet) {
    match shape.rule(Some(value)) {
        Rule::Scalar(_) => (true, FieldSet::default()),
        Rule::List(rule) if rule.parts == Parts::Atomic => (true, FieldSet::default()),
        Rule::Map(rule) if rule.is_atomic => (true, FieldSet::default()),
        Rule::List(rule) => {
            (false, value.as_array().map_or_else(FieldSet::default, |list| of_list(list, &rule)))
        }
        Rule::Map(rule) => (false, value.as_object().map_or_else(FieldSet::default, |map| of_map(map, rule))),
    }
}

fn of_map(map: &Tree, rule: MapRule<'_>) -> FieldSet {
    let (mut members, mut children) = (BTreeSet::new(), Vec::new());
    for (name, value) in map {
        let shape = rule.field(name).unwrap_or(Shape::Deduced);
        let (is_whole, child) = below(value, shape);
        let is_empty = value.is_null() || value.as_object().is_some_and(Tree::is_empty);
        let element = shape.element(name);
        if is_whole || is_empty || rule.named(name).is_none() {
            members.insert(element.clone());
        }
        children.push((element, child));
    }
    FieldSet::of(members, children)
}

fn of_list(list: &[Value], rule: &ListRule<'_>) -> FieldSet {
    let (mut members, mut children) = (BTreeSet::new(), Vec::new());
    let named: Vec<_> = list.iter().filter_map(|item| Some((rule.element(item).ok()?, item))).collect();
    for (element, items) in super::items::places(&named) {
        if let [item] = items.as_slice() {
            children.push((element.clone(), below(item, rule.item).1));
        }
        members.insert(element);
    }
    FieldSet::of(members, children)
}
