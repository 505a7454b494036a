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

#[test]
fn keys_of_yaml_that_stand_twice_are_refused_warned_about_or_let_through() {
    const BODY: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: NAME, labels: {b: '1', b: '2'}}\ndata:\n  a: one\n  a: two\n  \
                        c: x\n  a: three\nnope:\n  q: 1\nnope:\n  r: 2\n";
    let told = [
        r#"line 3: key "b" already set in map"#,
        r#"line 6: key "a" already set in map"#,
        r#"line 8: key "a" already set in map"#,
        r#"line 12: key "nope" already set in map"#,
    ];
    let lines = format!("yaml: unmarshal errors:\n  {}", told.join("\n  "));
    with(|server| async move {
        let send = async |method: Method, path: &str, media: &str, name: &str| {
            let body = BODY.replace("NAME", name);
            server.send(method, path, &[("content-type", media)], body).await
        };
        let warnings = |answer: &Answer| -> Vec<String> {
            let text = |text: &http::HeaderValue| {
                let text =
                    text.to_str().unwrap().strip_prefix("299 - \"").unwrap().strip_suffix('"').unwrap();
                text.replace("\\\"", "\"")
            };
            answer.headers.get_all("warning").iter().map(text).collect()
        };
        let yaml = "application/yaml";
        let refused =
            send(Method::POST, &format!("{MAPS}?fieldValidation=Strict"), yaml, "a").await.expect(400);
        let why = format!(
            "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: strict decoding error: {lines}, unknown field \"nope\""
        );
        assert_eq!(refused.text("/message"), why);
        let ignored =
            send(Method::POST, &format!("{MAPS}?fieldValidation=Ignore"), yaml, "a").await.expect(201);
        assert!(warnings(&ignored).is_empty());
        assert_eq!(
            (ignored.text("/data/a"), ignored.text("/metadata/labels/b")),
            ("three", "2"),
            "the last one counts"
        );
        let warned = send(Method::PUT, &format!("{MAPS}/a"), yaml, "a").await.expect(200);
        assert_eq!(warnings(&warned), [&told[..], &["unknown field \"nope\""]].concat());
        let apply = "application/apply-patch+yaml";
        let path = format!("{MAPS}/b?fieldManager=me");
        let strict =
            send(Method::PATCH, &format!("{path}&fieldValidation=Strict"), apply, "b").await.expect(400);
        let why = format!("error strict decoding YAML: error converting YAML to JSON: {lines}");
        assert_eq!(strict.text("/message"), why);
    });
}

#[test]
fn keys_that_stand_twice_in_what_is_applied_are_warned_about() {
    with(|server| async move {
        let body = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"b"},"data":{"a":"1","a":"3","a":"2"}}"#;
        let media = [("content-type", "application/apply-patch+yaml")];
        let path = format!("{MAPS}/b?fieldManager=me");
        let applied = server.send(Method::PATCH, &path, &media, body).await.expect(201);
        assert_eq!(applied.headers.get_all("warning").iter().count(), 1, "each is told once");
        assert_eq!(applied.headers["warning"], r#"299 - "line 1: key \"a\" already set in map""#);
        assert_eq!(applied.text("/data/a"), "2");
    });
}

#[test]
fn what_ends_the_reading_is_told_behind_many_keys_that_stand_twice() {
    with(|server| async move {
        let twice: String = (0..5_000).map(|_| "  a: 1\n").collect();
        let yaml = [("content-type", "application/yaml")];
        let body = format!("metadata:\n  name: a\ndata:\n{twice}  b: [\n");
        let answer = server.send(Method::POST, MAPS, &yaml, body).await.expect(400);
        assert!(answer.text("/message").contains("yaml: line 500"), "{}", answer.raw);
        // What is told of each has the path, and is not made for those that are not told.
        let path: String = (0..60).map(|at| format!("{}{}:\n", " ".repeat(at), "k".repeat(900))).collect();
        let body = format!("metadata: {{name: b}}\n{path}{}{{{}}}\n", " ".repeat(60), "a,".repeat(1 << 16));
        let answer = server.send(Method::POST, MAPS, &yaml, body).await.expect(201);
        assert!(answer.headers.get_all("warning").iter().count() <= 101);
    });
}
