//! The node agent of orch, its runtimes and the conformance suite that every runtime passes

pub mod agent;
pub mod task;
#[cfg(feature = "conformance")]
pub mod conformance;
