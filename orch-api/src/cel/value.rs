//! Values of expressions. Parts of an object are looked at where they stand, with the schema that says what they are.

use std::cmp::Ordering;
use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine;
use ipnet::IpNet;
use jiff::Timestamp;
use orch_core::Quantity;
use serde_json::Value;

use super::Stop;
use super::eval::Scope;
use super::named_formats::NamedFormat;
use super::semver::Semver;
use crate::custom::schema::{List, Schema, Type};
use crate::tree::Tree;

/// A value.
#[derive(Clone, Debug)]
pub(crate) enum Val<'v> {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    Text(Arc<str>),
    Bytes(Arc<[u8]>),
    List(Arc<Vec<Val<'v>>>),
    Map(Arc<Vec<(Val<'v>, Val<'v>)>>),
    /// An object as it is sent.
    Object(&'v Tree, Option<&'v Schema>),
    /// A list as it is sent.
    Array(&'v [Value], Option<&'v Schema>),
    /// In nanoseconds.
    Duration(i64),
    Time(Timestamp),
    Quantity(Arc<Quantity>),
    Optional(Option<Box<Val<'v>>>),
    Ip(IpAddr),
    Cidr(IpNet),
    Url(Arc<str>),
    Semver(Arc<Semver>),
    Format(&'static NamedFormat),
    /// The name of a type.
    Type(&'static str),
}

impl<'v> Val<'v> {
    /// A value as it is sent.
    pub(crate) fn of(value: &'v Value, schema: Option<&'v Schema>) -> Self {
        let ty = schema.map_or(Type::Any, |schema| schema.ty);
        match value {
            Value::Null => Self::Null,
            Value::Bool(flag) => Self::Bool(*flag),
            Value::Number(number) => match number.as_i64() {
                Some(whole) if ty != Type::Number => Self::Int(whole),
                _ => Self::Double(number.as_f64().unwrap_or_default()),
            },
            Value::String(text) => Self::text_of(text, schema),
            Value::Array(list) => Self::Array(list, schema),
            Value::Object(fields) => Self::Object(fields, schema),
        }
    }

    /// Texts of some formats are values of their own (`apiserver/pkg/cel/common/values.go`).
    fn text_of(text: &str, schema: Option<&Schema>) -> Self {
        let format = schema.map_or("", |schema| schema.limits.format.as_str());
        let special = match format {
            "byte" => base64::engine::general_purpose::STANDARD
                .decode(text)
                .ok()
                .map(|bytes| Self::Bytes(bytes.into())),
            "date-time" => text.parse().ok().map(Self::Time),
            "date" => format!("{text}T00:00:00Z").parse().ok().map(Self::Time),
            "duration" => crate::custom::loose_duration(text).map(Self::Duration),
            _ => None,
        };
        special.unwrap_or_else(|| Self::text(text))
    }

    pub(crate) fn text(text: impl Into<Arc<str>>) -> Self {
        Self::Text(text.into())
    }

    pub(super) fn list(items: Vec<Val<'v>>) -> Self {
        Self::List(Arc::new(items))
    }

    /// The name of its type.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null_type",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Uint(_) => "uint",
            Self::Double(_) => "double",
            Self::Text(_) => "string",
            Self::Bytes(_) => "bytes",
            Self::List(_) | Self::Array(..) => "list",
            Self::Map(_) | Self::Object(..) => "map",
            Self::Duration(_) => "google.protobuf.Duration",
            Self::Time(_) => "google.protobuf.Timestamp",
            Self::Quantity(_) => "kubernetes.Quantity",
            Self::Optional(_) => "optional_type",
            Self::Ip(_) => "net.IP",
            Self::Cidr(_) => "net.CIDR",
            Self::Url(_) => "kubernetes.URL",
            Self::Semver(_) => "kubernetes.Semver",
            Self::Format(_) => "kubernetes.NamedFormat",
            Self::Type(_) => "type",
        }
    }

    /// The elements of a list.
    pub(super) fn items(&self) -> Option<Vec<Val<'v>>> {
        match self {
            Self::List(items) => Some(items.to_vec()),
            Self::Array(list, schema) => {
                let item = schema.and_then(|schema| schema.items.as_deref());
                Some(list.iter().map(|value| Val::of(value, item)).collect())
            }
            _ => None,
        }
    }

    /// The keys of a map with their values.
    pub(super) fn entries(&self) -> Option<Vec<(Val<'v>, Val<'v>)>> {
        match self {
            Self::Map(entries) => Some(entries.to_vec()),
            Self::Object(fields, schema) => {
                let entry = |(name, value): (&'v String, &'v Value)| {
                    (Val::text(name.as_str()), Val::of(value, schema.and_then(|schema| schema.field(name))))
                };
                Some(fields.iter().map(entry).collect())
            }
            _ => None,
        }
    }

    /// How many elements, entries, characters or bytes.
    pub(super) fn size(&self) -> Option<usize> {
        match self {
            Self::List(items) => Some(items.len()),
            Self::Array(list, _) => Some(list.len()),
            Self::Map(entries) => Some(entries.len()),
            Self::Object(fields, _) => Some(fields.len()),
            Self::Text(text) => Some(text.chars().count()),
            Self::Bytes(bytes) => Some(bytes.len()),
            _ => None,
        }
    }

    /// About how much there is to look at.
    pub(super) fn weight(&self) -> u64 {
        let size = match self {
            Self::Text(text) | Self::Url(text) => text.len() / 10,
            Self::Bytes(bytes) => bytes.len() / 10,
            other => other.size().unwrap_or_default(),
        };
        size as u64 + 1
    }

    /// Whether it holds other values.
    pub(super) fn has_parts(&self) -> bool {
        use Val::{Array, List, Map, Object, Optional};
        matches!(self, List(_) | Array(..) | Map(_) | Object(..) | Optional(Some(_)))
    }

    /// Pays for a look at all of it, as [`Val::same`] has one.
    pub(super) fn pay(&self, scope: &mut Scope<'v>) -> Result<(), Stop> {
        /// Of parts without an order that are compared for one step.
        const PAIRS: u64 = 100;
        scope.spend(self.weight())?;
        let is_in_order = match self {
            Self::Optional(Some(inner)) => return inner.pay(scope),
            Self::Array(_, schema) => schema.is_none_or(|schema| schema.list == List::Atomic),
            Self::Map(_) => false,
            _ => true,
        };
        if !is_in_order {
            let size = self.size().unwrap_or_default() as u64;
            scope.spend(size.saturating_mul(size) / PAIRS)?;
        }
        for item in self.items().unwrap_or_default() {
            item.pay(scope)?;
        }
        for (_, value) in self.entries().unwrap_or_default() {
            value.pay(scope)?;
        }
        Ok(())
    }

    /// A field of an object, or the value of a key.
    pub(super) fn field(&self, name: &str) -> Option<Val<'v>> {
        match self {
            Self::Object(fields, schema) => {
                let found =
                    fields.get_key_value(name).or_else(|| fields.get_key_value(&*unescaped(name)?))?;
                Some(Val::of(found.1, schema.and_then(|schema| schema.field(found.0))))
            }
            Self::Map(entries) => {
                let is_it =
                    |(key, _): &&(Val<'v>, Val<'v>)| matches!(key, Self::Text(text) if &**text == name);
                entries.iter().find(is_it).map(|(_, value)| value.clone())
            }
            _ => None,
        }
    }

    /// Whether two values are the same.
    pub(super) fn same(&self, other: &Val<'_>) -> bool {
        if let (Some(a), Some(b)) = (self.number(), other.number()) {
            return a.cmp(&b) == Some(Ordering::Equal);
        }
        match (self, other) {
            (Self::Null, Val::Null) => true,
            (Self::Bool(a), Val::Bool(b)) => a == b,
            (Self::Text(a), Val::Text(b)) | (Self::Url(a), Val::Url(b)) => a == b,
            (Self::Bytes(a), Val::Bytes(b)) => a == b,
            (Self::Duration(a), Val::Duration(b)) => a == b,
            (Self::Time(a), Val::Time(b)) => a == b,
            (Self::Quantity(a), Val::Quantity(b)) => a == b,
            (Self::Ip(a), Val::Ip(b)) => a == b,
            (Self::Cidr(a), Val::Cidr(b)) => a == b,
            (Self::Type(a), Val::Type(b)) => a == b,
            (Self::Semver(a), Val::Semver(b)) => a == b,
            (Self::Format(a), Val::Format(b)) => a == b,
            (Self::Optional(a), Val::Optional(b)) => match (a, b) {
                (None, None) => true,
                (Some(a), Some(b)) => a.same(b),
                _ => false,
            },
            _ => self.same_parts(other),
        }
    }

    fn same_parts(&self, other: &Val<'_>) -> bool {
        if let (Some(a), Some(b)) = (self.items(), other.items()) {
            let is_set = matches!(self, Self::Array(_, Some(schema)) if schema.list != List::Atomic);
            return a.len() == b.len()
                && if is_set {
                    a.iter().all(|a| b.iter().any(|b| a.same(b)))
                } else {
                    a.iter().zip(&b).all(|(a, b)| a.same(b))
                };
        }
        if let (Self::Object(a, ours), Val::Object(b, theirs)) = (self, other) {
            let has = |(name, value): (&String, &Value)| {
                let [ours, theirs] =
                    [ours, theirs].map(|schema| schema.and_then(|schema| schema.field(name)));
                b.get(name).is_some_and(|other| Val::of(value, ours).same(&Val::of(other, theirs)))
            };
            return a.len() == b.len() && a.iter().all(has);
        }
        if let (Some(a), Some(b)) = (self.entries(), other.entries()) {
            let has = |(key, value): &(Val<'_>, Val<'_>)| {
                b.iter().any(|(other, theirs)| key.same(other) && value.same(theirs))
            };
            return a.len() == b.len() && a.iter().all(has);
        }
        false
    }

    fn number(&self) -> Option<Number> {
        match self {
            Self::Int(number) => Some(Number::Whole(i128::from(*number))),
            Self::Uint(number) => Some(Number::Whole(i128::from(*number))),
            Self::Double(number) => Some(Number::Double(*number)),
            _ => None,
        }
    }

    /// The order of two values; `None` when they have none.
    pub(super) fn order(&self, other: &Val<'_>) -> Option<Ordering> {
        if let (Some(a), Some(b)) = (self.number(), other.number()) {
            return a.cmp(&b);
        }
        match (self, other) {
            (Self::Bool(a), Val::Bool(b)) => Some(a.cmp(b)),
            (Self::Text(a), Val::Text(b)) => Some(a.cmp(b)),
            (Self::Bytes(a), Val::Bytes(b)) => Some(a.cmp(b)),
            (Self::Duration(a), Val::Duration(b)) => Some(a.cmp(b)),
            (Self::Time(a), Val::Time(b)) => Some(a.cmp(b)),
            (Self::Quantity(a), Val::Quantity(b)) => Some(a.cmp(b)),
            _ => None,
        }
    }
}

