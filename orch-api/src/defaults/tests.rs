//! Objects as a Kubernetes 1.36 API server answered them, and the property that defaulting is done once.

mod more;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "tables read better with json! in place")]
fn check(defaults: fn(&mut Tree), tree: Value, expected: Value) {
    let mut tree: Tree = serde_json::from_value(tree).unwrap();
    defaults(&mut tree);
    let once = Value::Object(tree.clone());
    defaults(&mut tree);
    assert_eq!(Value::Object(tree), once, "twice");
    assert_eq!(once, expected);
}

#[test]
fn a_pod_runs_with_the_default_policies() {
    let container = json!({"image": "nginx:1.27", "imagePullPolicy": "IfNotPresent", "name": "c", "resources": {},
        "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File"});
    check(
        pod,
        json!({"spec": {"containers": [{"name": "c", "image": "nginx:1.27"}]}}),
        json!({"spec": {"containers": [container], "dnsPolicy": "ClusterFirst", "enableServiceLinks": true,
            "restartPolicy": "Always", "schedulerName": "default-scheduler", "securityContext": {},
            "terminationGracePeriodSeconds": 30}}),
    );
}

#[test]
fn probes_ports_and_environment_are_completed() {
    let mut tree = json!({"spec": {"hostNetwork": true, "containers": [{
        "name": "c", "image": "x",
        "ports": [{"containerPort": 80}],
        "livenessProbe": {"grpc": {"port": 9000}},
        "readinessProbe": {"httpGet": {"port": 80}, "periodSeconds": 2},
        "lifecycle": {"preStop": {"httpGet": {"port": 80}}},
        "env": [{"name": "N", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "C", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}}],
    }]}});
    pod(tree.as_object_mut().unwrap());
    let container = &tree["spec"]["containers"][0];
    assert_eq!(container["ports"], json!([{"containerPort": 80, "hostPort": 80, "protocol": "TCP"}]));
    assert_eq!(
        container["livenessProbe"],
        json!({"failureThreshold": 3, "grpc": {"port": 9000, "service": ""}, "periodSeconds": 10, "successThreshold": 1,
            "timeoutSeconds": 1})
    );
    assert_eq!(container["readinessProbe"]["periodSeconds"], 2);
    assert_eq!(container["readinessProbe"]["httpGet"], json!({"path": "/", "port": 80, "scheme": "HTTP"}));
    assert_eq!(container["lifecycle"]["preStop"]["httpGet"]["path"], "/");
    assert_eq!(container["env"][0]["valueFrom"]["fieldRef"]["apiVersion"], "v1");
    assert_eq!(container["env"][1]["valueFrom"]["resourceFieldRef"]["divisor"], "0");
}

#[test]
fn limits_are_requests_in_pods_and_not_in_templates() {
    let spec = json!({"containers": [{"name": "c", "image": "x", "resources": {"limits": {"cpu": "1", "memory": "1Gi"},
        "requests": {"cpu": "100m"}}}]});
    let mut tree = json!({"spec": spec});
    pod(tree.as_object_mut().unwrap());
    assert_eq!(
        tree["spec"]["containers"][0]["resources"]["requests"],
        json!({"cpu": "100m", "memory": "1Gi"})
    );
    let mut tree = json!({"spec": {"template": {"spec": spec}}});
    deployment(tree.as_object_mut().unwrap());
    let container = &tree["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["resources"]["requests"], json!({"cpu": "100m"}));
    assert!(tree["spec"]["template"]["spec"].get("enableServiceLinks").is_none());
}

#[test]
fn workloads_have_their_strategies() {
    let template = |spec: &Value| spec["spec"]["template"].clone();
    let mut tree = json!({"spec": {"strategy": {"rollingUpdate": {"maxSurge": "30%"}}}});
    deployment(tree.as_object_mut().unwrap());
    assert_eq!(
        tree["spec"],
        json!({"progressDeadlineSeconds": 600, "replicas": 1, "revisionHistoryLimit": 10, "template": template(&tree),
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "30%", "maxUnavailable": "25%"}}})
    );
    let mut tree = json!({"spec": {"strategy": {"type": "Recreate"}}});
    deployment(tree.as_object_mut().unwrap());
    assert_eq!(tree["spec"]["strategy"], json!({"type": "Recreate"}));
    let mut tree = json!({"spec": {"volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {
        "accessModes": ["ReadWriteOnce"]}}]}});
    stateful_set(tree.as_object_mut().unwrap());
    assert_eq!(
        tree["spec"],
        json!({
            "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
            "podManagementPolicy": "OrderedReady", "replicas": 1, "revisionHistoryLimit": 10, "serviceName": "",
            "template": template(&tree), "updateStrategy": {"rollingUpdate": {"partition": 0}, "type": "RollingUpdate"},
            "volumeClaimTemplates": [{"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"},
                "spec": {"accessModes": ["ReadWriteOnce"], "resources": {}, "volumeMode": "Filesystem"},
                "status": {"phase": "Pending"}}],
        })
    );
}

#[test]
fn a_service_is_reached_within_the_cluster() {
    check(
        service,
        json!({"spec": {"ports": [{"port": 80}, {"port": 81, "targetPort": "http", "protocol": "UDP"}],
            "sessionAffinity": "ClientIP"}}),
        json!({"spec": {"internalTrafficPolicy": "Cluster", "sessionAffinity": "ClientIP", "type": "ClusterIP",
            "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 10800}},
            "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80},
                {"port": 81, "targetPort": "http", "protocol": "UDP"}]}}),
    );
    check(
        service,
        json!({"spec": {"type": "LoadBalancer", "sessionAffinity": "None", "sessionAffinityConfig": {}}}),
        json!({"spec": {"type": "LoadBalancer", "sessionAffinity": "None", "allocateLoadBalancerNodePorts": true,
            "externalTrafficPolicy": "Cluster", "internalTrafficPolicy": "Cluster"}}),
    );
    check(
        service,
        json!({"spec": {"type": "ExternalName", "externalName": "e.com"}}),
        json!({"spec": {"type": "ExternalName", "externalName": "e.com", "sessionAffinity": "None"}}),
    );
}

