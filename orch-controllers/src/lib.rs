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
pub mod volume;

use std::time::Duration;

use orch_core::engine::Engine;

/// How the controllers work: their timings.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// When a node is given up and how fast its pods are evicted.
    pub node_lifecycle: nodelifecycle::NodeLifecycleConfig,
    /// When pods without a node are removed.
    pub pod_gc: podgc::PodGcConfig,
    /// How long Events are kept.
    pub event_ttl: Duration,
    /// Where directories of volumes stand on each node, as the paths of volumes say it.
    pub volume_root: orch_core::Str,
}

impl Default for Config {
    fn default() -> Self {
        let (node_lifecycle, pod_gc) = Default::default();
        Self { node_lifecycle, pod_gc, event_ttl: eventttl::TTL, volume_root: volume::ROOT.into() }
    }
}

/// Adds every controller of this crate to an engine, with Kubernetes' timings.
#[must_use]
pub fn with_all(engine: Engine) -> Engine {
    with_config(engine, &Config::default())
}

/// Adds every controller of this crate to an engine.
#[must_use]
pub fn with_config(engine: Engine, config: &Config) -> Engine {
    let collector = gc::GarbageCollector::of(std::sync::Arc::clone(engine.api()));
    engine
        .with(replicaset::ReplicaSetController::default())
        .with(deployment::DeploymentController::default())
        .with(statefulset::StatefulSetController::default())
        .with(endpointslice::EndpointSliceController::default())
        .with(namespace::NamespaceController::default())
        .with(collector)
        .with(podgc::PodGcController::new(config.pod_gc))
        .with(nodelifecycle::NodeLifecycleController::new(config.node_lifecycle))
        .with(nodelifecycle::TaintEvictionController::default())
        .with(eventttl::EventTtlController::new(config.event_ttl))
        .with(volume::VolumeBinderController::default())
        .with(volume::NodeDirectoryProvisioner::new(config.volume_root.clone()))
        .with(volume::ClaimProtectionController::default())
        .with(volume::VolumeProtectionController::default())
}
