//! Whether a tree fits its shape (`structured-merge-diff/typed/validate.go`), in the words of that.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde_json::Value;

use super::{ListRule, Parts, Rule, ScalarRule, Shape};
use crate::patch::fields::{Element, Scalar};
use crate::schema::MAX_FAULTS;
use crate::tree::Tree;

/// Checks a tree in which no element of a list may stand twice.
///
/// # Errors
/// Everything that does not fit, each with its path: one line for one, several under `errors:`.
pub(crate) fn check(tree: &Value, shape: Shape<'_>) -> Result<(), String> {
    let mut walk = Walk { path: String::new(), faults: Vec::new() };
    walk.value(tree, shape);
    match walk.faults.as_slice() {
        [] => Ok(()),
        [one] => Err(one.clone()),
        many => Err(format!("errors:\n  {}", many.join("\n  "))),
    }
}

struct Walk {
    path: String,
    faults: Vec<String>,
}

impl Walk {
    fn fault(&mut self, why: &str) {
        if self.faults.len() < MAX_FAULTS {
            let separator = if self.path.is_empty() { "" } else { ": " };
            self.faults.push(format!("{}{separator}{why}", self.path));
        }
    }

    fn value(&mut self, value: &Value, shape: Shape<'_>) {
        if value.is_null() {
            return;
        }
        match (shape.rule(Some(value)), value) {
            (Rule::Map(rule), Value::Object(map)) => {
                for (name, value) in map {
                    let shape = rule.field(name);
                    let element = shape.unwrap_or(Shape::Deduced).element(name);
                    self.below(&element, |walk| match shape {
                        Some(shape) => walk.value(value, shape),
                        None => walk.fault("field not declared in schema"),
                    });
                }
            }
            (Rule::Map(_), other) => self.fault(&format!("expected map, got &{{{}}}", shown(other))),
            (Rule::List(rule), Value::Array(list)) => self.list(list, &rule),
            (Rule::List(_), other) => self.fault(&format!("expected list, got &{{{}}}", shown(other))),
            (Rule::Scalar(rule), value) => self.scalar(rule, value),
        }
    }

    fn list(&mut self, list: &[Value], rule: &ListRule<'_>) {
        let mut seen = BTreeSet::new();
        for (at, item) in list.iter().enumerate() {
            let element = match &rule.parts {
                Parts::Atomic => Element::Index(i64::try_from(at).unwrap_or(i64::MAX)),
                _ => match rule.element(item) {
                    Ok(element) => element,
                    Err(why) => return self.fault(&format!("element {at}: {why}")),
                },
            };
            if seen.contains(&element) {
                self.fault(&format!("duplicate entries for key {element}"));
            }
            self.below(&element, |walk| walk.value(item, rule.item));
            seen.insert(element);
        }
    }

    fn scalar(&mut self, rule: ScalarRule, value: &Value) {
        let (fits, expected) = match rule {
            ScalarRule::Number => (value.is_number(), "numeric (int or float)"),
            ScalarRule::Text => (value.is_string(), "string"),
            ScalarRule::Boolean => (value.is_boolean(), "boolean"),
            ScalarRule::Any => (!value.is_array() && !value.is_object(), "any scalar"),
        };
        if !fits {
            let got = if rule == ScalarRule::Number {
                type_name(value).to_owned()
            } else {
                format!("&{{{}}}", shown(value))
            };
            self.fault(&format!("expected {expected}, got {got}"));
        }
    }

    fn below(&mut self, element: &Element, walk: impl FnOnce(&mut Self)) {
        if self.faults.len() >= MAX_FAULTS {
            return;
        }
        let before = self.path.len();
        // Writing to a string cannot fail.
        let _ = write!(self.path, "{element}");
        walk(self);
        self.path.truncate(before);
    }
}

/// Go's name of a JSON type.
fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(_) => "float64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

/// A value as Go prints it, about.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(list) => format!("[{}]", list.iter().map(shown).collect::<Vec<_>>().join(" ")),
        Value::Object(map) => go_map(map),
        scalar => Scalar(scalar.clone()).to_string(),
    }
}

/// A map as Go prints it: `map[a:1 b:x]`.
pub(crate) fn go_map(map: &Tree) -> String {
    let fields: Vec<_> = map.iter().map(|(name, value)| format!("{name}:{}", shown(value))).collect();
    format!("map[{}]", fields.join(" "))
}
