//! What the tests of validation share: a valid object of each kind, and how a change of it is judged.
//!
//! Expected faults are those of kube-apiserver v1.36 for the same change, in its words.

mod create;
mod defaults;
mod devices;
mod extensions;
mod golden;
mod kinds;
mod more;
mod mutations;
mod pod;
mod status;
mod total;
mod update;

use orch_core::{Fault, Kind, Subresource, kind};
use serde_json::{Map, Value, json};

use super::validate;

/// `patch` laid over `base` as a JSON merge patch (RFC 7386).
fn merged(base: Value, patch: Value) -> Value {
    match (base, patch) {
        (Value::Object(mut base), Value::Object(patch)) => {
            for (key, value) in patch {
                let before = base.remove(&key).unwrap_or_default();
                if !value.is_null() {
                    base.insert(key, merged(before, value));
                }
            }
            Value::Object(base)
        }
        (_, patch @ Value::Object(_)) => merged(json!({}), patch),
        (_, patch) => patch,
    }
}

/// A container with its defaults.
fn container(patch: Value) -> Value {
    let base = json!({
        "name": "c", "image": "nginx:1.27", "imagePullPolicy": "IfNotPresent",
        "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
    });
    merged(base, patch)
}

fn pod_spec() -> Value {
    json!({
        "restartPolicy": "Always", "dnsPolicy": "ClusterFirst", "terminationGracePeriodSeconds": 30,
        "securityContext": {}, "serviceAccountName": "default", "containers": [container(json!({}))],
    })
}

fn template() -> Value {
    json!({"metadata": {"labels": {"app": "a"}}, "spec": pod_spec()})
}

fn claim_spec() -> Value {
    json!({
        "accessModes": ["ReadWriteOnce"], "volumeMode": "Filesystem",
        "resources": {"requests": {"storage": "1Gi"}},
    })
}

/// The kinds with rules of their own, and a valid object of each.
fn valid_objects() -> Vec<(Kind, Value)> {
    let registry = orch_core::Registry::built_in();
    let with_metadata = |(kind, body): (Kind, Value)| {
        let mut metadata = json!({"name": "a", "uid": "u", "creationTimestamp": "2026-01-01T00:00:00Z"});
        if registry.get(kind).is_some_and(|info| info.is_namespaced()) {
            metadata["namespace"] = json!("shop");
        }
        (kind, merged(json!({"metadata": metadata}), body))
    };
    let all = [data(), workloads(), network(), storage(), cluster(), more::objects()];
    all.into_iter().flatten().map(with_metadata).collect()
}
/// Config maps, secrets and the like.
fn data() -> Vec<(Kind, Value)> {
    vec![
        (kind::CONFIG_MAPS, json!({"data": {"a": "b"}, "binaryData": {"c": "AAEC"}})),
        (kind::SECRETS, json!({"type": "Opaque", "data": {"a": "Yg=="}})),
        (kind::SERVICE_ACCOUNTS, json!({})),
        (kind::CONTROLLER_REVISIONS, json!({"revision": 1, "data": {"spec": {}}})),
    ]
}

/// Pods and what makes them.
fn workloads() -> Vec<(Kind, Value)> {
    let selector = json!({"matchLabels": {"app": "a"}});
    let rolling =
        json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}});
    vec![
        (kind::PODS, json!({"spec": pod_spec(), "status": {"phase": "Pending", "qosClass": "BestEffort"}})),
        (kind::REPLICA_SETS, json!({"spec": {"replicas": 1, "selector": selector, "template": template()}})),
        (
            kind::DEPLOYMENTS,
            json!({"spec": {
                "replicas": 1, "selector": selector, "template": template(), "strategy": rolling,
                "progressDeadlineSeconds": 600, "revisionHistoryLimit": 10,
            }}),
        ),
        (
            kind::STATEFUL_SETS,
            json!({"spec": {
                "replicas": 1, "selector": selector, "template": template(), "serviceName": "a",
                "podManagementPolicy": "OrderedReady", "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {}},
                "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": claim_spec()}],
            }}),
        ),
    ]
}

/// Services and endpoints.
fn network() -> Vec<(Kind, Value)> {
    vec![
        (
            kind::SERVICES,
            json!({"spec": {
                "type": "ClusterIP", "clusterIP": "10.96.0.7", "clusterIPs": ["10.96.0.7"], "ipFamilies": ["IPv4"],
                "ipFamilyPolicy": "SingleStack", "internalTrafficPolicy": "Cluster", "sessionAffinity": "None",
                "selector": {"app": "a"}, "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}],
            }}),
        ),
        (
            kind::ENDPOINT_SLICES,
            json!({
                "addressType": "IPv4", "ports": [{"name": "", "protocol": "TCP", "port": 80}],
                "endpoints": [{"addresses": ["10.0.0.1"], "nodeName": "n", "hints": {"forZones": [{"name": "z"}]}}],
            }),
        ),
    ]
}

