//! Both forms, there and back.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn autoscaler() -> &'static Form {
    form("autoscaling", "v1", "horizontalpodautoscalers").unwrap()
}

fn events() -> &'static Form {
    form("events.k8s.io", "v1", "events").unwrap()
}

/// Any metric that is not the one that v1 knows.
fn metric() -> impl Strategy<Value = Value> {
    let object = json!({"kind": "Service", "name": "s", "apiVersion": "v1"});
    let name = json!({"name": "m", "selector": {"matchLabels": {"a": "b"}}});
    prop_oneof![
        Just(
            json!({"type": "Object", "object": {"describedObject": object, "metric": name, "target": {"type": "Value", "value": "3"}}})
        ),
        Just(
            json!({"type": "Object", "object": {"describedObject": object, "metric": name, "target": {"type": "AverageValue", "averageValue": "3"}}})
        ),
        Just(
            json!({"type": "Pods", "pods": {"metric": {"name": "m"}, "target": {"type": "AverageValue", "averageValue": "1k"}}})
        ),
        Just(
            json!({"type": "Resource", "resource": {"name": "memory", "target": {"type": "Utilization", "averageUtilization": 7}}})
        ),
        Just(
            json!({"type": "Resource", "resource": {"name": "cpu", "target": {"type": "AverageValue", "averageValue": "100m"}}})
        ),
        Just(
            json!({"type": "ContainerResource", "containerResource": {"name": "cpu", "container": "c", "target": {"type": "Utilization", "averageUtilization": 7}}})
        ),
        Just(
            json!({"type": "External", "external": {"metric": name, "target": {"type": "AverageValue", "averageValue": "3"}}})
        ),
        Just(
            json!({"type": "External", "external": {"metric": name, "target": {"type": "Value", "value": "3"}}})
        ),
    ]
}

fn stored() -> impl Strategy<Value = Value> {
    let behavior = json!({
        "scaleUp": {"stabilizationWindowSeconds": 0, "selectPolicy": "Max", "policies": [{"type": "Pods", "value": 4, "periodSeconds": 15}]},
        "scaleDown": {"selectPolicy": "Min", "tolerance": "100m", "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}]},
    });
    let cpu = json!({"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 60}}});
    let measured = json!({"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 12, "averageValue": "5m"}}});
    let conditions = json!([{"type": "AbleToScale", "status": "True", "reason": "R", "message": "m"}]);
    (prop::collection::vec(metric(), 0..4), any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
        move |(mut metrics, with_cpu, with_behavior, with_status)| {
            if with_cpu || metrics.is_empty() {
                metrics.push(cpu.clone());
            }
            let mut tree = json!({
                "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
                "metadata": {"name": "a", "annotations": {"own": "kept"}},
                "spec": {"minReplicas": 1, "maxReplicas": 5, "metrics": metrics,
                    "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "a"}},
                "status": {"desiredReplicas": 1, "currentReplicas": 1, "currentMetrics": null},
            });
            if with_behavior {
                tree["spec"]["behavior"] = behavior.clone();
            }
            if with_status {
                tree["status"]["currentMetrics"] = json!([measured]);
                tree["status"]["conditions"] = conditions.clone();
            }
            tree
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn an_autoscaler_comes_back_as_it_went(stored in stored()) {
        let mut tree = stored.clone();
        autoscaler().from_stored(&mut tree);
        prop_assert_eq!(&tree["apiVersion"], "autoscaling/v1");
        prop_assert!(tree["spec"].get("metrics").is_none() && tree["status"].get("conditions").is_none());
        autoscaler().to_stored(&mut tree);
        prop_assert_eq!(tree, stored);
    }

    #[test]
    fn any_tree_is_converted_without_a_panic(tree in crate::merge::tests::any_json()) {
        for form in forms() {
            let whole = json!({"metadata": {"annotations": {"autoscaling.alpha.kubernetes.io/metrics": tree.to_string()}}, "spec": tree, "status": tree});
            for mut tree in [tree.clone(), whole] {
                form.to_stored(&mut tree);
                form.from_stored(&mut tree);
            }
        }
    }
}

#[test]
fn the_older_autoscaler_knows_the_cpu() {
    let mut tree = json!({"spec": {"maxReplicas": 3}, "status": {"currentCPUUtilizationPercentage": 9}});
    autoscaler().to_stored(&mut tree);
    let cpu = json!({"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}});
    assert_eq!(tree["spec"]["metrics"], json!([cpu]), "without any metric the CPU is measured");
    assert_eq!(tree["status"]["currentMetrics"][0]["resource"]["current"]["averageUtilization"], 9);
    autoscaler().from_stored(&mut tree);
    assert_eq!(tree["spec"]["targetCPUUtilizationPercentage"], 80);
    assert_eq!(tree["status"]["currentCPUUtilizationPercentage"], 9);
}

#[test]
fn behavior_travels_with_the_names_of_go() {
    let mut tree = json!({"spec": {"behavior": {"scaleUp": {"selectPolicy": "Max"}}}});
    autoscaler().from_stored(&mut tree);
    let annotation = &tree["metadata"]["annotations"]["autoscaling.alpha.kubernetes.io/behavior"];
    assert_eq!(annotation, r#"{"ScaleUp":{"SelectPolicy":"Max"}}"#);
}

#[test]
fn an_event_has_two_names_for_its_fields() {
    let stored = json!({
        "apiVersion": "v1", "kind": "Event", "metadata": {"name": "a"}, "type": "Normal", "reason": "R", "action": "A",
        "message": "m", "involvedObject": {"kind": "Pod"}, "source": {}, "firstTimestamp": null, "lastTimestamp": null,
        "count": 2, "eventTime": "2026-01-01T00:00:00.000000Z", "reportingComponent": "c", "reportingInstance": "i",
        "series": {"count": 3, "lastObservedTime": null}, "related": {"kind": "Node"},
    });
    let mut tree = stored.clone();
    events().from_stored(&mut tree);
    assert_eq!(tree["apiVersion"], "events.k8s.io/v1");
    assert_eq!(
        (&tree["note"], &tree["reportingController"], &tree["deprecatedCount"]),
        (&json!("m"), &json!("c"), &json!(2))
    );
    assert_eq!(tree["regarding"], json!({"kind": "Pod"}));
    events().to_stored(&mut tree);
    assert_eq!(tree, stored);
    assert_eq!(events().field("regarding.name"), Some("involvedObject.name"));
    assert_eq!(events().field("involvedObject.name"), None);
    // Fields that this form has are those of its schema.
    let ty = crate::schema::lookup("events.k8s.io", "v1", "Event").unwrap();
    events().from_stored(&mut tree);
    assert!(tree.as_object().unwrap().keys().all(|name| ty.field(name).is_some()), "{tree}");
}
