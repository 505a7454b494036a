//! Objects as rows of a table for people (`pkg/printers`, KEP-880 of `meta.k8s.io/v1` Table).
//!
//! The columns of a kind are data, its cells a pure function of the object and the time. Descriptions of columns are left
//! empty. Invariant: a row has as many cells as there are columns, whatever the object looks like.

mod cells;
mod cluster;
mod network;
mod pod;
mod storage;
mod workload;

#[cfg(test)]
mod tests;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::call::Call;
use super::output;

/// Whether the columns are told: once a watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Header {
    Shown,
    Hidden,
}

/// Name, type and priority of a column; those of priority 1 are for wide output.
type Column = (&'static str, &'static str, u8);

/// The cells of an object behind its name.
type Cells = fn(&Value, Timestamp) -> Vec<Value>;

/// How a kind is shown: the columns behind the name, and their cells.
#[derive(Clone, Copy)]
struct Printer {
    columns: &'static [Column],
    cells: Cells,
    /// Where the name stands among the columns; first, but for events.
    name_at: usize,
}

const fn printer(columns: &'static [Column], cells: Cells) -> Printer {
    Printer { columns, cells, name_at: 0 }
}

/// Columns of Kubernetes' kinds that have none of their own.
static PLAIN: Printer =
    printer(&[("Created At", "date", 0)], |tree, _| vec![tree["metadata"]["creationTimestamp"].clone()]);

/// Columns of custom kinds that have none of their own.
static CUSTOM: Printer =
    printer(&[("Age", "date", 0)], |tree, _| vec![tree["metadata"]["creationTimestamp"].clone()]);

fn find(group: &str, resource: &str, is_typed: bool) -> Printer {
    let all = [pod::PRINTERS, workload::PRINTERS, network::PRINTERS, cluster::PRINTERS, storage::PRINTERS];
    let found = all.into_iter().flatten().find(|(g, r, _)| *r == resource && *g == group);
    match found {
        Some((.., printer)) => *printer,
        None if is_typed => PLAIN,
        None => CUSTOM,
    }
}

/// The table of some objects.
pub(super) fn table(
    call: &Call,
    version: &str,
    metadata: &Value,
    objects: &[Value],
    header: Header,
) -> Value {
    let kind = call.info.kind;
    let printer = find(kind.group(), kind.resource(), call.ty().is_some());
    let now = call.shared.env.now();
    let include = call.request.query.text("includeObject");
    let row = |tree: &Value| {
        let mut row = json!({"cells": cells_of(&printer, tree, now)});
        match include {
            "None" => {}
            "Object" => row["object"] = tree.clone(),
            _ => row["object"] = output::partial(tree, version),
        }
        row
    };
    let rows: Vec<Value> = objects.iter().map(row).collect();
    let columns = if header == Header::Shown { columns_of(&printer) } else { Vec::new() };
    json!({"kind": "Table", "apiVersion": format!("meta.k8s.io/{version}"), "metadata": metadata,
        "columnDefinitions": columns, "rows": rows})
}

fn columns_of(printer: &Printer) -> Vec<Value> {
    let column = |(name, ty, priority): &Column| json!({"name": name, "type": ty, "format": "", "description": "", "priority": priority});
    let mut columns: Vec<Value> = printer.columns.iter().map(column).collect();
    let name = json!({"name": "Name", "type": "string", "format": "name", "description": "",
        "priority": u8::from(printer.name_at > 0)});
    columns.insert(printer.name_at.min(columns.len()), name);
    columns
}

fn cells_of(printer: &Printer, tree: &Value, now: Timestamp) -> Vec<Value> {
    let mut cells = (printer.cells)(tree, now);
    cells.resize(printer.columns.len(), Value::Null);
    cells.insert(printer.name_at.min(cells.len()), tree["metadata"]["name"].clone());
    cells
}
