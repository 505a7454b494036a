//! Kinds that are stored once and served in two versions or two groups.

use super::*;

const V1: &str = "/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers";
const V2: &str = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers";
const EVENTS: &str = "/api/v1/namespaces/default/events";
const NEW_EVENTS: &str = "/apis/events.k8s.io/v1/namespaces/default/events";

fn autoscaler() -> Value {
    json!({"metadata": {"name": "a"}, "spec": {"maxReplicas": 3, "targetCPUUtilizationPercentage": 50,
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}}})
}

#[test]
fn an_autoscaler_is_read_and_written_in_both_versions() {
    with(|server| async move {
        let made = server.post(V1, autoscaler()).await.expect(201);
        assert_eq!(made.text("/apiVersion"), "autoscaling/v1");
        assert_eq!(made.body["spec"]["targetCPUUtilizationPercentage"], 50);
        let (old, new) = (format!("{V1}/a"), format!("{V2}/a"));
        let read = server.get(&new).await.expect(200);
        assert_eq!(read.text("/apiVersion"), "autoscaling/v2");
        assert_eq!(read.body["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"], 50);
        let patched = server.merge(&old, json!({"spec": {"targetCPUUtilizationPercentage": 60}})).await;
        assert_eq!(patched.expect(200).body["spec"]["targetCPUUtilizationPercentage"], 60);
        let read = server.get(&new).await.expect(200);
        assert_eq!(read.body["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"], 60);
        let listed = server.get(V1).await.expect(200);
        assert_eq!((listed.text("/apiVersion"), listed.names()), ("autoscaling/v1", vec!["a"]));
        assert_eq!(listed.body["items"][0]["spec"]["targetCPUUtilizationPercentage"], 60);
        let status = json!({"status": {"currentReplicas": 2, "desiredReplicas": 3, "currentCPUUtilizationPercentage": 70}});
        server.merge(&format!("{old}/status"), status).await.expect(200);
        let read = server.get(&new).await.expect(200);
        assert_eq!(read.body["status"]["currentMetrics"][0]["resource"]["current"]["averageUtilization"], 70);
        server.delete(&old, None).await.expect(200);
        server.get(&new).await.expect(404);
    });
}

#[test]
fn an_event_has_two_groups() {
    with(|server| async move {
        let event = json!({"metadata": {"name": "e"}, "note": "m", "reason": "R", "action": "A", "type": "Normal",
            "eventTime": "2026-01-01T00:00:00.000000Z", "reportingController": "c.example/c", "reportingInstance": "i",
            "regarding": {"kind": "Pod", "namespace": "default", "name": "p"}});
        let made = server.post(NEW_EVENTS, event).await.expect(201);
        assert_eq!((made.text("/apiVersion"), made.text("/note")), ("events.k8s.io/v1", "m"));
        let managed = &made.body["metadata"]["managedFields"][0];
        assert_eq!(managed["apiVersion"], "events.k8s.io/v1");
        assert_eq!(managed["fieldsV1"]["f:note"], json!({}), "managers own the fields that they wrote");
        let read = server.get(&format!("{EVENTS}/e")).await.expect(200);
        assert_eq!((read.text("/apiVersion"), read.text("/message")), ("v1", "m"));
        for uri in [
            format!("{NEW_EVENTS}?fieldSelector=regarding.name%3Dp"),
            format!("{EVENTS}?fieldSelector=involvedObject.name%3Dp"),
        ] {
            let listed = server.get(&uri).await.expect(200);
            assert_eq!(listed.names(), ["e"], "{uri}");
            assert_eq!(listed.body["items"][0]["action"], "A");
        }
        server.get(&format!("{NEW_EVENTS}?fieldSelector=involvedObject.name%3Dp")).await.expect(400);
        let listed = server.get("/apis/events.k8s.io/v1").await.expect(200);
        assert_eq!(listed.text("/resources/0/name"), "events");
        server.get("/apis/events.k8s.io/v1/nope").await.expect(404);
        server.get("/openapi/v3/apis/events.k8s.io/v1").await.expect(200);
    });
}
