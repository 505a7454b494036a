//! Patches of every type, and who manages what is written.

use orch_core::{Kind, KindInfo, Scope};

use super::*;

const JSON: &str = "application/json-patch+json";
const MERGE: &str = "application/merge-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";
const APPLY: &str = "application/apply-patch+yaml";

impl Server {
    async fn patch(&self, uri: &str, media: &str, body: &str) -> Answer {
        self.send(Method::PATCH, uri, &[("content-type", media)], body.to_owned()).await
    }
}

#[test]
fn every_type_of_patch_is_taken() {
    with(|server| async move {
        server.post(DEPLOYMENTS, deployment("web")).await.expect(201);
        let one = format!("{DEPLOYMENTS}/web");
        let image = |answer: &Answer| answer.text("/spec/template/spec/containers/0/image").to_owned();
        let body =
            r#"[{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "nginx:2"}]"#;
        assert_eq!(image(&server.patch(&one, JSON, body).await.expect(200)), "nginx:2");
        let body = r#"{"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "nginx:3"}, {"name": "d",
            "image": "x"}], "$setElementOrder/containers": [{"name": "c"}, {"name": "d"}]}}}}"#;
        let strict = format!("{one}?fieldValidation=Strict");
        let patched = server.patch(&strict, STRATEGIC, body).await.expect(200);
        assert_eq!(image(&patched), "nginx:3", "directives are no unknown fields");
        assert_eq!(patched.text("/spec/template/spec/containers/1/name"), "d");
        let body = r#"{"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}"#;
        let retained = server.patch(&strict, STRATEGIC, body).await.expect(200);
        assert_eq!(retained.body["spec"]["strategy"], json!({"type": "Recreate"}));
        let held = r#"{"metadata": {"finalizers": ["a/b", "a/c"]}}"#;
        server.patch(&one, MERGE, held).await.expect(200);
        let body = r#"{"metadata": {"$deleteFromPrimitiveList/finalizers": ["a/b"]}}"#;
        let freed = server.patch(&strict, STRATEGIC, body).await.expect(200);
        assert_eq!(freed.body["metadata"]["finalizers"], json!(["a/c"]));
        let body = r#"{"metadata": {"labels": {"a": "b"}}}"#;
        assert_eq!(server.patch(&one, MERGE, body).await.expect(200).text("/metadata/labels/a"), "b");
        let body = "apiVersion: apps/v1\nkind: Deployment\nspec:\n  paused: true\n";
        let applied = server.patch(&format!("{one}?fieldManager=me"), APPLY, body).await.expect(200);
        assert_eq!(applied.body["spec"]["paused"], true);
    });
}

