//! The controllers of orch, one module each.
//!
//! Each is a function of what it observes ([`orch_core::controller::Controller`]); the one loop of `orch-core` runs them.
//! They know no store and no REST, and never talk to each other but through objects. Invariant: a controller writes only
//! fields that it owns, each write with the precondition that makes it harmless when it comes late, alone or twice.

#[cfg(test)]
mod by_hand;
mod carried;
mod condition;
pub mod deployment;
pub mod endpointslice;
pub mod eventttl;
mod facts;
mod failure;
pub mod gc;
mod json;
mod names;
pub mod namespace;
pub mod nodelifecycle;
mod owner;
pub mod pod;
pub mod podgc;
pub mod replicaset;
mod scaled;
pub mod statefulset;
mod status;
mod template;

use orch_core::engine::Engine;

/// Adds every controller of this crate to an engine.
#[must_use]
pub fn with_all(engine: Engine) -> Engine {
    let collector = gc::GarbageCollector::of(std::sync::Arc::clone(engine.api()));
    engine
        .with(replicaset::ReplicaSetController::default())
        .with(deployment::DeploymentController::default())
        .with(statefulset::StatefulSetController::default())
        .with(endpointslice::EndpointSliceController::default())
        .with(namespace::NamespaceController::default())
        .with(collector)
        .with(podgc::PodGcController::default())
        .with(nodelifecycle::NodeLifecycleController::default())
        .with(nodelifecycle::TaintEvictionController::default())
        .with(eventttl::EventTtlController::default())
}
