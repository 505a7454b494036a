//! Applies of scales, and who manages counts that are written through them.

use http::Method;
use serde_json::{Value, json};

use super::{Answer, DEPLOYMENTS, Server, with};

async fn apply(server: &Server, uri: &str, tree: &Value) -> Answer {
    let headers = [("content-type", "application/apply-patch+yaml")];
    server.send(Method::PATCH, uri, &headers, tree.to_string()).await
}

fn deployment() -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": {"replicas": 1,
        "selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "b"}},
            "spec": {"containers": [{"name": "c", "image": "i"}]}}}})
}

fn scale(replicas: i64) -> Value {
    json!({"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "d"}, "spec": {"replicas": replicas}})
}

/// Who manages the count: the name, how, through what, and whether it says when.
async fn owners(server: &Server) -> Vec<(String, String, String, bool)> {
    let found = server.get(&format!("{DEPLOYMENTS}/d")).await.expect(200).body;
    let text = |entry: &Value, field: &str| entry[field].as_str().unwrap_or_default().to_owned();
    let entries = found["metadata"]["managedFields"].as_array().unwrap().iter();
    let owns = |entry: &&Value| entry["fieldsV1"]["f:spec"].get("f:replicas").is_some();
    let shown = |entry: &Value| {
        let is_timed = entry.get("time").is_some();
        (text(entry, "manager"), text(entry, "operation"), text(entry, "subresource"), is_timed)
    };
    entries.filter(owns).map(shown).collect()
}

fn owner(name: &str, operation: &str, part: &str, is_timed: bool) -> (String, String, String, bool) {
    (name.to_owned(), operation.to_owned(), part.to_owned(), is_timed)
}

#[test]
fn a_count_that_is_applied_belongs_to_who_applied_it() {
    with(|server| async move {
        let (whole, part) = (format!("{DEPLOYMENTS}/d"), format!("{DEPLOYMENTS}/d/scale"));
        apply(&server, &format!("{whole}?fieldManager=me"), &deployment()).await.expect(201);
        let refused = apply(&server, &format!("{part}?fieldManager=hpa"), &scale(3)).await.expect(409);
        assert_eq!(
            (refused.text("/message"), refused.text("/details/causes/0/field")),
            ("Apply failed with 1 conflict: conflict with \"me\": .spec.replicas", ".spec.replicas")
        );
        let forced =
            apply(&server, &format!("{part}?fieldManager=hpa&force=true"), &scale(3)).await.expect(200);
        assert_eq!((forced.text("/kind"), &forced.body["spec"]), ("Scale", &json!({"replicas": 3})));
        assert_eq!(owners(&server).await, [owner("hpa", "Apply", "scale", false)]);
        // The same once more changes nothing.
        let revision = forced.revision().to_owned();
        let again = apply(&server, &format!("{part}?fieldManager=hpa"), &scale(3)).await.expect(200);
        assert_eq!(again.revision(), revision);
        // Who applies the whole without the count takes nothing away.
        let mut without = deployment();
        without["spec"].as_object_mut().unwrap().remove("replicas");
        let applied = apply(&server, &format!("{whole}?fieldManager=me"), &without).await.expect(200);
        assert_eq!(applied.body["spec"]["replicas"], 3);
        server.put(&format!("{part}?fieldManager=you"), scale(4)).await.expect(200);
        assert_eq!(owners(&server).await, [owner("you", "Update", "scale", false)]);
    });
}

#[test]
fn what_is_no_scale_of_the_object_is_refused() {
    with(|server| async move {
        let part = format!("{DEPLOYMENTS}/d/scale");
        apply(&server, &format!("{DEPLOYMENTS}/d?fieldManager=me"), &deployment()).await.expect(201);
        let forced = format!("{part}?fieldManager=hpa&force=true");
        let negative = apply(&server, &forced, &scale(-1)).await.expect(422);
        let told = "Scale.autoscaling \"d\" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0";
        assert_eq!(negative.text("/message"), told);
        assert_eq!(server.put(&part, scale(-1)).await.expect(422).text("/message"), told);
        let mut other = scale(1);
        other["metadata"]["name"] = "e".into();
        assert_eq!(apply(&server, &forced, &other).await.code, 400);
        assert_eq!(apply(&server, &forced, &deployment()).await.code, 400);
        let absent = format!("{DEPLOYMENTS}/none/scale?fieldManager=hpa");
        assert_eq!(apply(&server, &absent, &scale(1)).await.code, 404);
    });
}

#[test]
fn an_apply_that_knew_an_object_makes_no_other() {
    with(|server| async move {
        let mut tree = deployment();
        tree["metadata"]["uid"] = "u".into();
        let refused = apply(&server, &format!("{DEPLOYMENTS}/d?fieldManager=me"), &tree).await.expect(409);
        let told = "Operation cannot be fulfilled on deployments.apps \"d\": uid mismatch: the provided object specified uid u, and \
                    no existing object was found";
        assert_eq!(refused.text("/message"), told);
    });
}

#[test]
fn an_object_without_a_spec_gets_none_when_its_managers_change() {
    with(|server| async move {
        let map =
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "data": {"k": "v"}});
        let uri = format!("{}/m", super::MAPS);
        apply(&server, &format!("{uri}?fieldManager=me"), &map).await.expect(201);
        let shared = apply(&server, &format!("{uri}?fieldManager=you"), &map).await.expect(200);
        assert_eq!(shared.body.get("spec"), None);
        assert_eq!(shared.body["metadata"]["managedFields"].as_array().unwrap().len(), 2);
    });
}
