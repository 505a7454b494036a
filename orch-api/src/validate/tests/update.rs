//! What may not change, for every kind; metadata is judged twice, as upstream does.

use serde_json::json;

use super::updated;
use orch_core::kind;

#[test]
fn identity_stays() {
    updated(
        kind::CONFIG_MAPS,
        json!({}),
        json!({"metadata": {"name": "b"}}),
        &[
            r#"metadata.name: Invalid value: "b": field is immutable"#,
            r#"metadata.name: Invalid value: "b": field is immutable"#,
        ],
    );
    updated(
        kind::CONFIG_MAPS,
        json!({}),
        json!({"metadata": {"uid": "v"}}),
        &[
            r#"metadata.uid: Invalid value: "v": field is immutable"#,
            r#"metadata.uid: Invalid value: "v": field is immutable"#,
        ],
    );
    updated(
        kind::CONFIG_MAPS,
        json!({}),
        json!({"metadata": {"deletionTimestamp": "2026-01-02T00:00:00Z"}}),
        &[
            r#"metadata.deletionTimestamp: Invalid value: "2026-01-02T00:00:00Z": field is immutable"#,
            r#"metadata.deletionTimestamp: Invalid value: "2026-01-02T00:00:00Z": field is immutable"#,
        ],
    );
    updated(
        kind::CONFIG_MAPS,
        json!({"metadata": {"generation": 2}}),
        json!({"metadata": {"generation": 1}}),
        &[
            "metadata.generation: Invalid value: 1: must not be decremented",
            "metadata.generation: Invalid value: 1: must not be decremented",
        ],
    );
    updated(
        kind::CONFIG_MAPS,
        json!({}),
        json!({"metadata": {"labels": {"a b": "c"}}}),
        &[
            r#"metadata.labels: Invalid value: "a b": <label key>"#,
            r#"metadata.labels: Invalid value: "a b": <label key>"#,
            r#"metadata.labels: Invalid value: "a b": <label key>"#,
            r#"metadata.labels: Invalid value: "a b": <label key>"#,
        ],
    );
    updated(
        kind::LEASES,
        json!({}),
        json!({"metadata": {"annotations": {"a b": "c"}}}),
        &[
            r#"metadata.annotations: Invalid value: "a b": <label key>"#,
            r#"metadata.annotations: Invalid value: "a b": <label key>"#,
            r#"metadata.annotations: Invalid value: "a b": <label key>"#,
        ],
    );
}

#[test]
fn finalizers_are_not_added_while_deleting() {
    updated(
        kind::CONFIG_MAPS,
        json!({"metadata": {"deletionTimestamp": "2026-01-02T00:00:00Z", "finalizers": ["a.b/c"]}}),
        json!({"metadata": {"finalizers": ["a.b/c", "a.b/d"]}}),
        &[
            r#"metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{"a.b/d"}"#,
            r#"metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{"a.b/d"}"#,
        ],
    );
    updated(
        kind::CONFIG_MAPS,
        json!({"metadata": {"deletionTimestamp": "2026-01-02T00:00:00Z", "finalizers": ["a.b/c", "a.b/d"]}}),
        json!({"metadata": {"finalizers": ["a.b/d"]}}),
        &[],
    );
    updated(
        kind::CONFIG_MAPS,
        json!({"metadata": {"finalizers": ["a.b/c"]}}),
        json!({"metadata": {"finalizers": ["mine"]}}),
        &[
            r#"metadata.finalizers[0]: Invalid value: "mine": name is neither a standard finalizer name nor is it fully qualified"#,
            r#"metadata.finalizers[0]: Invalid value: "mine": name is neither a standard finalizer name nor is it fully qualified"#,
        ],
    );
}

