//! Pruning and defaulting along a schema (`apiextensions-apiserver/pkg/apiserver/schema/{pruning,defaulting}`).
//!
//! Not validation: what does not fit stays for that to find. The invariants: pruning twice is pruning once, defaulting twice
//! is defaulting once.

use serde_json::Value;

use super::schema::{More, Schema};
use crate::schema::MAX_DEPTH;
use crate::tree::Tree;

/// What every object has and no schema needs to say.
const META: [&str; 3] = ["apiVersion", "kind", "metadata"];

/// Paths of unknown fields that are told at most.
const MAX_PATHS: usize = crate::schema::MAX_FAULTS;

/// Takes out the fields that the schema does not know; their paths, sorted.
pub(crate) fn prune(tree: &mut Value, schema: &Schema) -> Vec<String> {
    let mut walk = Walk { path: String::new(), unknown: Vec::new() };
    walk.pruned(tree, Some(schema), true, 0);
    walk.unknown.sort();
    walk.unknown
}

/// Whether a value holds fields that its schema does not know.
pub(crate) fn has_unknown(value: &Value, schema: &Schema) -> bool {
    let mut walk = Walk { path: String::new(), unknown: Vec::new() };
    walk.pruned(&mut value.clone(), Some(schema), false, 0);
    !walk.unknown.is_empty()
}

struct Walk {
    path: String,
    unknown: Vec<String>,
}

impl Walk {
    fn inside(&mut self, step: &str, is_index: bool, walk: impl FnOnce(&mut Self)) {
        let before = self.path.len();
        if !is_index && before > 0 {
            self.path.push('.');
        }
        self.path.push_str(step);
        walk(self);
        self.path.truncate(before);
    }

    fn unknown(&mut self, name: &str) {
        if self.unknown.len() < MAX_PATHS {
            let dot = if self.path.is_empty() { "" } else { "." };
            self.unknown.push(format!("{}{dot}{name}", self.path));
        }
    }

    /// Without a schema nothing is known.
    fn pruned(&mut self, value: &mut Value, schema: Option<&Schema>, is_object: bool, depth: usize) {
        if depth > MAX_DEPTH {
            return;
        }
        match value {
            Value::Object(fields) => {
                let keeps_meta = is_object || schema.is_some_and(|schema| schema.is_embedded);
                let mut lost = Vec::new();
                for (name, value) in fields.iter_mut() {
                    if keeps_meta && META.contains(&name.as_str()) {
                        continue;
                    }
                    match schema.map(|schema| place(schema, name)) {
                        Some(Place::Of(below)) => {
                            self.inside(name, false, |walk| {
                                walk.pruned(value, Some(below), false, depth + 1)
                            });
                        }
                        // Upstream prunes everything within values that may be anything and are objects.
                        Some(Place::Free) => {
                            self.inside(name, false, |walk| walk.pruned(value, None, false, depth + 1));
                        }
                        Some(Place::Kept) => {}
                        Some(Place::Unknown) | None => lost.push(name.clone()),
                    }
                }
                for name in lost {
                    self.unknown(&name);
                    fields.remove(&name);
                }
            }
            Value::Array(list) => {
                let items = schema.and_then(|schema| schema.items.as_deref());
                if schema.is_some_and(|schema| schema.preserves) {
                    return;
                }
                for (at, item) in list.iter_mut().enumerate() {
                    let step = format!("[{at}]");
                    self.inside(&step, true, |walk| walk.pruned(item, items, false, depth + 1));
                }
            }
            _ => {}
        }
    }
}

enum Place<'s> {
    Of(&'s Schema),
    Free,
    Kept,
    Unknown,
}

fn place<'s>(schema: &'s Schema, name: &str) -> Place<'s> {
    match (schema.properties.get(name), &schema.more) {
        (Some(below), _) => Place::Of(below),
        (None, Some(More::Of(below))) => Place::Of(below),
        (None, Some(More::Any)) => Place::Free,
        _ if schema.preserves => Place::Kept,
        _ => Place::Unknown,
    }
}

/// Takes out `null`s where the schema neither allows them nor has a default.
pub(crate) fn prune_nulls(tree: &mut Value, schema: &Schema) {
    nulls(tree, Some(schema), 0);
}

fn nulls(value: &mut Value, schema: Option<&Schema>, depth: usize) {
    let Some(schema) = schema.filter(|_| depth <= MAX_DEPTH) else { return };
    match value {
        Value::Object(fields) => {
            fields.retain(|name, value| {
                !value.is_null()
                    || schema.field(name).is_none_or(|below| below.is_nullable || below.default.is_some())
            });
            for (name, value) in fields.iter_mut() {
                nulls(value, schema.field(name), depth + 1);
            }
        }
        Value::Array(list) => {
            list.iter_mut().for_each(|item| nulls(item, schema.items.as_deref(), depth + 1));
        }
        _ => {}
    }
}

/// Fills in what the schema has a default for.
pub(crate) fn default(tree: &mut Value, schema: &Schema) {
    if schema.has_defaults {
        defaulted(tree, schema, 0);
    }
}

fn defaulted(value: &mut Value, schema: &Schema, depth: usize) {
    if !schema.has_defaults || depth > MAX_DEPTH {
        return;
    }
    match value {
        Value::Object(fields) => {
            for (name, below) in &schema.properties {
                if let Some(default) = &below.default
                    && is_open(fields, name, below)
                {
                    fields.insert(name.clone(), default.clone());
                }
            }
            for (name, value) in fields.iter_mut() {
                if let Some(below) = schema.field(name) {
                    replaced(value, below);
                    defaulted(value, below, depth + 1);
                }
            }
        }
        Value::Array(list) => {
            let Some(items) = schema.items.as_deref() else { return };
            for item in list {
                replaced(item, items);
                defaulted(item, items, depth + 1);
            }
        }
        _ => {}
    }
}

fn is_open(fields: &Tree, name: &str, schema: &Schema) -> bool {
    fields.get(name).is_none_or(|value| value.is_null() && !schema.is_nullable)
}

/// A `null` that may not be one.
fn replaced(value: &mut Value, schema: &Schema) {
    if value.is_null()
        && !schema.is_nullable
        && let Some(default) = &schema.default
    {
        *value = default.clone();
    }
}

/// Every embedded object's metadata.
pub(crate) fn embedded(tree: &mut Value, schema: &Schema, metadata: &mut dyn FnMut(&mut Value)) {
    match tree {
        Value::Object(fields) => {
            for (name, value) in fields.iter_mut() {
                if schema.is_embedded && name == "metadata" {
                    metadata(value);
                } else if let Some(below) = schema.field(name) {
                    embedded(value, below, metadata);
                }
            }
        }
        Value::Array(list) => {
            if let Some(items) = schema.items.as_deref() {
                list.iter_mut().for_each(|item| embedded(item, items, metadata));
            }
        }
        _ => {}
    }
}
