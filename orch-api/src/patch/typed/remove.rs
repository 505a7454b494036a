//! A value without some of its fields (`structured-merge-diff/typed/remove.go`).

use serde_json::Value;

use super::{ListRule, MapRule, Parts, Rule, Shape};
use crate::patch::fields::FieldSet;
use crate::tree::Tree;

/// Takes fields out of a value. Nothing is taken out of what is one thing: it goes as a whole, and only by its own field.
/// What becomes empty stays.
pub(crate) fn remove(value: &Value, fields: &FieldSet, shape: Shape<'_>) -> Value {
    if fields.is_empty() {
        return value.clone();
    }
    match shape.rule(Some(value)) {
        Rule::Scalar(_) => value.clone(),
        Rule::Map(rule) => match value {
            Value::Object(map) if !rule.is_atomic && !map.is_empty() => of_map(map, fields, rule),
            _ => Value::Null,
        },
        Rule::List(rule) => match value {
            Value::Array(list) if rule.parts != Parts::Atomic && !list.is_empty() => {
                of_list(list, fields, &rule)
            }
            _ => Value::Null,
        },
    }
}

fn of_map(map: &Tree, fields: &FieldSet, rule: MapRule<'_>) -> Value {
    let (mut out, mut is_touched) = (Tree::new(), false);
    for (name, value) in map {
        let shape = rule.field(name).unwrap_or(Shape::Deduced);
        let element = shape.element(name);
        if fields.is_member(&element) {
            continue;
        }
        let value = match fields.under(&element) {
            Some(below) => {
                is_touched = true;
                emptied(value, below, shape)
            }
            None => value.clone(),
        };
        out.insert(name.clone(), value);
    }
    if out.is_empty() && !is_touched { Value::Null } else { Value::Object(out) }
}

fn of_list(list: &[Value], fields: &FieldSet, rule: &ListRule<'_>) -> Value {
    let (mut out, mut is_touched) = (Vec::new(), false);
    for item in list {
        let element = rule.element(item).ok();
        let within = element.as_ref();
        if within.is_some_and(|element| fields.is_member(element)) {
            continue;
        }
        match within.and_then(|element| fields.under(element)) {
            Some(below) => {
                is_touched = true;
                out.push(emptied(item, below, rule.item));
            }
            None => out.push(item.clone()),
        }
    }
    if out.is_empty() && !is_touched { Value::Null } else { Value::Array(out) }
}

/// A value of which fields were taken out stays what it was, if empty.
fn emptied(value: &Value, fields: &FieldSet, shape: Shape<'_>) -> Value {
    match (remove(value, fields, shape), value) {
        (Value::Null, Value::Object(_)) => Value::Object(Tree::new()),
        (Value::Null, Value::Array(_)) => Value::Array(Vec::new()),
        (rest, _) => rest,
    }
}
