//! Projections that several controllers share, so that a cluster keeps each kind's facts once.
//!
//! They hold what is decided on and nothing else; what a write carries over is decoded from the object when it is
//! written. Invariant: a projection never fails, whatever the object looks like.

mod meta;
mod node;
mod pod;

pub(crate) use meta::Meta;
pub(crate) use node::{
    BY_HOSTNAME, NOT_READY, Node, Readiness, TAINTED, Taint, UNREACHABLE, WANTS_TAINT, zone,
};
pub(crate) use pod::{BY_CLAIM, BY_NODE, Pod, TERMINATED, Toleration, claim_entry};

use orch_core::Str;
use serde_json::Value;

use crate::json;

/// The text at a place; empty when there is none.
pub(crate) fn text(value: &Value) -> Str {
    value.as_str().map(Str::from).unwrap_or_default()
}

/// The condition of that type.
pub(crate) fn condition<'a>(conditions: &'a Value, kind: &str) -> Option<&'a Value> {
    json::list(conditions).iter().find(|condition| condition["type"] == kind)
}