#[test]
fn what_is_no_patch_is_refused_in_kubernetes_words() {
    with(|server| async move {
        server.map("a", json!({})).await;
        let one = format!("{MAPS}/a");
        for (media, body, code) in [
            (JSON, "{}", 400),
            (JSON, r#"[{"op": "remove", "path": "/data/x"}]"#, 422),
            (JSON, r#"[{"op": "add", "path": "/data", "value": 7}]"#, 422),
            (MERGE, "[]", 400),
            (STRATEGIC, "[", 400),
            (STRATEGIC, r#"{"$patch": "nope"}"#, 500),
            (APPLY, "a: [", 400),
            (APPLY, "[]", 400),
            ("application/json", "{}", 415),
        ] {
            let answer = server.patch(&format!("{one}?fieldManager=me"), media, body).await;
            assert_eq!(answer.code, code, "{media} {body}: {}", answer.raw);
            assert_eq!(answer.text("/kind"), "Status");
        }
        let body = r#"{"apiVersion": "v1", "kind": "ConfigMap"}"#;
        let nameless = server.patch(&one, APPLY, body).await.expect(422);
        assert_eq!(nameless.text("/details/causes/0/field"), "fieldManager");
        let forced = server.patch(&format!("{one}?force=true"), MERGE, "{}").await.expect(422);
        assert_eq!(forced.text("/details/causes/0/field"), "force");
    });
}

#[test]
fn an_apply_makes_owns_and_conflicts() {
    with(|server| async move {
        let uri = |name: &str, query: &str| format!("{MAPS}/{name}?{query}");
        let body = |value: &str| {
            format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\ndata: {{k: \"{value}\"}}\n")
        };
        let made = server.patch(&uri("a", "fieldManager=m1"), APPLY, &body("1")).await.expect(201);
        let managed = &made.body["metadata"]["managedFields"][0];
        assert_eq!((&managed["manager"], &managed["operation"]), (&json!("m1"), &json!("Apply")));
        assert_eq!(managed["fieldsV1"], json!({"f:data": {"f:k": {}}}));
        let refused = server.patch(&uri("a", "fieldManager=m2"), APPLY, &body("2")).await.expect(409);
        assert_eq!(
            refused.body["details"]["causes"],
            json!([{"reason": "FieldManagerConflict", "message": "conflict with \"m1\"", "field": ".data.k"}])
        );
        let forced =
            server.patch(&uri("a", "fieldManager=m2&force=true"), APPLY, &body("2")).await.expect(200);
        assert_eq!(forced.text("/data/k"), "2");
        assert_eq!(forced.text("/metadata/managedFields/0/manager"), "m2");
    });
}

#[test]
fn writes_are_the_user_agents_unless_they_say_otherwise() {
    with(|server| async move {
        let body = |name: &str| json!({"metadata": {"name": name}, "data": {"k": "v"}}).to_string();
        let headers = [("user-agent", "kubectl/v1.36.2 (linux/amd64)")];
        let made = server.send(Method::POST, MAPS, &headers, body("a")).await.expect(201);
        assert_eq!(made.text("/metadata/managedFields/0/manager"), "kubectl");
        let named = format!("{MAPS}?fieldManager=me");
        let made = server.send(Method::POST, &named, &headers, body("b")).await.expect(201);
        assert_eq!(made.text("/metadata/managedFields/0/manager"), "me");
        let read = server.get(&format!("{MAPS}/b")).await.expect(200);
        assert_eq!(read.text("/metadata/managedFields/0/operation"), "Update");
    });
}

#[test]
fn custom_kinds_have_no_strategic_patches() {
    with(|server| async move {
        let widgets =
            KindInfo::new(Kind::named("shop.example", "widgets"), "v1", "Widget", Scope::Namespaced);
        server.rest.shared_api().registry().register(widgets).unwrap();
        let all = "/apis/shop.example/v1/namespaces/default/widgets";
        server
            .post(
                all,
                json!({"apiVersion": "shop.example/v1", "kind": "Widget", "metadata": {"name": "w"},
            "spec": {"size": 1}}),
            )
            .await
            .expect(201);
        let one = format!("{all}/w");
        let refused = server.patch(&one, STRATEGIC, r#"{"spec": {"size": 2}}"#).await.expect(415);
        assert!(!refused.text("/message").contains("strategic"), "{}", refused.raw);
        let patched = server.patch(&one, MERGE, r#"{"spec": {"size": 2}}"#).await.expect(200);
        assert_eq!(patched.body["spec"]["size"], 2);
    });
}

#[test]
fn an_event_in_its_newer_form_may_be_told_again() {
    with(|server| async move {
        let events = "/apis/events.k8s.io/v1/namespaces/default/events";
        let event = json!({"metadata": {"name": "a"}, "eventTime": "2026-01-01T00:00:00.000000Z", "type": "Normal",
            "reason": "Tried", "action": "Try", "note": "n", "reportingController": "tester", "reportingInstance": "t-1",
            "regarding": {"kind": "ConfigMap", "namespace": "default", "name": "a"}});
        server.post(events, event).await.expect(201);
        let again = json!({"series": {"count": 2, "lastObservedTime": "2026-01-01T00:01:00.000000Z"}});
        let told = server.merge(&format!("{events}/a"), again).await.expect(200);
        assert_eq!((told.text("/reportingController"), &told.body["series"]["count"]), ("tester", &json!(2)));
        let other = json!({"reportingController": "other"});
        let refused = server.merge(&format!("{events}/a"), other).await.expect(422);
        assert!(refused.text("/message").contains("field is immutable"));
    });
}

#[test]
fn a_patch_that_makes_no_object_of_the_kind_is_invalid_itself() {
    with(|server| async move {
        server.map("a", json!({})).await;
        let uri = format!("{MAPS}/a");
        for (media, patch) in [
            (MERGE, json!({"kind": "Foo"})),
            (MERGE, json!({"apiVersion": "v9"})),
            (JSON, json!([{"op": "add", "path": "/data", "value": "x"}])),
            (STRATEGIC, json!({"data": "x"})),
        ] {
            let refused = server.patch(&uri, media, &patch.to_string()).await.expect(422);
            let details = &refused.body["details"];
            assert_eq!((details.get("kind"), details.get("name")), (None, None), "{patch}");
            assert_eq!(
                (refused.text("/details/causes/0/field"), refused.text("/reason")),
                ("patch", "Invalid")
            );
        }
    });
}
