//! A valid object of each of the kinds that came later, with its defaults.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use orch_core::{Kind, kind};
use serde_json::{Value, json};

use super::{merged, pod_spec, template};

pub(super) fn objects() -> Vec<(Kind, Value)> {
    let all = [workloads(), network(), access(), storage(), admission(), devices(), extensions()];
    all.into_iter().flatten().collect()
}

/// A template whose pods end.
fn ending_template(labels: &Value) -> Value {
    json!({"metadata": {"labels": labels}, "spec": merged(pod_spec(), json!({"restartPolicy": "Never"}))})
}

fn workloads() -> Vec<(Kind, Value)> {
    let labels = json!({
        "controller-uid": "u", "job-name": "a",
        "batch.kubernetes.io/controller-uid": "u", "batch.kubernetes.io/job-name": "a",
    });
    let job = json!({
        "parallelism": 1, "completions": 1, "backoffLimit": 6, "completionMode": "NonIndexed", "suspend": false,
        "podReplacementPolicy": "TerminatingOrFailed", "manualSelector": false, "template": ending_template(&labels),
        "selector": {"matchLabels": {"batch.kubernetes.io/controller-uid": "u"}},
    });
    vec![
        (
            kind::DAEMON_SETS,
            json!({"spec": {
                "selector": {"matchLabels": {"app": "a"}}, "template": template(), "revisionHistoryLimit": 10,
                "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}},
            }}),
        ),
        (kind::JOBS, json!({"spec": job})),
        (
            kind::CRON_JOBS,
            json!({"spec": {
                "schedule": "*/5 * * * *", "concurrencyPolicy": "Allow", "suspend": false,
                "successfulJobsHistoryLimit": 3, "failedJobsHistoryLimit": 1,
                "jobTemplate": {"metadata": {}, "spec": {"template": ending_template(&json!({}))}},
            }}),
        ),
        (
            kind::REPLICATION_CONTROLLERS,
            json!({"spec": {"replicas": 1, "selector": {"app": "a"}, "template": template()}, "status": {"replicas": 0}}),
        ),
        (kind::POD_TEMPLATES, json!({"template": template()})),
        (
            kind::HORIZONTAL_POD_AUTOSCALERS,
            json!({"spec": {
                "minReplicas": 1, "maxReplicas": 5,
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "a"},
                "metrics": [{"type": "Resource", "resource": {
                    "name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}],
            }}),
        ),
        (
            kind::POD_DISRUPTION_BUDGETS,
            json!({"spec": {"minAvailable": "50%", "selector": {"matchLabels": {"app": "a"}}}}),
        ),
        (
            kind::RESOURCE_QUOTAS,
            json!({"spec": {"hard": {"pods": "10", "requests.cpu": "2", "count/jobs.batch": "3"}}}),
        ),
        (
            kind::LIMIT_RANGES,
            json!({"spec": {"limits": [{"type": "Container", "default": {"cpu": "200m"}, "defaultRequest": {"cpu": "100m"}}]}}),
        ),
    ]
}

fn network() -> Vec<(Kind, Value)> {
    let backend = json!({"service": {"name": "a", "port": {"number": 80}}});
    vec![
        (
            kind::INGRESSES,
            json!({"spec": {"rules": [{"host": "a.example.com", "http": {"paths": [
                {"path": "/", "pathType": "Prefix", "backend": backend}]}}]}}),
        ),
        (kind::INGRESS_CLASSES, json!({"spec": {"controller": "example.com/ingress"}})),
        (
            kind::NETWORK_POLICIES,
            json!({"spec": {
                "podSelector": {}, "policyTypes": ["Ingress"],
                "ingress": [{"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}],
                    "ports": [{"port": 80, "protocol": "TCP"}]}],
            }}),
        ),
        (
            kind::ENDPOINTS,
            json!({"subsets": [{"addresses": [{"ip": "10.0.0.1"}], "ports": [{"port": 80, "protocol": "TCP"}]}]}),
        ),
        (
            kind::IP_ADDRESSES,
            json!({"metadata": {"name": "10.96.0.7"}, "spec": {"parentRef": {"resource": "services", "name": "a"}}}),
        ),
        (kind::SERVICE_CIDRS, json!({"spec": {"cidrs": ["10.96.0.0/16"]}})),
    ]
}

fn access() -> Vec<(Kind, Value)> {
    let group = "rbac.authorization.k8s.io";
    let role = |kind: &str| json!({"apiGroup": group, "kind": kind, "name": "view"});
    let user = json!([{"kind": "User", "apiGroup": group, "name": "jane"}]);
    let request =
        STANDARD.encode("-----BEGIN CERTIFICATE REQUEST-----\nMAA=\n-----END CERTIFICATE REQUEST-----\n");
    vec![
        (kind::ROLES, json!({"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]})),
        (kind::CLUSTER_ROLES, json!({"rules": [{"nonResourceURLs": ["/x"], "verbs": ["get"]}]})),
        (kind::ROLE_BINDINGS, json!({"roleRef": role("Role"), "subjects": user})),
        (kind::CLUSTER_ROLE_BINDINGS, json!({"roleRef": role("ClusterRole"), "subjects": user})),
        (
            kind::CERTIFICATE_SIGNING_REQUESTS,
            json!({"spec": {"request": request, "signerName": "example.com/signer", "usages": ["client auth"]}}),
        ),
        (
            kind::FLOW_SCHEMAS,
            json!({"spec": {
                "matchingPrecedence": 1000, "priorityLevelConfiguration": {"name": "p"},
                "rules": [{"subjects": [{"kind": "User", "user": {"name": "*"}}],
                    "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "namespaces": ["*"]}]}],
            }}),
        ),
        (
            kind::PRIORITY_LEVEL_CONFIGURATIONS,
            json!({"spec": {"type": "Limited", "limited": {
                "nominalConcurrencyShares": 30, "lendablePercent": 0,
                "limitResponse": {"type": "Queue", "queuing": {"queues": 64, "handSize": 8, "queueLengthLimit": 50}},
            }}}),
        ),
    ]
}

fn storage() -> Vec<(Kind, Value)> {
    vec![
        (
            kind::CSI_DRIVERS,
            json!({"spec": {
                "attachRequired": true, "podInfoOnMount": false, "storageCapacity": false, "requiresRepublish": false,
                "seLinuxMount": false, "fsGroupPolicy": "File", "volumeLifecycleModes": ["Persistent"],
            }}),
        ),
        (
            kind::CSI_NODES,
            json!({"spec": {"drivers": [{"name": "d.example.com", "nodeID": "n", "topologyKeys": ["a.b/c"], "allocatable": {"count": 3}}]}}),
        ),
        (kind::CSI_STORAGE_CAPACITIES, json!({"storageClassName": "fast", "capacity": "1Gi"})),
        (
            kind::VOLUME_ATTACHMENTS,
            json!({
                "spec": {"attacher": "d.example.com", "nodeName": "n", "source": {"persistentVolumeName": "v"}},
                "status": {"attached": false},
            }),
        ),
        (
            kind::VOLUME_ATTRIBUTES_CLASSES,
            json!({"driverName": "d.example.com", "parameters": {"iops": "10"}}),
        ),
        (kind::RUNTIME_CLASSES, json!({"handler": "h", "overhead": {"podFixed": {"cpu": "10m"}}})),
    ]
}

fn admission() -> Vec<(Kind, Value)> {
    let rule = json!({
        "apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["deployments"], "scope": "*",
    });
    let hook = json!({
        "name": "a.example.com", "admissionReviewVersions": ["v1"], "sideEffects": "None", "failurePolicy": "Fail",
        "matchPolicy": "Equivalent", "timeoutSeconds": 10, "namespaceSelector": {}, "objectSelector": {},
        "clientConfig": {"url": "https://example.com/x"}, "rules": [rule],
    });
    let resources = json!({
        "matchPolicy": "Equivalent", "namespaceSelector": {}, "objectSelector": {}, "resourceRules": [rule],
    });
    vec![
        (kind::VALIDATING_WEBHOOK_CONFIGURATIONS, json!({"webhooks": [hook]})),
        (
            kind::MUTATING_WEBHOOK_CONFIGURATIONS,
            json!({"webhooks": [merged(hook.clone(), json!({"reinvocationPolicy": "Never"}))]}),
        ),
        (
            kind::VALIDATING_ADMISSION_POLICIES,
            json!({"spec": {
                "failurePolicy": "Fail", "matchConstraints": resources, "validations": [{"expression": "true"}],
            }}),
        ),
        (
            kind::VALIDATING_ADMISSION_POLICY_BINDINGS,
            json!({"spec": {"policyName": "a", "validationActions": ["Deny"]}}),
        ),
        (
            kind::MUTATING_ADMISSION_POLICIES,
            json!({"spec": {
                "failurePolicy": "Fail", "matchConstraints": resources, "reinvocationPolicy": "Never",
                "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": "[JSONPatch{op: 'remove', path: '/spec/hostname'}]"}}],
            }}),
        ),
        (kind::MUTATING_ADMISSION_POLICY_BINDINGS, json!({"spec": {"policyName": "a"}})),
    ]
}

fn devices() -> Vec<(Kind, Value)> {
    let request = json!({"name": "gpu", "exactly": {
        "deviceClassName": "gpu.example.com", "allocationMode": "ExactCount", "count": 1}});
    let spec = json!({"devices": {"requests": [request]}});
    vec![
        (kind::DEVICE_CLASSES, json!({"spec": {"selectors": [{"cel": {"expression": "true"}}]}})),
        (kind::RESOURCE_CLAIMS, json!({"spec": spec})),
        (kind::RESOURCE_CLAIM_TEMPLATES, json!({"spec": {"metadata": {}, "spec": spec}})),
        (
            kind::RESOURCE_SLICES,
            json!({"spec": {
                "driver": "gpu.example.com", "nodeName": "n",
                "pool": {"name": "n", "generation": 1, "resourceSliceCount": 1},
                "devices": [{"name": "gpu-0", "attributes": {"model": {"string": "x"}, "gpu.example.com/v": {"version": "1.2.3"}}}],
            }}),
        ),
    ]
}

fn extensions() -> Vec<(Kind, Value)> {
    let schema = json!({"type": "object", "properties": {
        "spec": {"type": "object", "properties": {"size": {"type": "integer"}}},
        "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
    }});
    vec![
        (
            kind::CUSTOM_RESOURCE_DEFINITIONS,
            json!({
                "metadata": {"name": "widgets.shop.example"},
                "spec": {
                    "group": "shop.example", "scope": "Namespaced", "conversion": {"strategy": "None"},
                    "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"},
                    "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema},
                        "subresources": {"status": {}}}],
                },
                "status": {"storedVersions": ["v1"], "conditions": null, "acceptedNames": {"plural": "", "kind": ""}},
            }),
        ),
        (
            kind::API_SERVICES,
            json!({
                "metadata": {"name": "v1.shop.example"},
                "spec": {"group": "shop.example", "version": "v1", "groupPriorityMinimum": 1000, "versionPriority": 15,
                    "service": {"namespace": "shop", "name": "api", "port": 443}, "caBundle": "YQ=="},
            }),
        ),
    ]
}
