//! Sets as JSON: the form `FieldsV1` of `metadata.managedFields` (`fieldpath/serialize.go`).

use serde_json::{Map, Value};

use super::{Element, FieldSet};
use crate::schema::MAX_DEPTH;

/// Says that the field itself is in the set, where others under it are too.
const SELF: &str = ".";

impl FieldSet {
    /// The set as `FieldsV1`.
    #[must_use]
    pub fn encode(&self) -> Value {
        let mut out = Map::new();
        for element in &self.members {
            out.insert(element.encode(), Value::Object(Map::new()));
        }
        for (element, child) in &self.children {
            let mut child = child.encode();
            if let (true, Value::Object(child)) = (self.members.contains(element), &mut child) {
                child.insert(SELF.to_owned(), Value::Object(Map::new()));
            }
            out.insert(element.encode(), child);
        }
        Value::Object(out)
    }

    /// Appends the set as `FieldsV1`, in the order in which Kubernetes writes it.
    pub(crate) fn write(&self, out: &mut String) {
        self.level(out, false);
    }

    fn level(&self, out: &mut String, is_member: bool) {
        out.push('{');
        if is_member {
            out.push_str("\".\":{}");
        }
        let (mut members, mut children) = (self.members.iter().peekable(), self.children.iter().peekable());
        loop {
            let element = match (members.peek(), children.peek()) {
                (Some(member), Some((child, _))) => (*member).min(*child),
                (Some(member), None) => *member,
                (None, Some((child, _))) => *child,
                (None, None) => break,
            };
            if !out.ends_with('{') {
                out.push(',');
            }
            element.write(out);
            let is_member = members.next_if_eq(&element).is_some();
            match children.next_if(|(child, _)| *child == element) {
                Some((_, child)) => child.level(out, is_member),
                None => out.push_str("{}"),
            }
        }
        out.push('}');
    }

    /// Reads `FieldsV1`. Elements of a kind that is not known are left out.
    ///
    /// # Errors
    /// What is wrong, with the element.
    pub fn decode(tree: &Value) -> Result<Self, String> {
        decode(tree, 0).map(|(set, _)| set)
    }
}

/// The set, and whether the field that it stands under is a member itself.
fn decode(tree: &Value, depth: usize) -> Result<(FieldSet, bool), String> {
    let Value::Object(fields) = tree else {
        return if tree.is_null() {
            Ok((FieldSet::default(), true))
        } else {
            Err("fields must be objects".to_owned())
        };
    };
    if depth > MAX_DEPTH {
        return Err(format!("nested deeper than {MAX_DEPTH} levels"));
    }
    let (mut set, mut is_member) = (FieldSet::default(), false);
    for (name, tree) in fields {
        if name == SELF {
            is_member = true;
            continue;
        }
        let Some(element) = Element::decode(name)? else { continue };
        let (child, is_member) = decode(tree, depth + 1)?;
        if is_member {
            set.members.insert(element.clone());
        }
        if !child.is_empty() {
            set.children.entry(element).or_default().add(child);
        }
    }
    let is_member = is_member || set.is_empty();
    Ok((set, is_member))
}
