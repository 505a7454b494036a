//! Whether an object keeps the rules of its kind.

use orch_core::{Fault, Kind, Subresource};
use serde_json::Value;

/// Every fault of an object that is to be stored, after defaulting; `old` is the stored state when there is one.
#[must_use]
pub fn validate(_kind: Kind, _new: &Value, _old: Option<&Value>, _subresource: Subresource) -> Vec<Fault> {
    Vec::new()
}