/// Numbers are by what they are worth.
enum Number {
    Whole(i128),
    Double(f64),
}

impl Number {
    fn cmp(&self, other: &Self) -> Option<Ordering> {
        let double = |number: &Self| match number {
            Self::Whole(whole) => *whole as f64,
            Self::Double(double) => *double,
        };
        match (self, other) {
            (Self::Whole(a), Self::Whole(b)) => Some(a.cmp(b)),
            _ => double(self).partial_cmp(&double(other)),
        }
    }
}

/// The type of that name, if it is one.
pub(super) fn type_named(name: &str) -> Option<&'static str> {
    const NAMES: [&str; 12] = [
        "int",
        "uint",
        "double",
        "bool",
        "string",
        "bytes",
        "list",
        "map",
        "type",
        "null_type",
        "google.protobuf.Duration",
        "google.protobuf.Timestamp",
    ];
    NAMES.into_iter().find(|known| *known == name)
}

/// Words that CEL keeps for itself.
pub(crate) const RESERVED: &[&str] = &[
    "true",
    "false",
    "null",
    "in",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

/// Names that expressions cannot spell are written otherwise (`apiserver/pkg/cel/escaping.go`).
pub(super) fn unescaped(name: &str) -> Option<String> {
    if !name.contains("__") {
        return None;
    }
    if let Some(word) = name.strip_prefix("__").and_then(|name| name.strip_suffix("__"))
        && RESERVED.contains(&word)
    {
        return Some(word.to_owned());
    }
    let signs = [("__underscores__", "__"), ("__dot__", "."), ("__dash__", "-"), ("__slash__", "/")];
    let mut out = String::with_capacity(name.len());
    let mut rest = name;
    while !rest.is_empty() {
        if let Some((escape, sign)) = signs.iter().find(|(escape, _)| rest.starts_with(escape)) {
            out.push_str(sign);
            rest = &rest[escape.len()..];
        } else {
            let letter = rest.chars().next()?;
            out.push(letter);
            rest = &rest[letter.len_utf8()..];
        }
    }
    Some(out)
}
