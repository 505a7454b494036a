//! Small steps on JSON trees: reading and setting fields without a panic whatever stands there.
//!
//! Not a path language. The invariant: a step onto something that is not an object reads as absent; a step that must
//! make an object replaces what is not one.

use serde_json::{Map, Value};

/// The fields of an object.
pub(crate) type Tree = Map<String, Value>;

/// Reads.
pub(crate) trait Get {
    /// The field, unless it is absent or `null`.
    fn at(&self, field: &str) -> Option<&Value>;

    /// The field as an object.
    fn object_at(&self, field: &str) -> Option<&Tree> {
        self.at(field)?.as_object()
    }

    /// The field as text; empty when it is absent or something else.
    fn text(&self, field: &str) -> &str {
        self.at(field).and_then(Value::as_str).unwrap_or_default()
    }

    /// The field as a whole number.
    fn number(&self, field: &str) -> Option<i64> {
        self.at(field)?.as_i64()
    }

    /// The field as a list; empty when it is absent or something else.
    fn list(&self, field: &str) -> &[Value] {
        self.at(field).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// Whether the field is absent, `null`, or the empty value of its type as Go's `omitempty` sees it.
    fn is_unset(&self, field: &str) -> bool {
        match self.at(field) {
            None => true,
            Some(Value::String(text)) => text.is_empty(),
            Some(Value::Array(list)) => list.is_empty(),
            Some(Value::Object(map)) => map.is_empty(),
            Some(_) => false,
        }
    }
}

impl Get for Tree {
    fn at(&self, field: &str) -> Option<&Value> {
        self.get(field).filter(|value| !value.is_null())
    }
}

impl Get for Value {
    fn at(&self, field: &str) -> Option<&Value> {
        self.get(field).filter(|value| !value.is_null())
    }
}

/// Changes.
pub(crate) trait Set {
    /// The field as an object that can be changed, if it is one.
    fn object_mut(&mut self, field: &str) -> Option<&mut Tree>;

    /// The field as an object, made if it is absent.
    fn make(&mut self, field: &str) -> &mut Tree;

    /// The field as a list, made if it is none.
    fn make_list(&mut self, field: &str) -> &mut Vec<Value>;

    /// The objects in a list.
    fn objects_mut(&mut self, field: &str) -> impl Iterator<Item = &mut Tree>;

    /// Sets the field if it is absent, `null` or an empty text.
    fn default_text(&mut self, field: &str, value: &str);

    /// Sets the field if it is absent or `null`.
    fn default_to(&mut self, field: &str, value: impl Into<Value>);

    /// Sets the field.
    fn put(&mut self, field: &str, value: impl Into<Value>);

    /// Sets the field to what another tree has there; removes it when that has none.
    fn copy_from(&mut self, other: &Tree, field: &str);
}

impl Set for Tree {
    fn object_mut(&mut self, field: &str) -> Option<&mut Tree> {
        self.get_mut(field)?.as_object_mut()
    }

    fn make(&mut self, field: &str) -> &mut Tree {
        if !self.get(field).is_some_and(Value::is_object) {
            self.insert(field.to_owned(), Value::Object(Tree::new()));
        }
        self.object_mut(field).expect("it was made an object just now")
    }

    fn make_list(&mut self, field: &str) -> &mut Vec<Value> {
        if !self.get(field).is_some_and(Value::is_array) {
            self.insert(field.to_owned(), Value::Array(Vec::new()));
        }
        self.get_mut(field).and_then(Value::as_array_mut).expect("it was made a list just now")
    }

    fn objects_mut(&mut self, field: &str) -> impl Iterator<Item = &mut Tree> {
        self.get_mut(field)
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
            .filter_map(Value::as_object_mut)
    }

    fn default_text(&mut self, field: &str, value: &str) {
        match self.get_mut(field) {
            Some(Value::String(text)) if text.is_empty() => text.push_str(value),
            Some(Value::Null) | None => drop(self.insert(field.to_owned(), value.into())),
            Some(_) => {}
        }
    }

    fn default_to(&mut self, field: &str, value: impl Into<Value>) {
        match self.get_mut(field) {
            Some(Value::Null) | None => drop(self.insert(field.to_owned(), value.into())),
            Some(_) => {}
        }
    }

    fn put(&mut self, field: &str, value: impl Into<Value>) {
        match self.get_mut(field) {
            Some(place) => *place = value.into(),
            None => {
                self.insert(field.to_owned(), value.into());
            }
        }
    }

    fn copy_from(&mut self, other: &Tree, field: &str) {
        match other.get(field) {
            // Comparing allocates nothing, copying much.
            Some(value) if self.get(field) == Some(value) => {}
            Some(value) => self.put(field, value.clone()),
            None => {
                self.remove(field);
            }
        }
    }
}

/// What JSON calls the type of a value, as Go's decoder words it.
pub(crate) fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn tree(value: Value) -> Tree {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_step_onto_something_else_reads_as_absent() {
        let tree = tree(json!({"a": 1, "b": null, "c": "x"}));
        assert_eq!(tree.object_at("a"), None);
        assert_eq!((tree.text("a"), tree.text("b"), tree.text("c")), ("", "", "x"));
        assert!(tree.is_unset("b") && tree.is_unset("d") && !tree.is_unset("a"));
    }

    #[test]
    fn an_object_is_made_where_it_must_be() {
        let mut tree = tree(json!({"a": 1}));
        tree.make("a").put("x", 1);
        tree.make("b").default_text("y", "z");
        assert_eq!(Value::Object(tree), json!({"a": {"x": 1}, "b": {"y": "z"}}));
    }
}
