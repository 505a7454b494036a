//! Objects within objects (`x-kubernetes-embedded-resource`): what they say of themselves
//! (`apiextensions-apiserver/pkg/apiserver/schema/objectmeta/validation.go`).
//!
//! Not the shape of their metadata: what is not metadata was refused or taken out when it was read.

use orch_core::{Fault, FaultKind, names};
use serde_json::Value;

use super::schema::{More, Schema};
use crate::schema::{MAX_DEPTH, MAX_FAULTS};
use crate::tree::Tree;
use crate::validate::{self, show};

/// Every fault of every object within a value.
pub(super) fn check(value: &Value, schema: &Schema) -> Vec<Fault> {
    let mut faults = Vec::new();
    walk(value, schema, "", 0, &mut faults);
    faults.truncate(MAX_FAULTS);
    faults
}

fn walk(value: &Value, schema: &Schema, path: &str, depth: usize, faults: &mut Vec<Fault>) {
    if !schema.has_embedded || depth > MAX_DEPTH || faults.len() >= MAX_FAULTS {
        return;
    }
    let dot = if path.is_empty() { "" } else { "." };
    match value {
        Value::Object(fields) => {
            if schema.is_embedded {
                object(fields, &format!("{path}{dot}"), faults);
            }
            for (name, value) in fields {
                match (schema.properties.get(name), &schema.more) {
                    (Some(below), _) => walk(value, below, &format!("{path}{dot}{name}"), depth + 1, faults),
                    (None, Some(More::Of(below))) => {
                        walk(value, below, &format!("{path}[{name}]"), depth + 1, faults);
                    }
                    _ => {}
                }
            }
        }
        Value::Array(list) => {
            let Some(items) = &schema.items else { return };
            for (at, item) in list.iter().enumerate() {
                walk(item, items, &format!("{path}[{at}]"), depth + 1, faults);
            }
        }
        _ => {}
    }
}

fn object(fields: &Tree, before: &str, faults: &mut Vec<Fault>) {
    for name in ["apiVersion", "kind"] {
        let at = format!("{before}{name}");
        let Some(value) = fields.get(name) else {
            faults.push(Fault::new(FaultKind::Required, at, ""));
            continue;
        };
        let why = match value {
            Value::String(text) if text.is_empty() => "must not be empty".to_owned(),
            Value::String(text) if name == "kind" => match names::dns1035_label(&text.to_lowercase()) {
                Ok(()) => continue,
                Err(why) => format!("may have mixed case, but should otherwise match: {}", why.join(",")),
            },
            Value::String(text) if text.matches('/').count() > 1 => {
                format!("unexpected GroupVersion string: {text}")
            }
            Value::String(_) => continue,
            _ => "must be a string".to_owned(),
        };
        faults.push(Fault::new(FaultKind::Invalid, at, why).value(show(value)));
    }
    if let Some(metadata) = fields.get("metadata").filter(|metadata| metadata.is_object()) {
        faults.extend(validate::embedded_metadata(metadata).into_iter().map(|mut fault| {
            fault.field = format!("{before}{}", fault.field);
            fault
        }));
    }
}
