//! Sets as JSON: the form `FieldsV1` of `metadata.managedFields` (`fieldpath/serialize.go`).

use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
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

/// As [`FieldSet::decode`], without a tree in between.
impl<'de> Deserialize<'de> for FieldSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Level(0).deserialize(deserializer).map(|(set, _)| set)
    }
}

/// Reads one level of a set: what [`decode`] gives.
struct Level(usize);

impl<'de> DeserializeSeed<'de> for Level {
    type Value = (FieldSet, bool);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Level {
    type Value = (FieldSet, bool);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok((FieldSet::default(), true))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        if self.0 > MAX_DEPTH {
            return Err(A::Error::custom(too_deep()));
        }
        let (mut set, mut is_member) = (FieldSet::default(), false);
        while let Some(key) = entries.next_key::<Key>()? {
            match key {
                Key::Element(element) => {
                    let (child, is_member) = entries.next_value_seed(Self(self.0 + 1))?;
                    set.put(&element, is_member, child);
                }
                other => {
                    is_member |= other == Key::This;
                    entries.next_value::<IgnoredAny>()?;
                }
            }
        }
        let is_member = is_member || set.is_empty();
        Ok((set, is_member))
    }
}

/// What stands before a level of a set.
#[derive(PartialEq)]
enum Key {
    /// The field that the level is under.
    This,
    Element(Element),
    /// An element of a kind that is not known.
    Unknown,
}

impl Key {
    fn decode(text: &str) -> Result<Self, String> {
        if text == SELF {
            return Ok(Self::This);
        }
        Ok(Element::decode(text)?.map_or(Self::Unknown, Self::Element))
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Key;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an element of a path")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Key, E> {
                Key::decode(text).map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Text)
    }
}

fn too_deep() -> String {
    format!("nested deeper than {MAX_DEPTH} levels")
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
        return Err(too_deep());
    }
    let (mut set, mut is_member) = (FieldSet::default(), false);
    for (name, tree) in fields {
        match Key::decode(name)? {
            Key::This => is_member = true,
            Key::Element(element) => {
                let (child, is_member) = decode(tree, depth + 1)?;
                set.put(&element, is_member, child);
            }
            Key::Unknown => {}
        }
    }
    let is_member = is_member || set.is_empty();
    Ok((set, is_member))
}
