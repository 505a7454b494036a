//! Tables as kube-apiserver v1.36 prints them, and the property that every tree has a row.

use orch_core::{Kind, Registry, kind};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const NOW: &str = "2026-01-01T01:00:00Z";

#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "tables read better with json! in place")]
fn check(kind: Kind, tree: Value, expected: Value) {
    let mut tree = tree;
    tree["metadata"]["name"] = tree["metadata"].get("name").cloned().unwrap_or_else(|| json!("a"));
    tree["metadata"]["creationTimestamp"] = json!("2026-01-01T00:00:00Z");
    let cells = cells(kind, &tree, NOW.parse().unwrap());
    assert_eq!(Value::Array(cells), expected, "{kind}");
}

/// Name, type, priority and format of every column.
fn heads(kind: Kind) -> Vec<(&'static str, &'static str, i32, &'static str)> {
    columns(kind).iter().map(|one| (one.name, one.kind(), one.priority, one.format())).collect()
}

#[test]
fn columns_are_those_that_a_server_announced() {
    assert_eq!(
        heads(kind::DAEMON_SETS),
        [
            ("Name", "string", 0, "name"),
            ("Desired", "integer", 0, ""),
            ("Current", "integer", 0, ""),
            ("Ready", "integer", 0, ""),
            ("Up-to-date", "integer", 0, ""),
            ("Available", "integer", 0, ""),
            ("Node Selector", "string", 0, ""),
            ("Age", "string", 0, ""),
            ("Containers", "string", 1, ""),
            ("Images", "string", 1, ""),
            ("Selector", "string", 1, ""),
        ]
    );
    assert_eq!(heads(kind::CLUSTER_ROLES), [("Name", "string", 0, "name"), ("Created At", "date", 0, "")]);
    let names = |kind| columns(kind).iter().map(|column| column.name).collect::<Vec<_>>();
    assert_eq!(
        names(kind::PERSISTENT_VOLUME_CLAIMS),
        [
            "Name",
            "Status",
            "Volume",
            "Capacity",
            "Access Modes",
            "StorageClass",
            "VolumeAttributesClass",
            "Age",
            "VolumeMode"
        ]
    );
    assert_eq!(
        names(kind::HORIZONTAL_POD_AUTOSCALERS),
        ["Name", "Reference", "Targets", "MinPods", "MaxPods", "Replicas", "Age"]
    );
}

#[test]
fn every_built_in_kind_has_a_table_that_says_what_it_shows() {
    for info in Registry::built_in().kinds() {
        let columns = columns(info.kind);
        assert!(!std::ptr::eq(columns, columns::OTHER), "{}", info.kind);
        for column in columns {
            let described = column.documented().is_some() || !column.description().is_empty();
            assert!(described, "{} {}", info.kind, column.name);
        }
        // A field that describes a column exists.
        for field in columns.iter().filter_map(Column::documented) {
            let (ty, field) = field.rsplit_once('.').unwrap();
            let name = match ty.strip_prefix("meta.v1.") {
                Some(ty) => format!("io.k8s.apimachinery.pkg.apis.meta.v1.{ty}"),
                None => format!("io.k8s.api.{ty}"),
            };
            let definition = crate::schema::definition(&name).unwrap_or_else(|| panic!("{name}"));
            assert!(definition.field(field).is_some(), "{name} {field}");
        }
    }
}

