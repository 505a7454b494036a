//! The Kubernetes API semantics over any store of orch

pub mod manifest;
pub mod schema;
