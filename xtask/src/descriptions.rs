//! The table of descriptions of types and fields, compressed.
//!
//! Input: the definitions that the table of types is made from. Output: gzip of a JSON object from the name of a type to its
//! description and those of its fields. Only types of that table are in it.

use std::collections::BTreeMap;
use std::io::Write as _;

use flate2::{Compression, GzBuilder};
use serde_json::Value;

use crate::schema::Model;

type Described<'a> = (&'a str, BTreeMap<&'a str, &'a str>);

fn description(value: &Value) -> &str {
    value.get("description").and_then(Value::as_str).unwrap_or_default()
}

/// The compressed table, and how many types are in it.
pub(crate) fn table(document: &Value, model: &Model) -> Result<(Vec<u8>, usize), String> {
    let source = document.get("$defs").and_then(Value::as_object).ok_or("no object \"$defs\"")?;
    let mut all = BTreeMap::<&str, Described<'_>>::new();
    for name in model.definitions.keys() {
        let schema = source.get(name).ok_or_else(|| format!("{name} is not defined"))?;
        let fields = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
        let fields = fields.map(|(name, field)| (name.as_str(), description(field)));
        all.insert(name, (description(schema), fields.filter(|(_, text)| !text.is_empty()).collect()));
    }
    let json = serde_json::to_vec(&all).map_err(|error| error.to_string())?;
    // Without a time, so that the same input gives the same bytes.
    let mut out = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
    out.write_all(&json).map_err(|error| error.to_string())?;
    Ok((out.finish().map_err(|error| error.to_string())?, all.len()))
}
