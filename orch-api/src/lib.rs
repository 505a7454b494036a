//! The Kubernetes API semantics over any store of orch: verbs, subresources, defaults, admission, deletion.
//!
//! - [`LocalApi`]: the [`Api`](orch_core::Api) in process, over any [`Store`](orch_core::Store).
//! - [`apply`]: manifests as `kubectl apply` applies them.
//! - [`convert`]: objects that are stored once and served in two forms.
//! - [`manifest`]: files of manifests, parsed with the place of every field.
//! - [`patch`]: JSON patch, strategic merge patch, server-side apply.
//! - [`printers`]: the columns and cells of tables.
//! - `remote`: the Api of any Kubernetes API server, over its REST API (feature `remote`).
//! - `rest`: the Kubernetes REST API over HTTP and TLS (feature `rest`).
//! - [`schema`]: the structure of Kubernetes' own kinds.
//! - [`tokens`]: tokens of service accounts, and who signs them.
//! - [`validate`]: the rules of Kubernetes' own kinds.
//!
//! CustomResourceDefinitions make kinds: their schemas, rules of CEL, versions and subresources are this crate's, too.
//!
//! Only this crate knows how an API server completes, checks and deletes objects. It keeps no bytes itself.

mod amounts;
pub mod apply;
mod cel;
mod conform;
pub mod convert;
mod custom;
mod defaults;
mod local;
pub mod manifest;
mod merge;
pub mod patch;
pub mod printers;
mod quota;
#[cfg(feature = "remote")]
pub mod remote;
#[cfg(feature = "rest")]
pub mod rest;
mod scale;
pub mod schema;
mod services;
mod strategy;
pub mod tokens;
mod tree;
pub mod validate;
#[cfg(any(feature = "rest", feature = "remote"))]
mod wire;

pub use local::{LocalApi, LocalApiBuilder};
pub use merge::merge_patch;
