//! Store implementations of orch and the conformance suite that every store passes.
//!
//! - [`MemStore`]: in memory, the reference for what a store means.
//! - [`Faulty`]: a layer over any store that makes the faults which the contract allows, by the seed.
//! - [`Overlay`]: a layer over any store that keeps what is written to it to itself, for dry runs.
//!
//! Only this crate knows how bytes are kept. It knows nothing of defaults, owners or users: what goes in comes out.

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
