//! Whether the defaults of a schema fit it (`apiextensions-apiserver/pkg/apiserver/schema/defaulting/validation.go`).
//!
//! A default holds no unknown fields, is valid, and breaks no rule. Not judged: defaults inside of the metadata of embedded
//! objects, beyond what their own schema says. The invariant: all rules of all defaults together take a bounded number of
//! steps.

use serde_json::Value;

use super::super::at::At;
use crate::cel::BUDGET;
use crate::custom::Defaults;
use crate::custom::schema::{More, Schema};
use crate::schema::MAX_DEPTH;

/// Whether defaults may hold unknown fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unknown {
    Refused,
    /// As the definition held before.
    Kept,
}

/// Judges every default of a structural schema.
pub(super) fn defaults(schema: &At<'_, '_>, unknown: Unknown) {
    let compiled = Schema::root(schema.value());
    if compiled.has_defaults {
        let mut walk = Walk { unknown, defaults: Defaults { budget: BUDGET } };
        walk.schema(schema, &compiled, 0);
    }
}

/// What an old definition allows its successor.
pub(super) fn of_old(spec: &At<'_, '_>) -> Unknown {
    let versions = spec.field("versions");
    let mut schemas = versions.items().map(|version| version.get("schema").get("openAPIV3Schema").cloned());
    let has = |schema: Option<Value>| schema.is_some_and(|tree| has_unknown(&Schema::structure(&tree), 0));
    if schemas.any(has) { Unknown::Kept } else { Unknown::Refused }
}

fn has_unknown(schema: &Schema, depth: usize) -> bool {
    if !schema.has_defaults || depth > MAX_DEPTH {
        return false;
    }
    let more = match &schema.more {
        Some(More::Of(below)) => Some(&**below),
        _ => None,
    };
    let mut below = schema.properties.values().chain(schema.items.as_deref()).chain(more);
    schema.default.as_ref().is_some_and(|default| Defaults::has_unknown(default, schema))
        || below.any(|below| has_unknown(below, depth + 1))
}

struct Walk {
    unknown: Unknown,
    defaults: Defaults,
}

impl Walk {
    /// Not below `additionalProperties`: there is no default.
    fn schema(&mut self, schema: &At<'_, '_>, compiled: &Schema, depth: usize) {
        if !compiled.has_defaults || depth > MAX_DEPTH {
            return;
        }
        if let Some(default) = &compiled.default {
            let at = schema.field("default");
            if self.unknown == Unknown::Refused && Defaults::has_unknown(default, compiled) {
                at.invalid("must not have unknown fields");
            }
            at.faults().extend(&self.defaults.faults(default, compiled, &at.path()));
        }
        if let Some(items) = &compiled.items {
            self.schema(&schema.field("items"), items, depth + 1);
        }
        for (name, property) in schema.field("properties").entries() {
            if let Some(below) = compiled.properties.get(name) {
                self.schema(&property, below, depth + 1);
            }
        }
    }
}
