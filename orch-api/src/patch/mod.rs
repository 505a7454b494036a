//! Patches and field management, as pure functions over JSON trees.
//!
//! - [`json_patch`]: JSON patch (RFC 6902).
//! - [`strategic_merge`]: Kubernetes' strategic merge patch.
//! - [`Tracker`]: server-side apply, and the record of who manages which fields.
//!
//! Not HTTP and not the store: who calls reads the object, checks its revision and writes the result. JSON merge patch is
//! [`merge_patch`](crate::merge_patch). The invariant: no input makes anything here panic, recurse deeper than
//! [`MAX_DEPTH`](crate::schema::MAX_DEPTH) or grow without a bound.

mod error;
mod fields;
mod json;
mod managed;
mod strategic;
mod typed;

pub use error::Error;
#[cfg(test)]
pub(crate) use fields::is_plain;
pub use fields::{Element, FieldSet, Scalar};
pub use json::{MAX_COPIED_BYTES, MAX_OPERATIONS, json_patch, unknown_fields};
pub(crate) use managed::Counts;
pub use managed::{
    Applied, Conflict, Manager, Managers, Operation, Owned, Tracker, manager_faults, manager_name,
};
pub use strategic::strategic_merge;
pub use typed::Shape;
