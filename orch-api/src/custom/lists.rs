//! Elements of lists that may not stand twice (`apiextensions-apiserver/pkg/apiserver/schema/listtype`).

use std::collections::HashMap;

use orch_core::{Fault, FaultKind};
use serde_json::Value;

use super::schema::{List, More, Schema};
use crate::schema::{MAX_DEPTH, MAX_FAULTS};
use crate::validate::show;

/// The second of every element that stands more than once.
pub(crate) fn check(tree: &Value, schema: &Schema) -> Vec<Fault> {
    let mut faults = Vec::new();
    fields(tree, schema, "", 0, &mut faults);
    faults.truncate(MAX_FAULTS);
    faults
}

fn fields(value: &Value, schema: &Schema, path: &str, depth: usize, faults: &mut Vec<Fault>) {
    let Some(map) = value.as_object() else { return };
    for (name, value) in map {
        let dot = if path.is_empty() { "" } else { "." };
        match (schema.properties.get(name), &schema.more) {
            (Some(below), _) => walk(value, below, &format!("{path}{dot}{name}"), depth + 1, faults),
            (None, Some(More::Of(below))) => {
                walk(value, below, &format!("{path}[{name}]"), depth + 1, faults)
            }
            _ => {}
        }
    }
}

fn walk(value: &Value, schema: &Schema, path: &str, depth: usize, faults: &mut Vec<Fault>) {
    if depth > MAX_DEPTH || faults.len() > MAX_FAULTS {
        return;
    }
    let Value::Array(list) = value else { return fields(value, schema, path, depth, faults) };
    match &schema.list {
        List::Atomic => {}
        List::Set => twice(list.iter().cloned(), path, faults),
        List::Map(keys) => keyed(list, keys, path, faults),
    }
    if let Some(items) = &schema.items {
        for (at, item) in list.iter().enumerate() {
            walk(item, items, &format!("{path}[{at}]"), depth + 1, faults);
        }
    }
}

fn keyed(list: &[Value], keys: &[String], path: &str, faults: &mut Vec<Fault>) {
    if let Some((at, item)) = list.iter().enumerate().find(|(_, item)| !item.is_object() && !item.is_null()) {
        let why = "must be an object for an array of list-type map";
        let fault = Fault::new(FaultKind::Invalid, format!("{path}[{at}]"), why);
        return faults.push(fault.value(show(item)));
    }
    let key = |item: &Value| -> Value {
        keys.iter().filter_map(|key| Some((key.clone(), item.get(key)?.clone()))).collect()
    };
    let empty = Value::Object(serde_json::Map::new());
    twice(list.iter().map(key).map(|key| if key.is_null() { empty.clone() } else { key }), path, faults);
}

fn twice(values: impl Iterator<Item = Value>, path: &str, faults: &mut Vec<Fault>) {
    let mut seen: HashMap<String, usize> = HashMap::new();
    for (at, value) in values.enumerate() {
        let text = value.to_string();
        let times = seen.entry(text).or_default();
        *times += 1;
        if *times == 2 && faults.len() < MAX_FAULTS {
            faults.push(Fault::new(FaultKind::Duplicate, format!("{path}[{at}]"), "").value(show(&value)));
        }
    }
}
