//! Definitions of custom resources and their objects, in process.

use std::sync::Arc;

use orch_core::{
    Api, ApiExt, Error, FieldValidation, Key, Kind, Patch, Read, Registry, Revision, Select, Subresource,
    Verb, Write, kind,
};
use orch_store::MemStore;
use serde_json::{Value, json};

use super::{LocalApi, sim};

const NAME: &str = "widgets.shop.example";

fn version(name: &str, is_stored: bool) -> Value {
    json!({"name": name, "served": true, "storage": is_stored, "subresources": {"status": {}, "scale": {
            "specReplicasPath": ".spec.size", "statusReplicasPath": ".status.size"}},
        "selectableFields": [{"jsonPath": ".spec.color"}],
        "schema": {"openAPIV3Schema": {"type": "object", "properties": {
            "spec": {"type": "object", "required": ["size"], "properties": {
                "size": {"type": "integer", "minimum": 1, "maximum": 10},
                "color": {"type": "string", "default": "red"},
                "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}}},
                "x-kubernetes-validations": [{"rule": "self.size < 9 || self.color == 'blue'", "message": "big ones are blue"}]},
            "status": {"type": "object", "properties": {"size": {"type": "integer", "maximum": 5}}}}}}})
}

fn definition(versions: &[Value]) -> Value {
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": NAME},
        "spec": {"group": "shop.example", "scope": "Namespaced", "versions": versions,
            "names": {"plural": "widgets", "kind": "Widget", "shortNames": ["wd"]}}})
}

#[expect(clippy::needless_pass_by_value, reason = "tests read better with json! in place")]
fn widget(name: &str, spec: Value) -> Value {
    json!({"apiVersion": "shop.example/v1", "kind": "Widget", "metadata": {"name": name, "namespace": "default"},
        "spec": spec})
}

fn kind_of_widgets() -> Kind {
    Kind::named("shop.example", "widgets")
}

fn key(name: &str) -> Key {
    Key::new(kind_of_widgets(), "default", name)
}

fn definition_key() -> Key {
    Key::cluster(kind::CUSTOM_RESOURCE_DEFINITIONS, NAME)
}

async fn conditions(api: &LocalApi, key: &Key) -> Vec<String> {
    let tree = api.read(key).await.unwrap().tree();
    let text = |one: &Value, field: &str| one[field].as_str().unwrap_or_default().to_owned();
    let all = tree["status"]["conditions"].as_array().cloned().unwrap_or_default();
    all.iter()
        .map(|one| format!("{}={} {}", text(one, "type"), text(one, "status"), text(one, "reason")))
        .collect()
}

#[test]
fn a_definition_is_established_before_its_write_is_answered() {
    sim(|api, _| async move {
        assert!(matches!(api.create(widget("a", json!({"size": 1}))).await, Err(Error::UnknownKind { .. })));
        let live = api.create(definition(&[version("v1", true)])).await.unwrap();
        assert_eq!(live.tree()["status"]["conditions"], Value::Null, "the answer is what was written");
        assert_eq!(
            conditions(&api, &definition_key()).await,
            ["NamesAccepted=True NoConflicts", "Established=True InitialNamesAccepted"]
        );
        let info = api.registry().by_word("wd").unwrap();
        assert_eq!((&*info.name, info.api_version()), ("Widget", "shop.example/v1".to_owned()));
        let live = api.create(widget("a", json!({"size": 3, "nope": 1}))).await.unwrap();
        assert_eq!(live.tree()["spec"], json!({"size": 3, "color": "red"}), "pruned and defaulted");
        assert_eq!(live.header().generation, 1);
        assert_eq!(live.field("spec.color"), Some("red"));
    });
}

#[test]
fn objects_are_judged_by_schema_and_rules() {
    sim(|api, _| async move {
        api.create(definition(&[version("v1", true)])).await.unwrap();
        for (spec, expected) in [
            (
                json!({"size": 99, "color": "blue"}),
                "spec.size: Invalid value: 99: spec.size in body should be less than or equal to 10",
            ),
            (json!({"size": 9}), "spec: Invalid value: big ones are blue"),
            (json!({"size": 1, "tags": ["a", "a"]}), "spec.tags[1]: Duplicate value: \"a\""),
        ] {
            let error = api.create(widget("a", spec)).await.unwrap_err();
            assert_eq!(error.to_string(), format!("widgets.shop.example/default/a is invalid: {expected}"));
        }
        let mut strict = Write::create_tree(kind_of_widgets(), widget("a", json!({"size": 1, "nope": 1})));
        strict.options.field_validation = FieldValidation::Strict;
        let error = api.one(strict).await.unwrap_err();
        assert!(error.to_string().contains("unknown field \"spec.nope\""), "{error}");
        api.create(widget("a", json!({"size": 9, "color": "blue"}))).await.unwrap();
        let error = api.one(Write::merge(key("a"), json!({"spec": {"color": null}}))).await.unwrap_err();
        assert!(error.to_string().contains("big ones are blue"), "{error}");
    });
}

