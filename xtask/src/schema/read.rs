//! Reads `_definitions.json` into a [`Model`].
//!
//! Not lenient: a keyword or shape that it does not know is an error that names the place.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{Definition, Field, Gvk, Model, Type};

const REF: &str = "#/$defs/";
const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.";
const EXTENSIONS: &str = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.";
const MAX_TYPE_DEPTH: usize = 8;

impl Model {
    /// Reads the kinds and whatever they reach.
    pub(crate) fn read(document: &Value) -> Result<Self, String> {
        let source = document.get("$defs").and_then(Value::as_object).ok_or("no object \"$defs\"")?;
        let mut model = Self::default();
        let mut open = BTreeSet::new();
        for (name, schema) in source {
            for gvk in kinds(name, schema)? {
                open.insert(name.clone());
                if let Some(other) = model.kinds.insert(gvk, name.clone()) {
                    return Err(format!("{name} and {other} are the same kind"));
                }
            }
        }
        while let Some(name) = open.pop_first() {
            let schema = source.get(&name).ok_or_else(|| format!("{name} is referred to but not defined"))?;
            let definition = definition(&name, schema)?;
            for field in definition.fields.values() {
                if let Some(target) = target(&field.ty)
                    && !model.definitions.contains_key(target)
                    && target != name
                {
                    open.insert(target.to_owned());
                }
            }
            model.definitions.insert(name, definition);
        }
        Ok(model)
    }
}

fn target(ty: &Type) -> Option<&str> {
    match ty {
        Type::Map(item) | Type::Array(item) => target(item),
        Type::Object(name) => Some(name),
        _ => None,
    }
}

fn kinds(name: &str, schema: &Value) -> Result<Vec<Gvk>, String> {
    let Some(list) = schema.get("x-kubernetes-group-version-kind") else { return Ok(Vec::new()) };
    let list = list.as_array().ok_or_else(|| format!("{name}: kinds are no array"))?;
    list.iter()
        .map(|entry| {
            let text = |key: &str| entry.get(key).and_then(Value::as_str).map(str::to_owned);
            match (text("group"), text("version"), text("kind")) {
                (Some(group), Some(version), Some(kind)) => Ok((group, version, kind)),
                _ => Err(format!("{name}: a kind without group, version or kind")),
            }
        })
        .collect()
}

fn definition(name: &str, schema: &Value) -> Result<Definition, String> {
    let required: BTreeSet<&str> = schema
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let mut definition =
        Definition { map_type: text(schema, "x-kubernetes-map-type"), ..Definition::default() };
    let empty = Map::new();
    let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&empty);
    for (key, property) in properties {
        let place = format!("{name}.{key}");
        let field = Field {
            ty: value_type(&place, property, 0)?,
            required: required.contains(key.as_str()),
            list_type: text(property, "x-kubernetes-list-type"),
            map_type: text(property, "x-kubernetes-map-type"),
            list_keys: texts(property, "x-kubernetes-list-map-keys"),
            patch_strategy: text(property, "x-kubernetes-patch-strategy"),
            merge_key: text(property, "x-kubernetes-patch-merge-key"),
        };
        definition.fields.insert(key.clone(), field);
    }
    if let Some(missing) = required.iter().find(|key| !definition.fields.contains_key(**key)) {
        return Err(format!("{name}: required field {missing} is not defined"));
    }
    Ok(definition)
}

