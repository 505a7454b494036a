//! The controllers of orch, one module each.
//!
//! Each is a function of what it observes ([`orch_core::controller::Controller`]); the one loop of `orch-core` runs them.
//! They know no store and no REST, and never talk to each other but through objects. Invariant: a controller writes only
//! fields that it owns, each write with the precondition that makes it harmless when it comes late, alone or twice.

mod condition;
pub mod deployment;
mod failure;
mod json;
mod names;
mod owner;
pub mod pod;
pub mod replicaset;
mod scaled;
pub mod statefulset;
mod status;
mod template;

use orch_core::engine::Engine;

/// Adds every controller of this crate to an engine.
#[must_use]
pub fn with_all(engine: Engine) -> Engine {
    engine
        .with(replicaset::ReplicaSetController::default())
        .with(deployment::DeploymentController::default())
        .with(statefulset::StatefulSetController::default())
}