#[test]
fn status_and_scale_are_their_own() {
    sim(|api, _| async move {
        api.create(definition(&[version("v1", true)])).await.unwrap();
        let mut tree = widget("a", json!({"size": 2}));
        tree["status"] = json!({"size": 1});
        let live = api.create(tree).await.unwrap();
        assert_eq!(live.tree().get("status"), None, "a create sets no status");
        let live =
            api.one(Write::merge_status(key("a"), json!({"status": {"size": 2, "x": 1}}))).await.unwrap();
        assert_eq!((&live.tree()["status"], live.header().generation), (&json!({"size": 2}), 1));
        let error = api.one(Write::merge_status(key("a"), json!({"status": {"size": 6}}))).await.unwrap_err();
        assert!(error.to_string().contains("status.size: Invalid value: 6"), "{error}");
        let live = api
            .one(Write::merge(key("a"), json!({"spec": {"replicas": 5}})).to(Subresource::Scale))
            .await
            .unwrap();
        assert_eq!((&live.tree()["spec"]["size"], live.header().generation), (&json!(5), 2));
        assert_eq!(live.tree()["status"], json!({"size": 2}));
        let same = api.one(Write::merge(key("a"), json!({"spec": {"size": 5}}))).await.unwrap();
        assert_eq!(same.revision(), live.revision(), "what changes nothing writes nothing");
    });
}

#[test]
fn appliers_share_lists_as_the_schema_says() {
    sim(|api, _| async move {
        api.create(definition(&[version("v1", true)])).await.unwrap();
        let apply = |manager: &str, tag: &str| {
            Write::apply(key("a"), manager, widget("a", json!({"size": 2, "tags": [tag]})))
        };
        api.one(apply("m1", "a")).await.unwrap();
        let live = api.one(apply("m2", "b")).await.unwrap();
        assert_eq!(live.tree()["spec"], json!({"size": 2, "tags": ["a", "b"], "color": "red"}));
        let managed = live.to_tree()["metadata"]["managedFields"].clone();
        assert_eq!(managed[0]["fieldsV1"], json!({"f:spec": {"f:size": {}, "f:tags": {"v:\"a\"": {}}}}));
        let patch = Patch::Strategic(Arc::new(json!({"spec": {"size": 3}})));
        assert!(api.one(Write::new(key("a"), Verb::Patch(patch))).await.is_err());
    });
}

#[test]
fn versions_differ_in_their_names_and_what_is_stored_speaks_one() {
    sim(|api, _| async move {
        api.create(definition(&[version("v1", false), version("v2", true)])).await.unwrap();
        let live = api.create(widget("a", json!({"size": 2}))).await.unwrap();
        assert_eq!(live.tree()["apiVersion"], "shop.example/v2");
        let mut update = Value::clone(&live.tree());
        update["apiVersion"] = "shop.example/v1".into();
        let same = api.one(Write::update(key("a"), update).at(live.revision())).await.unwrap();
        assert_eq!(same.revision(), live.revision());
        // Another version becomes that of storage: the next write brings the object into it.
        let versions = json!({"spec": {"versions": [version("v1", true), version("v2", false)]}});
        api.one(Write::merge(definition_key(), versions)).await.unwrap();
        let stored = api.read(&definition_key()).await.unwrap().tree();
        assert_eq!(stored["status"]["storedVersions"], json!(["v2", "v1"]));
        let moved = api.one(Write::merge(key("a"), json!({}))).await.unwrap();
        assert_eq!(moved.tree()["apiVersion"], "shop.example/v1");
        assert_eq!(moved.header().generation, 1);
    });
}

#[test]
fn a_definition_goes_after_its_objects() {
    sim(|api, _| async move {
        api.create(definition(&[version("v1", true)])).await.unwrap();
        api.create(widget("a", json!({"size": 1}))).await.unwrap();
        let mut held = widget("b", json!({"size": 1}));
        held["metadata"]["finalizers"] = json!(["shop.example/hold"]);
        api.create(held).await.unwrap();
        api.one(Write::delete(definition_key())).await.unwrap();
        assert_eq!(
            conditions(&api, &definition_key()).await[2],
            "Terminating=True InstanceDeletionInProgress"
        );
        assert!(api.read(&key("a")).await.unwrap_err().is_not_found());
        let error = api.create(widget("c", json!({"size": 1}))).await.unwrap_err();
        assert!(
            error.to_string().contains("create not allowed while custom resource definition is terminating")
        );
        api.one(Write::merge(key("b"), json!({"metadata": {"finalizers": null}}))).await.unwrap();
        assert!(api.read(&definition_key()).await.unwrap_err().is_not_found());
        assert!(api.registry().get(kind_of_widgets()).is_none());
        api.create(definition(&[version("v1", true)])).await.unwrap();
        let page = api.list(&Select::kind(kind_of_widgets()), None, 0).await.unwrap();
        assert!(page.items.is_empty());
    });
}

