//! What a status may say.

use serde_json::json;

use super::status_written;
use orch_core::kind;

#[test]
fn containers_that_ended_for_good_stay_ended() {
    status_written(
        kind::PODS,
        json!({"spec": {"restartPolicy": "Never"}, "status": {"containerStatuses": [{"name": "c", "state": {"terminated": {"exitCode": 0}}}]}}),
        json!({"status": {"containerStatuses": [{"name": "c", "state": {"running": {}}}]}}),
        &["status.containerStatuses[0].state: Forbidden: may not be transitioned to non-terminated state"],
    );
    status_written(
        kind::PODS,
        json!({"spec": {"restartPolicy": "OnFailure"}, "status": {"containerStatuses": [{"name": "c", "state": {"terminated": {"exitCode": 1}}}]}}),
        json!({"status": {"containerStatuses": [{"name": "c", "state": {"running": {}}}]}}),
        &[],
    );
    status_written(
        kind::PODS,
        json!({"spec": {"restartPolicy": "OnFailure"}, "status": {"containerStatuses": [{"name": "c", "state": {"terminated": {"exitCode": 0}}}]}}),
        json!({"status": {"containerStatuses": [{"name": "c", "state": {"running": {}}}]}}),
        &["status.containerStatuses[0].state: Forbidden: may not be transitioned to non-terminated state"],
    );
    status_written(
        kind::PODS,
        json!({"status": {"containerStatuses": [{"name": "c", "state": {"terminated": {"exitCode": 0}}}]}}),
        json!({"status": {"containerStatuses": [{"name": "c", "state": {"running": {}}}]}}),
        &[],
    );
    status_written(
        kind::PODS,
        json!({"spec": {"restartPolicy": "Never", "initContainers": [{"name": "c", "restartPolicy": "Always"}]}, "status": {"initContainerStatuses": [{"name": "c", "state": {"terminated": {"exitCode": 0}}}]}}),
        json!({"status": {"initContainerStatuses": [{"name": "c", "state": {"running": {}}}]}}),
        &[],
    );
    status_written(
        kind::PODS,
        json!({"status": {"ephemeralContainerStatuses": [{"name": "c", "state": {"terminated": {"exitCode": 0}}}]}}),
        json!({"status": {"ephemeralContainerStatuses": [{"name": "c", "state": {"running": {}}}]}}),
        &[
            "status.ephemeralContainerStatuses[0].state: Forbidden: may not be transitioned to non-terminated state",
        ],
    );
}

