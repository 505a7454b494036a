//! The Table object: objects as rows for people (KEP-880, `meta.k8s.io/v1` Table).
//!
//! Columns and cells are those of [`printers`](crate::printers). Descriptions that are the documentation of a field stay
//! empty: the table of types does not hold it.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::call::Call;
use super::output;
use crate::custom::Version;
use crate::custom::columns::CustomColumn;
use crate::printers::{self, Column};

/// Whether the columns are told: once a watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Header {
    Shown,
    Hidden,
}

/// The table of some objects, given in the version that the path names.
pub(super) fn table(
    call: &Call,
    version: &str,
    metadata: &Value,
    objects: &[Value],
    header: Header,
) -> Value {
    let kind = call.info.kind;
    let now = call.shared.env.now();
    let include = call.request.query.text("includeObject");
    let custom = call.custom().map(|(_, version)| version);
    let row = |shown: &Value| {
        let stored = call.served.map(|form| {
            let mut tree = shown.clone();
            form.to_stored(&mut tree);
            tree
        });
        let tree = stored.as_ref().unwrap_or(shown);
        let cells = match custom {
            Some(version) => custom_cells(version, tree, now),
            None => printers::cells(kind, tree, now),
        };
        let mut row = json!({"cells": cells});
        let conditions = printers::conditions(kind, tree);
        if !conditions.is_empty() {
            row["conditions"] = conditions.into();
        }
        match include {
            "None" => {}
            "Object" => row["object"] = shown.clone(),
            _ => row["object"] = output::partial(shown, version),
        }
        row
    };
    let rows: Vec<Value> = objects.iter().map(row).collect();
    let columns: Vec<Value> = match custom {
        _ if header == Header::Hidden => Vec::new(),
        Some(version) => {
            // Every kind has its name first.
            let name = printers::columns(kind).iter().take(1).map(definition);
            name.chain(version.columns.iter().map(CustomColumn::definition)).collect()
        }
        None => printers::columns(kind).iter().map(definition).collect(),
    };
    json!({"kind": "Table", "apiVersion": format!("meta.k8s.io/{version}"), "metadata": metadata,
        "columnDefinitions": columns, "rows": rows})
}

fn custom_cells(version: &Version, tree: &Value, now: Timestamp) -> Vec<Value> {
    let name = tree["metadata"]["name"].clone();
    std::iter::once(name).chain(version.columns.iter().map(|column| column.cell(tree, now))).collect()
}

fn definition(column: &Column) -> Value {
    json!({"name": column.name, "type": column.kind(), "format": column.format(),
        "description": column.description(), "priority": column.priority})
}
