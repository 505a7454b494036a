//! What merges know of a value: is it one thing, or made of parts that can be owned one by one?
//!
//! After `structured-merge-diff/schema` and `kube-openapi/pkg/schemaconv`: a type of Kubernetes' own comes from
//! [`crate::schema`]; a kind that is known at run time only has its structural schema, or none, and then maps are granular
//! and lists atomic. Not validation. Invariant: nothing here recurses deeper than its trees are nested, which whoever calls
//! bounds.

mod check;
mod compare;
mod items;
mod merge;
mod named;
mod own;
mod reconcile;
mod remove;
mod structural;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use serde_json::Value;

pub(crate) use check::{check, go_map};
pub(crate) use compare::compare;
pub(crate) use merge::merge;
pub(crate) use named::with_named;
pub(crate) use own::field_set;
pub(crate) use reconcile::reconcile;
pub(crate) use remove::remove;

use crate::patch::fields::Element;
use crate::schema::{self, Field, ListType, MapType, Type, TypeRef};

/// The type of a value, as merges see it.
///
/// ```
/// use orch_api::{patch::Shape, schema};
/// let deployment = Shape::of(schema::lookup("apps", "v1", "Deployment"));
/// assert!(matches!(deployment, Shape::Typed(..)));
/// assert!(matches!(Shape::of(None), Shape::Deduced));
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Shape<'s> {
    /// A type of Kubernetes' own, with the field that it stands in.
    Typed(TypeRef, Option<Field>),
    /// A whole object of a custom kind, with the schema of its definition (`openAPIV3Schema`).
    Custom(&'s Value),
    /// A part of that schema.
    Structural(&'s Value),
    /// Whatever the value is: maps are granular, lists atomic.
    Deduced,
    /// Whatever the value is, as a whole.
    Atomic,
}

/// What a value is to be.
#[derive(Clone, Debug)]
pub(crate) enum Rule<'s> {
    Scalar(ScalarRule),
    List(ListRule<'s>),
    Map(MapRule<'s>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ScalarRule {
    Number,
    Text,
    Boolean,
    Any,
}

#[derive(Clone, Debug)]
pub(crate) struct ListRule<'s> {
    pub(crate) item: Shape<'s>,
    pub(crate) parts: Parts<'s>,
}

/// How the elements of a list are told apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Parts<'s> {
    /// Not at all.
    Atomic,
    /// By their values.
    Set,
    /// By the values of these fields.
    Keys(Vec<&'s str>),
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct MapRule<'s> {
    shape: Shape<'s>,
    pub(crate) is_atomic: bool,
}

impl<'s> Shape<'s> {
    /// The shape of a kind.
    #[must_use]
    pub fn of(ty: Option<TypeRef>) -> Self {
        ty.map_or(Self::Deduced, |ty| Self::Typed(ty, None))
    }

    /// What a value of this shape is to be. A shape that allows everything takes what the value is.
    pub(crate) fn rule(self, value: Option<&Value>) -> Rule<'s> {
        let is_atomic = match self {
            Self::Typed(ty, field) => return typed_rule(self, ty, field, value),
            Self::Custom(_) => false,
            Self::Structural(schema) => return structural::rule(self, schema, value),
            Self::Deduced => false,
            Self::Atomic => true,
        };
        match value {
            None | Some(Value::Null | Value::Object(_)) => Rule::Map(MapRule { shape: self, is_atomic }),
            Some(Value::Array(_)) => Rule::List(ListRule { item: Self::Atomic, parts: Parts::Atomic }),
            Some(_) => Rule::Scalar(ScalarRule::Any),
        }
    }

    /// The element of a path to a field of this shape; the names that a type has are not copied.
    pub(crate) fn element(self, name: &str) -> Element {
        match self {
            Self::Typed(_, Some(field)) => Element::Field(Cow::Borrowed(field.name())),
            _ => Element::named(name),
        }
    }

    /// The rule for maps, if a value of this shape can be one.
    pub(crate) fn map(self) -> Option<MapRule<'s>> {
        match self.rule(Some(&Value::Object(serde_json::Map::new()))) {
            Rule::Map(rule) => Some(rule),
            _ => None,
        }
    }

    /// The rule for lists, if a value of this shape can be one.
    pub(crate) fn list(self) -> Option<ListRule<'s>> {
        match self.rule(Some(&Value::Array(Vec::new()))) {
            Rule::List(rule) => Some(rule),
            _ => None,
        }
    }
}