#[test]
fn the_other_kinds_are_completed() {
    check(
        secret,
        json!({"stringData": {"a": "x", "b": "y"}, "data": {"a": "AAAA"}}),
        json!({"data": {"a": "eA==", "b": "eQ=="}, "type": "Opaque"}),
    );
    check(config_map, json!({"data": {}, "binaryData": {"a": ""}}), json!({"binaryData": {"a": ""}}));
    check(
        storage_class,
        json!({"provisioner": "p"}),
        json!({"provisioner": "p", "reclaimPolicy": "Delete", "volumeBindingMode": "Immediate"}),
    );
    check(
        priority_class,
        json!({"value": 5}),
        json!({"value": 5, "preemptionPolicy": "PreemptLowerPriority"}),
    );
    check(
        persistent_volume,
        json!({"spec": {"hostPath": {"path": "/d"}}}),
        json!({"spec": {"hostPath": {"path": "/d", "type": ""}, "persistentVolumeReclaimPolicy": "Retain",
            "volumeMode": "Filesystem"}, "status": {"phase": "Pending"}}),
    );
    check(
        namespace,
        json!({"metadata": {"name": "shop"}}),
        json!({"metadata": {"name": "shop", "labels": {"kubernetes.io/metadata.name": "shop"}}, "spec": {},
            "status": {"phase": "Active"}}),
    );
    check(
        endpoint_slice,
        json!({"endpoints": [{"addresses": ["10.0.0.1"]}], "ports": [{"port": 80}]}),
        json!({"endpoints": [{"addresses": ["10.0.0.1"], "conditions": {}}],
            "ports": [{"name": "", "port": 80, "protocol": "TCP"}]}),
    );
    let mut tree = json!({"spec": {"podCIDR": "10.1.0.0/24"}, "status": {"capacity": {"cpu": "4"}}});
    node(tree.as_object_mut().unwrap());
    assert_eq!(tree["spec"]["podCIDRs"], json!(["10.1.0.0/24"]));
    assert_eq!(tree["status"]["allocatable"], json!({"cpu": "4"}));
}

#[test]
fn the_addresses_of_a_pod_are_said_twice() {
    check(
        pod_status,
        json!({"podIP": "10.0.0.1"}),
        json!({"podIP": "10.0.0.1", "podIPs": [{"ip": "10.0.0.1"}]}),
    );
    check(
        pod_status,
        json!({"podIPs": [{"ip": "10.0.0.1"}], "hostIP": "1.1.1.1"}),
        json!({"podIP": "10.0.0.1", "podIPs": [{"ip": "10.0.0.1"}], "hostIP": "1.1.1.1",
            "hostIPs": [{"ip": "1.1.1.1"}]}),
    );
    check(
        pod_status,
        json!({"podIP": "10.0.0.2", "podIPs": [{"ip": "10.0.0.1"}]}),
        json!({"podIP": "10.0.0.2", "podIPs": [{"ip": "10.0.0.2"}]}),
    );
}

/// Trees with the fields that defaulting looks at, of any type.
fn trees() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-1..3i64).prop_map(Value::from),
        prop::sample::select(vec!["", "ClientIP", "RollingUpdate", "LoadBalancer", "10.0.0.1", "x:latest"])
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 48, 4, |inner| {
        let field = prop::sample::select(vec![
            "spec",
            "status",
            "metadata",
            "template",
            "containers",
            "resources",
            "limits",
            "requests",
            "cpu",
            "volumes",
            "ports",
            "env",
            "valueFrom",
            "podIP",
            "podIPs",
            "ip",
            "labels",
            "stringData",
            "data",
            "strategy",
            "type",
            "livenessProbe",
            "httpGet",
            "projected",
            "sources",
            "podCIDR",
            "podCIDRs",
            "sessionAffinity",
            "endpoints",
            "volumeClaimTemplates",
            "updateStrategy",
            "conditions",
            "serviceAccount",
            "hostNetwork",
            "dataSource",
            "webhooks",
            "clientConfig",
            "service",
            "rules",
            "names",
            "versions",
            "jobTemplate",
            "manualSelector",
            "behavior",
            "policyTypes",
            "egress",
            "devices",
            "queuing",
        ]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map(field, inner, 0..5).prop_map(|map| map
                .into_iter()
                .map(|(k, v)| (k.to_owned(), v))
                .collect::<Tree>()
                .into()),
        ]
    })
}

proptest! {
    #[test]
    fn defaulting_twice_is_defaulting_once(tree in trees()) {
        let all: [fn(&mut Tree); 16] = [
            config_map, event, lease, namespace, node, priority_class, secret, pod, endpoint_slice, service,
            persistent_volume, persistent_volume_claim, storage_class, deployment, replica_set, stateful_set,
        ];
        if let Value::Object(tree) = tree {
            let later = more::ALL.iter().copied();
            for defaults in all.into_iter().chain([pod_status as fn(&mut Tree), node_status, service_status]).chain(later) {
                let mut once = tree.clone();
                defaults(&mut once);
                let mut twice = once.clone();
                defaults(&mut twice);
                prop_assert_eq!(twice, once);
            }
        }
    }
}
