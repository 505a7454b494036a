//! The Kubernetes control plane, node agent and service network as embeddable crates.

#![warn(missing_docs)]

pub use orch_core as core;