fn typed_rule<'s>(shape: Shape<'s>, ty: TypeRef, field: Option<Field>, value: Option<&Value>) -> Rule<'s> {
    match ty.get() {
        Type::Object(definition) => {
            let map_type = field.map_or_else(|| definition.map_type(), Field::map_type);
            Rule::Map(MapRule { shape, is_atomic: map_type == Some(MapType::Atomic) })
        }
        Type::Map(_) => {
            let map_type = field.and_then(Field::map_type);
            Rule::Map(MapRule { shape, is_atomic: map_type == Some(MapType::Atomic) })
        }
        Type::Array(item) => {
            let parts = field.map_or(Parts::Atomic, parts);
            Rule::List(ListRule { item: Shape::Typed(item, None), parts })
        }
        // JSON schemas within definitions of custom resources are free in form; everything else is one thing.
        Type::Any if field.is_some_and(is_json) => Shape::Deduced.rule(value),
        Type::Any => Shape::Atomic.rule(value),
        Type::Int32 | Type::Int64 | Type::Number => Rule::Scalar(ScalarRule::Number),
        Type::String | Type::Bytes => Rule::Scalar(ScalarRule::Text),
        Type::Boolean => Rule::Scalar(ScalarRule::Boolean),
        _ => Rule::Scalar(ScalarRule::Any),
    }
}

/// Fields of `JSONSchemaProps` that hold any JSON.
fn is_json(field: Field) -> bool {
    matches!(
        field.name(),
        "additionalItems" | "additionalProperties" | "default" | "dependencies" | "example" | "items"
    )
}

/// A list without a list type is told apart as strategic merge patches do.
fn parts(field: Field) -> Parts<'static> {
    match field.list_type() {
        Some(ListType::Atomic) => Parts::Atomic,
        Some(ListType::Set) => Parts::Set,
        Some(ListType::Map) => Parts::Keys(field.list_keys().collect()),
        None if !field.patch_strategy().merge => Parts::Atomic,
        None => field.merge_key().map_or(Parts::Set, |key| Parts::Keys(vec![key])),
    }
}

impl<'s> MapRule<'s> {
    /// The shape of a field, named or not; `None` when there is no such field.
    pub(crate) fn field(&self, name: &str) -> Option<Shape<'s>> {
        self.named(name).or_else(|| match self.shape {
            Shape::Typed(ty, _) => match ty.get() {
                Type::Map(item) => Some(Shape::Typed(item, None)),
                Type::Any => Some(Shape::Deduced),
                _ => None,
            },
            Shape::Custom(schema) | Shape::Structural(schema) => structural::other(schema),
            free => Some(free),
        })
    }

    /// The shape of a field that the type names.
    pub(crate) fn named(&self, name: &str) -> Option<Shape<'s>> {
        match self.shape {
            Shape::Typed(ty, _) => ty.field(name).map(|field| Shape::Typed(field.ty(), Some(field))),
            Shape::Custom(schema) => match name {
                "apiVersion" | "kind" => Some(Shape::Atomic),
                "metadata" => {
                    let definition = schema::definition("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta")?;
                    Some(Shape::Typed(definition.ty(), None))
                }
                _ => structural::named(schema, name),
            },
            Shape::Structural(schema) => structural::named(schema, name),
            _ => None,
        }
    }
}

/// The empty list of what is not one.
pub(crate) fn list_of(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Whether a tree is nested deeper than that.
pub(crate) fn is_deeper(value: &Value, levels: usize) -> bool {
    match value {
        Value::Array(_) | Value::Object(_) if levels == 0 => true,
        Value::Array(list) => list.iter().any(|value| is_deeper(value, levels - 1)),
        Value::Object(map) => map.values().any(|value| is_deeper(value, levels - 1)),
        _ => false,
    }
}
