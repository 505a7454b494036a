//! The schema of a version, as OpenAPI: what it may say and what fits together
//! (`ValidateCustomResourceDefinitionOpenAPISchema`).
//!
//! That it has the structure that pruning and defaulting need is judged in `structural`, what its rules say in `rules`.

use std::cell::LazyCell;

use serde_json::Value;

use super::super::at::{At, quote};
use super::super::rules::Seen;
use super::rules::Rules;
use super::{Allowed, defaults, structural};
use crate::custom::field_path::{self, Brackets};
use crate::custom::schema::Schema;

const TYPES: &[&str] = &["array", "boolean", "integer", "number", "object", "string"];

/// What a schema may have at its root when the status is a subresource.
const AT_ROOT: &[&str] = &[
    "description",
    "type",
    "format",
    "title",
    "maximum",
    "exclusiveMaximum",
    "minimum",
    "exclusiveMinimum",
    "maxLength",
    "minLength",
    "pattern",
    "maxItems",
    "minItems",
    "uniqueItems",
    "multipleOf",
    "required",
    "items",
    "properties",
    "externalDocs",
    "example",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-validations",
];

/// The `schema` of a version.
pub(super) fn validation(validation: &At<'_, '_>, has_status: bool, allowed: Allowed) {
    let schema = validation.field("openAPIV3Schema");
    if !schema.is_set() {
        return;
    }
    if has_status {
        at_root(validation, &schema);
    }
    if schema.field("nullable").is_true() {
        validation
            .with(schema.get("nullable"))
            .shown("openAPIV3Schema.nullable")
            .forbidden("nullable cannot be true at the root");
    }
    let before = schema.faults().count();
    let is_convertible = structural::is_convertible(schema.value());
    if is_convertible {
        structural::structural(&schema);
        if schema.faults().count() == before {
            defaults::defaults(&schema, allowed.unknown);
        }
    }
    let rules = Rules::new(allowed.costs);
    let is_structural = is_convertible && schema.faults().count() == before;
    Walk {
        is_root: true,
        in_metadata: false,
        no_defaults: None,
        uncorrelatable: None,
        elements: Some(1),
        rules: is_structural.then_some(&rules),
    }
    .schema(&schema);
    rules.report(&schema);
}

fn at_root(validation: &At<'_, '_>, schema: &At<'_, '_>) {
    let kind = schema.get_text("type");
    if !kind.is_empty() && kind != "object" {
        validation.with(schema.get("type")).shown("openAPIV3Schema.type").invalid_text(
            "only \"object\" is allowed as the type at the root of the schema if the status subresource is enabled",
        );
        return;
    }
    let others = schema.map().into_iter().flatten();
    if others.filter(|(name, value)| !is_zero(value) && !AT_ROOT.contains(&name.as_str())).count() > 0 {
        let names: Vec<String> = AT_ROOT.iter().map(|name| field_name(name)).collect();
        schema.invalid(format!(
            "only [{}] fields are allowed at the root of the schema if the status subresource is enabled",
            names.join(" ")
        ));
    }
}

/// What upstream calls a part of a schema.
fn field_name(name: &str) -> String {
    let (start, words) = name.strip_prefix("x-kubernetes-").map_or(("", name), |rest| ("X", rest));
    let capital = |word: &str| format!("{}{}", word[..1].to_uppercase(), &word[1..]);
    let words: Vec<String> = words.split('-').map(capital).collect();
    format!("{start}{}", words.concat())
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

/// Where in a schema the walk is.
#[derive(Clone, Copy)]
struct Walk<'a> {
    is_root: bool,
    in_metadata: bool,
    /// Why defaults are refused here.
    no_defaults: Option<&'a str>,
    /// The list around it whose elements cannot be told from what they were.
    uncorrelatable: Option<&'a str>,
    /// How often the value can stand in an object, if that is bounded.
    elements: Option<u64>,
    /// Where rules are judged.
    rules: Option<&'a Rules>,
}

