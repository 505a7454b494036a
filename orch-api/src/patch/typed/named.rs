//! Sets with the fields that a type names (`fieldpath.EnsureNamedFieldsAreMembers`).
//!
//! Of a named field, such as `spec`, owners have what is below and not the field itself; what is compared for removal must
//! have both.

use super::Shape;
use crate::patch::fields::{Element, FieldSet};

/// The set and every named field that has something of it below.
pub(crate) fn with_named(set: &FieldSet, shape: Option<Shape<'_>>) -> FieldSet {
    let (map, list) = (shape.and_then(Shape::map), shape.and_then(Shape::list));
    let mut members: std::collections::BTreeSet<_> = set.members().cloned().collect();
    let mut children = Vec::new();
    for (element, child) in set.children() {
        let below = match element {
            Element::Field(name) => {
                if map.is_some_and(|map| map.named(name).is_some()) {
                    members.insert(element.clone());
                }
                map.and_then(|map| map.field(name))
            }
            Element::Key(_) => list.as_ref().map(|list| list.item),
            Element::Value(_) | Element::Index(_) => None,
        };
        children.push((element.clone(), with_named(child, below)));
    }
    FieldSet::of(members, children)
}
