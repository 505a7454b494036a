//! Whether a schema is structural: every field has a type, and what is nested in logic only narrows
//! (`apiextensions-apiserver/pkg/apiserver/schema/validation.go`, `complete.go`).
//!
//! The faults come in the order of their texts, as upstream sorts them.

use serde_json::{Value, json};

use super::super::at::At;

#[derive(Clone, Copy, PartialEq)]
enum Level {
    Root,
    Item,
    Field,
}

/// Whether a schema says only what a structural one can say at all. What it says else is judged where it stands
/// (`validateUnsupportedFields` of `convert.go`).
pub(super) fn is_convertible(schema: &Value) -> bool {
    let is_unsupported = |(name, value): (&String, &Value)| match name.as_str() {
        "id" | "$schema" | "$ref" | "patternProperties" | "dependencies" | "definitions" => {
            !is_nothing(value)
        }
        "additionalItems" => !value.is_null(),
        "items" => value.as_array().is_some_and(|list| !list.is_empty()),
        "x-kubernetes-preserve-unknown-fields" => *value == Value::Bool(false),
        _ => false,
    };
    let Some(fields) = schema.as_object() else { return true };
    let below = fields.iter().all(|(name, value)| match name.as_str() {
        "properties" => value.as_object().is_none_or(|all| all.values().all(is_convertible)),
        "allOf" | "anyOf" | "oneOf" => value.as_array().is_none_or(|all| all.iter().all(is_convertible)),
        "items" | "additionalProperties" | "not" => is_convertible(value),
        _ => true,
    });
    below && !fields.iter().any(is_unsupported)
}

/// Judges the whole schema.
pub(super) fn structural(schema: &At<'_, '_>) {
    let faults = schema.faults();
    let before = faults.count();
    invariants(schema, Level::Root);
    complete(schema, schema);
    let mut found = faults.since(before);
    if faults.count() - before == found.len() {
        found.sort_by_key(ToString::to_string);
        faults.truncate(before);
        faults.extend(&found);
    }
}

fn invariants(schema: &At<'_, '_>, level: Level) {
    let (kind, items) = (schema.get_text("type"), schema.field("items"));
    if kind == "array" && !items.is_set() {
        items.required("must be specified");
    }
    if items.value().is_object() {
        invariants(&items, Level::Item);
    }
    schema.field("properties").entries().for_each(|(_, property)| invariants(&property, Level::Field));
    let more = schema.field("additionalProperties");
    if more.is_set() && level == Level::Root {
        more.forbidden("must not be used at the root");
    }
    if more.value().is_object() {
        invariants(&more, Level::Field);
    }
    extensions(schema);
    logic(schema, is_int_or_string(schema.get("anyOf")), starts_int_or_string(schema));
    typed(schema, level);
    metadata(schema, level);
}

fn extensions(schema: &At<'_, '_>) {
    if !schema.field("x-kubernetes-int-or-string").is_true() {
        return;
    }
    for name in ["x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource"] {
        let field = schema.field(name);
        if field.is_true() {
            field.invalid("must be false if x-kubernetes-int-or-string is true");
        }
    }
}

/// Every place has a type, or says that it has none.
fn typed(schema: &At<'_, '_>, level: Level) {
    let kind = schema.field("type");
    let embedded = schema.field("x-kubernetes-embedded-resource").is_true();
    let preserves = schema.field("x-kubernetes-preserve-unknown-fields").is_true();
    let either = schema.field("x-kubernetes-int-or-string").is_true();
    if embedded && kind.text() != "object" {
        let message = "must be object if x-kubernetes-embedded-resource is true";
        if kind.is_empty() { kind.required(message) } else { kind.invalid_text(message) }
    } else if kind.is_empty() && !either && !preserves {
        kind.required(match level {
            Level::Root => "must not be empty at the root",
            Level::Item => "must not be empty for specified array items",
            Level::Field => "must not be empty for specified object fields",
        });
    }
    let more = schema.field("additionalProperties");
    if embedded && more.is_set() {
        more.forbidden("must not be used if x-kubernetes-embedded-resource is set");
    }
    if level == Level::Root && !kind.is_empty() && kind.text() != "object" {
        kind.invalid_text("must be object at the root");
    }
    if embedded && !preserves && schema.field("properties").is_empty() {
        schema.field("properties").required(
            "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields",
        );
    }
}