#[test]
fn cells_are_those_that_a_server_sent() {
    let container = json!({"containers": [{"name": "c", "image": "nginx:1.27"}]});
    let template = json!({"spec": container});
    check(
        kind::DEPLOYMENTS,
        json!({"spec": {"replicas": 0, "selector": {"matchLabels": {"app": "a"}}, "template": template}}),
        json!(["a", "0/0", 0, 0, "60m", "c", "nginx:1.27", "app=a"]),
    );
    check(
        kind::JOBS,
        json!({"spec": {"completions": 1, "selector": {"matchLabels": {"x": "y"}}, "template": template}}),
        json!(["a", "Running", "0/1", "", "60m", "c", "nginx:1.27", "x=y"]),
    );
    check(
        kind::INGRESSES,
        json!({"spec": {"rules": [{"http": {}}]}}),
        json!(["a", "<none>", "*", "", "80", "60m"]),
    );
    check(
        kind::PERSISTENT_VOLUME_CLAIMS,
        json!({"spec": {"volumeMode": "Filesystem"}, "status": {"phase": "Pending"}}),
        json!(["a", "Pending", "", "", "", "", "<unset>", "60m", "Filesystem"]),
    );
    check(kind::LEASES, json!({"spec": {"holderIdentity": "h"}}), json!(["a", "h", "60m"]));
    let spec = json!({"nodeSelector": {"none": "x"}, "containers": container["containers"]});
    check(
        kind::DAEMON_SETS,
        json!({"spec": {"selector": {"matchLabels": {"app": "a"}}, "template": {"spec": spec}}}),
        json!(["a", 0, 0, 0, 0, 0, "none=x", "60m", "c", "nginx:1.27", "app=a"]),
    );
    let cpu = json!({"type": "Resource", "resource": {"name": "cpu", "target": {"averageUtilization": 80}}});
    check(
        kind::HORIZONTAL_POD_AUTOSCALERS,
        json!({"spec": {"scaleTargetRef": {"kind": "Deployment", "name": "a"}, "minReplicas": 1, "maxReplicas": 5, "metrics": [cpu]}}),
        json!(["a", "Deployment/a", "cpu: <unknown>/80%", "1", 5, 0, "60m"]),
    );
}

#[test]
fn a_pod_says_in_one_word_what_it_does() {
    let pod = |spec: Value, status: Value, expected: [&str; 3]| {
        let tree =
            json!({"metadata": {"name": "a", "creationTimestamp": NOW}, "spec": spec, "status": status});
        let cells = cells(kind::PODS, &tree, NOW.parse().unwrap());
        assert_eq!([&cells[1], &cells[2], &cells[3]], expected.map(|text| text), "{tree}");
    };
    let one = json!({"containers": [{"name": "c"}]});
    let status = |state: Value, restarts: i64| {
        json!({"phase": "Running", "containerStatuses": [{"name": "c", "ready": true, "restartCount": restarts, "state": state,
            "lastState": {"terminated": {"finishedAt": "2026-01-01T00:55:00Z"}}}]})
    };
    pod(one.clone(), json!({"phase": "Pending"}), ["0/1", "Pending", "0"]);
    pod(one.clone(), status(json!({"running": {}}), 2), ["1/1", "Running", "2 (5m ago)"]);
    pod(
        one.clone(),
        status(json!({"waiting": {"reason": "CrashLoopBackOff"}}), 0),
        ["0/1", "CrashLoopBackOff", "0"],
    );
    pod(one.clone(), status(json!({"terminated": {"exitCode": 3}}), 0), ["0/1", "ExitCode:3", "0"]);
    let gated = json!([{"type": "PodScheduled", "reason": "SchedulingGated", "status": "False"}]);
    pod(one.clone(), json!({"phase": "Pending", "conditions": gated}), ["0/1", "SchedulingGated", "0"]);
    let init = json!({"containers": [{"name": "c"}], "initContainers": [{"name": "i"}, {"name": "s", "restartPolicy": "Always"}]});
    pod(
        init.clone(),
        json!({"phase": "Pending", "initContainerStatuses": [{"name": "i", "state": {"running": {}}, "restartCount": 0}]}),
        ["0/2", "Init:0/2", "0"],
    );
    pod(
        init,
        json!({"phase": "Pending", "initContainerStatuses": [
            {"name": "i", "state": {"terminated": {"exitCode": 0}}},
            {"name": "s", "state": {"running": {}}, "started": true, "ready": true}]}),
        ["1/2", "Pending", "0"],
    );
    let mut deleted =
        json!({"metadata": {"name": "a", "deletionTimestamp": NOW}, "status": {"phase": "Running"}});
    assert_eq!(cells(kind::PODS, &deleted, NOW.parse().unwrap())[2], "Terminating");
    deleted["status"]["phase"] = json!("Succeeded");
    assert_eq!(cells(kind::PODS, &deleted, NOW.parse().unwrap())[2], "Succeeded");
    assert_eq!(conditions(kind::PODS, &deleted)[0]["reason"], "Succeeded");
}

