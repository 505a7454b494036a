//! Store implementations of orch and the conformance suite that every store passes.
//!
//! A store keeps objects ([`orch_core::Store`]): what goes in comes out, at a revision. It knows nothing of defaults, owners
//! or users, and only this crate knows how objects are kept.
//!
//! | store | for |
//! |---|---|
//! | [`MemStore`] | everything in memory; the reference for what a store means |
//! | [`Faulty`] | a layer that makes the faults which the contract allows, by the seed |
//! | [`Overlay`] | a layer that keeps what is written to it to itself: dry runs |
//!
//! Layers are stores themselves and go over any other. Whoever writes a store of their own enables the feature `conformance`
//! and runs the suite, which is all that callers rely on:
//!
//! ```
//! use std::sync::Arc;
//! use orch_core::{Env, Registry};
//! # #[cfg(feature = "conformance")] mod test {
//! # use super::*;
//! use orch_store::conformance::Harness;
//! # use orch_store::MemStore as MyStore;
//!
//! async fn make(env: Env, registry: Arc<Registry>) -> Harness {
//!     Harness::new(env, Arc::clone(&registry), MyStore::new(registry))
//! }
//! orch_store::store_conformance!(make);
//! # }
//! # fn main() {}
//! ```
//!
//! # What a watch costs
//! Watches are routed by an index on kind, namespace and the value of one selectable field; a write touches the routes that
//! it concerns and no watcher, and a watcher takes what there is in batches. Label selectors and further fields are checked
//! by the reader. So ask for the field that tells your objects apart (`spec.nodeName`, `metadata.name`) rather than filter
//! what comes. A watcher that falls behind reads on from the history, which is bounded ([`HISTORY_ENTRIES`],
//! [`HISTORY_BYTES`]), and never holds the writer up.

#[cfg(feature = "conformance")]
pub mod conformance;
mod faulty;
mod mem;
mod overlay;
mod page;
mod revision;

pub use faulty::{Faults, Faulty, Injected};
pub use mem::{HISTORY_BYTES, HISTORY_ENTRIES, MemStore, MemStoreBuilder, OBJECT_BYTES};
pub use overlay::Overlay;