impl Walk<'_> {
    fn schema(self, schema: &At<'_, '_>) {
        if !schema.is_set() {
            return;
        }
        let before = schema.faults().count();
        self.standard(schema);
        if schema.field("uniqueItems").is_true() {
            schema.field("uniqueItems").forbidden(
                "uniqueItems cannot be set to true since the runtime complexity becomes quadratic",
            );
        }
        self.properties(schema);
        let logic = Self { is_root: false, rules: None, ..self };
        logic.schema(&schema.field("not"));
        for list in ["allOf", "oneOf", "anyOf"] {
            schema.field(list).items().for_each(|one| logic.schema(&one));
        }
        schema.field("definitions").entries().for_each(|(_, one)| logic.schema(&one));
        self.items(schema);
        let preserve = schema.field("x-kubernetes-preserve-unknown-fields");
        if preserve.is_false() {
            preserve.invalid("must be true or undefined");
        }
        map_type(schema);
        list_type(schema);
        list_keys(schema);
        identified_items(schema);
        validations(schema);
        if schema.faults().count() == before
            && let Some(rules) = self.rules
        {
            rules.judge(schema, self.is_root, self.elements, self.uncorrelatable);
        }
    }

    fn items(self, schema: &At<'_, '_>) {
        let items = schema.field("items");
        if !items.is_set() {
            return;
        }
        let path;
        let uncorrelatable = match (self.uncorrelatable, schema.get_text("x-kubernetes-list-type")) {
            (None, "map") => None,
            (Some(known), _) => Some(known),
            _ => {
                path = schema.path();
                Some(path.as_str())
            }
        };
        let below = Walk { is_root: false, uncorrelatable, elements: self.elements_below(schema), ..self };
        match items.value() {
            Value::Array(_) => items.items().for_each(|one| below.schema(&one)),
            _ => below.schema(&items),
        }
    }

    /// How often a value below the schema can stand in an object.
    fn elements_below(self, schema: &At<'_, '_>) -> Option<u64> {
        let bound = |name: &str| schema.get(name).as_i64().map(|max| u64::try_from(max).unwrap_or(0));
        let most = match schema.get_text("type") {
            "object" if schema.has("additionalProperties") => bound("maxProperties"),
            "array" => bound("maxItems"),
            _ => Some(1),
        };
        Some(self.elements?.saturating_mul(most?))
    }

    fn properties(self, schema: &At<'_, '_>) {
        let elements = self.elements_below(schema);
        let (more, properties) = (schema.field("additionalProperties"), schema.field("properties"));
        if more.is_set() {
            if !properties.is_empty() && !more.is_true() {
                more.forbidden("additionalProperties and properties are mutual exclusive");
            }
            let why = "inside additionalProperties applying to object metadata";
            let no_defaults = if self.in_metadata { Some(why) } else { self.no_defaults };
            if more.value().is_object() {
                Walk { is_root: false, no_defaults, elements, ..self }.schema(&more);
            }
        }
        let embedded = schema.field("x-kubernetes-embedded-resource").is_true();
        for (name, property) in properties.entries() {
            let of_metadata = matches!(name, "metadata" | "kind" | "apiVersion");
            let in_metadata = self.in_metadata || (of_metadata && (self.is_root || embedded));
            let why = format!("in top-level {name}");
            let no_defaults = if of_metadata && self.is_root { Some(why.as_str()) } else { self.no_defaults };
            Walk { is_root: false, in_metadata, no_defaults, elements, ..self }.schema(&property);
        }
    }

    /// What OpenAPI knows and Kubernetes does not take.
    fn standard(self, schema: &At<'_, '_>) {
        let kind = schema.field("type");
        if !kind.is_empty() && !TYPES.contains(&kind.text()) {
            kind.unsupported(TYPES);
        }
        if let (true, Some(why)) = (schema.has("default"), self.no_defaults) {
            schema.field("default").forbidden(format!("must not be set {why}"));
        }
        for name in ["id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref"] {
            let field = schema.field(name);
            if field.is_set() && !(is_zero(field.value()) && name != "dependencies") {
                field.forbidden(format!("{name} is not supported"));
            }
        }
        if kind.text() == "null" {
            kind.forbidden("type cannot be set to null, use nullable as an alternative");
        }
        let items = schema.field("items");
        if items.value().is_array() && !items.is_empty() {
            items.forbidden("items must be a schema object and not an array");
        }
        if self.in_metadata && schema.field("x-kubernetes-embedded-resource").is_true() {
            schema
                .field("x-kubernetes-embedded-resource")
                .forbidden("must not be used inside of resource meta");
        }
    }
}

/// The type must be that one.
fn must_be(schema: &At<'_, '_>, expected: &str, because: &str) -> bool {
    let kind = schema.field("type");
    if kind.text() == expected {
        return true;
    }
    let message = format!("must be {expected} if {because} is specified");
    if kind.is_empty() {
        kind.required(message)
    } else {
        kind.invalid_text(message)
    }
    false
}

fn map_type(schema: &At<'_, '_>) {
    const NAME: &str = "x-kubernetes-map-type";
    let kind = schema.field(NAME);
    if kind.is_set() {
        must_be(schema, "object", NAME);
        kind.one_of(&["atomic", "granular"]);
    }
}

