//! Objects of the kinds that came later, as a running kube-apiserver v1.36.2 answered them: completed, or refused.
//!
//! `kinds.json` holds what was sent and what came back; times, uids and revisions are the server's own.

use orch_core::{Api, ApiExt, Error, Kind, Subresource, Write, kind};
use serde_json::{Value, json};

use super::sim;

/// What the server decides has one value everywhere.
fn normalize(value: &mut Value, uid: &str) {
    match value {
        Value::String(text) if text == uid => "<uid0>".clone_into(text),
        Value::String(text) if text.len() >= 20 && text.starts_with("20") && text.ends_with('Z') => {
            "<time>".clone_into(text);
        }
        Value::String(text) => *text = text.replace(uid, "<uid0>"),
        Value::Array(list) => list.iter_mut().for_each(|one| normalize(one, uid)),
        Value::Object(map) => map.values_mut().for_each(|one| normalize(one, uid)),
        _ => {}
    }
}

/// A uid in a message, whatever it is.
fn without_uids(message: &str) -> String {
    let is_uid = |part: &str| part.len() == 36 && part.matches('-').count() == 4;
    let parts: Vec<&str> =
        message.split('"').map(|part| if is_uid(part) { "<uid0>" } else { part }).collect();
    parts.join("\"")
}

#[test]
fn objects_are_completed_and_refused_as_a_server_did() {
    let cases: Value = serde_json::from_str(include_str!("kinds.json")).unwrap();
    for case in cases.as_array().unwrap() {
        sim(|api, _| async move {
            let name = case["name"].as_str().unwrap();
            let mut sent = case["sent"].clone();
            let text = |field: &str| sent[field].as_str().unwrap();
            let info = api.registry().by_api_version(text("apiVersion"), text("kind")).unwrap();
            if info.is_namespaced() && sent["metadata"].get("namespace").is_none() {
                sent["metadata"]["namespace"] = json!("default");
            }
            match (api.create(sent).await, case.get("causes")) {
                (Ok(live), None) => {
                    let mut tree = Value::clone(&live.tree());
                    normalize(&mut tree, live.uid());
                    assert_eq!(tree, case["answer"], "{name}");
                }
                (Err(Error::Invalid { faults, .. }), Some(causes)) => {
                    let found: Vec<Value> = faults
                        .iter()
                        .map(|fault| {
                            let whole = fault.to_string();
                            let message = whole.strip_prefix(&format!("{}: ", fault.field)).unwrap_or(&whole);
                            json!([fault.kind.cause(), fault.field, without_uids(message)])
                        })
                        .collect();
                    assert_eq!(Value::from(found), *causes, "{name}");
                }
                (other, _) => panic!("{name}: {other:?}"),
            }
        });
    }
}

/// Creates an object and changes it once.
async fn updated(api: &super::LocalApi, kind: Kind, tree: Value, patch: Value) -> (Value, Value) {
    let first = api.one(Write::create_tree(kind, tree)).await.unwrap();
    let mut new = Value::clone(&first.tree());
    crate::merge_patch(&mut new, &patch);
    // What follows from a definition is written, too.
    let now = api.read(first.key()).await.unwrap();
    let second = api.one(Write::update(first.key().clone(), new).at(now.revision())).await.unwrap();
    (Value::clone(&first.tree()), Value::clone(&second.tree()))
}

