//! What a Kubernetes API server fills in before it stores an object: one function a kind, on the tree.
//!
//! After the generated and hand-written defaults of `pkg/apis/*/v1/defaults.go` and the fields that Kubernetes' encoder
//! always writes. Not admission and not allocation: nothing here depends on other objects. The invariant: defaulting
//! twice is defaulting once.

pub(crate) mod batch;
mod cluster;
mod container;
pub(crate) mod extension;
pub(crate) mod network;
mod pod;
mod service;
mod storage;
mod volume;
mod workload;

#[cfg(test)]
mod tests;

pub(crate) use cluster::{config_map, event, lease, namespace, node, node_status, priority_class, secret};
pub(crate) use pod::{pod, pod_status};
pub(crate) use service::{endpoint_slice, service, service_status};
pub(crate) use storage::{persistent_volume, persistent_volume_claim, storage_class};
pub(crate) use workload::{deployment, replica_set, stateful_set};

use crate::tree::{Get, Set, Tree};

/// Nothing is filled in.
pub(crate) fn none(_: &mut Tree) {}

/// The metadata of any object: empty lists and maps are absent, as Kubernetes' encoder leaves them out.
pub(crate) fn metadata(tree: &mut Tree) {
    let metadata = tree.make("metadata");
    for field in
        ["labels", "annotations", "finalizers", "ownerReferences", "namespace", "generateName", "selfLink"]
    {
        if metadata.contains_key(field) && metadata.is_unset(field) {
            metadata.remove(field);
        }
    }
}

/// The times of a status' conditions, which Kubernetes' encoder always writes.
pub(crate) fn conditions(status: &mut Tree, times: &[&str]) {
    for condition in status.objects_mut("conditions") {
        for time in times {
            condition.entry(*time).or_insert(serde_json::Value::Null);
        }
    }
}
