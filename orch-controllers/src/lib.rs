//! The controllers of orch, one module each.
//!
//! Each is a function of what it observes ([`orch_core::controller::Controller`]); the one loop of `orch-core` runs them.
//! They know no store and no REST, and never talk to each other but through objects. Invariant: a controller writes only
//! fields that it owns, each write with the precondition that makes it harmless when it comes late, alone or twice.

#[cfg(test)]
mod by_hand;
mod carried;
pub mod clusterrole;
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

use std::sync::Arc;
use std::time::Duration;

use orch_core::controller::Controller;
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

/// What adds one controller to an engine, a new one each time.
pub type Add = Box<dyn Fn(Engine) -> Engine + Send + Sync>;

/// Adds every controller of this crate to an engine, with Kubernetes' timings.
#[must_use]
pub fn with_all(engine: Engine) -> Engine {
    with_config(engine, &Config::default())
}

/// Adds every controller of this crate to an engine.
#[must_use]
pub fn with_config(engine: Engine, config: &Config) -> Engine {
    each(config).iter().fold(engine, |engine, (_, add)| add(engine))
}

/// Every controller of this crate by its name, to be added to engines one by one: who wants some of them, or each in an
/// engine of its own.
///
/// ```
/// let names: Vec<_> = orch_controllers::each(&Default::default()).into_iter().map(|(name, _)| name).collect();
/// assert!(names.contains(&"deployment-controller"));
/// ```
#[must_use]
pub fn each(config: &Config) -> Vec<(&'static str, Add)> {
    let Config { node_lifecycle, pod_gc, event_ttl, volume_root } = config.clone();
    vec![
        one("replicaset-controller", replicaset::ReplicaSetController::default),
        one("deployment-controller", deployment::DeploymentController::default),
        one("statefulset-controller", statefulset::StatefulSetController::default),
        one("endpointslice-controller", endpointslice::EndpointSliceController::default),
        one("namespace-controller", namespace::NamespaceController::default),
        ("generic-garbage-collector", Box::new(with_collector)),
        one("pod-garbage-collector", move || podgc::PodGcController::new(pod_gc)),
        one("node-controller", move || nodelifecycle::NodeLifecycleController::new(node_lifecycle)),
        one("taint-eviction-controller", nodelifecycle::TaintEvictionController::default),
        one("clusterrole-aggregation-controller", clusterrole::ClusterRoleAggregationController::default),
        one("event-ttl-controller", move || eventttl::EventTtlController::new(event_ttl)),
        one("persistentvolume-binder", volume::VolumeBinderController::default),
        one("node-directory-provisioner", move || volume::NodeDirectoryProvisioner::new(volume_root.clone())),
        one("pvc-protection-controller", volume::ClaimProtectionController::default),
        one("pv-protection-controller", volume::VolumeProtectionController::default),
    ]
}

fn one<C: Controller>(
    name: &'static str,
    make: impl Fn() -> C + Send + Sync + 'static,
) -> (&'static str, Add) {
    (name, Box::new(move |engine| engine.with(make())))
}

fn with_collector(engine: Engine) -> Engine {
    let collector = gc::GarbageCollector::of(Arc::clone(engine.api()));
    engine.with(collector)
}

#[cfg(test)]
mod tests {
    use orch_api::LocalApi;
    use orch_core::{Api, Env, Registry};
    use orch_store::MemStore;

    use super::*;

    #[test]
    fn controllers_are_called_what_they_call_themselves() {
        let (env, registry) = (Env::seeded(1), Arc::new(Registry::built_in()));
        let store = Arc::new(MemStore::new(Arc::clone(&registry)));
        let api: Arc<dyn Api> = Arc::new(LocalApi::builder(store, env.clone(), registry).build());
        let engine = || Engine::new(Arc::clone(&api), env.clone());
        let each = each(&Config::default());
        let names: Vec<&str> = each.iter().map(|(name, _)| *name).collect();
        assert!(names.iter().enumerate().all(|(at, name)| !names[..at].contains(name)), "{names:?}");
        for (name, add) in &each {
            assert_eq!(add(engine()).controllers().collect::<Vec<_>>(), [*name]);
        }
        assert_eq!(with_all(engine()).controllers().collect::<Vec<_>>(), names);
    }
}