#[test]
fn an_update_counts_and_keeps_what_is_the_servers() {
    sim(|api, _| async move {
        let template = json!({"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [{"name": "c", "image": "x"}]}});
        let set = json!({"metadata": {"name": "a", "namespace": "default"},
            "spec": {"selector": {"matchLabels": {"app": "a"}}, "template": template}});
        let key = "deprecated.daemonset.template.generation";
        let image = json!({"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "y"}]}}}, "status": {"numberReady": 7}});
        let (first, second) = updated(&api, kind::DAEMON_SETS, set, image).await;
        let numbers = |tree: &Value| {
            (tree["metadata"]["generation"].clone(), tree["metadata"]["annotations"][key].clone())
        };
        assert_eq!(numbers(&first), (json!(1), json!("1")));
        assert_eq!(numbers(&second), (json!(2), json!("2")));
        assert_eq!(second["status"]["numberReady"], 0, "the status is its own");

        let driver = json!({"metadata": {"name": "d.example.com"}, "spec": {}});
        let (first, second) =
            updated(&api, kind::CSI_DRIVERS, driver, json!({"spec": {"podInfoOnMount": true}})).await;
        assert_eq!(
            (first["metadata"].get("generation"), &second["metadata"]["generation"]),
            (None, &json!(1))
        );

        let service = json!({"metadata": {"name": "v1.shop.example"},
            "spec": {"group": "shop.example", "version": "v1", "groupPriorityMinimum": 1, "versionPriority": 1}});
        let (first, _) =
            updated(&api, kind::API_SERVICES, service, json!({"metadata": {"labels": {"a": "b"}}})).await;
        assert_eq!(first["status"]["conditions"][0]["reason"], "Local");
    });
}

#[test]
fn the_versions_that_a_definition_stored_are_remembered() {
    sim(|api, _| async move {
        let version = |name: &str, stored: bool| json!({"name": name, "served": true, "storage": stored, "schema": {"openAPIV3Schema": {"type": "object"}}});
        let spec = json!({"group": "shop.example", "scope": "Cluster", "names": {"plural": "widgets", "kind": "Widget"},
            "versions": [version("v1", true)]});
        let definition = json!({"metadata": {"name": "widgets.shop.example"}, "spec": spec});
        let versions = json!({"spec": {"versions": [version("v1", false), version("v2", true)]}});
        let (first, second) = updated(&api, kind::CUSTOM_RESOURCE_DEFINITIONS, definition, versions).await;
        assert_eq!(first["status"]["storedVersions"], json!(["v1"]));
        assert_eq!(second["status"]["storedVersions"], json!(["v1", "v2"]));
        assert_eq!(
            first["spec"]["names"],
            json!({"plural": "widgets", "kind": "Widget", "singular": "widget", "listKind": "WidgetList"})
        );
    });
}

#[test]
fn other_forms_are_stored_as_one() {
    sim(|api, _| async move {
        let old = json!({"apiVersion": "autoscaling/v1", "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "a", "namespace": "default"},
            "spec": {"maxReplicas": 3, "targetCPUUtilizationPercentage": 50,
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "a"}}});
        let live = api.create(old).await.unwrap();
        let tree = live.tree();
        assert_eq!(tree["apiVersion"], "autoscaling/v2");
        assert_eq!(tree["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"], 50);

        let new = json!({"apiVersion": "events.k8s.io/v1", "kind": "Event",
            "metadata": {"name": "a", "namespace": "default"}, "note": "m", "reason": "R", "action": "A", "type": "Normal",
            "eventTime": "2026-01-01T00:00:00.000000Z", "reportingController": "c.example/c", "reportingInstance": "i",
            "regarding": {"kind": "Pod", "namespace": "default", "name": "p"}});
        let live = api.one(Write::create_tree(kind::EVENTS, new.clone())).await.unwrap();
        let tree = live.tree();
        assert_eq!((&tree["apiVersion"], &tree["message"]), (&json!("v1"), &json!("m")));
        assert_eq!(tree["involvedObject"]["name"], "p");
        // The newer form asks for more than the older one.
        let mut bad = new;
        bad["metadata"]["name"] = json!("b");
        bad.as_object_mut().unwrap().remove("eventTime");
        let error = api.one(Write::create_tree(kind::EVENTS, bad)).await.unwrap_err();
        assert!(error.to_string().contains("eventTime: Required value"), "{error}");
    });
}

#[test]
fn a_certificate_is_approved_where_approval_is_and_nowhere_else() {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    sim(|api, _| async move {
        let pem = "-----BEGIN CERTIFICATE REQUEST-----\nMAA=\n-----END CERTIFICATE REQUEST-----\n";
        let request = json!({"metadata": {"name": "a"}, "spec": {
            "request": STANDARD.encode(pem), "signerName": "example.com/signer", "usages": ["client auth"]}});
        let live = api.one(Write::create_tree(kind::CERTIFICATE_SIGNING_REQUESTS, request)).await.unwrap();
        let approved = json!([{"type": "Approved", "status": "True"}]);
        let write = |subresource, conditions: &Value| {
            let tree = json!({"metadata": {"name": "a"}, "status": {"certificate": "YQ==", "conditions": conditions}});
            Write::update(live.key().clone(), tree).to(subresource)
        };
        let refused = api.one(write(Subresource::Status, &approved)).await.unwrap_err();
        assert!(refused.to_string().contains("updates may not add a condition of type"), "{refused}");
        let now = api.one(write(Subresource::Approval, &approved)).await.unwrap();
        let tree = now.tree();
        assert_eq!(tree["status"]["conditions"][0]["type"], "Approved");
        assert!(tree["status"]["conditions"][0]["lastUpdateTime"].is_string());
        assert!(tree["status"].get("certificate").is_none(), "issued by who approves");
        let denied = json!([{"type": "Denied", "status": "True"}]);
        let refused = api.one(write(Subresource::Approval, &denied)).await.unwrap_err();
        assert!(refused.to_string().contains("updates may not remove a condition of type"), "{refused}");
    });
}