#[test]
fn a_name_in_use_is_refused_until_it_is_free() {
    sim(|api, _| async move {
        api.create(definition(&[version("v1", true)])).await.unwrap();
        let mut other = definition(&[version("v1", true)]);
        other["metadata"]["name"] = "wdgts.shop.example".into();
        other["spec"]["names"] = json!({"plural": "wdgts", "kind": "Wdgt", "shortNames": ["wd"]});
        let other_key = api.create(other).await.unwrap().key().clone();
        assert_eq!(
            conditions(&api, &other_key).await,
            ["NamesAccepted=False ShortNamesConflict", "Established=False NotAccepted"]
        );
        assert!(api.registry().by_word("wdgts").is_none());
        api.one(Write::delete(definition_key())).await.unwrap();
        assert_eq!(conditions(&api, &other_key).await[1], "Established=True InitialNamesAccepted");
        assert_eq!(api.registry().by_word("wd").unwrap().kind.resource(), "wdgts");
    });
}

#[test]
fn definitions_are_there_again_after_a_start() {
    orch_core::sim::run(3, |env| async move {
        let registry = Arc::new(Registry::built_in());
        let store = Arc::new(MemStore::new(Arc::clone(&registry)));
        let api = LocalApi::builder(Arc::clone(&store) as _, env.child("one"), registry).build();
        api.bootstrap().await.unwrap();
        api.create(definition(&[version("v1", true)])).await.unwrap();
        api.create(widget("a", json!({"size": 1}))).await.unwrap();
        let again = LocalApi::builder(store, env.child("two"), Arc::new(Registry::built_in())).build();
        again.bootstrap().await.unwrap();
        assert!(again.registry().get(kind_of_widgets()).is_some());
        let error = again.one(Write::merge(key("a"), json!({"spec": {"size": 11}}))).await.unwrap_err();
        assert!(error.to_string().contains("should be less than or equal to 10"), "{error}");
        assert!(again.get(&key("a"), Revision::ZERO).await.is_ok());
    });
}

#[test]
fn a_definition_that_cannot_work_is_refused() {
    sim(|api, _| async move {
        let mut wrong = version("v1", true);
        let spec = &mut wrong["schema"]["openAPIV3Schema"]["properties"]["spec"];
        spec["x-kubernetes-validations"] = json!([{"rule": "self.sise < 9"}]);
        let error = api.create(definition(&[wrong.clone()])).await.unwrap_err().to_string();
        assert!(error.contains("compilation failed: ERROR: <input>:1:5: undefined field 'sise'"), "{error}");
        let spec = &mut wrong["schema"]["openAPIV3Schema"]["properties"]["spec"];
        spec["x-kubernetes-validations"] = json!([]);
        spec["properties"]["color"]["pattern"] = "(".into();
        let error = api.create(definition(&[wrong])).await.unwrap_err().to_string();
        assert!(error.contains("must be a valid regular expression"), "{error}");
    });
}

/// What is never converted needs no webhook.
#[test]
fn a_kind_that_webhooks_convert_is_served_in_the_version_that_is_stored() {
    sim(|api, _| async move {
        let mut webhook = definition(&[version("v1", true), version("v2", false)]);
        webhook["spec"]["conversion"] = json!({"strategy": "Webhook", "webhook": {"conversionReviewVersions": ["v1"],
            "clientConfig": {"url": "https://a.example/convert"}}});
        api.create(webhook).await.unwrap();
        assert_eq!(conditions(&api, &definition_key()).await[1], "Established=True InitialNamesAccepted");
        let info = api.registry().get(kind_of_widgets()).unwrap();
        assert_eq!(info.versions, ["v1".into()]);
        let mut other = widget("a", json!({"size": 1}));
        other["apiVersion"] = "shop.example/v2".into();
        assert!(api.create(other).await.is_err(), "it would have to be converted");
        api.create(widget("a", json!({"size": 1}))).await.unwrap();
        let stored = json!([{"op": "replace", "path": "/spec/versions/0/storage", "value": false},
            {"op": "replace", "path": "/spec/versions/1/storage", "value": true}]);
        let patch = Write::new(definition_key(), Verb::Patch(Patch::Json(stored.into())));
        api.one(patch).await.unwrap();
        assert_eq!(conditions(&api, &definition_key()).await[1], "Established=False ConversionUnsupported");
        assert!(api.registry().get(kind_of_widgets()).is_none(), "what is stored would have to be converted");
    });
}

#[test]
fn a_kind_that_a_program_registers_needs_no_definition() {
    sim(|api, _| async move {
        let info = orch_core::KindInfo::new(kind_of_widgets(), "v1", "Widget", orch_core::Scope::Namespaced);
        api.registry().register(info).unwrap();
        let live = api.create(widget("a", json!({"any": null, "size": "x"}))).await.unwrap();
        assert_eq!(live.tree()["spec"], json!({"any": null, "size": "x"}));
        let live = api.one(Write::merge(key("a"), json!({"spec": {"size": 1}}))).await.unwrap();
        assert_eq!(live.header().generation, 2);
    });
}