/// Volumes, claims and classes.
fn storage() -> Vec<(Kind, Value)> {
    vec![
        (
            kind::PERSISTENT_VOLUMES,
            json!({"spec": {
                "accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}, "hostPath": {"path": "/data", "type": ""},
                "persistentVolumeReclaimPolicy": "Retain", "volumeMode": "Filesystem",
            }}),
        ),
        (kind::PERSISTENT_VOLUME_CLAIMS, json!({"spec": claim_spec(), "status": {"phase": "Pending"}})),
        (
            kind::STORAGE_CLASSES,
            json!({"provisioner": "example.com/p", "reclaimPolicy": "Delete", "volumeBindingMode": "Immediate"}),
        ),
    ]
}

/// What keeps a cluster together.
fn cluster() -> Vec<(Kind, Value)> {
    vec![
        (kind::NAMESPACES, json!({"spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}})),
        (
            kind::NODES,
            json!({
                "spec": {"podCIDRs": ["10.1.0.0/24"], "taints": [{"key": "k", "effect": "NoSchedule"}]},
                "status": {"capacity": {"cpu": "4", "pods": "110"}, "addresses": [{"type": "Hostname", "address": "n"}]},
            }),
        ),
        (kind::LEASES, json!({"spec": {"holderIdentity": "a", "leaseDurationSeconds": 15}})),
        (
            kind::EVENTS,
            json!({"apiVersion": "v1", "involvedObject": {"kind": "Pod", "namespace": "shop", "name": "a"}}),
        ),
        (kind::PRIORITY_CLASSES, json!({"value": 1000, "preemptionPolicy": "PreemptLowerPriority"})),
    ]
}

fn valid(kind: Kind) -> Value {
    let found = valid_objects().into_iter().find(|(other, _)| *other == kind);
    found.expect("every built-in kind has a valid object").1
}

/// The explanations of names, and what stands for them in the tables below.
const EXPLANATIONS: &[(&str, &str)] = &[
    ("a lowercase RFC 1123 label must", "<label>"),
    ("a lowercase RFC 1123 subdomain must", "<subdomain>"),
    ("name part must consist", "<label key>"),
    ("a valid label must", "<label value>"),
    ("a valid config key must", "<config key>"),
];

/// A fault in Kubernetes' words, but for the long explanations of names.
fn shortened(fault: &Fault) -> String {
    let text = fault.to_string();
    let explanation = EXPLANATIONS.iter().find_map(|(start, token)| Some((text.find(start)?, token)));
    explanation.map_or(text.clone(), |(at, token)| format!("{}{token}", &text[..at]))
}

#[track_caller]
fn assert_faults(kind: Kind, new: &Value, old: Option<&Value>, subresource: Subresource, expected: &[&str]) {
    let faults: Vec<_> = validate(kind, new, old, subresource).iter().map(shortened).collect();
    assert_eq!(faults, expected, "{kind} {new}");
}

/// A valid object with that change, created.
#[track_caller]
fn created(kind: Kind, patch: Value, expected: &[&str]) {
    assert_faults(kind, &merged(valid(kind), patch), None, Subresource::None, expected);
}

/// A valid pod with that change of its spec, created.
#[track_caller]
fn pod_with(spec: Value, expected: &[&str]) {
    created(kind::PODS, Value::Object(Map::from_iter([("spec".to_owned(), spec)])), expected);
}

/// A valid pod with that change of its container, and a volume `v`, created.
#[track_caller]
fn container_with(patch: Value, expected: &[&str]) {
    pod_with(json!({"containers": [container(patch)], "volumes": [{"name": "v", "emptyDir": {}}]}), expected);
}

/// A valid object with the first change, updated to have the second as well.
#[track_caller]
fn updated(kind: Kind, before: Value, patch: Value, expected: &[&str]) {
    let old = merged(valid(kind), before);
    let new = merged(old.clone(), patch);
    assert_faults(kind, &new, Some(&old), Subresource::None, expected);
}

/// A valid object with the first change, whose status is written with the second.
#[track_caller]
fn status_written(kind: Kind, before: Value, patch: Value, expected: &[&str]) {
    let old = merged(valid(kind), before);
    let new = merged(old.clone(), patch);
    assert_faults(kind, &new, Some(&old), Subresource::Status, expected);
}

#[test]
fn valid_objects_have_no_faults() {
    for (kind, object) in valid_objects() {
        assert_faults(kind, &object, None, Subresource::None, &[]);
        for subresource in [Subresource::None, Subresource::Status, Subresource::Scale] {
            assert_faults(kind, &object, Some(&object), subresource, &[]);
        }
    }
}