fn list_type(schema: &At<'_, '_>) {
    const NAME: &str = "x-kubernetes-list-type";
    let kind = schema.field(NAME);
    if !kind.is_set() {
        return;
    }
    let items = schema.field("items");
    if must_be(schema, "array", NAME) && kind.text() == "set" && items.value().is_object() {
        const ATOMIC: &str = "must be atomic as item of a list with x-kubernetes-list-type=set";
        match items.get_text("type") {
            "array" if items.has(NAME) && items.get_text(NAME) != "atomic" => {
                items.field(NAME).invalid(ATOMIC);
            }
            "object" if items.get_text("x-kubernetes-map-type") != "atomic" => {
                items.field("x-kubernetes-map-type").invalid(ATOMIC);
            }
            _ => {}
        }
    }
    kind.one_of(&["atomic", "set", "map"]);
}

fn list_keys(schema: &At<'_, '_>) {
    let (kind, keys) = (schema.field("x-kubernetes-list-type"), schema.field("x-kubernetes-list-map-keys"));
    if !keys.is_empty() && kind.text() != "map" {
        let message = "must be map if x-kubernetes-list-map-keys is non-empty";
        if kind.is_set() { kind.invalid_text(message) } else { kind.required(message) }
    }
    if kind.text() != "map" {
        return;
    }
    if keys.is_empty() {
        keys.required("must not be empty if x-kubernetes-list-type is map");
    }
    let items = schema.field("items");
    if !items.is_set() {
        return items.required("must have a schema if x-kubernetes-list-type is map");
    }
    if !items.value().is_object() {
        return items.invalid("must only have a single schema if x-kubernetes-list-type is map");
    }
    if items.get_text("type") != "object" {
        return items
            .field("type")
            .invalid_text("must be object if parent array's x-kubernetes-list-type is map");
    }
    let mut seen = Seen::new();
    let properties = items.field("properties");
    for key in keys.list().iter().filter_map(Value::as_str) {
        if properties.has(key) {
            let property = properties.key(key);
            if matches!(property.get_text("type"), "array" | "object") {
                property.field("type").invalid_as(
                    quote("object"),
                    "must be a scalar type if parent array's x-kubernetes-list-type is map",
                );
            }
        } else {
            keys.invalid("entries must all be names of item properties");
        }
        if !seen.insert(key) {
            keys.invalid("must not contain duplicate entries");
        }
    }
}

/// What identifies an element is always there.
fn identified_items(schema: &At<'_, '_>) {
    let (kind, items) = (schema.get_text("x-kubernetes-list-type"), schema.field("items"));
    if !matches!(kind, "set" | "map") || !items.value().is_object() {
        return;
    }
    if items.field("nullable").is_true() {
        items
            .field("nullable")
            .forbidden(format!("cannot be nullable when x-kubernetes-list-type is {kind}"));
    }
    if kind == "set" {
        return;
    }
    let (required, properties) = (items.field("required"), items.field("properties"));
    for key in schema.field("x-kubernetes-list-map-keys").list().iter().filter_map(Value::as_str) {
        if !properties.has(key) {
            continue;
        }
        let property = properties.key(key);
        if !required.list().iter().any(|name| name == key) && !property.has("default") {
            property.field("default").required(
                "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property",
            );
        }
        if property.field("nullable").is_true() {
            property
                .field("nullable")
                .forbidden("this property is in x-kubernetes-list-map-keys, so it cannot be nullable");
        }
    }
}

fn validations(schema: &At<'_, '_>) {
    if schema.get("x-kubernetes-validations").is_null() {
        return;
    }
    // Patterns and all: only a path asks for it.
    let compiled = LazyCell::new(|| Schema::structure(schema.value()));
    const REASONS: &[&str] =
        &["FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"];
    let blank = |at: &At<'_, '_>| !at.is_empty() && at.text().trim().is_empty();
    let breaks = |text: &str| text.contains(['\n', '\r']);
    for validation in schema.field("x-kubernetes-validations").items() {
        let [rule, message, computed, path] =
            ["rule", "message", "messageExpression", "fieldPath"].map(|name| validation.field(name));
        if rule.text().trim().is_empty() {
            rule.required("rule is not specified");
        } else if blank(&message) {
            message.invalid_text("must be non-empty if specified");
        } else if breaks(message.text().trim()) {
            message.invalid_text("must not contain line breaks");
        } else if breaks(rule.text().trim()) && message.is_empty() {
            message.required("message must be specified if rule contains line breaks");
        }
        if blank(&computed) {
            computed.required("messageExpression must be non-empty if specified");
        }
        validation.field("reason").optional_one_of(REASONS);
        if blank(&path) {
            path.invalid_text("must be non-empty if specified");
        }
        if breaks(path.text()) {
            path.invalid_text("must not contain line breaks");
        }
        if !path.is_empty() && field_path::follow(path.text(), &compiled, Brackets::Allowed).is_err() {
            path.invalid_text("must be a valid path");
        }
    }
}
