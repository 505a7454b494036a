//! How large values can be: by what a schema allows, or by what a request can carry
//! (`apiserver/pkg/cel/common/schemas.go`, `apiserver/pkg/cel/types.go`).

use std::collections::BTreeSet;

use super::super::Root;
use super::super::value::unescaped;
use crate::custom::schema::{More, Schema, Type};

/// Bytes of a request (`MaxRequestSizeBytes`).
pub(in super::super) const REQUEST_MAX: u64 = 3 << 20;

/// Bytes of a duration and of a time as JSON.
const DURATION_MAX: u64 = 32;
const DURATION_MIN: u64 = 3;
const TIME_MAX: u64 = 32;
const TIME_MIN: u64 = 21;
const DATE: u64 = 12;

/// Elements, entries, characters or bytes: so many at least and at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) min: u64,
    pub(super) max: u64,
}

impl Size {
    pub(super) const UNKNOWN: Self = Self::up_to(u64::MAX);

    pub(super) const fn fixed(size: u64) -> Self {
        Self { min: size, max: size }
    }

    pub(super) const fn up_to(max: u64) -> Self {
        Self { min: 0, max }
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self { min: self.min.saturating_add(other.min), max: self.max.saturating_add(other.max) }
    }

    pub(super) fn times(self, other: Self) -> Self {
        Self { min: self.min.saturating_mul(other.min), max: self.max.saturating_mul(other.max) }
    }

    pub(super) fn union(self, other: Self) -> Self {
        Self { min: self.min.min(other.min), max: self.max.max(other.max) }
    }

    /// What it costs to look at the largest.
    pub(super) fn cost(self, factor: f64) -> u64 {
        scaled(self.max, factor)
    }
}

/// A number times a factor, rounded up.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "what does not fit becomes the most"
)]
pub(super) fn scaled(number: u64, factor: f64) -> u64 {
    (number as f64 * factor).ceil() as u64
}

/// What a schema says of a place.
#[derive(Clone, Copy, Debug)]
pub(super) enum Decl<'s> {
    Value(&'s Schema, Root),
    /// A text that no schema describes.
    Text,
    /// A key of a map.
    Key,
}

impl<'s> Decl<'s> {
    fn of(schema: &'s Schema) -> Self {
        Self::Value(schema, if schema.is_embedded { Root::Whole } else { Root::Part })
    }

    /// A field of an object.
    pub(super) fn field(self, name: &str) -> Option<Self> {
        let Self::Value(schema, root) = self else { return None };
        match (root, name) {
            (Root::Whole, "apiVersion" | "kind") | (Root::Metadata, "name" | "generateName") => {
                return Some(Self::Text);
            }
            (Root::Whole, "metadata") => return Some(Self::Value(schema, Root::Metadata)),
            (Root::Metadata, _) => return None,
            _ => {}
        }
        if root == Root::Part && (schema.ty != Type::Object || matches!(schema.more, Some(More::Of(_)))) {
            return None;
        }
        let found = schema.properties.get(name).or_else(|| schema.properties.get(&unescaped(name)?))?;
        Some(Self::of(found))
    }

    /// An element of a list, or a value of a map.
    pub(super) fn element(self) -> Option<Self> {
        match self {
            Self::Value(schema, Root::Part) => match (schema.ty, &schema.items, &schema.more) {
                (Type::Array, Some(items), _) => Some(Self::of(items)),
                (Type::Object, _, Some(More::Of(values))) => Some(Self::of(values)),
                _ => None,
            },
            _ => None,
        }
    }

    /// A key of a map.
    pub(super) fn key(self) -> Option<Self> {
        let is_map = matches!(self, Self::Value(schema, Root::Part)
            if schema.ty == Type::Object && matches!(schema.more, Some(More::Of(_))));
        is_map.then_some(Self::Key)
    }

    /// Elements, entries, characters or bytes at most; none of what has one size.
    pub(super) fn most(self) -> u64 {
        let (schema, is_part) = match self {
            Self::Key => return 0,
            Self::Text => return REQUEST_MAX - 2,
            Self::Value(schema, root) => (schema, root == Root::Part),
        };
        let limits = &schema.limits;
        let (room, least) = (REQUEST_MAX - 2, |part: &Schema| Decl::of(part).least_bytes());
        match (schema.ty, &schema.items, &schema.more) {
            (Type::IntOrText, ..) => limits.max_length.map_or(room, |max| max.saturating_mul(4)),
            (Type::Array, Some(items), _) => limits.max_items.unwrap_or_else(|| room / (least(items) + 1)),
            (Type::Object, _, Some(More::Of(values))) if is_part => {
                limits.max_properties.unwrap_or_else(|| room / (least(values) + 6))
            }
            (Type::Text, ..) => match limits.format.as_str() {
                "byte" => limits.max_length.unwrap_or(room),
                "duration" => DURATION_MAX,
                "date" => DATE,
                "date-time" => TIME_MAX,
                _ => match (limits.max_length, limits.one_of_values.is_empty()) {
                    (Some(max), _) => max.saturating_mul(4),
                    (None, true) => room,
                    (None, false) => {
                        let lengths = limits.one_of_values.iter().filter_map(|value| value.as_str());
                        lengths.map(|text| text.len() as u64).max().unwrap_or(0)
                    }
                },
            },
            _ => 0,
        }
    }

    /// Bytes of JSON at least.
    pub(super) fn least_bytes(self) -> u64 {
        let Self::Value(schema, _) = self else { return 2 };
        match schema.ty {
            Type::Any | Type::IntOrText | Type::Integer | Type::Number => 1,
            Type::Boolean => 4,
            Type::Array => 2,
            Type::Text => match schema.limits.format.as_str() {
                "duration" => DURATION_MIN,
                "date" => DATE,
                "date-time" => TIME_MIN,
                _ => 2,
            },
            Type::Object if matches!(schema.more, Some(More::Of(_))) => 2,
            Type::Object => {
                // One that stands there twice is no longer for it.
                let required: BTreeSet<&String> = schema.limits.required.iter().collect();
                let required = required.into_iter().filter_map(|name| {
                    let below = schema.properties.get(name).filter(|below| below.default.is_none())?;
                    Some((name.len() as u64 + 4).saturating_add(Decl::of(below).least_bytes()))
                });
                required.fold(2, u64::saturating_add)
            }
        }
    }
}
