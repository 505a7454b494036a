//! Cells as kube-apiserver prints them.

use serde_json::json;

use super::*;

fn now() -> Timestamp {
    "2026-01-01T00:10:00Z".parse().unwrap()
}

#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "tables read better with json! in place")]
fn check(group: &str, resource: &str, tree: Value, expected: Value) {
    assert_eq!(Value::from(cells_of(&find(group, resource, true), &tree, now())), expected);
}

#[test]
fn ages_have_two_units_at_most() {
    for (secs, expected) in [
        (-5, "<invalid>"),
        (-1, "0s"),
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (185, "3m5s"),
        (600, "10m"),
        (3 * 3600 + 60, "3h1m"),
        (9 * 3600, "9h"),
        (2 * 86400 + 3600, "2d1h"),
        (30 * 86400, "30d"),
        (3 * 365 * 86400, "3y"),
        (9 * 365 * 86400, "9y"),
    ] {
        assert_eq!(cells::human(secs), expected, "{secs}");
    }
}

#[test]
fn a_pod_is_shown_by_what_its_containers_do() {
    let metadata = json!({"name": "a", "creationTimestamp": "2026-01-01T00:00:00Z"});
    let containers = json!([{"name": "c"}, {"name": "d"}]);
    check(
        "",
        "pods",
        json!({"metadata": metadata, "spec": {"containers": containers, "nodeName": "n1"}, "status": {"phase": "Running",
            "podIP": "10.0.0.1", "containerStatuses": [
                {"ready": true, "restartCount": 2, "state": {"running": {}},
                    "lastState": {"terminated": {"finishedAt": "2026-01-01T00:09:00Z"}}},
                {"ready": false, "restartCount": 0, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]}}),
        json!(["a", "1/2", "CrashLoopBackOff", "2 (60s ago)", "10m", "10.0.0.1", "n1", "<none>", "<none>"]),
    );
    check(
        "",
        "pods",
        json!({"metadata": metadata, "spec": {"containers": containers, "initContainers": [{"name": "i"}, {"name": "j"}]},
            "status": {"phase": "Pending", "initContainerStatuses": [
                {"name": "i", "state": {"terminated": {"exitCode": 0}}}, {"name": "j", "state": {"running": {}}}]}}),
        json!(["a", "0/2", "Init:1/2", "0", "10m", "<none>", "<none>", "<none>", "<none>"]),
    );
    check(
        "",
        "pods",
        json!({"metadata": {"name": "a", "deletionTimestamp": "2026-01-01T00:00:00Z"}, "spec": {}, "status": {"phase": "Running"}}),
        json!(["a", "0/0", "Terminating", "0", "<unknown>", "<none>", "<none>", "<none>", "<none>"]),
    );
}

#[test]
fn services_and_events_are_shown_as_people_read_them() {
    check(
        "",
        "services",
        json!({"metadata": {"name": "web", "creationTimestamp": "2026-01-01T00:09:55Z"}, "spec": {"type": "NodePort",
            "clusterIP": "10.96.0.9", "ports": [{"port": 80, "nodePort": 30080, "protocol": "TCP"}], "selector": {"a": "b"}}}),
        json!(["web", "NodePort", "10.96.0.9", "<none>", "80:30080/TCP", "5s", "a=b"]),
    );
    check(
        "",
        "events",
        json!({"metadata": {"name": "e"}, "involvedObject": {"kind": "Pod", "name": "a"}, "reason": "Killing",
            "type": "Normal", "message": "m", "lastTimestamp": "2026-01-01T00:09:00Z", "source": {"component": "kubelet"}}),
        json!(["60s", "Normal", "Killing", "pod/a", "", "kubelet", "m", "<unknown>", 1, "e"]),
    );
}

#[test]
fn every_row_has_as_many_cells_as_columns_whatever_the_object_is() {
    let all = [pod::PRINTERS, workload::PRINTERS, network::PRINTERS, cluster::PRINTERS, storage::PRINTERS];
    for (group, resource, printer) in all.into_iter().flatten() {
        for tree in [json!({}), json!({"spec": 1, "status": [], "metadata": null}), json!(null)] {
            let cells = (printer.cells)(&tree, now());
            assert_eq!(cells.len(), printer.columns.len(), "{resource}.{group}");
        }
    }
}