/// What every object has is not described again.
fn metadata(schema: &At<'_, '_>, level: Level) {
    let properties = schema.field("properties");
    let whole = level == Level::Root || schema.field("x-kubernetes-embedded-resource").is_true();
    for name in ["kind", "apiVersion"].iter().filter(|name| whole && properties.has(name)) {
        let property = properties.key(name);
        if property.get_text("type") != "string" {
            property.field("type").invalid_text("must be string");
        }
    }
    if !properties.has("metadata") {
        return;
    }
    let metadata = properties.key("metadata");
    if whole && metadata.get_text("type") != "object" {
        metadata.field("type").invalid_text("must be object");
    }
    let allowed = |(name, value): (&String, &Value)| match name.as_str() {
        "type" | "default" => true,
        "properties" => value
            .as_object()
            .is_none_or(|map| map.keys().all(|key| matches!(key.as_str(), "name" | "generateName"))),
        _ => is_nothing(value),
    };
    if level == Level::Root && !metadata.map().into_iter().flatten().all(allowed) {
        metadata.forbidden(
            "must not specify anything other than name and generateName, but metadata is implicitly specified",
        );
    }
}

fn is_nothing(value: &Value) -> bool {
    matches!(value, Value::Null | Value::Bool(false))
        || value.as_str().is_some_and(str::is_empty)
        || value.as_array().is_some_and(Vec::is_empty)
        || value.as_object().is_some_and(serde_json::Map::is_empty)
}

fn is_int_or_string(any_of: &Value) -> bool {
    *any_of == json!([{"type": "integer"}, {"type": "string"}])
}

fn starts_int_or_string(schema: &At<'_, '_>) -> bool {
    schema.get("allOf").get(0).and_then(|first| first.get("anyOf")).is_some_and(is_int_or_string)
}

/// What is nested in logic.
fn logic(schema: &At<'_, '_>, skip_any: bool, skip_first: bool) {
    if !skip_any {
        schema.field("anyOf").items().for_each(|one| nested(&one, false, false));
    }
    for (at, one) in schema.field("allOf").items().enumerate() {
        nested(&one, skip_first && at == 0, false);
    }
    schema.field("oneOf").items().for_each(|one| nested(&one, false, false));
    let not = schema.field("not");
    if not.is_set() {
        nested(&not, false, false);
    }
    pattern(&schema.field("pattern"));
}

fn pattern(pattern: &At<'_, '_>) {
    if !pattern.is_empty()
        && let Err(why) = crate::custom::schema::pattern(pattern.text())
    {
        pattern.invalid_text(format!("must be a valid regular expression, but isn't: {why}"));
    }
}

/// Logic narrows values; it says nothing about structure.
fn nested(schema: &At<'_, '_>, skip_any: bool, skip_first: bool) {
    logic(schema, skip_any, skip_first);
    let items = schema.field("items");
    if items.value().is_object() {
        nested(&items, false, false);
    }
    let properties = schema.field("properties");
    properties.entries().for_each(|(_, property)| nested(&property, false, false));
    for (name, state) in [
        ("type", "empty"),
        ("additionalProperties", "undefined"),
        ("default", "undefined"),
        ("title", "empty"),
        ("description", "empty"),
        ("nullable", "false"),
        ("x-kubernetes-preserve-unknown-fields", "false"),
        ("x-kubernetes-embedded-resource", "false"),
        ("x-kubernetes-int-or-string", "false"),
        ("x-kubernetes-list-map-keys", "empty"),
        ("x-kubernetes-list-type", "undefined"),
        ("x-kubernetes-map-type", "undefined"),
        ("x-kubernetes-validations", "empty"),
    ] {
        let field = schema.field(name);
        let is_given = match name {
            "additionalProperties" => field.is_set() && !field.is_false(),
            _ => field.is_set() && (state == "undefined" || !is_nothing(field.value())),
        };
        if is_given {
            field.forbidden(format!("must be {state} to be structural"));
        }
    }
    if properties.has("metadata") {
        properties.key("metadata").forbidden("must not be specified in a nested context");
    }
}

/// Every field that logic speaks of is described outside of it, too; a fault is reported where it should be.
fn complete(nested: &At<'_, '_>, outside: &At<'_, '_>) {
    if !outside.is_set() {
        return outside.required(format!("because it is defined in {}", nested.path()));
    }
    let not = nested.field("not");
    if not.is_set() {
        narrowed(&not, outside);
    }
    for list in ["allOf", "anyOf", "oneOf"] {
        nested.field(list).items().for_each(|one| narrowed(&one, outside));
    }
}

fn narrowed(nested: &At<'_, '_>, outside: &At<'_, '_>) {
    complete(nested, outside);
    if !outside.is_set() {
        return;
    }
    let items = nested.field("items");
    if items.value().is_object() {
        narrowed(&items, &outside.field("items"));
    }
    let described = outside.field("properties");
    for (name, property) in nested.field("properties").entries() {
        narrowed(&property, &described.key(name));
    }
}
