//! Builds values and their positions together; what the YAML and the JSON reader have in common.
//!
//! Not a reader. The invariant is that of [`Node`]: it mirrors the value it is built with.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as MapEntry;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::error::{Errors, Reason};
use super::positions::{Entry, Inside, Node, Position};
use crate::schema::Step;

/// A document that is not empty.
pub(super) struct Document {
    pub(super) number: usize,
    pub(super) root: Built,
}

/// A value and where its parts stand.
#[derive(Clone)]
pub(super) struct Built {
    pub(super) value: Value,
    pub(super) node: Node,
    /// About as many bytes as it takes in JSON.
    pub(super) weight: usize,
    /// Levels below it.
    pub(super) height: usize,
}

/// What a value costs even if it is empty: a separator and a character.
const LEAST_WEIGHT: usize = 2;

impl Built {
    pub(super) fn leaf(value: Value, at: Position) -> Self {
        let text = value.as_str().map_or(0, str::len);
        Self { value, node: Node::leaf(at), weight: LEAST_WEIGHT + text, height: 0 }
    }
}

/// An array being built.
pub(super) struct Array {
    at: Position,
    values: Vec<Value>,
    nodes: Vec<Node>,
    weight: usize,
    height: usize,
}

impl Array {
    pub(super) fn new(at: Position) -> Self {
        Self { at, values: Vec::new(), nodes: Vec::new(), weight: LEAST_WEIGHT, height: 0 }
    }

    pub(super) fn push(&mut self, element: Built) {
        self.weight += element.weight;
        self.height = self.height.max(element.height);
        self.values.push(element.value);
        self.nodes.push(element.node);
    }

    pub(super) fn finish(self) -> Built {
        let inside = match self.nodes.is_empty() {
            true => Inside::Nothing,
            false => Inside::Elements(Arc::new(self.nodes)),
        };
        let node = Node { at: self.at, inside };
        Built { value: Value::Array(self.values), node, weight: self.weight, height: self.height + 1 }
    }
}

/// An object being built.
pub(super) struct Object {
    at: Position,
    values: Map<String, Value>,
    entries: BTreeMap<String, Entry>,
    weight: usize,
    height: usize,
}

impl Object {
    pub(super) fn new(at: Position) -> Self {
        Self { at, values: Map::new(), entries: BTreeMap::new(), weight: LEAST_WEIGHT, height: 0 }
    }

    /// Adds an entry to the object at `path`; the second one of a key is an error, and counts.
    pub(super) fn insert(
        &mut self,
        key: String,
        at: Position,
        value: Built,
        path: &str,
        errors: &mut Errors,
    ) {
        self.weight += LEAST_WEIGHT + key.len() + value.weight;
        self.height = self.height.max(value.height);
        match self.entries.entry(key) {
            MapEntry::Occupied(mut first) => {
                if errors.has_room() {
                    let (key, first_line) = (first.key().clone(), first.get().key.line);
                    let mut field = path.to_owned();
                    Step::Key(&key).append(&mut field);
                    let value_line = value.node.at.line;
                    errors.push(at, Some(&field), Reason::DuplicateKey { key, first_line, value_line });
                }
                if let Some(place) = self.values.get_mut(first.key()) {
                    *place = value.value;
                }
                first.get_mut().value = value.node;
            }
            MapEntry::Vacant(place) => {
                self.values.insert(place.key().clone(), value.value);
                place.insert(Entry { key: at, value: value.node });
            }
        }
    }

    /// Adds the entries of another object that are not yet here.
    pub(super) fn merge(&mut self, other: Built) {
        let (Value::Object(values), Inside::Entries(entries)) = (other.value, other.node.inside) else {
            return;
        };
        for (key, value) in values {
            let Some(entry) = entries.get(&key) else { continue };
            if let MapEntry::Vacant(place) = self.entries.entry(key.clone()) {
                place.insert(entry.clone());
                self.values.insert(key, value);
            }
        }
        self.weight += other.weight;
        self.height = self.height.max(other.height.saturating_sub(1));
    }

    pub(super) fn finish(self) -> Built {
        let inside = match self.entries.is_empty() {
            true => Inside::Nothing,
            false => Inside::Entries(Arc::new(self.entries)),
        };
        let node = Node { at: self.at, inside };
        Built { value: Value::Object(self.values), node, weight: self.weight, height: self.height + 1 }
    }
}

/// A number as `kubectl` sends it after reading it as double precision: without a fraction it is an integer.
/// `None` for what JSON cannot say.
pub(super) fn number(float: f64) -> Option<Value> {
    let integer = if float.fract() == 0.0 { format!("{float:.0}").parse::<i64>().ok() } else { None };
    integer.map(Value::from).or_else(|| serde_json::Number::from_f64(float).map(Value::Number))
}

/// The type of a value, for messages.
pub(super) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_without_fraction_are_integers() {
        for (float, text) in [
            (1.0, "1"),
            (-0.0, "0"),
            (1e15, "1000000000000000"),
            (0.5, "0.5"),
            (1e300, "1e+300"),
            (-9_223_372_036_854_775_808.0, "-9223372036854775808"),
        ] {
            assert_eq!(number(float).unwrap().to_string(), text);
        }
        assert_eq!((number(f64::NAN), number(f64::INFINITY)), (None, None));
    }
}
