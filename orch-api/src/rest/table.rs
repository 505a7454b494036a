//! The Table object: objects as rows for people (KEP-880, `meta.k8s.io/v1` Table).
//!
//! Columns and cells are those of [`printers`](crate::printers). Descriptions that are the documentation of a field stay
//! empty: the table of types does not hold it.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::call::Call;
use super::negotiate::{Form, Shape};
use super::output;
use super::query::Query;
use super::status::Status;
use crate::custom::columns::{self, CustomColumn};
use crate::printers::{self, Column};

/// Whether the columns are told: once a watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Header {
    Shown,
    Hidden,
}

/// Checks what the client wants to see of the objects (`ValidateTableOptions` of `apis/meta/v1/validation`).
///
/// # Errors
/// 400.
pub(super) fn check(form: Form, query: &Query) -> Result<(), Status> {
    let included = query.text("includeObject");
    if !matches!(form.shape, Shape::Table(_)) || matches!(included, "" | "None" | "Metadata" | "Object") {
        return Ok(());
    }
    Err(Status::bad_request(format!(
        "Unable to convert to Table as requested: includeObject: Invalid value: {included:?}: must be 'Metadata', 'Object', \
         'None', or empty"
    )))
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
    let custom = call.custom().map(|(_, version)| version);
    let row = |shown: &Value| {
        let stored = call.served.map(|form| {
            let mut tree = shown.clone();
            form.to_stored(&mut tree);
            tree
        });
        let tree = stored.as_ref().unwrap_or(shown);
        let cells = match custom {
            Some(version) => custom_cells(&version.columns, tree, now),
            None => printers::cells(kind, tree, now),
        };
        let mut row = row(call, version, &cells, shown);
        let conditions = printers::conditions(kind, tree);
        if !conditions.is_empty() {
            row["conditions"] = conditions.into();
        }
        row
    };
    let rows: Vec<Value> = objects.iter().map(row).collect();
    let columns: Vec<Value> = match custom {
        _ if header == Header::Hidden => Vec::new(),
        Some(version) => custom_definitions(&version.columns),
        None => printers::columns(kind).iter().map(definition).collect(),
    };
    whole(version, metadata, &columns, &rows)
}

/// The table of a Scale, which has columns of its own.
pub(super) fn scale(call: &Call, version: &str, tree: &Value) -> Value {
    let now = call.shared.env.now();
    let (columns, cells) = match call.custom() {
        Some(_) => {
            let columns = columns::of_scale();
            (custom_definitions(&columns), custom_cells(&columns, tree, now))
        }
        None => {
            let columns = printers::scale_columns().iter().map(definition).collect();
            (columns, printers::scale_cells(tree, now))
        }
    };
    let metadata = json!({"resourceVersion": tree["metadata"]["resourceVersion"]});
    whole(version, &metadata, &columns, &[row(call, version, &cells, tree)])
}

fn whole(version: &str, metadata: &Value, columns: &[Value], rows: &[Value]) -> Value {
    json!({"kind": "Table", "apiVersion": format!("meta.k8s.io/{version}"), "metadata": metadata,
        "columnDefinitions": columns, "rows": rows})
}

/// A row with as much of the object as the client wants.
fn row(call: &Call, version: &str, cells: &[Value], shown: &Value) -> Value {
    let mut row = json!({"cells": cells});
    match call.request.query.text("includeObject") {
        "None" => row["object"] = Value::Null,
        "Object" => row["object"] = shown.clone(),
        _ => row["object"] = output::partial(shown, version),
    }
    row
}

/// Every kind has its name first.
fn custom_definitions(columns: &[CustomColumn]) -> Vec<Value> {
    let name = printers::scale_columns().iter().take(1).map(definition);
    name.chain(columns.iter().map(CustomColumn::definition)).collect()
}

fn custom_cells(columns: &[CustomColumn], tree: &Value, now: Timestamp) -> Vec<Value> {
    let name = tree["metadata"]["name"].clone();
    std::iter::once(name).chain(columns.iter().map(|column| column.cell(tree, now))).collect()
}

fn definition(column: &Column) -> Value {
    json!({"name": column.name, "type": column.kind(), "format": column.format(),
        "description": column.description(), "priority": column.priority})
}
