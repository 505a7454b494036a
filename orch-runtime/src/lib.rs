//! The node agent of orch, its runtimes and the conformance suite that every runtime passes

pub mod agent;
#[cfg(feature = "conformance")]
pub mod conformance;
mod inside;
pub mod logs;
pub mod reclaim;
pub mod simulated;
pub mod task;