#[test]
fn what_is_long_is_cut() {
    let rule = |host: &str| json!({"host": host});
    check(
        kind::INGRESSES,
        json!({"spec": {"rules": [rule("a"), rule("b"), rule("c"), rule("d"), rule("e")], "tls": [{}]}, "status": {"loadBalancer": {"ingress": [{"ip": "10.0.0.2"}, {"ip": "10.0.0.1"}]}}}),
        json!(["a", "<none>", "a,b,c + 2 more...", "10.0.0.1,10.0.0.2", "80, 443", "60m"]),
    );
    check(
        kind::ENDPOINT_SLICES,
        json!({"addressType": "IPv4", "ports": [{"port": 80}], "endpoints": [{"addresses": ["1"]}, {"addresses": ["2"]}, {"addresses": ["3"]}, {"addresses": ["4"]}]}),
        json!(["a", "IPv4", "80", "1,2,3 + 1 more...", "60m"]),
    );
    check(
        kind::ENDPOINTS,
        json!({"subsets": [{"addresses": [{"ip": "fd00::1"}], "ports": [{"port": 1}, {"port": 2}]}]}),
        json!(["a", "[fd00::1]:1,[fd00::1]:2", "60m"]),
    );
}

#[test]
fn other_kinds_show_what_matters() {
    check(
        kind::NODES,
        json!({"metadata": {"labels": {"node-role.kubernetes.io/control-plane": ""}}, "spec": {"unschedulable": true},
            "status": {"conditions": [{"type": "Ready", "status": "True"}], "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}],
                "nodeInfo": {"kubeletVersion": "v1.36.2", "kernelVersion": "6.1", "architecture": "amd64"}}}),
        json!([
            "a",
            "Ready,SchedulingDisabled",
            "control-plane",
            "60m",
            "v1.36.2",
            "10.0.0.1",
            "<none>",
            "<unknown>",
            "6.1 (amd64)",
            "<unknown>"
        ]),
    );
    check(
        kind::SERVICES,
        json!({"spec": {"type": "LoadBalancer", "clusterIPs": ["10.96.0.1"], "ports": [{"port": 80, "nodePort": 30000, "protocol": "TCP"}]}}),
        json!(["a", "LoadBalancer", "10.96.0.1", "<pending>", "80:30000/TCP", "60m", "<none>"]),
    );
    check(
        kind::RESOURCE_QUOTAS,
        json!({"status": {"hard": {"pods": "10", "limits.cpu": "2"}, "used": {"pods": "3"}}}),
        json!(["a", "pods: 3/10", "limits.cpu: 0/2", "60m"]),
    );
    check(
        kind::ROLE_BINDINGS,
        json!({"roleRef": {"kind": "Role", "name": "r"}, "subjects": [{"kind": "User", "name": "u"}, {"kind": "ServiceAccount", "name": "s", "namespace": "n"}]}),
        json!(["a", "Role/r", "60m", "u", "", "n/s"]),
    );
    check(
        kind::EVENTS,
        json!({"lastTimestamp": "2026-01-01T00:59:00Z", "type": "Normal", "reason": "R", "message": " m\n", "count": 2,
            "involvedObject": {"kind": "Pod", "name": "p"}, "source": {"component": "kubelet", "host": "n"}, "firstTimestamp": null, "eventTime": null}),
        json!(["60s", "Normal", "R", "pod/p", "", "kubelet, n", "m", "<unknown>", 2, "a"]),
    );
    check(
        kind::IP_ADDRESSES,
        json!({"spec": {"parentRef": {"resource": "services", "namespace": "n", "name": "s"}}}),
        json!(["a", "services/n/s", "60m"]),
    );
    check(kind::API_SERVICES, json!({}), json!(["a", "Local", "Unknown", "60m"]));
    check(kind::LIMIT_RANGES, json!({}), json!(["a", "2026-01-01T00:00:00Z"]));
    check(Kind::named("shop.example", "widgets"), json!({}), json!(["a", "60m"]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_tree_has_a_row(tree in crate::merge::tests::any_json()) {
        for info in Registry::built_in().kinds() {
            let whole = json!({"metadata": tree, "spec": tree, "status": tree});
            for tree in [&tree, &whole] {
                let row = cells(info.kind, tree, NOW.parse().unwrap());
                let extra = usize::from(info.kind == kind::IP_ADDRESSES);
                prop_assert_eq!(row.len(), columns(info.kind).len() + extra);
            }
        }
    }
}