fn value_type(place: &str, schema: &Value, depth: usize) -> Result<Type, String> {
    if depth > MAX_TYPE_DEPTH {
        return Err(format!("{place}: type nested too deeply"));
    }
    if let Some(reference) = schema.get("$ref") {
        let name = reference.as_str().and_then(|text| text.strip_prefix(REF));
        return name.map(referred).ok_or_else(|| format!("{place}: unknown reference {reference}"));
    }
    let unknown = || format!("{place}: unknown shape {schema}");
    Ok(match (type_name(schema).ok_or_else(unknown)?, schema.get("format").and_then(Value::as_str)) {
        ("string", None) => Type::String,
        ("string", Some("byte")) => Type::Bytes,
        ("integer", Some("int32")) => Type::Int32,
        ("integer", Some("int64")) => Type::Int64,
        ("number", Some("double")) => Type::Number,
        ("boolean", None) => Type::Boolean,
        ("array", None) => {
            let items = schema.get("items").ok_or_else(unknown)?;
            Type::Array(Box::new(value_type(place, items, depth + 1)?))
        }
        ("object", None) => {
            let values = schema.get("additionalProperties").ok_or_else(unknown)?;
            Type::Map(Box::new(value_type(place, values, depth + 1)?))
        }
        _ => return Err(unknown()),
    })
}

/// `"string"` for both `"string"` and `["string", "null"]`: null is allowed everywhere and means absent.
fn type_name(schema: &Value) -> Option<&str> {
    match schema.get("type")? {
        Value::String(name) => Some(name),
        Value::Array(names) => names.iter().filter_map(Value::as_str).find(|name| *name != "null"),
        _ => None,
    }
}

/// The definitions whose Go types decode themselves; the schema says too little about them.
fn referred(name: &str) -> Type {
    match name {
        "io.k8s.apimachinery.pkg.api.resource.Quantity" => return Type::Quantity,
        "io.k8s.apimachinery.pkg.util.intstr.IntOrString" => return Type::IntOrString,
        "io.k8s.apimachinery.pkg.runtime.RawExtension" => return Type::Any,
        _ => {}
    }
    match (name.strip_prefix(META), name.strip_prefix(EXTENSIONS)) {
        (Some("Time"), _) => Type::Time,
        (Some("MicroTime"), _) => Type::MicroTime,
        (Some("FieldsV1" | "Patch"), _) => Type::Any,
        (
            _,
            Some(
                "JSON" | "JSONSchemaPropsOrArray" | "JSONSchemaPropsOrBool" | "JSONSchemaPropsOrStringArray",
            ),
        ) => Type::Any,
        _ => Type::Object(name.to_owned()),
    }
}

fn text(schema: &Value, key: &str) -> Option<String> {
    schema.get(key).and_then(Value::as_str).map(str::to_owned)
}

fn texts(schema: &Value, key: &str) -> Vec<String> {
    let list = schema.get(key).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_reachable_definitions_are_read() {
        let model = Model::read(&json!({"$defs": {
            "K": {
                "x-kubernetes-group-version-kind": [{"group": "g", "version": "v1", "kind": "K"}],
                "required": ["a"],
                "properties": {"a": {"items": {"$ref": "#/$defs/A"}, "type": ["array", "null"]}},
            },
            "A": {"properties": {"again": {"$ref": "#/$defs/A"}, "n": {"type": "integer", "format": "int32"}}},
            "Unused": {"properties": {"odd": {"type": "odd"}}},
        }}))
        .unwrap();
        assert_eq!(model.definitions.keys().collect::<Vec<_>>(), ["A", "K"]);
        assert_eq!(
            model.definitions["K"].fields["a"].ty,
            Type::Array(Box::new(Type::Object("A".to_owned())))
        );
        assert!(model.definitions["K"].fields["a"].required);
        assert_eq!(model.definitions["A"].fields["n"].ty, Type::Int32);
    }

    #[test]
    fn an_unknown_shape_is_an_error_with_its_place() {
        let gvk = json!([{"group": "g", "version": "v1", "kind": "K"}]);
        let error = Model::read(&json!({"$defs": {
            "K": {"x-kubernetes-group-version-kind": gvk, "properties": {"odd": {"type": "integer"}}},
        }}))
        .unwrap_err();
        assert_eq!(error, r#"K.odd: unknown shape {"type":"integer"}"#);
    }
}