#[test]
fn a_pod_says_where_it_is() {
    status_written(
        kind::PODS,
        json!({}),
        json!({"status": {"podIPs": [{"ip": "10.0.0.1"}, {"ip": "10.0.0.2"}]}}),
        &[
            r#"status.podIPs: Invalid value: [{"ip":"10.0.0.1"},{"ip":"10.0.0.2"}]: may specify no more than one IP for each IP family"#,
        ],
    );
    status_written(
        kind::PODS,
        json!({}),
        json!({"status": {"podIPs": [{"ip": "x"}]}}),
        &[
            r#"status.podIPs[0]: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"#,
        ],
    );
    status_written(
        kind::PODS,
        json!({}),
        json!({"status": {"podIPs": [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}], "hostIP": "10.0.0.9", "hostIPs": [{"ip": "10.0.0.9"}]}}),
        &[],
    );
    status_written(
        kind::PODS,
        json!({}),
        json!({"status": {"hostIP": "10.0.0.8", "hostIPs": [{"ip": "10.0.0.9"}]}}),
        &[r#"status.hostIPs[0].ip: Invalid value: "10.0.0.9": must be equal to `hostIP`"#],
    );
    status_written(
        kind::PODS,
        json!({}),
        json!({"status": {"nominatedNodeName": "N"}}),
        &[r#"status.nominatedNodeName: Invalid value: "N": <subdomain>"#],
    );
    status_written(
        kind::PODS,
        json!({"spec": {"nodeName": "n"}}),
        json!({"status": {"nominatedNodeName": "m"}}),
        &["status.nominatedNodeName: Forbidden: may not be set on pods that are already bound to a node"],
    );
}

#[test]
fn conditions_and_claims_of_a_pod_are_its_own() {
    status_written(
        kind::PODS,
        json!({}),
        json!({"status": {"conditions": [{"type": "Ready"}, {"type": "a b", "observedGeneration": -1}], "observedGeneration": -1}}),
        &[
            "status.conditions[1].observedGeneration: Invalid value: -1: must be a non-negative integer",
            r#"status.conditions[1].Type: Invalid value: "a b": <label key>"#,
            "status.observedGeneration: Invalid value: -1: must be a non-negative integer",
        ],
    );
    status_written(
        kind::PODS,
        json!({}),
        json!({"status": {"qosClass": "Guaranteed"}}),
        &[r#"status.qosClass: Invalid value: "Guaranteed": field is immutable"#],
    );
    status_written(
        kind::PODS,
        json!({}),
        json!({"status": {"resourceClaimStatuses": [{"name": "x", "resourceClaimName": "R"}]}}),
        &[
            r#"status.resourceClaimStatuses[0].name: Invalid value: "x": must match the name of an entry in `spec.resourceClaims`"#,
            r#"status.resourceClaimStatuses[0].resourceClaimName: Invalid value: "R": <subdomain>"#,
        ],
    );
    status_written(
        kind::PODS,
        json!({}),
        json!({"status": {"containerStatuses": [{"name": "c", "user": {"linux": {"uid": -1, "gid": 0}}, "allocatedResourcesStatus": [{"name": "example.com/gpu", "resources": [{"resourceID": "a", "health": "Fine"}, {"resourceID": "a", "health": "Healthy"}]}]}]}}),
        &[
            "status.containerStatuses[0].user.linux.uid: Invalid value: -1: must be between 0 and 2147483647, inclusive",
            r#"status.containerStatuses[0].allocatedResourcesStatus[0].name: Invalid value: "example.com/gpu": must match one of the container's resource requests"#,
            r#"status.containerStatuses[0].allocatedResourcesStatus[0].resources[0].health: Unsupported value: "Fine": supported values: "Healthy", "Unhealthy", "Unknown""#,
            r#"status.containerStatuses[0].allocatedResourcesStatus[0].resources[1].resourceID: Duplicate value: "a""#,
        ],
    );
}

#[test]
fn parts_are_not_more_than_the_whole() {
    status_written(
        kind::DEPLOYMENTS,
        json!({}),
        json!({"status": {"replicas": 1, "updatedReplicas": 2, "readyReplicas": 1, "availableReplicas": 3}}),
        &[
            "status.updatedReplicas: Invalid value: 2: cannot be greater than status.replicas",
            "status.availableReplicas: Invalid value: 3: cannot be greater than status.replicas",
            "status.availableReplicas: Invalid value: 3: cannot be greater than readyReplicas",
        ],
    );
    status_written(
        kind::DEPLOYMENTS,
        json!({}),
        json!({"status": {"replicas": -1, "observedGeneration": -1}}),
        &[
            "status.observedGeneration: Invalid value: -1: must be greater than or equal to 0",
            "status.replicas: Invalid value: -1: must be greater than or equal to 0",
            "status.updatedReplicas: Invalid value: 0: cannot be greater than status.replicas",
            "status.readyReplicas: Invalid value: 0: cannot be greater than status.replicas",
            "status.availableReplicas: Invalid value: 0: cannot be greater than status.replicas",
        ],
    );
    status_written(
        kind::DEPLOYMENTS,
        json!({"status": {"collisionCount": 2}}),
        json!({"status": {"collisionCount": 1}}),
        &["status.collisionCount: Invalid value: 1: cannot be decremented"],
    );
    status_written(
        kind::DEPLOYMENTS,
        json!({"status": {"collisionCount": 2}}),
        json!({"status": {"collisionCount": null}}),
        &["status.collisionCount: Invalid value: 0: cannot be decremented"],
    );
    status_written(
        kind::REPLICA_SETS,
        json!({}),
        json!({"status": {"replicas": 1, "fullyLabeledReplicas": 2, "readyReplicas": 2, "availableReplicas": 1}}),
        &[
            "status.fullyLabeledReplicas: Invalid value: 2: cannot be greater than status.replicas",
            "status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas",
        ],
    );
    status_written(
        kind::STATEFUL_SETS,
        json!({}),
        json!({"status": {"replicas": 1, "currentReplicas": 2, "updatedReplicas": 1, "readyReplicas": 0, "availableReplicas": 1}}),
        &[
            "status.currentReplicas: Invalid value: 2: cannot be greater than status.replicas",
            "status.availableReplicas: Invalid value: 1: cannot be greater than status.readyReplicas",
        ],
    );
}

#[test]
fn phases_and_amounts_are_known() {
    status_written(
        kind::NAMESPACES,
        json!({}),
        json!({"status": {"phase": "Terminating"}}),
        &[
            r#"status.Phase: Invalid value: "Terminating": may only be 'Active' if `deletionTimestamp` is empty"#,
        ],
    );
    status_written(
        kind::NAMESPACES,
        json!({"metadata": {"deletionTimestamp": "2026-01-02T00:00:00Z"}}),
        json!({"status": {"phase": "Active"}}),
        &[
            r#"status.Phase: Invalid value: "Active": may only be 'Terminating' if `deletionTimestamp` is not empty"#,
        ],
    );
    status_written(
        kind::SERVICES,
        json!({}),
        json!({"status": {"loadBalancer": {"ingress": [{"ip": "10.0.0.1"}]}}}),
        &["status.loadBalancer.ingress: Forbidden: may only be used when `spec.type` is 'LoadBalancer'"],
    );
    status_written(
        kind::SERVICES,
        json!({"spec": {"type": "LoadBalancer"}}),
        json!({"status": {"loadBalancer": {"ingress": [{"ip": "10.0.0.1"}, {"hostname": "10.0.0.1", "ipMode": "VIP"}, {"ip": "x", "ipMode": "Magic"}, {"hostname": "A"}]}}}),
        &[
            "status.loadBalancer.ingress[0].ipMode: Required value: must be specified when `ip` is set",
            "status.loadBalancer.ingress[1].ipMode: Forbidden: may not be specified when `ip` is not set",
            r#"status.loadBalancer.ingress[1].hostname: Invalid value: "10.0.0.1": must be a DNS name, not an IP address"#,
            r#"status.loadBalancer.ingress[2].ip: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"#,
            r#"status.loadBalancer.ingress[2].ipMode: Unsupported value: "Magic": supported values: "Proxy", "VIP""#,
            r#"status.loadBalancer.ingress[3].hostname: Invalid value: "A": <subdomain>"#,
        ],
    );
    status_written(
        kind::PERSISTENT_VOLUME_CLAIMS,
        json!({}),
        json!({"status": {"capacity": {"storage": "-1"}, "allocatedResources": {"cpu": "1"}, "allocatedResourceStatuses": {"storage": "Growing"}}}),
        &[
            "status.capacity[storage]: Invalid value: -1: must be a valid resource quantity",
            r#"status.allocatedResourceStatuses: Unsupported value: "storage": supported values: "ControllerResizeInProgress", "ControllerResizeInfeasible", "NodeResizeInProgress", "NodeResizeInfeasible", "NodeResizePending""#,
            r#"status.allocatedResources: Unsupported value: "cpu": supported values: "storage""#,
        ],
    );
    status_written(
        kind::PERSISTENT_VOLUMES,
        json!({}),
        json!({"metadata": {"uid": "other"}, "status": {"phase": "Bound"}}),
        &[
            r#"metadata.uid: Invalid value: "other": field is immutable"#,
            r#"metadata.uid: Invalid value: "other": field is immutable"#,
        ],
    );
    status_written(
        kind::NODES,
        json!({}),
        json!({"status": {"capacity": {"memory": "-1"}}}),
        &[r#"status.capacity.memory: Invalid value: "-1": must be greater than or equal to 0"#],
    );
}
