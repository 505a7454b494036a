//! Deployments, replica sets and stateful sets.

use serde_json::json;

use super::pod::template;
use super::storage::claim_spec;
use crate::tree::{Get, Set, Tree};

/// `pkg/apis/apps/v1/defaults.go`, `SetDefaults_Deployment`.
pub(crate) fn deployment(tree: &mut Tree) {
    let spec = tree.make("spec");
    spec.default_to("replicas", 1);
    spec.default_to("revisionHistoryLimit", 10);
    spec.default_to("progressDeadlineSeconds", 600);
    let strategy = spec.make("strategy");
    strategy.default_text("type", "RollingUpdate");
    if strategy.text("type") == "RollingUpdate" {
        let rolling = strategy.make("rollingUpdate");
        rolling.default_to("maxUnavailable", "25%");
        rolling.default_to("maxSurge", "25%");
    }
    template(spec);
}

/// `pkg/apis/apps/v1/defaults.go`, `SetDefaults_ReplicaSet`.
pub(crate) fn replica_set(tree: &mut Tree) {
    let spec = tree.make("spec");
    spec.default_to("replicas", 1);
    template(spec);
}

/// `pkg/apis/apps/v1/defaults.go`, `SetDefaults_StatefulSet`.
pub(crate) fn stateful_set(tree: &mut Tree) {
    let spec = tree.make("spec");
    spec.default_to("replicas", 1);
    spec.default_to("revisionHistoryLimit", 10);
    spec.default_to("serviceName", "");
    spec.default_text("podManagementPolicy", "OrderedReady");
    let retention = spec.make("persistentVolumeClaimRetentionPolicy");
    retention.default_text("whenDeleted", "Retain");
    retention.default_text("whenScaled", "Retain");
    let strategy = spec.make("updateStrategy");
    strategy.default_text("type", "RollingUpdate");
    if strategy.text("type") == "RollingUpdate" {
        strategy.make("rollingUpdate").default_to("partition", 0);
    }
    for claim in spec.objects_mut("volumeClaimTemplates") {
        claim.default_text("apiVersion", "v1");
        claim.default_text("kind", "PersistentVolumeClaim");
        super::metadata(claim);
        claim_spec(claim.make("spec"));
        claim.put("status", json!({"phase": "Pending"}));
    }
    template(spec);
}
