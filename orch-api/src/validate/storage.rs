//! Rules of storage: volumes, claims, classes.
//!
//! Not the binding of claims to volumes, nor what a driver can do. `source` holds the kinds of volume that pods and
//! persistent volumes share.

pub(super) mod claim;
pub(super) mod class;
pub(super) mod csi;
pub(super) mod source;
pub(super) mod volume;
