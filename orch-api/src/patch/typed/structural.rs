//! Structural schemas of custom resource definitions, read in place (`kube-openapi/pkg/schemaconv/openapi.go`).

use serde_json::{Value, json};

use super::{ListRule, MapRule, Parts, Rule, ScalarRule, Shape};
use crate::tree::Get;

const PRESERVE: &str = "x-kubernetes-preserve-unknown-fields";
const LIST_TYPE: &str = "x-kubernetes-list-type";
const MAP_TYPE: &str = "x-kubernetes-map-type";

pub(super) fn rule<'s>(shape: Shape<'s>, schema: &'s Value, value: Option<&Value>) -> Rule<'s> {
    let map = || Rule::Map(MapRule { shape, is_atomic: schema.text(MAP_TYPE) == "atomic" });
    match (schema.text("type"), value) {
        ("object", _) | ("", None | Some(Value::Null | Value::Object(_))) => map(),
        ("array", _) | ("", Some(Value::Array(_))) => {
            let item = schema.at("items").map_or(Shape::Atomic, Shape::Structural);
            Rule::List(ListRule { item, parts: parts(schema) })
        }
        ("integer" | "number", _) => Rule::Scalar(ScalarRule::Number),
        ("boolean", _) => Rule::Scalar(ScalarRule::Boolean),
        ("string", _) if matches!(schema.text("format"), "" | "byte") => Rule::Scalar(ScalarRule::Text),
        _ => Rule::Scalar(ScalarRule::Any),
    }
}

fn parts(schema: &Value) -> Parts<'_> {
    match schema.text(LIST_TYPE) {
        "set" => Parts::Set,
        "map" => {
            let keys = schema.list("x-kubernetes-list-map-keys");
            Parts::Keys(keys.iter().filter_map(Value::as_str).collect())
        }
        _ => Parts::Atomic,
    }
}

pub(super) fn named<'s>(schema: &'s Value, name: &str) -> Option<Shape<'s>> {
    schema.at("properties")?.get(name).map(Shape::Structural)
}

/// The shape of the fields that have no name of their own.
pub(super) fn other(schema: &Value) -> Option<Shape<'_>> {
    match schema.at("additionalProperties") {
        Some(Value::Bool(true)) => Some(Shape::Deduced),
        Some(Value::Bool(false)) => None,
        Some(values) => Some(Shape::Structural(values)),
        None if schema.at(PRESERVE) == Some(&json!(true)) || schema.is_unset("properties") => {
            Some(Shape::Deduced)
        }
        None => None,
    }
}

/// What a key has when an element does not say.
pub(super) fn default<'s>(schema: &'s Value, key: &str) -> Option<&'s Value> {
    schema.at("properties")?.at(key)?.at("default")
}