#[test]
fn what_is_sealed_stays() {
    updated(
        kind::CONFIG_MAPS,
        json!({"immutable": true}),
        json!({"data": {"a": "c"}, "immutable": false}),
        &[
            "immutable: Forbidden: field is immutable when `immutable` is set",
            "data: Forbidden: field is immutable when `immutable` is set",
        ],
    );
    updated(
        kind::CONFIG_MAPS,
        json!({"immutable": true}),
        json!({"binaryData": null}),
        &["binaryData: Forbidden: field is immutable when `immutable` is set"],
    );
    updated(kind::CONFIG_MAPS, json!({"immutable": true}), json!({"metadata": {"labels": {"a": "b"}}}), &[]);
    updated(kind::CONFIG_MAPS, json!({"immutable": false}), json!({"immutable": true}), &[]);
    updated(
        kind::SECRETS,
        json!({"immutable": true}),
        json!({"data": {"a": "eg=="}}),
        &["data: Forbidden: field is immutable when `immutable` is set"],
    );
    updated(
        kind::SECRETS,
        json!({}),
        json!({"type": "mine"}),
        &[r#"type: Invalid value: "mine": field is immutable"#],
    );
    updated(
        kind::CONTROLLER_REVISIONS,
        json!({}),
        json!({"data": {"spec": {"x": 1}}, "revision": 2}),
        &[r#"data: Invalid value: {"spec":{"x":1}}: field is immutable"#],
    );
}

#[test]
fn pods_keep_their_spec() {
    updated(
        kind::PODS,
        json!({}),
        json!({"spec": {"containers": [{"name": "c", "image": "nginx:1.28", "imagePullPolicy": "IfNotPresent", "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File"}]}}),
        &[],
    );
    updated(
        kind::PODS,
        json!({}),
        json!({"spec": {"containers": [{"name": "c", "image": "", "imagePullPolicy": "IfNotPresent", "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File"}]}}),
        &["spec.containers[0].image: Required value", "spec.containers[0].image: Required value"],
    );
    updated(
        kind::PODS,
        json!({}),
        json!({"spec": {"containers": [{"name": "c", "image": "nginx:1.27", "imagePullPolicy": "IfNotPresent", "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File"}, {"name": "d", "image": "nginx:1.27", "imagePullPolicy": "IfNotPresent", "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File"}]}}),
        &["spec.containers: Forbidden: pod updates may not add or remove containers"],
    );
    updated(
        kind::PODS,
        json!({}),
        json!({"spec": {"containers": [{"name": "c", "image": "nginx:1.27", "imagePullPolicy": "IfNotPresent", "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File", "command": ["x"]}]}}),
        &[
            "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
        ],
    );
    updated(
        kind::PODS,
        json!({}),
        json!({"spec": {"nodeName": "n"}}),
        &[
            "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
        ],
    );
    updated(kind::PODS, json!({}), json!({"spec": {"hostNetwork": false}}), &[]);
}

#[test]
fn deadlines_and_tolerations_of_a_pod_may_change() {
    updated(kind::PODS, json!({}), json!({"spec": {"activeDeadlineSeconds": 5}}), &[]);
    updated(
        kind::PODS,
        json!({"spec": {"activeDeadlineSeconds": 5}}),
        json!({"spec": {"activeDeadlineSeconds": 6}}),
        &["spec.activeDeadlineSeconds: Invalid value: 6: must be less than or equal to previous value"],
    );
    updated(
        kind::PODS,
        json!({"spec": {"activeDeadlineSeconds": 5}}),
        json!({"spec": {"activeDeadlineSeconds": null}}),
        &[
            "spec.activeDeadlineSeconds: Invalid value: null: must not update from a positive integer to nil value",
        ],
    );
    updated(
        kind::PODS,
        json!({"spec": {"tolerations": [{"key": "k", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 1}]}}),
        json!({"spec": {"tolerations": [{"key": "k", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 2}, {"key": "j", "operator": "Exists"}]}}),
        &[],
    );
    updated(
        kind::PODS,
        json!({"spec": {"tolerations": [{"key": "k", "operator": "Exists"}]}}),
        json!({"spec": {"tolerations": []}}),
        &[
            "spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds",
        ],
    );
    updated(
        kind::PODS,
        json!({"spec": {"terminationGracePeriodSeconds": -1}}),
        json!({"spec": {"terminationGracePeriodSeconds": 1}}),
        &[],
    );
    updated(
        kind::PODS,
        json!({}),
        json!({"spec": {"terminationGracePeriodSeconds": 1}}),
        &[
            "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
        ],
    );
    updated(
        kind::PODS,
        json!({"spec": {"containers": [{"name": "c", "image": "nginx:1.27", "imagePullPolicy": "IfNotPresent", "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File", "resources": {"limits": {"cpu": "1000m"}}}]}}),
        json!({"spec": {"containers": [{"name": "c", "image": "nginx:1.27", "imagePullPolicy": "IfNotPresent", "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File", "resources": {"limits": {"cpu": "1"}}}]}}),
        &[],
    );
    updated(
        kind::PODS,
        json!({"metadata": {"annotations": {"kubernetes.io/config.mirror": "x"}}}),
        json!({"metadata": {"annotations": null}}),
        &[
            "metadata.annotations[kubernetes.io/config.mirror]: Forbidden: may not remove or update mirror pod annotation",
        ],
    );
}

#[test]
fn gated_pods_get_narrower_only() {
    updated(
        kind::PODS,
        json!({"spec": {"schedulingGates": [{"name": "g"}]}}),
        json!({"spec": {"schedulingGates": [], "nodeSelector": {"a": "b"}}}),
        &[],
    );
    updated(
        kind::PODS,
        json!({"spec": {"schedulingGates": [{"name": "g"}]}}),
        json!({"spec": {"schedulingGates": [{"name": "h"}]}}),
        &[
            "spec.schedulingGates[0].name: Forbidden: only deletion is allowed, but found new scheduling gate 'h'",
        ],
    );
    updated(
        kind::PODS,
        json!({"spec": {"schedulingGates": [{"name": "g"}], "nodeSelector": {"a": "b"}}}),
        json!({"spec": {"nodeSelector": {"a": "c"}}}),
        &[
            r#"spec.nodeSelector: Invalid value: {"a":"c"}: only additions to spec.nodeSelector are allowed (no mutations or deletions)"#,
        ],
    );
    updated(
        kind::PODS,
        json!({"spec": {"nodeSelector": {"a": "b"}}}),
        json!({"spec": {"nodeSelector": {"a": "b", "c": "d"}}}),
        &[
            "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
        ],
    );
    updated(
        kind::PODS,
        json!({"spec": {"schedulingGates": [{"name": "g"}], "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "Exists"}]}]}}}}}),
        json!({"spec": {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchExpressions": [{"key": "b", "operator": "Exists"}]}]}}}}}),
        &[
            r#"spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0]: Invalid value: {"matchExpressions":[{"key":"b","operator":"Exists"}]}: only additions are allowed (no mutations or deletions)"#,
        ],
    );
    updated(
        kind::PODS,
        json!({"spec": {"schedulingGates": [{"name": "g"}], "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "Exists"}]}]}}}}}),
        json!({"spec": {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "Exists"}, {"key": "b", "operator": "Exists"}]}]}}}}}),
        &[],
    );
}

#[test]
fn workloads_keep_their_selector() {
    updated(
        kind::DEPLOYMENTS,
        json!({}),
        json!({"spec": {"selector": {"matchLabels": {"app": "a", "b": "c"}}, "template": {"metadata": {"labels": {"b": "c"}}}}}),
        &[r#"spec.selector: Invalid value: {"matchLabels":{"app":"a","b":"c"}}: field is immutable"#],
    );
    updated(
        kind::DEPLOYMENTS,
        json!({}),
        json!({"spec": {"selector": null}}),
        &[
            "spec.selector: Required value",
            r#"spec.template.metadata.labels: Invalid value: {"app":"a"}: `selector` does not match template `labels`"#,
            "spec.selector: Invalid value: null: field is immutable",
        ],
    );
    updated(
        kind::REPLICA_SETS,
        json!({}),
        json!({"spec": {"selector": {"matchLabels": {"app": "a", "b": "c"}}, "template": {"metadata": {"labels": {"b": "c"}}}}}),
        &[r#"spec.selector: Invalid value: {"matchLabels":{"app":"a","b":"c"}}: field is immutable"#],
    );
    updated(
        kind::DEPLOYMENTS,
        json!({}),
        json!({"spec": {"replicas": 3, "template": {"spec": {"nodeName": "n"}}}}),
        &[],
    );
    updated(
        kind::STATEFUL_SETS,
        json!({}),
        json!({"spec": {"replicas": 3, "serviceName": "b"}}),
        &[
            "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
        ],
    );
    updated(
        kind::STATEFUL_SETS,
        json!({}),
        json!({"spec": {"replicas": 3, "minReadySeconds": 4, "revisionHistoryLimit": 2, "template": {"spec": {"nodeName": "n"}}}}),
        &[],
    );
    updated(
        kind::STATEFUL_SETS,
        json!({}),
        json!({"spec": {"volumeClaimTemplates": []}}),
        &[
            "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
        ],
    );
    updated(
        kind::STATEFUL_SETS,
        json!({"spec": {"template": {"spec": {"dnsPolicy": "Old"}}}}),
        json!({"spec": {"replicas": 2}}),
        &[],
    );
    updated(
        kind::STATEFUL_SETS,
        json!({}),
        json!({"spec": {"template": {"spec": {"dnsPolicy": "Old"}}}}),
        &[
            r#"spec.template.spec.dnsPolicy: Unsupported value: "Old": supported values: "ClusterFirstWithHostNet", "ClusterFirst", "Default", "None""#,
        ],
    );
}

#[test]
fn services_keep_their_addresses() {
    updated(
        kind::SERVICES,
        json!({}),
        json!({"spec": {"clusterIP": "10.96.0.8", "clusterIPs": ["10.96.0.8"]}}),
        &[r#"spec.clusterIPs[0]: Invalid value: ["10.96.0.8"]: may not change once set"#],
    );
    updated(
        kind::SERVICES,
        json!({}),
        json!({"spec": {"clusterIP": null, "clusterIPs": null}}),
        &["spec.clusterIPs[0]: Invalid value: null: primary clusterIP can not be unset"],
    );
    updated(
        kind::SERVICES,
        json!({}),
        json!({"spec": {"clusterIPs": ["10.96.0.7", "fd00::1"], "ipFamilies": ["IPv4", "IPv6"], "ipFamilyPolicy": "PreferDualStack"}}),
        &[],
    );
    updated(
        kind::SERVICES,
        json!({"spec": {"clusterIPs": ["10.96.0.7", "fd00::1"], "ipFamilies": ["IPv4", "IPv6"], "ipFamilyPolicy": "PreferDualStack"}}),
        json!({"spec": {"clusterIPs": ["10.96.0.7"], "ipFamilies": ["IPv4"]}}),
        &[
            r#"spec.ipFamilyPolicy: Invalid value: "PreferDualStack": must be set to 'SingleStack' when releasing the secondary clusterIP"#,
            r#"spec.ipFamilyPolicy: Invalid value: "PreferDualStack": must be set to 'SingleStack' when releasing the secondary ipFamily"#,
        ],
    );
    updated(
        kind::SERVICES,
        json!({"spec": {"clusterIPs": ["10.96.0.7", "fd00::1"], "ipFamilies": ["IPv4", "IPv6"], "ipFamilyPolicy": "PreferDualStack"}}),
        json!({"spec": {"clusterIPs": ["10.96.0.7"], "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack"}}),
        &[],
    );
}

#[test]
fn families_and_classes_of_services_stay() {
    updated(
        kind::SERVICES,
        json!({}),
        json!({"spec": {"ipFamilies": ["IPv6"]}}),
        &[
            r#"spec.ipFamilies[0]: Invalid value: ["IPv6"]: may not change once set"#,
            r#"spec.clusterIPs[0]: Invalid value: "10.96.0.7": expected an IPv6 value as indicated by `ipFamilies[0]`"#,
        ],
    );
    updated(
        kind::SERVICES,
        json!({}),
        json!({"spec": {"type": "ExternalName", "externalName": "a.b", "clusterIP": null, "clusterIPs": null, "ipFamilies": null, "ipFamilyPolicy": null, "internalTrafficPolicy": null}}),
        &[],
    );
    updated(
        kind::SERVICES,
        json!({"spec": {"type": "LoadBalancer", "allocateLoadBalancerNodePorts": true, "externalTrafficPolicy": "Local", "healthCheckNodePort": 30001, "loadBalancerClass": "a/b"}}),
        json!({"spec": {"healthCheckNodePort": 30002, "loadBalancerClass": "a/c"}}),
        &[
            r#"spec.loadBalancerClass: Invalid value: "a/c": may not change once set"#,
            "spec.healthCheckNodePort: Forbidden: field is immutable",
        ],
    );
    updated(
        kind::SERVICES,
        json!({"spec": {"externalIPs": ["010.0.0.1"]}}),
        json!({"spec": {"sessionAffinity": "None"}}),
        &["spec.externalTrafficPolicy: Required value"],
    );
    updated(
        kind::ENDPOINT_SLICES,
        json!({}),
        json!({"addressType": "FQDN", "endpoints": [{"addresses": ["a.b"]}]}),
        &[r#"addressType: Invalid value: "FQDN": field is immutable"#],
    );
    updated(
        kind::ENDPOINT_SLICES,
        json!({"endpoints": [{"addresses": ["127.0.0.1"]}]}),
        json!({"ports": []}),
        &[],
    );
}

#[test]
fn claims_keep_all_but_size_and_class() {
    updated(kind::PERSISTENT_VOLUME_CLAIMS, json!({}), json!({"spec": {"volumeName": "v"}}), &[]);
    updated(
        kind::PERSISTENT_VOLUME_CLAIMS,
        json!({"spec": {"volumeName": "v"}}),
        json!({"spec": {"volumeName": "w"}}),
        &[
            "spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims",
        ],
    );
    updated(kind::PERSISTENT_VOLUME_CLAIMS, json!({}), json!({"spec": {"storageClassName": "fast"}}), &[]);
    updated(
        kind::PERSISTENT_VOLUME_CLAIMS,
        json!({"spec": {"storageClassName": "slow"}}),
        json!({"spec": {"storageClassName": "fast"}}),
        &[
            "spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims",
        ],
    );
    updated(
        kind::PERSISTENT_VOLUME_CLAIMS,
        json!({"metadata": {"annotations": {"volume.beta.kubernetes.io/storage-class": "fast"}}}),
        json!({"metadata": {"annotations": null}, "spec": {"storageClassName": "fast"}}),
        &[],
    );
    updated(
        kind::PERSISTENT_VOLUME_CLAIMS,
        json!({"metadata": {"annotations": {"volume.beta.kubernetes.io/storage-class": "fast"}}}),
        json!({"metadata": {"annotations": {"volume.beta.kubernetes.io/storage-class": "slow"}}}),
        &[
            r#"metadata.annotations.volume.beta.kubernetes.io/storage-class: Invalid value: "slow": field is immutable"#,
        ],
    );
}

#[test]
fn bound_claims_grow() {
    updated(
        kind::PERSISTENT_VOLUME_CLAIMS,
        json!({}),
        json!({"spec": {"resources": {"requests": {"storage": "2Gi"}}}}),
        &[
            "spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims",
        ],
    );
    updated(
        kind::PERSISTENT_VOLUME_CLAIMS,
        json!({"status": {"phase": "Bound"}}),
        json!({"spec": {"resources": {"requests": {"storage": "2Gi"}}}}),
        &[],
    );
    updated(
        kind::PERSISTENT_VOLUME_CLAIMS,
        json!({"status": {"phase": "Bound", "capacity": {"storage": "1Gi"}}}),
        json!({"spec": {"resources": {"requests": {"storage": "512Mi"}}}}),
        &["spec.resources.requests.storage: Forbidden: field can not be less than status.capacity"],
    );
    updated(
        kind::PERSISTENT_VOLUME_CLAIMS,
        json!({}),
        json!({"spec": {"volumeMode": "Block"}}),
        &[
            "spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims",
            r#"volumeMode: Invalid value: "Block": field is immutable"#,
        ],
    );
    updated(
        kind::PERSISTENT_VOLUME_CLAIMS,
        json!({"spec": {"volumeAttributesClassName": "a"}, "status": {"phase": "Bound", "currentVolumeAttributesClassName": "a"}}),
        json!({"spec": {"volumeAttributesClassName": null}}),
        &[
            "spec.volumeAttributesClassName: Forbidden: update to nil is forbidden when status.currentVolumeAttributesClassName is not nil",
        ],
    );
    updated(
        kind::PERSISTENT_VOLUME_CLAIMS,
        json!({"spec": {"volumeAttributesClassName": "a"}, "status": {"phase": "Bound"}}),
        json!({"spec": {"volumeAttributesClassName": "b"}}),
        &[],
    );
}

#[test]
fn volumes_keep_their_source() {
    updated(
        kind::PERSISTENT_VOLUMES,
        json!({}),
        json!({"spec": {"hostPath": {"path": "/other"}}}),
        &["spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after creation"],
    );
    updated(
        kind::PERSISTENT_VOLUMES,
        json!({}),
        json!({"spec": {"capacity": {"storage": "2Gi"}, "persistentVolumeReclaimPolicy": "Delete"}}),
        &[],
    );
    updated(
        kind::PERSISTENT_VOLUMES,
        json!({}),
        json!({"spec": {"volumeMode": "Block"}}),
        &[r#"volumeMode: Invalid value: "Block": field is immutable"#],
    );
    updated(
        kind::PERSISTENT_VOLUMES,
        json!({"spec": {"hostPath": null, "csi": {"driver": "d", "volumeHandle": "h"}}}),
        json!({"spec": {"csi": {"controllerExpandSecretRef": {"name": "s", "namespace": "n"}}}}),
        &[],
    );
    updated(
        kind::PERSISTENT_VOLUMES,
        json!({"spec": {"hostPath": null, "csi": {"driver": "d", "volumeHandle": "h"}, "volumeAttributesClassName": "a"}}),
        json!({"spec": {"volumeAttributesClassName": null}}),
        &["spec.volumeAttributesClassName: Forbidden: update from non-nil value to nil is forbidden"],
    );
    updated(
        kind::PERSISTENT_VOLUMES,
        json!({"spec": {"nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [{"key": "beta.kubernetes.io/os", "operator": "Exists"}]}]}}}}),
        json!({"spec": {"nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [{"key": "kubernetes.io/os", "operator": "Exists"}]}]}}}}),
        &[],
    );
    updated(
        kind::PERSISTENT_VOLUMES,
        json!({"spec": {"nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "Exists"}]}]}}}}),
        json!({"spec": {"nodeAffinity": null}}),
        &["nodeAffinity: Invalid value: null: field is immutable, except for updating from beta label to GA"],
    );
}

#[test]
fn classes_and_nodes_keep_what_others_rely_on() {
    updated(
        kind::STORAGE_CLASSES,
        json!({}),
        json!({"provisioner": "example.com/q", "parameters": {"a": "b"}, "reclaimPolicy": "Retain", "volumeBindingMode": "WaitForFirstConsumer"}),
        &[
            r#"parameters: Invalid value: {"a":"b"}: field is immutable"#,
            r#"provisioner: Invalid value: "example.com/q": field is immutable"#,
            r#"reclaimPolicy: Invalid value: "Retain": field is immutable"#,
            r#"volumeBindingMode: Invalid value: "WaitForFirstConsumer": field is immutable"#,
        ],
    );
    updated(kind::STORAGE_CLASSES, json!({}), json!({"allowVolumeExpansion": true}), &[]);
    updated(
        kind::PRIORITY_CLASSES,
        json!({}),
        json!({"value": 7, "preemptionPolicy": "Never"}),
        &[
            "value: Forbidden: may not be changed in an update.",
            r#"preemptionPolicy: Invalid value: "Never": field is immutable"#,
        ],
    );
    updated(kind::PRIORITY_CLASSES, json!({}), json!({"description": "x"}), &[]);
    updated(
        kind::NODES,
        json!({}),
        json!({"spec": {"podCIDRs": ["10.2.0.0/24"]}}),
        &[r#"spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid"#],
    );
    updated(
        kind::NODES,
        json!({"spec": {"podCIDRs": null}}),
        json!({"spec": {"podCIDRs": ["10.2.0.0/24"]}}),
        &[],
    );
    updated(
        kind::NODES,
        json!({"spec": {"providerID": "a"}}),
        json!({"spec": {"providerID": "b", "unschedulable": true}}),
        &[r#"spec.providerID: Forbidden: node updates may not change providerID except from "" to valid"#],
    );
    updated(
        kind::NODES,
        json!({}),
        json!({"status": {"addresses": [{"type": "Hostname", "address": "n"}, {"type": "Hostname", "address": "n"}]}}),
        &[r#"status.addresses[1]: Duplicate value: {"Type":"Hostname","Address":"n"}"#],
    );
}
