//! One default against its own schema, for who judges definitions.
//!
//! Invariant: the steps of all rules that were asked come from one budget.

use orch_core::Fault;
use serde_json::Value;

use super::schema::Schema;
use super::{check, embedded, rules, shape};

/// Judges defaults.
#[derive(Debug)]
pub(crate) struct Defaults {
    /// Steps that rules may still take.
    pub(crate) budget: u64,
}

impl Defaults {
    /// Whether a default holds what its schema does not know.
    pub(crate) fn has_unknown(default: &Value, schema: &Schema) -> bool {
        shape::has_unknown(default, schema)
    }

    /// Every other fault of a default; `under` is its path.
    pub(crate) fn faults(&mut self, default: &Value, schema: &Schema, under: &str) -> Vec<Fault> {
        let mut faults = embedded::check(default, schema);
        faults.iter_mut().for_each(|fault| fault.field = place(under, &fault.field));
        if faults.is_empty() {
            faults = check::check(default, None, schema, under);
        }
        if faults.is_empty() && schema.has_rules {
            // As what it was before, and as what was not there before.
            faults = rules::within(default, Some(default), schema, &mut self.budget);
            for fault in rules::within(default, None, schema, &mut self.budget) {
                if !faults.contains(&fault) {
                    faults.push(fault);
                }
            }
            faults.iter_mut().for_each(|fault| fault.field = place(under, &fault.field));
        }
        faults
    }
}

fn place(under: &str, path: &str) -> String {
    match path {
        "<nil>" => under.to_owned(),
        path if path.starts_with('[') => format!("{under}{path}"),
        path => format!("{under}.{path}"),
    }
}
