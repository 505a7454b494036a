//! Tables, as an API server prints them: the columns of every kind, and the cells of an object.
//!
//! After `pkg/printers/internalversion/printers.go` of Kubernetes 1.36, and the tables of `apiextensions-apiserver` and
//! `kube-aggregator`. A kind is a row of a table of columns, and a column knows how its cell is made, so that there is one
//! function for all kinds and a few for what only one kind has. Not the Table object itself: that is the REST server's. The
//! columns of custom resources are their definition's; here such a kind has its name and its age.
//!
//! The invariant: whatever the tree is, there is a cell for every column.
//!
//! ```
//! use orch_api::printers;
//! use orch_core::kind;
//! use serde_json::json;
//!
//! let names: Vec<_> = printers::columns(kind::CONFIG_MAPS).iter().map(|column| column.name).collect();
//! assert_eq!(names, ["Name", "Data", "Age"]);
//! let tree = json!({"metadata": {"name": "a", "creationTimestamp": "2026-01-01T00:00:00Z"}, "data": {"k": "v"}});
//! let now = "2026-01-01T00:01:30Z".parse().unwrap();
//! assert_eq!(printers::cells(kind::CONFIG_MAPS, &tree, now), [json!("a"), json!(1), json!("90s")]);
//! ```

mod batch;
mod cells;
mod columns;
mod format;
mod more;
mod network;
mod pod;
#[cfg(test)]
mod tests;

pub use columns::Column;
pub use format::human_duration;

use columns::Cell;
use jiff::Timestamp;
use orch_core::{Kind, kind};
use serde_json::{Value, json};

/// The columns of a kind, in order. Those with a priority above zero are for wide output; all of them have cells.
#[must_use]
pub fn columns(kind: Kind) -> &'static [Column] {
    let tables = columns::TABLES.iter().chain(more::TABLES);
    tables.into_iter().find(|(known, _)| *known == kind).map_or(columns::OTHER, |(_, columns)| columns)
}

/// The cells of an object, as many as there are columns.
#[must_use]
pub fn cells(kind: Kind, tree: &Value, now: Timestamp) -> Vec<Value> {
    let mut cells: Vec<Value> = columns(kind).iter().map(|column| column.cell.of(tree, now)).collect();
    if kind == kind::IP_ADDRESSES {
        // Upstream prints an age that no column announces.
        cells.push(Cell::Age.of(tree, now));
    }
    cells
}

/// The columns of an `autoscaling/v1` Scale, which the subresource of many kinds shows.
#[must_use]
pub fn scale_columns() -> &'static [Column] {
    columns::SCALE
}

/// The cells of a Scale.
#[must_use]
pub fn scale_cells(tree: &Value, now: Timestamp) -> Vec<Value> {
    columns::SCALE.iter().map(|column| column.cell.of(tree, now)).collect()
}

/// What a row says of the object beside its cells: whether a pod has run to its end.
#[must_use]
pub fn conditions(kind: Kind, tree: &Value) -> Vec<Value> {
    let phase = tree.pointer("/status/phase").and_then(Value::as_str).unwrap_or("");
    let message = match phase {
        "Succeeded" if kind == kind::PODS => "The pod has completed successfully.",
        "Failed" if kind == kind::PODS => "The pod failed.",
        _ => return Vec::new(),
    };
    vec![json!({"type": "Completed", "status": "True", "reason": phase, "message": message})]
}
